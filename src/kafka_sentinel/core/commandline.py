"""A command as people write it: a list of words, some with placeholders. No shell ever reads it.

What is put into the placeholders is not ours to trust: a host name comes from the brokers. One that would be read as an
option, or is none, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter

PLACEHOLDERS = ("id", "host", "port", "experiment", "run")
MAX_WORDS = 64
MAX_WORD = 1_000  # characters
MAX_VALUE = 253  # characters of what is put in: the longest name of a host
ALLOWED = f"a list of 1 to {MAX_WORDS} words, each at most {MAX_WORD} characters, with {{id}}, {{host}} and the like"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


class CommandLineError(ValueError):
    """A command that cannot be taken as written, or filled in. The message repeats none of its words."""


def check(words: Sequence[str]) -> None:
    """Raise CommandLineError if `words` are no command."""
    if not 1 <= len(words) <= MAX_WORDS or max(map(len, words)) > MAX_WORD:
        raise CommandLineError(f"it has {len(words)} words; allowed is {ALLOWED}")
    for number, word in enumerate(words):
        used = _placeholders(word, number)
        if "\0" in word or (number == 0 and (used or not word.strip())):
            raise CommandLineError(f"word {number} is no {'word' if number else 'name of a program'}")


def fill(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the words with everything put in. Raises CommandLineError where a value is missing or not plain."""
    used = {name for number, word in enumerate(words) for name in _placeholders(word, number)}
    for name in sorted(used):
        value = values.get(name, "")
        if not value:
            raise CommandLineError(f"{{{name}}} is not known of this target")
        if len(value) > MAX_VALUE or not _PLAIN.fullmatch(value):
            raise CommandLineError(f"{{{name}}} would be {value[:60]!r}, which is no plain name or number")
    return [word.format(**values) for word in words]


def _placeholders(word: str, number: int) -> list[str]:
    """Return the names in braces. Braces themselves are written twice."""
    try:
        parts = list(Formatter().parse(word))
    except ValueError:
        raise CommandLineError(f"word {number} has a single brace; {{{{ and }}}} stand for one") from None
    found = []
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in PLACEHOLDERS or form or conversion:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise CommandLineError(f"word {number} has the placeholder {{{name[:60]}}}; allowed are {known}")
        found.append(name)
    return found

"""What is wrong with a configuration, in sentences: the key, where it stands, what was found, what is allowed.

No sentence repeats a value that may be a secret: neither the value of an unknown key (it may be a misspelt password),
nor anything given where a whole section was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from kafka_sentinel.core.schedule import ScheduleError
from kafka_sentinel.core.targets import TargetError
from kafka_sentinel.core.text import one_line
from kafka_sentinel.settings.describe import allowed, fields_of, item_of, keys, section_of, without_none
from kafka_sentinel.settings.model import Settings

Path = tuple[int | str, ...]  # of keys and indexes of lists
SHOWN_CHARACTERS = 60
MAX_SENTENCE = 3_000  # characters; the longest says all that is allowed
MAX_NAME = 120  # characters of a wrong name that is compared with the right ones: that costs its square
KINDS = {dict: "a section", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


class ConfigurationError(Exception):
    """The configuration cannot be used. `problems`: one sentence each, at least one, fit to be shown."""

    def __init__(self, problems: Sequence[str]) -> None:
        # Names of keys are what others wrote.
        self.problems = tuple(one_line(problem, MAX_SENTENCE) for problem in problems)
        super().__init__("\n".join(self.problems))


class Place(NamedTuple):
    """What a path into the configuration leads to: a key (field) or a section (model); None where it leads nowhere."""

    field: FieldInfo | None
    section: type[BaseModel] | None


def locate(path: Path) -> Place:
    section: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for step in path:
        if isinstance(step, int):
            section = item_of(field) if field is not None else None
            continue
        field = fields_of(section).get(step) if section is not None else field
        section = section_of(field) if field is not None and section is not None else None
    return Place(field, section)


def dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def nearest(wrong: str, names: Sequence[str]) -> str | None:
    """Return the name most like `wrong`, or None if none is alike. Case, - and _ make no difference."""
    if len(wrong) > MAX_NAME:
        return None
    plain = {name.lower().replace("-", "").replace("_", ""): name for name in names}
    close = get_close_matches(wrong.lower().replace("-", "").replace("_", ""), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def nearest_key(path: Path, siblings: Sequence[str]) -> str | None:
    """Return the full name of the key that was probably meant: a sibling, or a key of that very name elsewhere."""
    wrong = str(path[-1])
    if (sibling := nearest(wrong, siblings)) is not None:
        return dotted((*path[:-1], sibling))
    same = [key.name for key in keys() if key.path[-1] == wrong.lower()]
    return same[0] if len(same) == 1 else nearest(dotted(path), [key.name for key in keys()])


def sentences(error: ValidationError, source: Callable[[Path], str]) -> list[str]:
    """Return one sentence for each error. `source` says where a path was given, for example "sentinel.yaml line 3"."""
    return [_sentence(detail, source) for detail in error.errors(include_url=False)]


def _sentence(detail: ErrorDetails, source: Callable[[Path], str]) -> str:
    path = detail["loc"]
    name = dotted(path) or "the configuration"
    where = f"{source(path)}: " if source(path) else ""
    if detail["type"] == "extra_forbidden":
        return f"{where}{name} is not a known key{_hint(path)}"
    if detail["type"] == "missing":
        return f"{where}{name} is missing; allowed: {_allowed(path)}"
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, ScheduleError | TargetError) or (error is not None and locate(path).section is not None):
        return f"{where}{name}: {error}"  # these say themselves what was found and what is allowed
    reason = f" ({error})" if error is not None else ""
    return f"{where}{name}: found {_found(path, detail['input'])}{reason}; allowed: {_allowed(path)}"


def _hint(path: Path) -> str:
    parent = locate(path[:-1]).section
    siblings = list(fields_of(parent)) if parent is not None else []
    meant = nearest_key(path, siblings)
    question = f"; did you mean {meant}?" if meant is not None else ""
    return f"{question} (allowed here: {', '.join(siblings)})"


def _allowed(path: Path) -> str:
    field, section = locate(path)
    if section is not None:
        return f"a section with the keys {', '.join(fields_of(section))}"
    return allowed(field) if field is not None else "nothing"


def _found(path: Path, value: object) -> str:
    """Say what was given: scalars of keys that are no secrets as they are, everything else by its kind."""
    field, section = locate(path)
    secret = field is None or without_none(field.annotation) is SecretStr or "properties" in path
    if secret or section is not None or isinstance(value, dict | list):
        return "nothing" if value is None else KINDS.get(type(value), "a value")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"

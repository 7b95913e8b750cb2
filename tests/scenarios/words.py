"""What the engine makes known, in the order in which it is said first: the same words, whatever world it runs in."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase as fnmatch

from kafka_sentinel.core.commands import Command, Count, Log

_COUNTED = {
    "records_verified_total": "verified",
    "records_duplicated_total": "duplicated",
    "records_reordered_total": "reordered",
    "records_corrupted_total": "corrupted",
    "records_conflicting_total": "conflicting",
    "records_foreign_total": "foreign",
    "records_expired_total": "expired",
    "records_unaccounted_total": "unaccounted",
    "log_truncations_total": "the log went back",
    "invariant_violations_total": "contradiction",
}
_SAID = {
    "acknowledged records lost": "lost",
    "incident opened": "incident",
    "probe topic was deleted and made anew": "topic made anew",
}


class Words:
    """Feed it all commands of the engine. `said`: each word once."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def take(self, commands: Iterable[Command]) -> None:
        for command in commands:
            word = _word(command)
            if word and word not in self.said:
                self.said.append(word)


def _word(command: Command) -> str:
    match command:
        case Count(metric="records_uncertain_resolved_total", labels=labels):
            return dict(labels)["result"]
        case Count(metric=metric):
            return _COUNTED.get(metric, "")
        case Log(event="incident closed", fields=fields):
            return f"incident {fields['verdict']}"
        case Log(event=event):
            return _SAID.get(event, "")
    return ""


def differs(said: list[str], stages: tuple[frozenset[str], ...], may: frozenset[str]) -> str:
    """Return how what was said differs from what is to be said, "" if it does not.

    Within a stage any order will do. `may`: words that may be said, or not, at any time.
    """
    left = [word for word in said if word not in may]
    for stage in stages:
        now, left = left[: len(stage)], left[len(stage) :]
        if len(now) < len(stage) or not all(any(fnmatch(word, wanted) for wanted in stage) for word in now):
            return f"{sorted(stage)} expected, said {now or 'nothing more'}: {said}"
    return f"said besides: {left}" if left else ""

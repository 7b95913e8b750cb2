"""What the detector is drilled with: one story for each anomaly, and one in which nothing happened.

Each story does one thing to the log of a `Shadow`, and says what has to become known of it: that, as often as it
was done, and nothing else. The story without an anomaly is full of what only looks like one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from kafka_sentinel.core.shadow import OFTEN, PARTITION, RUN, MakeDesk, Shadow, encoder
from kafka_sentinel.core.types import Instant, Span

STRANGE = b"not a probe record"
BEFORE = 8  # records that are proved first, so that there is a log to do something to


class Anomaly(StrEnum):
    """In the order in which they are drilled."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    CORRUPTED = "corrupted"
    CONFLICTING = "conflicting"
    FOREIGN = "foreign"
    LATE = "late"


Story = Callable[[Shadow], Mapping[str, int]]  # plays it, and returns what is to be told of it


def _nothing(shadow: Shadow) -> Mapping[str, int]:
    """What a healthy cluster does too: a broker left behind by its own, a given-up record, retention."""
    shadow.produce(2)
    shadow.read()
    shadow.turned_away(BEFORE)  # by a leader that has been replaced, whose log ends there,
    shadow.former_leader = BEFORE  # and it answers the re-read, too
    shadow.settle()
    first = shadow.send(2)
    shadow.write(first)
    shadow.gave_up(first, 2)  # of these one was written, and one was not
    shadow.settle()
    shadow.produce(1)
    shadow.log_start = len(shadow.log)  # passes it unread
    shadow.turned_away(len(shadow.log))
    return {"expired": 1}


def _lost(shadow: Shadow) -> Mapping[str, int]:
    """A leader that lacks one record that was read and two that were not."""
    shadow.produce(2)
    shadow.cut(BEFORE - 1)
    shadow.produce(1)
    return {"lost": 3}


def _lost_unnoticed(shadow: Shadow) -> Mapping[str, int]:
    """A leader lacks records that were read, and others fill its log again before anybody can be told."""
    shadow.cut(BEFORE - 2)
    for _ in range(3):
        shadow.put(STRANGE)
    return {"lost": 2, "foreign": 3}


def _duplicated(shadow: Shadow) -> Mapping[str, int]:
    first = shadow.send(2)
    offset = shadow.write(first, first + 1, first)
    shadow.acked(Span(first, 2, offset))
    return {"duplicated": 1}


def _reordered(shadow: Shadow) -> Mapping[str, int]:
    first = shadow.send(2)
    offset = shadow.write(first + 1, first)
    shadow.acked(Span(first + 1, 1, offset), Span(first, 1, offset + 1))
    return {"reordered": 1}


def _corrupted(shadow: Shadow) -> Mapping[str, int]:
    first = shadow.send(3)
    offset = shadow.write(first)
    shadow.write_damaged(first + 1)
    shadow.write(first + 2)
    shadow.acked(Span(first, 3, offset))
    return {"corrupted": 1}


def _conflicting(shadow: Shadow) -> Mapping[str, int]:
    """One record for the verifier, another for a fresh reader. Both were given up, so that nothing is lost by it."""
    first = shadow.send(2)
    offset = shadow.write(first)
    shadow.gave_up(first, 2)
    shadow.produce(1)
    shadow.read()
    shadow.replace(offset, first + 1)
    shadow.wait(OFTEN)
    shadow.answer()  # before it counts as absent, lest it be late as well
    return {"conflicting": 1}


def _foreign(shadow: Shadow) -> Mapping[str, int]:
    """No record of a Sentinel, one of another Sentinel, and one of another partition."""
    shadow.put(STRANGE)
    us = shadow.desk.instance
    shadow.put(encoder(us ^ 1, RUN + 1, PARTITION.partition).encode(0, 0, 0))
    shadow.put(encoder(us, RUN, PARTITION.partition + 1).encode(0, 0, 0))
    return {"foreign": 3}


def _late(shadow: Shadow) -> Mapping[str, int]:
    """A record given up and settled as absent turns up. By then it stands behind later ones."""
    first = shadow.send(1)
    shadow.gave_up(first, 1)
    shadow.settle()
    shadow.write(first)
    return {"late": 1, "reordered": 1}


# Of each anomaly, and None of none: its stories, and in which of them what was read is read again in the background.
STORIES: Mapping[Anomaly | None, tuple[tuple[Story, bool], ...]] = {
    None: ((_nothing, False),),
    Anomaly.LOST: ((_lost, False), (_lost_unnoticed, True)),
    Anomaly.DUPLICATED: ((_duplicated, False),),
    Anomaly.REORDERED: ((_reordered, False),),
    Anomaly.CORRUPTED: ((_corrupted, False),),
    Anomaly.CONFLICTING: ((_conflicting, True),),
    Anomaly.FOREIGN: ((_foreign, False),),
    Anomaly.LATE: ((_late, False),),
}


class Played(NamedTuple):
    """How a story ended. `problem` says in words what went wrong, "" if nothing did.

    `wrong`: what was told more or less often than it happened, what is left open, or what was raised.
    """

    wrong: frozenset[str] = frozenset()
    problem: str = ""


def play(anomaly: Anomaly | None, make: MakeDesk, at: Instant) -> Played:
    """Play the stories of an anomaly, or the one without any, each before a desk of its own.

    Whatever they raise is told as a problem.
    """
    try:
        ended = [_play(story, Shadow(make, at, background=background)) for story, background in STORIES[anomaly]]
    except Exception as error:  # noqa: BLE001 - whatever ails the detector here must not end the one that works
        return Played(frozenset({type(error).__name__}), f"{type(error).__name__}: {error}")
    wrong = frozenset(name for each in ended for name in each.wrong)
    return Played(wrong, "; ".join(each.problem for each in ended if each.problem))


def _play(story: Story, shadow: Shadow) -> Played:
    shadow.produce(BEFORE)
    shadow.read()
    wanted = story(shadow)
    shadow.settle()
    found, open_still = shadow.told, shadow.left_open()
    wrong = [name for name in sorted(found.keys() | wanted.keys()) if found[name] != wanted.get(name, 0)]
    words = [f"{name}: {found[name]}, not {wanted.get(name, 0)}" for name in wrong]
    words += [f"{name} at the end: {number}" for name, number in open_still.items()]
    if shadow.lost != shadow.gone and "lost" not in wrong:
        wrong.append("lost")
        words.append(f"lost: sequences {sorted(shadow.lost)}, not {sorted(shadow.gone)}")
    return Played(frozenset([*wrong, *open_still]), "; ".join(words))

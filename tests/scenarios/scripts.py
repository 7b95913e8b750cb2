"""Scenarios that real brokers and the simulator go through alike, each with the verdicts it has to lead to.

A scenario is a script of what is done to three brokers with one probe partition, and stages of words (words.py): a
stage is said before the next one, within it any order will do. Anything said besides is a difference,
unless it depends on the machine (`may`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

FOLLOWED = 100  # records that are proved first


class Bench(Protocol):
    """What a script may do, and wait for. Brokers are numbered from 1."""

    def leader(self) -> int: ...
    def in_sync(self) -> set[int]: ...
    def records(self, name: str) -> int:
        """Return a figure of the accounts of the only acknowledgement level there is."""

    def said(self) -> list[str]: ...
    def until(self, true: Callable[[], object], what: str, within: float = 60.0) -> None: ...
    def wait(self, seconds: float) -> None: ...

    def kill(self, broker: int) -> None: ...
    def start(self, broker: int, *, empty: bool = False) -> None: ...
    def pause(self, broker: int) -> None: ...
    def resume(self, broker: int) -> None: ...

    def write_foreign(self) -> None: ...
    def write_damaged(self) -> None: ...
    def hold_reader(self) -> None: ...
    def release_reader(self) -> None: ...
    def delete_records(self, left: int) -> None:
        """Delete all but about the newest `left` acknowledged records."""

    def remake_topic(self) -> None: ...


@dataclass(frozen=True)
class Scenario:
    """`idempotent` false: a client that sends again what is not answered soon."""

    name: str
    play: Callable[[Bench], None]
    stages: tuple[frozenset[str], ...]
    acks: str = "all"
    min_isr: int = 2
    unclean: bool = False
    idempotent: bool = True
    full: bool = field(default=False, kw_only=True)  # on real brokers at full length only
    # What may be said as well: whether a record is given up depends on how long an outage lasts on that machine.
    may: frozenset[str] = frozenset({"present", "absent"})


def _stages(*words: str) -> tuple[frozenset[str], ...]:
    """Make stages of "one", "two | three", "any *"."""
    return tuple(frozenset(stage.split(" | ")) for stage in words)


def _more(bench: Bench, count: int, name: str = "verified") -> None:
    goal = bench.records(name) + count
    bench.until(lambda: bench.records(name) >= goal, f"{goal} {name}")


def _say(bench: Bench, word: str) -> None:
    bench.until(lambda: word in bench.said(), f"it to say {word!r}")


def _closed(bench: Bench) -> None:
    bench.until(lambda: any(word.startswith("incident ") for word in bench.said()), "the incident to be closed", 120.0)


def _others(bench: Bench) -> list[int]:
    leader = bench.leader()
    return [broker for broker in (1, 2, 3) if broker != leader]


def _leave_alone(bench: Bench, away: Callable[[int], None]) -> tuple[int, list[int]]:
    """Take the followers away, and have the leader write on by itself. Returns it and them."""
    _more(bench, FOLLOWED)
    leader, others = bench.leader(), _others(bench)
    for broker in others:
        away(broker)
    bench.until(lambda: bench.in_sync() == {leader}, "a lonely leader")
    _more(bench, FOLLOWED)
    return leader, others


_IN_TIME_OR_NOT = "incident *"  # how soon brokers are back depends on the machine
_LOST = _stages("verified", "incident", "the log went back", "lost", "incident failed")


# --- the scripts


def _calm(bench: Bench) -> None:
    _more(bench, 3 * FOLLOWED)


def _leader_dies(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    leader = bench.leader()
    bench.kill(leader)
    _more(bench, FOLLOWED)
    bench.start(leader)
    _closed(bench)


def _leader_hangs(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    leader = bench.leader()
    bench.pause(leader)
    _more(bench, FOLLOWED)
    bench.resume(leader)
    _closed(bench)


def _all_die(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    for broker in (1, 2, 3):
        bench.kill(broker)
    bench.wait(3.0)
    for broker in (1, 2, 3):
        bench.start(broker)
    _more(bench, FOLLOWED)
    _closed(bench)


def _all_die_for_long(bench: Bench) -> None:
    """Longer than a record is tried for: it is given up, and was never written."""
    _more(bench, FOLLOWED)
    for broker in (1, 2, 3):
        bench.kill(broker)
    bench.wait(15.0)
    for broker in (1, 2, 3):
        bench.start(broker)
    _say(bench, "absent")
    _closed(bench)


def _unclean(bench: Bench) -> None:
    """Two replicas fall out of sync, the third one writes on and dies with its disk: an old log leads again."""
    leader, others = _leave_alone(bench, bench.pause)
    bench.kill(leader)
    for broker in others:
        bench.resume(broker)
    _say(bench, "lost")
    bench.start(leader, empty=True)
    _closed(bench)


def _leader_returns_empty(bench: Bench) -> None:
    leader, others = _leave_alone(bench, bench.kill)
    bench.kill(leader)
    bench.start(leader, empty=True)
    _say(bench, "lost")
    for broker in others:
        bench.start(broker)
    _closed(bench)


def _acks_one(bench: Bench) -> None:
    """Followers in sync have not copied yet what acks=1 promised, and lead: a clean election."""
    _more(bench, FOLLOWED)
    leader, others = bench.leader(), _others(bench)
    for broker in others:
        bench.pause(broker)
    _more(bench, FOLLOWED // 2, "acked")
    bench.kill(leader)
    for broker in others:
        bench.resume(broker)
    _say(bench, "lost")
    bench.start(leader, empty=True)
    _closed(bench)


def _strangers(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    bench.write_foreign()
    _say(bench, "foreign")
    bench.write_damaged()
    _say(bench, "corrupted")
    _more(bench, FOLLOWED)


def _passed_by_retention(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    bench.hold_reader()
    bench.wait(6.0)  # longer than either world lets a reader be silent
    _more(bench, FOLLOWED, "acked")
    bench.delete_records(left=20)
    bench.release_reader()
    _say(bench, "expired")
    _closed(bench)


def _retention_behind(bench: Bench) -> None:
    """What had been verified leaves the log: nothing is to be said."""
    _more(bench, 2 * FOLLOWED)
    bench.delete_records(left=20)
    _more(bench, 2 * FOLLOWED)


def _made_anew(bench: Bench) -> None:
    _more(bench, FOLLOWED)
    bench.hold_reader()
    _more(bench, FOLLOWED, "acked")
    bench.remake_topic()
    _say(bench, "unaccounted")
    _more(bench, FOLLOWED)
    _closed(bench)


def _written_again(bench: Bench) -> None:
    """A follower hangs for a while: what is not answered in time is sent and written again."""
    _more(bench, FOLLOWED)
    follower = _others(bench)[0]
    bench.pause(follower)
    bench.wait(2.0)
    bench.resume(follower)
    _say(bench, "duplicated")
    _closed(bench)


SCENARIOS = (
    Scenario("calm", _calm, _stages("verified")),
    Scenario("leader dies", _leader_dies, _stages("verified", "incident", "incident passed")),
    Scenario("leader hangs", _leader_hangs, _stages("verified", "incident", "incident passed"), full=True),
    Scenario("all brokers die", _all_die, _stages("verified", "incident", _IN_TIME_OR_NOT), full=True),
    Scenario(
        "all brokers die for long",
        _all_die_for_long,
        _stages("verified", "incident", "absent", _IN_TIME_OR_NOT),
        may=frozenset({"present", "duplicated"}),  # what is sent again after that, by another epoch of the producer
        full=True,
    ),
    Scenario("unclean election", _unclean, _LOST, min_isr=1, unclean=True, full=True),
    Scenario("leader returns empty", _leader_returns_empty, _LOST, min_isr=1, full=True),
    Scenario(
        "acks=1 and a clean election",
        _acks_one,
        _stages("verified", "incident", "the log went back", "lost", "incident passed"),
        acks="1",
        full=True,
    ),
    Scenario("strangers", _strangers, _stages("verified", "foreign", "corrupted")),
    Scenario(
        "passed by retention",
        _passed_by_retention,
        _stages("verified", "incident", "expired", "incident passed"),
        full=True,
    ),
    Scenario("retention behind the reader", _retention_behind, _stages("verified"), full=True),
    Scenario(
        "topic made anew",
        _made_anew,
        _stages("verified", "incident", "topic made anew", "unaccounted", "incident passed"),
        may=frozenset({"present", "absent", "the log went back"}),  # so a reader says that is quicker than metadata
        full=True,
    ),
    Scenario(
        "written again",
        _written_again,
        _stages("verified", "incident", "duplicated", "incident passed"),
        may=frozenset({"present", "absent", "reordered"}),  # where requests overtake each other, as they may
        idempotent=False,
        full=True,
    ),
)

"""Once all is calm: the whole log, read by another client, against what Sentinel says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient
from tests.kafka import truth
from tests.soak import judge
from tests.soak.cards import ACKED, DELETED, EITHER, OLD, READ, SEEN, STANDS, Cards
from tests.soak.daemon import Daemon
from tests.soak.faults import Faults
from tests.soak.journal import Journal
from tests.soak.judge import Excuses, Judge
from tests.soak.witness import partitions_of

WHOLE = 180.0  # seconds until all replicas are in sync
SETTLED = 300.0  # … until nothing is open any more
RIGHT = 300.0  # … until the background recheck has found what it has to find
READ_LOG = 600.0  # … for one partition to be read
SLACK = 90.0  # seconds by which an incident may begin before or after a fault that explains it
COUNTED = ("duplicated", "reordered", "foreign", "corrupted")
INCIDENTS_KEPT = 100  # by Sentinel, before the oldest are let go
LOSSES_KEPT = 100


class Base(NamedTuple):
    """What Sentinel had counted, and what the log showed, when they were compared last."""

    figures: Counter[str]
    shown: Counter[str]


class Comparison:
    def __init__(
        self, bootstrap: str, topics: dict[str, str], *, daemon: Daemon, cards: Cards, faults: Faults, journal: Journal
    ) -> None:
        self._bootstrap, self._topics, self._daemon = bootstrap, topics, daemon
        self._cards, self._faults, self._journal = cards, faults, journal
        self._then = cards  # as they were when the logs were read last
        self._base: dict[str, Base] = {level: Base(Counter(), Counter()) for level in topics}
        self._vanished: Counter[str] = Counter()
        self._states = 0  # how many lives had begun without the newest state by then
        self.made: Counter[str] = Counter()  # what was compared, and how often
        self.undecidable = 0

    def make(self) -> list[str]:
        """Return what is not as it must be. What may still be found is waited for."""
        problem = self._until(self._faults.whole, WHOLE, "all replicas in sync")
        if problem:
            return [problem]
        problem = self._until(lambda: not self._unsettled(), SETTLED, "all settled")
        until = time.monotonic() + (0.0 if problem else RIGHT)
        while True:
            found = self._compare()
            if found.false or not found.open or time.monotonic() > until:
                break
            time.sleep(5)
        self.undecidable = found.undecidable
        wrong = [*([problem] if problem else []), *found.false, *found.open]
        if not wrong:
            self._remember()
        return wrong

    def _until(self, predicate: Callable[[], bool], seconds: float, what: str) -> str:
        until = time.monotonic() + seconds
        while not predicate():
            if time.monotonic() > until:
                return f"not within {seconds:.0f} s: {what}: {self._unsettled()}"
            time.sleep(0.5)
        return ""

    def _unsettled(self) -> list[str]:
        """Say what is still open; something if the daemon does not answer."""
        status = self._daemon.status
        if not status:
            return ["the daemon does not answer"]
        found = [
            f"acks={level}: {figures[name]} {name}"
            for level, figures in status["records"].items()
            for name in ("suspected", "unresolved", "overdue")
            if figures[name]
        ]
        found += [f"incident {one['id']}: {one['reasons']}" for one in status["incidents"] if not one["closed_at"]]
        if status["now"] - status["started_at"] < 15:
            found.append("it has just started")
        return found

    # --- one look

    def _compare(self) -> judge.Found:
        state, status = self._fresh_state(), self._daemon.status
        self._daemon.tap.refresh()
        self._then = self._cards.copy()
        self._read_all()
        lost = judge.lost_in(self._daemon.heard_of("acknowledged records lost"))
        faults = self._faults
        excuses = Excuses(
            frozenset(faults.deleted),
            frozenset(faults.deleted_then_cut),
            frozenset(faults.damaged),
            frozenset(faults.forgotten),
        )
        found = Judge(self._then, excuses).judge(state, lost)
        self.made["records"] += found.compared
        counts = self._counts(status, lost)
        return found._replace(false=[*found.false, *self._incidents(status)], open=[*found.open, *counts])

    def _fresh_state(self) -> dict[str, Any]:
        """Return a state that was saved from now on."""
        asked = time.time()
        self._until(
            lambda: self._daemon.state_file.exists() and self._daemon.state()["alive_at"] > asked, 60, "a state"
        )
        return self._daemon.state()

    def _read_all(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        levels = {topic: level for level, topic in self._topics.items()}
        for where in sorted(partitions_of(admin, levels)):
            copy = truth.read_log(self._bootstrap, self._topics[where[0]], where[1], READ_LOG)
            self._then.full_read(where, copy.records)
            self._cards.met(where, copy.records, SEEN)
            self.made["logs read"] += 1

    # --- figures

    def shown(self, level: str) -> Counter[str]:
        return judge.sums(each for where, each in self._then.shown.items() if where[0] == level)

    def vanished(self, level: str) -> int:
        """Return a number that grows if a record that somebody was told of stands no more, and nothing explains it."""
        left = STANDS | DELETED | OLD | EITHER
        return sum(self._then.count(level, flag, left) for flag in (ACKED, READ, SEEN))

    def gone(self, level: str) -> int:
        """Return how many were acknowledged and are gone, and neither deleted nor went with their topic."""
        return self._then.count(level, ACKED, STANDS | DELETED | OLD | EITHER)

    def _counts(self, status: dict[str, Any], lost: judge.Lost) -> list[str]:
        return [
            sentence
            for level in self._topics
            for sentence in (*self._met_in_log(level, status), *self._sums_of_losses(level, status, lost))
        ]

    def _met_in_log(self, level: str, status: dict[str, Any]) -> list[str]:
        """Of a log that was only appended to since they were compared last, both must have grown by the same."""
        figures, shown, base = Counter(status["records"][level]), self.shown(level), self._base[level]
        if level in self._faults.touched or self.vanished(level) != self._vanished[level]:
            return self._at_least(level, figures, shown)
        if self._daemon.forgot > self._states:
            base = Base(Counter(), Counter())  # nothing was remembered, so all of it was counted again
            if figures["duplicated"] == shown["duplicated"]:
                self.made[f"exact counts, acks={level}"] += 1
                return []
            return self._at_least(level, figures, shown)
        wrong = [
            f"acks={level}: {name} grew by {figures[name] - base.figures[name]},"
            f" in the log by {shown[name] - base.shown[name]}"
            for name in COUNTED
            if figures[name] - base.figures[name] != shown[name] - base.shown[name]
        ]
        self.made[f"exact counts, acks={level}"] += not wrong
        return wrong

    @staticmethod
    def _at_least(level: str, figures: Counter[str], shown: Counter[str]) -> list[str]:
        return [
            f"acks={level}: {name} is {figures[name]}, but {shown[name]} stand in the log"
            for name in ("duplicated", "foreign", "corrupted")
            if figures[name] < shown[name]
        ]

    def _sums_of_losses(self, level: str, status: dict[str, Any], lost: judge.Lost) -> list[str]:
        """As long as no life forgot anything: each loss is counted once, and charged once."""
        if self._daemon.forgot:
            return []
        self.made[f"sums of losses, acks={level}"] += 1
        said = sum(len(sequences) for key, sequences in lost.items() if key[0] == level)
        figure = status["records"][level]["lost"]
        wrong = [] if said == figure else [f"acks={level}: lost is {figure}, but the evidence names {said} records"]
        incidents = status["incidents"]
        charged = sum(one["lost_by_acks"][level] for one in incidents)
        if charged != figure and len(incidents) < INCIDENTS_KEPT:
            wrong.append(f"acks={level}: lost is {figure}, but incidents are charged with {charged}")
        losses = status["losses"]
        shown = sum(one["count"] for one in losses if one["acks"] == level)
        if shown != figure and len(losses) < LOSSES_KEPT:
            wrong.append(f"acks={level}: lost is {figure}, but the evidence it shows names {shown} records")
        return wrong

    def _incidents(self, status: dict[str, Any]) -> list[str]:
        """Nothing but what the soak did can lose records, and outside of Kubernetes nobody knows a cause."""
        wrong = []
        for one in status["incidents"]:
            self.made["incidents"] += 1
            said = f"incident {one['id']} of {one['started_at']:.0f}"
            if one["cause"] != "unknown":
                wrong.append(f"{said}: its cause is {one['cause']}")
            if any(one["lost_by_acks"].values()) and not self._journal.explains(one["started_at"], slack=SLACK):
                wrong.append(f"{said}: it lost {one['lost_by_acks']}, but there was no fault then")
        return wrong

    def _remember(self) -> None:
        status = self._daemon.status
        for level in self._topics:
            self._base[level] = Base(Counter(status["records"][level]), self.shown(level))
            self._vanished[level] = self.vanished(level)
        self._states = self._daemon.forgot
        self._faults.touched.clear()

"""Lives of the production engine, and what Prometheus would have scraped of them.

A world tells the engine what happens to a small Kafka on spot nodes; the metrics are the daemon's own. So the series
that rules are tried on, and dashboards filled with, are what Sentinel really says, in the order in which it says it.
"""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import Any

from tests.alerts.promtool import LOOKED_AT
from tests.core.engine_world import INTERVAL, RUN
from tests.core.kubernetes.raw import event
from tests.core.kubernetes_world import NOTICE, SECTIONS, KubernetesWorld, broker_name

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.commands import Command, Count, Observe, Recheck, SaveState
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    Event,
    FaultInjected,
    GroupCommitted,
    GroupRead,
    RecheckDone,
    RecordsAcked,
    RecordsRead,
    StateSaved,
    WatchAlive,
)
from kafka_sentinel.core.experiment_run import Run, RunState
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import PodRef, Sighting, SightingKind, Span
from kafka_sentinel.display import Display
from kafka_sentinel.settings import Settings

SCRAPE = 15.0  # seconds
KAFKA = "stage"
MIN_ISR = 2
OWN = {
    **SECTIONS,
    "kafka": {"cluster_name": KAFKA},
    "experiments": {
        "armed_for": "cluster",
        "items": [{"name": "kill", "fault": "pod-crash", "target": "leader", "every": "1d"}],
    },
}
Series = tuple[str, tuple[tuple[str, str], ...]]


class Life(KubernetesWorld):
    """A world whose log can go backwards, and the metrics of the Sentinel in it. `scrapes`: one each 15 seconds."""

    def __init__(self, *, web: bool = False, **more: Any) -> None:
        self._web = web  # also serve its page and metrics on a free port
        self.scrapes: list[dict[Series, float]] = []
        self.display: Display | None = None
        self.life = 0  # of Sentinel
        self._log: list[tuple[int, int]] = []  # run and sequence, by offset
        self._open: list[int] = []  # sequences nobody has answered for
        self._epoch = 0
        self._next_scrape = math.inf
        super().__init__(**OWN, **more)
        self.born = self.wall
        self._begin()

    def _begin(self) -> None:
        """A process begins: its counters are at 0."""
        self.life += 1
        http = {"host": "127.0.0.1", "port": 0}
        settings = Settings.model_validate({"probe": {"interval": INTERVAL}, "http": http, **OWN})
        self.display = Display(settings, self.engine.config, tick_age=lambda: 0.0, web=self._web)
        self.display.start()
        self._open = []
        self._next_scrape = self.mono

    # --- what is scraped

    def step(self, event: Event) -> list[Command]:
        commands = super().step(event)
        for command in commands:
            if self.display is not None and isinstance(command, Count | Observe):
                self.display.metrics.apply(command)
        return commands

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / INTERVAL)):
            super().wait(INTERVAL)
            if self.display is not None and self.mono >= self._next_scrape:
                self._next_scrape += SCRAPE
                self.publish()
                self.scrapes.append(self._samples())

    def publish(self) -> None:
        assert self.display is not None
        self.display.publish_engine(self.engine, waiting=0)

    def _samples(self) -> dict[Series, float]:
        """Return what rules look at, by its series. Instants count from the beginning, as they do in promtool."""
        assert self.display is not None
        found = {}
        for family in self.display.metrics.registry.restricted_registry(LOOKED_AT).collect():
            for sample in family.samples:
                labels = tuple(sorted({**sample.labels, "instance": f"pod-{self.life}"}.items()))
                told = sample.name.endswith("_timestamp_seconds")
                found[sample.name, labels] = sample.value - self.born if told else sample.value
        return found

    def input_series(self) -> list[dict[str, str]]:
        """Return the scrapes as promtool takes them; a series that went is stale from then on."""
        names = {series: None for scrape in self.scrapes for series in scrape}
        result = []
        for name, labels in names:
            values = [scrape.get((name, labels)) for scrape in self.scrapes]
            words, before = [], None
            for value, group in groupby(values):
                count = len(list(group))
                if value is not None:
                    words.append(f"{value:.10g}x{count - 1}")
                else:
                    words.append("stale" if before is not None else f"_x{count}")
                    words += [f"_x{count - 1}"] if before is not None and count > 1 else []
                before = value
            text = ", ".join(f'{label}="{content}"' for label, content in labels)
            result.append({"series": f"{name}{{{text}}}", "values": " ".join(words)})
        return result

    # --- a log that can go backwards

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / INTERVAL)):
            self._open.append(self.sent())
            if self.leader not in self.dead and len({*self.listed} - self.dead) >= MIN_ISR:
                self._write()
            self.look()
            self.step(WatchAlive(self.now(), Kind.POD))
            self.wait(INTERVAL)
            self._answer_rechecks()

    def _write(self) -> None:
        run, start = self.engine.truth.run, len(self._log)
        first, count = self._open[0], len(self._open)
        self._log += [(run, sequence) for sequence in self._open]
        self._open = []
        latencies = (0.004,) * count
        self.step(RecordsAcked(self.now(), self.partition, run, (Span(first, count, start),), latencies))
        self.step(
            RecordsRead(self.now(), self.partition, start, len(self._log), self._sightings(start), (0.006,) * count)
        )
        self.step(GroupRead(self.now(), self.partition, start, count))
        self.step(GroupCommitted(self.now(), 0.003, None, ((self.partition, len(self._log)),)))

    def _sightings(self, start: int, end: int | None = None) -> tuple[Sighting, ...]:
        found: list[Sighting] = []
        instance = self.engine.config.instance
        for offset in range(start, len(self._log) if end is None else end):
            run, sequence = self._log[offset]
            last = found[-1] if found else None
            if last is not None and (last.run, last.first + last.count) == (run, sequence):
                found[-1] = last._replace(count=last.count + 1)
            else:
                found.append(Sighting(SightingKind.RECORD, offset, 1, self._epoch, instance, run, sequence, self.wall))
        return tuple(found)

    def truncate(self, records: int) -> None:
        """An unclean election: the new leader never had the last records."""
        del self._log[-records:]
        self._epoch += 1

    def _answer_rechecks(self) -> None:
        asked, self.commands = self.commands, []
        for command in asked:
            if isinstance(command, Recheck):
                end = min(command.end, len(self._log))
                start = min(command.start, end)
                seen = self._sightings(start, end)
                self.step(RecheckDone(self.now(), command.recheck, command.partition, start, end, 0, "topic id", seen))
            elif isinstance(command, SaveState):
                self.step(StateSaved(self.now(), command.generation))

    # --- what happens

    def restart(self, away: float = 60.0) -> None:
        """Sentinel dies, and another pod goes on with its state. Nothing is scraped meanwhile."""
        state = json.loads(json.dumps(checkpoint.to_state(self.engine)))
        self.display = None
        for _ in range(round(away / SCRAPE)):
            self.scrapes.append({})
        self.mono, self.wall = self.mono + away, self.wall + away
        self.engine = Engine(self.engine.config, run=RUN + self.life, started=self.now(), state=state)
        self.following.clear()
        self._begin()
        self.look()
        self.list_all()

    def roll(self, number: int) -> None:
        """The operator restarts a broker, which hands its partitions over before it goes."""
        self.leader = number % 3 + 1
        self.look()
        words = {
            "action": "StrimziInitiatedPodRestart",
            "reason": "ConfigChangeRequiresRestart",
            "reportingComponent": "strimzi.io/cluster-operator",
        }
        about = {"about": broker_name(number), "kind": "Pod", "about_uid": f"uid-{broker_name(number)}"}
        second = round(self.second)
        self.put(Kind.EVENT, event(first=second, namespace="kafka", about_namespace="kafka", **about, **words))
        self.delete_pod(number)
        self.listed = tuple(one for one in self.listed if one != number)
        self.run(5)
        self.make_pod(number, f"n{number}", ready=False, uid="rolled")
        self.run(25)
        self.make_pod(number, f"n{number}", uid="rolled")
        self.listed = tuple(sorted({*self.listed, number}))
        self.run(20)

    def crash_by_experiment(self, number: int) -> None:
        """An experiment takes the leader, Kafka notices after nine seconds, and all is well in a minute."""
        pods = (PodRef("kafka", broker_name(number), f"uid-{broker_name(number)}", number),)
        run = Run("r-1", "kill", "pod-crash", (number,), 0, self.wall, self.wall, pods, None, RunState.INJECTING)
        self.engine.experiments._run = run
        self.engine.experiments._entered = self.mono
        self.delete_pod(number)
        self.dead = {number}
        self.step(FaultInjected(self.now(), "r-1", (number,)))
        self.run(9)
        self.lose(number, leader=number % 3 + 1)
        self.run(20)
        self.make_pod(number, f"n{number}")
        self.dead, self.listed = set(), (1, 2, 3)
        self.run(90)

    def reclaim(self, node: str, *numbers: int, leader: int) -> None:
        """A spot node goes two minutes after its notice, with the brokers on it."""
        self.taint(node, NOTICE)
        self.run(120)
        self.dead |= set(numbers)
        self.run(9)
        self.lose(*numbers, leader=leader)
        self.run(31)
        self.drop(Kind.NODE, node)
        for number in numbers:
            self.delete_pod(number, why="DeletionByPodGC")
            self.pending_pod(number, "0/2 nodes are available: 2 node(s) had volume node affinity conflict.")

    def reclaim_and_lose(self, node: str, number: int, *, leader: int, lost: int) -> None:
        """The same of one broker, the leader; its successor, elected all the same, lacks the last records."""
        self.taint(node, NOTICE)
        self.run(120)
        self.dead = {number}
        self.run(9)
        self.lose(number, leader=leader)
        self.truncate(lost)
        self.run(31)
        self.drop(Kind.NODE, node)
        self.delete_pod(number, why="DeletionByPodGC")
        self.pending_pod(number, "0/2 nodes are available: 2 node(s) had volume node affinity conflict.")

    def lose_power_and_records(self, node: str, number: int, *, leader: int, lost: int) -> None:
        """The same without a word: Kubernetes notices after forty seconds, and the node is deleted after that."""
        self.dead = {number}
        self.run(9)
        self.lose(number, leader=leader)
        self.truncate(lost)
        self.run(31)
        self.silent(node)
        self.run(30)
        self.drop(Kind.NODE, node)
        self.delete_pod(number, why="DeletionByPodGC")
        self.pending_pod(number, "0/2 nodes are available: 2 node(s) had volume node affinity conflict.")

    def come_back(self, *numbers: int, on: str) -> None:
        for number in numbers:
            self.drop(Kind.POD, broker_name(number))
            self.make_pod(number, on)
        self.dead -= set(numbers)
        self.listed = (1, 2, 3)

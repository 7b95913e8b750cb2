"""Outages of a whole Kafka, timed by clocks of others (docs/verification.md: d).

The same t0 for all: a fault strikes between two probes, when nothing is on its way, so that the first bad slot is the
next one. What an incident says of each phase is then compared with

- the raw events of the clients, before any part of the core saw them (`produce`, `consume`),
- a writer and a reader beside Sentinel, on the same partitions, that look every 50 ms (`produce`, `consume`),
- the controller's own log of who led and who was in sync, with the controller's time stamps (`leader`, `isr`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import pytest
from tests.kafka import observer, truth
from tests.kafka.observer import Passed, Standing, first_through
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.adapters.admin import ClusterWatcher, WatchOptions
from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    FaultHealed,
    FaultInjected,
    RecordsAcked,
    RecordsRead,
    RecordsSent,
)
from kafka_sentinel.core.types import Acks
from kafka_sentinel.runtime import now

PROBE = 0.5  # seconds: the probe interval; a client waits that long to check its place with a leader that was not ready
SNAPSHOT = 0.5  # seconds: the snapshot interval
PLACED = [[1, 2, 3], [2, 3, 1], [3, 1, 2]]  # every broker leads one partition

# An instant is known to Sentinel only as the end of an interval, and an interval may just have begun when it happens:
# that is one. The other is for the way there: a client hears of a new leader, a broker of the controller's decision.
# What the observers' own looks add (their resolution, and how late a busy machine let them look) is theirs.
TWO_PROBES = 2 * PROBE
TWO_SNAPSHOTS = 2 * SNAPSHOT


class Outage(NamedTuple):
    """What the observers saw of one outage; instants of the wall clock."""

    incident: dict
    begun: tuple[float, float]  # the fault was not yet, and was certainly, in effect
    writer: observer.Writer
    reader: observer.Reader
    history: list[Standing]
    victims: frozenset[int]
    looks: list[float]  # when each of Sentinel's questions to the cluster was answered, or given up
    hung: bool = False  # a broker hung: its connections stayed open, and it said nothing


def sentinel_for(lab, topic: str, **options) -> Sentinel:
    """Objectives are wide, so that a slow machine fails no incident; slots are judged late enough for a busy one.

    The lab's session time-out is a third of Kafka's own, and so is the time after which a silent broker is given up.
    """
    sections = {
        "probe": {"manage_topic": False, "interval": PROBE, "delivery_timeout": 240, "socket_timeout": 1},
        "slo": {
            "produce": 2,
            "consume": 3,
            "recovery": dict.fromkeys(("detected", "leader", "produce", "consume", "isr", "lag", "full"), 600),
        },
        "incidents": {"settle": 3, "recheck_margin": 50},
        "cluster": {"session_timeout": 3, "snapshot_interval": SNAPSHOT, "quorum_interval": 0.5},
    }
    extra = options.pop("config", {})
    return Sentinel(configuration(lab.bootstrap_servers, topic, **sections, **extra), **options)


@contextmanager
def watched(lab, topic: str):
    servers = lab.bootstrap_servers
    with observer.Reader(servers, topic, len(PLACED)) as reader, observer.Writer(servers, topic, len(PLACED)) as writer:
        yield writer, reader


def steady(sentinel: Sentinel) -> None:
    """Wait until every partition has been written and read for a while, and no incident of the start is open."""
    sentinel.wait_verified(30)
    since: list[float] = []

    def well() -> bool:
        if any(incident["closed_at"] is None for incident in sentinel.incidents()):
            since.clear()
        since.append(time.monotonic())
        return since[-1] - since[0] > 2

    wait_for(well, 180, lambda: f"no incident: {sentinel.incidents()}")


def between_probes(sentinel: Sentinel) -> None:
    """Return just after everything that was sent has been acknowledged and read."""

    def on_its_way() -> int:
        runtime = sentinel.runtime
        sent = sum(runtime.sent.values())
        return max(sent - sum(map(len, one.values())) for one in (runtime.acked, runtime.read))

    deadline = time.monotonic() + 30
    while on_its_way() == 0 or on_its_way() > 0:  # first the next probe leaves, then it is seen through
        if on_its_way() > 0:
            break
        assert time.monotonic() < deadline, "nothing is sent"
        time.sleep(0.002)
    while on_its_way() > 0:
        assert time.monotonic() < deadline, "what is sent does not arrive"
        time.sleep(0.002)


def strike(sentinel: Sentinel, fault: Callable[[int], None], victims: Sequence[int]) -> tuple[float, float]:
    """Do it to all victims at once, between two probes. Returns the instants before and after."""
    with ThreadPoolExecutor(len(victims)) as pool:
        between_probes(sentinel)
        before = time.time()
        list(pool.map(fault, victims))
        return before, time.time()


def history_of(lab, topic: str) -> list[Standing]:
    node = next(node for node in lab.controllers if lab.state(node) == "running")
    return observer.read_controller_log(lab.folder / f"node-{node}" / "metadata", topic)


def wait_led(lab, topic: str, led: Callable[[dict[int, int]], bool], what: str) -> None:
    """Wait until the controller has decided so: then the session time-out is over for certain."""
    wait_for(lambda: led(history_of(lab, topic)[-1].leaders), 60, what)


def closed_incident(sentinel: Sentinel, since: float) -> dict:
    """Wait until it is all over. Returns the incident; fails if there was more than one."""

    def found() -> list[dict]:
        return [incident for incident in sentinel.incidents() if incident["opened_at"] >= since]

    wait_for(lambda: found() and all(one["closed_at"] for one in found()), 150, lambda: f"closed: {found()}")
    assert len(found()) == 1, found()
    return found()[0]


# --- the comparisons


def check_phases(sentinel: Sentinel, outage: Outage) -> None:
    before, after = outage.begun
    incident = outage.incident
    started, phases = incident["started_at"], incident["phases"]
    assert before - PROBE <= started <= after + TWO_PROBES, "t0 is when it happened"
    for phase, raw in zip(("produce", "consume"), raw_records(sentinel), strict=True):
        slowest = max(first_through(raw, started).values())
        assert abs(started + phases[phase] - slowest) <= TWO_PROBES, (phase, phases, slowest - started)
    for phase, watcher in (("produce", outage.writer), ("consume", outage.reader)):
        through = first_through(watcher.passed, after)
        assert len(through) == len(PLACED)
        own = observer.RESOLUTION + watcher.lateness
        difference = started + phases[phase] - max(through.values())
        assert abs(difference) <= TWO_PROBES + own, (phase, difference, own, phases)
    in_sync = restored(outage.history, before, lambda one: all(len(isr) == 3 for isr in one.isr.values()))
    assert abs(started + phases["isr"] - in_sync) <= by_snapshots(outage, in_sync), (phases, in_sync - started)
    check_leader(outage)
    assert phases["detected"] <= phases["produce"]
    assert phases["full"] >= max(phases["produce"], phases["consume"], phases["isr"])


def check_leader(outage: Outage) -> None:
    before, _ = outage.begun
    started, phases = outage.incident["started_at"], outage.incident["phases"]
    last = [one for one in outage.history if one.at < before][-1]
    struck = [partition for partition, leader in last.leaders.items() if leader in outage.victims]
    came_back = all(
        outage.victims >= {leader} for leader in last.leaders.values()
    )  # all were down: any of them will do

    def led(one: Standing) -> bool:
        return all(
            one.leaders[partition] >= 0 and (came_back or one.leaders[partition] not in outage.victims)
            for partition in struck
        )

    elected = restored(outage.history, before, led)
    assert abs(started + phases["leader"] - elected) <= by_snapshots(outage, elected), (phases, elected - started)


def by_snapshots(outage: Outage, happened: float) -> float:
    """Return by how much what snapshots show may differ: one takes longer while a broker hangs.

    It is known at the end of the second look after it happened, at the latest, however long a busy machine made it.
    """
    second = [at for at in outage.looks if at >= happened][1]
    return max(TWO_SNAPSHOTS, second - happened) + (SNAPSHOT if outage.hung else 0) + own_share(outage)


def looks_of(sentinel: Sentinel) -> list[float]:
    return sorted(event.at.wall for kind in (ClusterObserved, ClusterUnreachable) for event in sentinel.heard(kind))


def own_share(outage: Outage) -> float:
    """Return what the observers add: their resolution, and how late a busy machine let threads of this process look."""
    return observer.RESOLUTION + max(outage.writer.lateness, outage.reader.lateness)


def restored(history: list[Standing], since: float, well: Callable[[Standing], bool]) -> float:
    """Return the instant from which `well` held for good, after it had not."""
    later = [one for one in history if one.at >= since]
    wrong = [index for index, one in enumerate(later) if not well(one)]
    good = 0 if not wrong else wrong[-1] + 1
    assert good < len(later), "it never came right"
    return later[good].at


def raw_records(sentinel: Sentinel) -> tuple[list[Passed], list[Passed]]:
    """Return what was acknowledged, and what was read, as the clients reported it."""
    sent: dict[tuple[int, int], float] = {}
    for event in sentinel.heard(RecordsSent):
        sent.update(((event.partition.partition, event.first + index), event.at.wall) for index in range(event.count))
    acked = [
        Passed(event.partition.partition, sent[event.partition.partition, span.first + index], event.at.wall)
        for event in sentinel.heard(RecordsAcked)
        for span in event.spans
        for index in range(span.count)
    ]
    read = [
        Passed(event.partition.partition, sent[event.partition.partition, sighting.first + index], event.at.wall)
        for event in sentinel.heard(RecordsRead)
        for sighting in event.sightings
        if sighting.run
        for index in range(sighting.count)
    ]
    return acked, read


def check_nothing_false(lab, sentinel: Sentinel, topic: str, incident: dict) -> None:
    """Nothing was lost, and every figure is what the log says."""
    figures = sentinel.quiesce(120)
    logs = [truth.read_log(lab.bootstrap_servers, topic, number).records for number in range(len(PLACED))]
    acked = {(number, key) for number in range(len(PLACED)) for key in sentinel.acked(number)}
    assert acked <= {(number, key) for number, log in enumerate(logs) for key in truth.present(log)}
    copies = sum(map(truth.extra_copies, logs))
    wait_for(lambda: sentinel.records()["duplicated"] == copies, 30, lambda: f"{copies} copies: {sentinel.records()}")
    assert (figures["lost"], figures["suspected"], figures["unaccounted"], figures["expired"]) == (0, 0, 0, 0)
    assert (figures["corrupted"], figures["conflicting"]) == (0, 0)
    assert figures["acked"] == figures["verified"] == len(acked)
    assert figures["foreign"] == sum(not record.valid for log in logs for record in log), "the observer's own"
    assert sentinel.status["losses"] == []
    assert incident["lost"] == 0
    assert incident["verdict"] == "passed", incident["reasons"]
    assert_identities(figures)


# --- natural causes


@pytest.mark.parametrize(
    ("topology", "hold"),
    [
        ("lab_separate", 0),
        pytest.param("lab_combined", 20, marks=pytest.mark.full),
        pytest.param("lab_separate", 60, marks=pytest.mark.full),
    ],
)
def test_d_all_brokers_killed_at_once_and_restarted(request, topology, hold, make_topic):
    lab = request.getfixturevalue(topology)
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    with sentinel_for(lab, topic) as sentinel:
        with watched(lab, topic) as (writer, reader):
            steady(sentinel)
            begun = strike(sentinel, lab.kill, lab.brokers)
            if topology == "lab_separate":
                wait_led(lab, topic, lambda leaders: set(leaders.values()) == {-1}, "no partition has a leader")
            time.sleep(hold)
            for broker in lab.brokers:
                lab.start(broker)
            lab.wait_ready(timeout=180)
            incident = closed_incident(sentinel, begun[0])
        history = history_of(lab, topic)
        check_phases(
            sentinel, Outage(incident, begun, writer, reader, history, frozenset(lab.brokers), looks_of(sentinel))
        )
        check_nothing_false(lab, sentinel, topic, incident)


@pytest.mark.parametrize("hold", [0, pytest.param(45, marks=pytest.mark.full)])
def test_d_broker_paused_for_longer_than_its_session(lab_separate, make_topic, hold):
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    with sentinel_for(lab, topic) as sentinel:
        with watched(lab, topic) as (writer, reader):
            steady(sentinel)
            begun = strike(sentinel, lab.pause, [1])
            wait_led(lab, topic, lambda leaders: leaders[0] in (2, 3), "another broker leads what the paused one led")
            written_again(sentinel, begun[1])
            wait_for(lambda: sentinel.isr(0) == [2, 3], 30, "a snapshot shows it, too")  # shorter than that is not seen
            time.sleep(hold)
            lab.resume(1)
            incident = closed_incident(sentinel, begun[0])
        outage = Outage(
            incident, begun, writer, reader, history_of(lab, topic), frozenset({1}), looks_of(sentinel), hung=True
        )
        check_phases(sentinel, outage)
        assert incident["brokers"] == [1]
        check_nothing_false(lab, sentinel, topic, incident)


def written_again(sentinel: Sentinel, since: float) -> None:
    """Wait until records sent after `since` have been acknowledged on every partition."""
    wait_for(lambda: len(first_through(raw_records(sentinel)[0], since)) == len(PLACED), 60, "writes resume")


def agreed_controller(lab, sentinel: Sentinel, *, other_than: int = -1) -> int:
    """Wait until Sentinel names the controller that the quorum names to somebody else. Returns it."""

    def agreed() -> bool:
        leader = observer.quorum_leader(lab.bootstrap_servers)
        return leader not in (-1, other_than) and sentinel.status["kafka"]["controller"] == leader

    wait_for(agreed, 60, lambda: f"controller {sentinel.status['kafka']['controller']}")
    return sentinel.status["kafka"]["controller"]


@pytest.mark.full
@pytest.mark.parametrize("hold", [0, 30])
def test_d_controller_killed(lab_combined, make_topic, hold):
    """The node that is the controller leads a partition, too: leader, writes and reads wait for the new controller."""
    lab = lab_combined
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    with sentinel_for(lab, topic) as sentinel:
        with watched(lab, topic) as (writer, reader):
            steady(sentinel)
            victim = agreed_controller(lab, sentinel)
            begun = strike(sentinel, lab.kill, [victim])
            assert agreed_controller(lab, sentinel, other_than=victim) in set(lab.controllers) - {victim}
            written_again(sentinel, begun[1])
            time.sleep(hold)
            lab.start(victim)
            lab.wait_ready([victim], timeout=180)
            incident = closed_incident(sentinel, begun[0])
        outage = Outage(
            incident, begun, writer, reader, history_of(lab, topic), frozenset({victim}), looks_of(sentinel)
        )
        check_phases(sentinel, outage)
        assert incident["brokers"] == [victim]
        check_nothing_false(lab, sentinel, topic, incident)


@pytest.mark.full
def test_d_controller_that_is_no_broker_killed(lab_separate, make_topic):
    """No broker bears its number, so nothing but the quorum can have named it. Records flow on without it."""
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    with sentinel_for(lab, topic) as sentinel:
        steady(sentinel)
        assert agreed_controller(lab, sentinel) == 9
        incidents = len(sentinel.incidents())
        lab.kill(9)
        wait_for(lambda: sentinel.status["kafka"]["controller"] is None, 30, "the controller is known to be gone")
        sentinel.wait_verified(sentinel.records()["verified"] + 30)
        assert len(sentinel.incidents()) == incidents, "nobody misses a controller while the leaders live"
        lab.start(9)
        lab.wait_ready([9], timeout=180)
        assert agreed_controller(lab, sentinel) == 9
        figures = sentinel.quiesce()
        assert (figures["lost"], figures["duplicated"], figures["uncertain"]) == (0, 0, 0)
        assert_identities(figures)


def test_d_snapshots_go_on_while_a_broker_hangs(lab_separate, make_topic):
    """`leader` and `isr` can be no more exact than the snapshots: the broker that hangs must not be waited for."""
    lab = lab_separate
    topic = make_topic(lab, PLACED)
    seen: list[list[ClusterObserved]] = [[] for _ in range(6)]  # by watcher: which broker one asks is chance

    def watcher(answers: list[ClusterObserved]) -> ClusterWatcher:
        common = {"bootstrap.servers": lab.bootstrap_servers, "socket.timeout.ms": 2_500}
        return ClusterWatcher(
            WatchOptions(common, {Acks.ALL: topic}, interval=SNAPSHOT),
            post=lambda events: answers.extend(event for event in events if isinstance(event, ClusterObserved)),
            now=now,
            on_death=lambda name, error: pytest.fail(f"{name}: {error!r}"),
        )

    watchers = [watcher(answers) for answers in seen]
    for one in watchers:
        one.start()
    try:
        for broker in lab.brokers:
            wait_for(lambda: all(one and len(one[-1].view.brokers) == 3 for one in seen), 60, "all see all brokers")
            since = [len(answers) - 1 for answers in seen]
            lab.pause(broker)
            wait_for(lambda it=broker: all(it not in one[-1].view.brokers for one in seen), 60, "all know it is gone")
            lab.resume(broker)
            for first, answers in zip(since, seen, strict=True):
                asked = [answer.asked.mono for answer in answers[first:]]
                longest = max(later - earlier for earlier, later in pairwise(asked))
                assert longest <= TWO_SNAPSHOTS + SNAPSHOT, (broker, longest)
    finally:
        for one in watchers:
            one.stop(10)


# --- an experiment


class Death:
    """When a broker of the lab ceased to run, seen from outside every 5 ms."""

    def __init__(self, lab, broker: int) -> None:
        self.bounds = (0.0, 0.0)  # it still ran, it did not any more
        self._thread = threading.Thread(target=self._watch, args=(lab, broker), daemon=True)
        self._thread.start()

    def _watch(self, lab, broker: int) -> None:
        before = time.time()
        while lab.state(broker) == "running":
            before = time.time()
            time.sleep(0.005)
        self.bounds = (before, time.time())

    def wait(self) -> tuple[float, float]:
        self._thread.join(120)
        assert not self._thread.is_alive(), "the broker was not killed"
        return self.bounds


@pytest.mark.full  # in CI, test_command_fleet.py has one that kills
def test_d_leader_killed_by_an_experiment(lab_separate, make_topic, tmp_path):
    """The same comparison where t0 is the injection: Sentinel's own fleet kills, and starts the broker again."""
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    item = {"name": "kill", "fault": "process-kill", "target": "leader:0", "every": "3s", "grace": 600, "duration": 5}
    experiments = {"armed_for": lab.cluster_id, "dry_run": False, "warm_up": 5, "steady": 3, "items": [item]}
    config = {"experiments": experiments, "state": {"file": str(tmp_path / "state.json"), "checkpoint_interval": 1}}

    def fleet(post, now, on_death) -> LocalFleet:
        return LocalFleet(lab, post=post, now=now, on_death=on_death)

    death = Death(lab, 1)
    with sentinel_for(lab, topic, config=config, fleet=fleet) as sentinel:
        with watched(lab, topic) as (writer, reader):
            begun = death.wait()
            wait_for(lambda: sentinel.heard(FaultHealed), 60, "the broker is started again")
            lab.wait_ready([1], timeout=180)
            incident = closed_incident(sentinel, begun[0])
        injected = sentinel.heard(FaultInjected)[0].at.wall
        assert begun[0] <= injected
        assert incident["started_at"] == pytest.approx(injected, abs=0.001)
        assert (incident["cause"], incident["fault"], incident["target"]) == ("experiment", "process-kill", "broker 1")
        outage = Outage(incident, begun, writer, reader, history_of(lab, topic), frozenset({1}), looks_of(sentinel))
        check_phases(sentinel, outage)
        wait_for(lambda: sentinel.status["experiments"]["items"][0]["last_result"] == "passed", 20, "the run is done")
        check_nothing_false(lab, sentinel, topic, incident)

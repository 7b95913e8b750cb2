"""The engine hands what it is told to each desk that is to know, and what desks ask for out, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import good
from tests.core.engine_world import INTERVAL, ONE, ZERO, Sentinel, view
from tests.core.kubernetes_world import KubernetesWorld, broker_name

from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.cluster import EnsembleView, QuorumView
from kafka_sentinel.core.commands import (
    Diagnose,
    EnsureTopic,
    Heal,
    Inject,
    LeaveEvent,
    Log,
    Recheck,
    SaveState,
    StandDown,
)
from kafka_sentinel.core.engine import ENSURE_TOPIC_EVERY, EXPLAIN_EVERY, SAY_AGAIN, TICK
from kafka_sentinel.core.events import (
    AdapterError,
    AuditDone,
    BrokerExited,
    CertificatesRead,
    ConnectionExamined,
    EnsembleObserved,
    FaultAnnounced,
    FaultFailed,
    FaultHealed,
    FaultInjected,
    GroupCommitted,
    GroupRead,
    PauseSeen,
    ProducerRestarted,
    QuorumObserved,
    QuorumUnreachable,
    RecheckFailed,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    StateSaved,
    StateSaveFailed,
    Tick,
    WatchAlive,
)
from kafka_sentinel.core.experiment_run import FINAL, MAY_SHOW, Run, RunState
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.kubernetes.observer import Observer
from kafka_sentinel.core.selftest import SelfTest
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.suspicions import Regressed
from kafka_sentinel.core.truth import ContradictionContained, CopiesFound, LossesProved, TopicRemade, Truth
from kafka_sentinel.core.types import Acks, PodRef, ProbePartition, Sighting, SightingKind
from kafka_sentinel.core.verdicts import Loss
from kafka_sentinel.engine_config import CUT_OFF

MARK = Log("info", "what waited to be done", {})
KEPT = {"state": {"file": "/nowhere/state", "checkpoint_interval": "60s"}}
ACKS_ONE = ProbePartition(Acks.ONE, 0)
POD = PodRef("kafka", broker_name(1), f"uid-{broker_name(1)}", 1)
RUN = Run("r-1", "drill", "pod-crash", (1,), 600, 0.0, 0.0, (POD,))
DRILL = {"name": "drill", "fault": "pod-crash", "target": "broker:1", "every": "1d"}
QUORUM = QuorumView(2, 1, (1, 2, 3), (1, 2, 3))


class Marked:
    """Whatever it is told, what waited to be done goes out before what follows from that."""

    def step(self, event):
        self.engine.resume_with([MARK])
        commands = super().step(event)
        assert commands[0] is MARK, event
        return commands

    def probe(self, seconds, *, answered=True):
        """Let time pass; metadata goes on to be as it was, and each re-reading finds all."""
        for _ in range(round(seconds / INTERVAL)):
            self.sees(self.engine.view)
            if answered:
                self.live(INTERVAL)
            else:
                self.suffer(INTERVAL)
            for incident in self.engine.incidents.open:
                self.engine.incidents.recheck_finished(incident.id)

    def finds(self, finding):
        """The accounts come to know this; the engine is told by the way. Returns what is done."""
        self.engine.truth.findings.append(finding)
        return self.step(WatchAlive(self.now(), Kind.POD))

    def under_way(self, **changes):
        """A run has begun, as if the guards had allowed it."""
        run = replace(RUN, due=self.wall, started=self.wall, **{"state": RunState.INJECTING, **changes})
        self.engine.experiments._run, self.engine.experiments._entered = run, self.mono

    def said(self, words):
        return [log for log in self.logs if log.event == words]

    def saves(self):
        return [one.generation for one in self.commands if isinstance(one, SaveState)]


class Plain(Marked, Sentinel):
    pass


class InPods(Marked, KubernetesWorld):
    def __init__(self, **sections):
        super().__init__(**{"experiments": {"items": [DRILL]}, **sections})

    def step(self, event):
        commands = super().step(event)
        self.left = [*getattr(self, "left", ()), *of(commands, LeaveEvent)]
        return commands

    def injected(self, run="r-1"):
        return self.step(FaultInjected(self.now(), run, (1,)))


def of(commands, kind):
    return [one for one in commands if isinstance(one, kind)]


# --- what waits


def test_what_follows_from_a_restored_state_goes_out_with_the_first_event_in_order():
    sentinel = Sentinel(partitions=0)
    others = [Log("info", str(number), {}) for number in range(3)]
    sentinel.engine.resume_with(others[:1])
    sentinel.engine.resume_with(others[1:])
    assert sentinel.step(Tick(sentinel.now()))[:3] == others
    assert not set(map(id, others)) & set(map(id, sentinel.step(Tick(sentinel.now()))))


def test_time_is_looked_at_five_times_a_second_and_at_once():
    sentinel = Sentinel(partitions=0)
    ticks = []
    sentinel.engine._tick = lambda: ticks.append(sentinel.mono)
    start = sentinel.mono
    for passed in (0.0, TICK / 2, TICK, TICK * 1.5):
        sentinel.mono = start + passed
        sentinel.step(Tick(sentinel.now()))
    assert ticks == [start, start + TICK]


# --- records


def test_an_outage_is_in_everything_that_is_told_of_it():
    sentinel = Plain(incidents={"settle": 2}, cluster={"session_timeout": 3}, **KEPT)
    sentinel.probe(4)
    first = sentinel.suffer(5)
    assert sentinel.status["health"] == "incident"
    assert sentinel.engine.world().open_incidents == (sentinel.status["incidents"][0]["id"],)
    assert sentinel.engine.lag() == 0
    sentinel.uncertain(first, 10)
    sentinel.probe(8)
    [incident] = sentinel.status["incidents"]
    assert (incident["state"], incident["verdict"], incident["cause"]) == ("closed", "passed", "unknown")
    assert incident["phases"] == {
        "detected": pytest.approx(1.0, abs=0.6),
        "leader": None,
        "produce": pytest.approx(5.0, abs=0.6),
        "consume": pytest.approx(5.0, abs=0.6),
        "pod": None,
        "isr": pytest.approx(5.0, abs=0.6),
        "lag": pytest.approx(5.0, abs=0.6),
        "full": pytest.approx(5.0, abs=0.6),
    }
    assert [log.event for log in sentinel.logs if "incident" in log.event] == [
        "incident opened", "incident needs recheck", "incident closed",
    ]  # fmt: skip
    assert of(sentinel.commands, Recheck)
    assert sentinel.saves() == [1, 2, 3, 4], "at first, and with each of these"
    assert sentinel.counts["probe_slots_total produce bad"] == 10
    assert sentinel.counts["probe_slots_total produce good"] >= 20
    assert sentinel.counts["probe_slots_total consume bad"] >= 8
    assert sentinel.counts["incidents_total unknown passed"] == 1
    assert sentinel.counts["kafka_errors_total _MSG_TIMED_OUT"] == 1
    assert sentinel.samples["produce_ack_latency_seconds"] == [0.004] * 24
    assert sentinel.samples["end_to_end_latency_seconds"] == [0.006] * 24
    assert sentinel.status["latency_seconds"]["produce_p99"] == pytest.approx(0.004, rel=0.1)
    assert sentinel.status["latency_seconds"]["end_to_end_p99"] == pytest.approx(0.006, rel=0.1)
    [day] = sentinel.status["days"]["items"]
    assert day["counts"]["lived"] == pytest.approx(17, abs=1)
    assert (day["counts"]["produce_bad"], day["counts"]["sent_all"]) == (10, 34)


def test_the_history_gets_an_entry_each_minute():
    sentinel = Plain()
    sentinel.probe(62)
    [minute] = sentinel.status["history"]
    assert (minute["produce_good"], minute["consume_good"], minute["lag_records"]) == (1.0, 1.0, 0)


def test_a_record_that_was_given_up_is_a_bad_slot_at_once():
    for kind in ("rejected", "uncertain"):
        sentinel = Plain()
        sentinel.probe(4)
        first = sentinel.sent()
        if kind == "rejected":
            sentinel.step(RecordsRejected(sentinel.now(), ZERO, sentinel.engine.truth.run, first, 1, "_QUEUE_FULL"))
        else:
            sentinel.uncertain(first)
        assert sentinel.engine.availability.unavailable(Operation.PRODUCE) == [ZERO]


def test_what_is_read_of_another_run_or_is_no_record_of_ours_is_no_success():
    sentinel = Plain()
    sentinel.probe(4)
    sentinel.suffer(4)
    assert sentinel.engine.availability.unavailable(Operation.CONSUME) == [ZERO]
    first, end = sentinel.following[ZERO] - 8, sentinel.end[ZERO]
    ours, run = sentinel.engine.config.instance, sentinel.engine.truth.run
    for kind, of_run in ((SightingKind.CORRUPTED, run), (SightingKind.RECORD, run + 1)):
        sighting = Sighting(kind, end, 8, 0, ours, of_run, first, sentinel.wall)
        sentinel.step(RecordsRead(sentinel.now(), ZERO, end, end + 8, (sighting,)))
        sentinel.wait(INTERVAL)
        assert sentinel.engine.availability.unavailable(Operation.CONSUME) == [ZERO]


def test_how_many_records_were_sent_is_told_to_the_incidents(monkeypatch):
    told = []
    monkeypatch.setattr(Incidents, "on_sent", lambda _, count: told.append(count))
    Plain().sent(5)
    assert told == [5]


def test_samples_without_values_are_none():
    sentinel = Plain()
    sentinel.step(RecordsAcked(sentinel.now(), ZERO, sentinel.engine.truth.run, (), ()))
    assert "produce_ack_latency_seconds" not in sentinel.samples


def test_a_reread_that_failed_reaches_the_accounts():
    sentinel = Plain()
    heard = []
    sentinel.engine.truth.rechecks.failed = heard.append
    sentinel.step(event := RecheckFailed(sentinel.now(), 1, ZERO, "no leader"))
    assert heard == [event]


# --- adapters


def test_what_happens_to_adapters_is_said_and_counted():
    sentinel = Plain()
    sentinel.step(ProducerRestarted(sentinel.now(), Acks.ALL, 2, "_FATAL"))
    assert sentinel.said("producer replaced")[0].fields == {"acks": "all", "code": "_FATAL"}
    sentinel.step(AuditDone(sentinel.now(), audit(good())))
    assert sentinel.said("audit")
    sentinel.step(BrokerExited(sentinel.now(), 2, 137))
    assert sentinel.said("broker process ended")[0].fields == {"broker": 2, "status": 137}
    sentinel.wait(INTERVAL)
    assert [(one["cause"], one["brokers"]) for one in sentinel.status["incidents"]] == [("crash", [2])]


def test_a_broker_that_ends_by_itself_while_a_run_is_under_way_is_no_news_of_that_run():
    world = InPods()
    world.under_way()
    world.step(BrokerExited(world.now(), 2, 137))
    assert world.engine.experiments.under_way.state is RunState.INJECTING


def test_an_adapter_error_is_said_again_after_a_minute_and_another_one_at_once():
    sentinel = Plain()
    for code, seconds in (("_TRANSPORT", SAY_AGAIN - 1), ("_TRANSPORT", 1), ("_TRANSPORT", 1), ("_FATAL", 0)):
        sentinel.step(AdapterError(sentinel.now(), "verifier-all", code, "down"))
        sentinel.mono += seconds
    assert [log.fields["code"] for log in sentinel.said("adapter error")] == ["_TRANSPORT", "_TRANSPORT", "_FATAL"]
    assert sentinel.counts["kafka_errors_total _TRANSPORT"] == 3


@pytest.mark.parametrize(("world", "metric"), [(InPods, "kubernetes_errors_total"), (Plain, "kafka_errors_total")])
def test_errors_of_kubernetes_are_kafkas_only_where_there_is_no_kubernetes(world, metric):
    sentinel = world()
    sentinel.step(AdapterError(sentinel.now(), "fleet", "TOPIC_AUTHORIZATION_FAILED", "no"))
    assert sentinel.counts[f"{metric} TOPIC_AUTHORIZATION_FAILED"] == 1
    asked = any(isinstance(one, Diagnose) for _ in range(2) for one in sentinel.step(Tick(sentinel.now())))
    sentinel.wait(INTERVAL)
    assert (asked or Diagnose() in sentinel.commands) is (world is Plain)


def test_what_the_connections_desk_is_told_goes_to_it_alone():
    sentinel = Plain()
    sentinel.step(CertificatesRead(sentinel.now(), {"ca_file": 5.0}))
    assert sentinel.status["kafka"]["certificates"] == {"ca_file": 5.0}
    sentinel.step(ConnectionExamined(sentinel.now(), None))


@pytest.mark.parametrize("operation", Operation)
def test_why_is_looked_into_where_writes_or_reads_alone_fail(operation):
    sentinel = Plain()
    sentinel.probe(4)
    for _ in range(60):
        first, offset = sentinel.sent(), sentinel.end[ZERO]
        if operation is Operation.CONSUME:
            sentinel.acked(first)
        elif offset:
            sentinel.read(first - 1, offset)  # heard of, and no success of a write
        sentinel.wait(INTERVAL)
    assert sentinel.engine.availability.unavailable(operation) == [ZERO]
    assert Diagnose() in sentinel.commands
    assert sentinel.engine.world().steady_since is None


def test_why_is_looked_into_where_a_single_partition_takes_no_writes():
    sentinel = Plain(partitions=2)
    ours, run = sentinel.engine.config.instance, sentinel.engine.truth.run
    for turn in range(40):
        first = sentinel.sent(partition=ONE)
        if turn < 8:
            sentinel.acked(first, partition=ONE)
        record = Sighting(SightingKind.RECORD, first, 1, 0, ours, run, first, sentinel.wall)
        sentinel.step(RecordsRead(sentinel.now(), ONE, first, first + 1, (record,)))
        sentinel.live(INTERVAL)
    down = [sentinel.engine.availability.unavailable(operation) for operation in Operation]
    assert down == [[ONE], []]
    assert Diagnose() in sentinel.commands


# --- the self-test


def test_the_self_test_is_played_as_time_passes(monkeypatch):
    monkeypatch.setattr(SelfTest, "tick", lambda _, now: [Log("info", "a drill", {"at": now})])
    sentinel = Plain()
    sentinel.wait(INTERVAL)
    assert sentinel.said("a drill")[-1].fields == {"at": sentinel.now()}


# --- the group


def test_the_lag_of_the_group_is_of_acks_all_and_of_what_it_was_handed():
    sentinel = Plain(partitions=2)
    sentinel.engine.truth.ledgers[ACKS_ONE] = sentinel.engine.truth.ledgers[ZERO]
    sentinel.acked(sentinel.sent(5), 5)
    for partition in (ZERO, ACKS_ONE):
        sentinel.step(GroupRead(sentinel.now(), partition, 0, 2))
    assert sentinel.engine.group_lag() == {ZERO: 3}
    sentinel.step(GroupCommitted(sentinel.now(), 0.2, None, ((ZERO, 5),)))
    assert sentinel.samples["commit_latency_seconds"] == [0.2]


def test_what_stands_above_a_cut_was_never_handed_to_the_group_unless_that_was_said_before():
    sentinel = Plain()
    sentinel.step(GroupRead(sentinel.now(), ZERO, 0, 10))
    sentinel.finds(Regressed(ZERO, 4, sentinel.now(), sentinel.now(), proved=False))
    sentinel.step(GroupRead(sentinel.now(), ZERO, 4, 6))
    assert sentinel.counts["records_redelivered_total"] == 0
    sentinel.finds(Regressed(ZERO, 2, sentinel.now(), sentinel.now(), confirms=True))
    sentinel.step(GroupRead(sentinel.now(), ZERO, 2, 1))
    assert sentinel.counts["records_redelivered_total"] == 1
    assert len(sentinel.said("log went backwards")) == 1


def test_the_group_forgets_a_topic_made_anew_and_no_other():
    sentinel = Plain()
    sentinel.engine.truth.ledgers[ACKS_ONE] = sentinel.engine.truth.ledgers[ZERO]
    for partition in (ZERO, ACKS_ONE):
        sentinel.step(GroupRead(sentinel.now(), partition, 0, 10))
    sentinel.finds(TopicRemade(Acks.ALL))
    for partition in (ZERO, ACKS_ONE):
        sentinel.step(GroupRead(sentinel.now(), partition, 0, 10))
    assert sentinel.engine.group.redelivered == {Acks.ALL: 0, Acks.ONE: 10}


# --- findings


def loss(sentinel, partition=ZERO, count=2, seen="never"):
    return Loss(partition, 7, 0, count, 0, seen, -1, "nothing", None, None, "it is gone", sentinel.now())


def latched(sentinel):
    return sentinel.status["experiments"]["latched"]


def test_a_loss_is_charged_counted_saved_at_once_and_holds_experiments():
    sentinel = Plain(**KEPT)
    sentinel.wait(INTERVAL)
    sentinel.step(Tick(sentinel.now()))
    before = sentinel.saves()
    losses = (loss(sentinel), loss(sentinel, seen="before", count=1))
    commands = sentinel.finds(LossesProved(losses, None, sentinel.now()))
    assert [log.event for log in of(commands, Log)] == [
        MARK.event, "acknowledged records lost", "acknowledged records lost", "experiments_latched",
    ]  # fmt: skip
    assert latched(sentinel) == "3 acknowledged records lost"
    sentinel.wait(INTERVAL)
    assert len(sentinel.saves()) > len(before)
    [day] = sentinel.status["days"]["items"]
    assert (day["counts"]["lost_all"], day["counts"]["lost_before_all"]) == (3, 1)


def test_what_acks_one_lost_holds_no_experiment_and_is_saved_all_the_same():
    sentinel = Plain(**KEPT)
    sentinel.finds(LossesProved((loss(sentinel),), None, sentinel.now()))
    sentinel.wait(70)  # incidents have been opened and saved
    sentinel.engine.experiments.resume(sentinel.now())
    sentinel.wait(1)
    sentinel.commands.clear()
    sentinel.wait(1)
    assert sentinel.saves() == []
    sentinel.finds(LossesProved((loss(sentinel, ACKS_ONE),), None, sentinel.now()))
    sentinel.wait(INTERVAL)
    assert latched(sentinel) is None
    assert len(sentinel.saves()) == 1
    [day] = sentinel.status["days"]["items"]
    assert (day["counts"]["lost_all"], day["counts"]["lost_1"]) == (2, 2)


def test_copies_are_counted_on_their_day():
    sentinel = Plain()
    sentinel.finds(CopiesFound(ZERO, 3, sentinel.now(), None))
    [day] = sentinel.status["days"]["items"]
    assert day["counts"]["duplicated_all"] == 3


def test_a_ledger_that_contradicts_itself_holds_experiments():
    sentinel = Plain()
    sentinel.finds(ContradictionContained(ZERO))
    assert latched(sentinel) == "the ledger contradicted itself"


def test_what_a_tick_brings_to_light_is_told_with_it(monkeypatch):
    def tick(truth, now):
        truth.findings.append(ContradictionContained(ZERO))
        return []

    sentinel = Plain()
    monkeypatch.setattr(Truth, "tick", tick)
    sentinel.wait(INTERVAL)
    assert len(sentinel.said("experiments_latched")) == 1


# --- the cluster


def test_reachability_is_said_once_each_time_it_changes():
    sentinel = Plain(partitions=0)
    sentinel.sees_nothing()
    sentinel.sees_nothing()
    assert sentinel.said("no broker answers")[0].fields == {"reason": "3/3 brokers are down"}
    for _ in range(2):
        sentinel.sees(view())
    sentinel.sees_nothing()
    assert [log.event for log in sentinel.logs if log is not MARK and log.event != "incident opened"] == [
        "no broker answers", "Kafka answers", "no broker answers",
    ]  # fmt: skip
    assert sentinel.said("Kafka answers")[0].fields == {"brokers": 3}
    assert sentinel.status["kafka"]["reachable"] is False


def test_leaders_that_changed_are_counted_and_a_first_look_is_no_change():
    sentinel = Plain(partitions=2)
    sentinel.sees(view(partitions=2))
    assert "leader_changes_total" not in sentinel.counts
    sentinel.sees(view(partitions=2, leader=3))
    assert sentinel.counts["leader_changes_total"] == 2


def test_a_broker_that_goes_is_news_to_the_incidents_and_stays_known():
    sentinel = Plain()
    sentinel.sees(view(brokers=(1, 3)))
    sentinel.wait(INTERVAL)
    assert [one["brokers"] for one in sentinel.status["incidents"]] == [[2]]
    assert [one["up"] for one in sentinel.status["kafka"]["brokers"]] == [True, False, True]


def test_that_nobody_answers_is_a_sign_to_the_incident_that_is_open():
    sentinel = Plain()
    heard = []
    sentinel.engine.incidents.on_unreachable = heard.append
    sentinel.sees_nothing()
    assert [event.reason for event in heard] == ["3/3 brokers are down"]


def test_what_the_quorum_says_is_kept_until_it_says_nothing():
    sentinel = Plain()
    asked = sentinel.now()
    sentinel.wait(1)
    sentinel.step(QuorumObserved(sentinel.now(), asked, QUORUM))
    assert (sentinel.engine.world().quorum, sentinel.engine.world().quorum_asked) == (QUORUM, asked)
    sentinel.step(QuorumUnreachable(sentinel.now(), sentinel.now(), "no answer"))
    assert sentinel.engine.world().quorum is None


def test_what_kafka_says_is_heard_beside_kubernetes():
    world = InPods()
    heard = []
    world.engine.kubernetes.hear_kafka = lambda *told: heard.append(told)
    world.sees(known := view(leader=2))
    world.step(event := QuorumObserved(world.now(), world.now(), QUORUM))
    assert heard[1] == (event, known, QUORUM)


def test_servers_and_a_provider_are_looked_for_only_where_they_are_configured():
    assert (Plain().engine.world().ensemble, Plain().engine.world().provider) == (None, None)
    servers = ("z1:2181", "z2:2181", "z3:2181")
    sentinel = Plain(cluster={"zookeeper": list(servers)})
    assert sentinel.engine.world().ensemble == EnsembleView(servers)
    seen = EnsembleView(servers, frozenset(servers[:1]), sentinel.now())
    sentinel.step(EnsembleObserved(sentinel.now(), seen))
    assert sentinel.engine.world().ensemble == seen


# --- the probe topic


def topics_asked(sentinel, cluster, seconds=0.0):
    sentinel.mono += seconds
    return of(sentinel.sees(cluster), EnsureTopic)


def test_a_topic_is_made_where_there_is_none_or_a_broker_is_first_of_no_partition():
    one = [EnsureTopic(Acks.ALL)]
    assert topics_asked(Plain(partitions=0), view(topic=False)) == one
    assert topics_asked(Plain(partitions=0), view(partitions=2)) == one, "broker 3 leads none"
    assert topics_asked(Plain(partitions=0), view(partitions=3)) == []
    assert topics_asked(Plain(partitions=0), view(partitions=3, brokers=(1, 2))) == []
    assert topics_asked(Plain(partitions=0), view(topic=False, brokers=())) == one


def test_a_topic_is_asked_for_every_few_seconds_for_each_level_and_only_where_it_is_ours():
    sentinel = Plain(partitions=0, probe={"interval": INTERVAL, "acks_one": {"enabled": True}})
    both = [EnsureTopic(Acks.ALL), EnsureTopic(Acks.ONE)]
    missing = view(topic=False)
    assert topics_asked(sentinel, missing) == both
    assert topics_asked(sentinel, missing, ENSURE_TOPIC_EVERY - 0.1) == []
    assert topics_asked(sentinel, missing, 0.1) == both
    left = Plain(partitions=0, probe={"interval": INTERVAL, "manage_topic": False})
    assert topics_asked(left, missing) == []


# --- faults


def test_a_fault_of_ours_is_an_incident_of_ours_and_left_on_its_pod():
    world = InPods()
    world.under_way(state=RunState.ANNOUNCING)
    announced = world.step(FaultAnnounced(world.now(), "r-1"))
    assert [event.reason for event in of(announced, LeaveEvent)] == ["KafkaSentinelAnnounced"]
    assert of(announced, Log)[-1].event == "experiment_announced"
    assert world.incidents == []
    world.under_way()
    injected = world.injected()
    assert [event.reason for event in of(injected, LeaveEvent)] == ["KafkaSentinelInjected"]
    assert world.engine.experiments.under_way.state is RunState.INJECTED
    world.wait(1)
    assert world.engine.experiments.under_way.state is RunState.INJECTED, "that it was opened is no verdict"
    [incident] = world.incidents
    assert (incident["cause"], incident["fault"], incident["target"]) == ("experiment", "pod-crash", "broker 1")
    assert of(world.step(FaultHealed(world.now(), "r-1")), LeaveEvent) == []
    assert world.engine.experiments.under_way.state is RunState.RECOVERING


@pytest.mark.parametrize("under_way", [True, False])
def test_the_fault_of_another_run_is_undone_and_is_no_incident(under_way):
    world = InPods()
    if under_way:
        world.under_way()
    commands = world.injected("r-0")
    assert [one.experiment_run for one in of(commands, Heal)] == ["r-0"]
    assert of(commands, LeaveEvent) == []
    world.wait(1)
    assert world.incidents == []


def test_a_fault_that_failed_ends_its_run():
    world = InPods()
    world.under_way()
    commands = world.step(FaultFailed(world.now(), "r-1", "no such pod"))
    assert [one.experiment_run for one in of(commands, Heal)] == ["r-1"]
    assert world.engine.experiments.under_way is None


@pytest.mark.parametrize("state", [RunState.INJECTED, RunState.RECOVERING, None])
def test_a_fault_is_active_for_as_long_as_its_run_may_have_it_in_effect(state):
    world = InPods()
    world.under_way()
    world.injected()
    world.engine.incidents.on_broker_exited(3, world.now())  # an incident that is nobody's experiment
    if state is None:
        world.engine.experiments._run = None
    else:
        world.under_way(state=state)
    world.wait(TICK if state is None else INTERVAL)
    world.wait(INTERVAL)
    [incident] = [one for one in world.engine.incidents.open if one.experiment_run == "r-1"]
    assert incident.fault_active is (state is RunState.INJECTED)


def test_only_incidents_with_a_fault_are_told_that_it_was_undone():
    world = InPods()
    world.under_way()
    world.injected()
    told = []
    world.engine.incidents.on_healed = told.append
    world.wait(1)
    assert told == []
    world.step(FaultHealed(world.now(), "r-1"))
    world.engine.incidents.open[0].fault_active = True
    world.wait(INTERVAL)
    assert told == ["r-1"]
    world.engine.incidents.open[0].fault_active = False
    world.wait(INTERVAL)
    assert told == ["r-1"]


def test_a_verdict_reaches_the_run_it_is_about_and_kubernetes():
    world = InPods()
    world.be_well_run()
    world.under_way()
    world.injected()
    world.step(FaultHealed(world.now(), "r-1"))
    world.run(60)
    assert [one["state"] for one in world.incidents] == ["closed"]
    assert [event.reason for event in world.left] == ["KafkaSentinelInjected", "KafkaSentinelIncident"]
    assert world.status["experiments"]["items"][0]["last_result"] == "passed"


def test_a_broker_that_is_lost_later_in_an_incident_is_a_natural_loss_too():
    sentinel = Plain()
    sentinel.probe(4)
    sentinel.suffer(4)
    assert sentinel.engine.world().natural_losses == ()
    sentinel.sees(view(brokers=(2, 3), leader=2))
    sentinel.wait(INTERVAL)
    assert len(sentinel.engine.world().natural_losses) == 1


# --- what our experiment does to pods


@pytest.fixture
def told(monkeypatch):
    """The pods of which Kubernetes' desk was told that they end by our doing, time after time."""
    told: list[tuple[PodRef, ...]] = []
    monkeypatch.setattr(Observer, "expect", lambda _, pods, now: told.append(pods))
    return told


@pytest.mark.parametrize("state", [state for state in RunState if state not in FINAL])
def test_pods_are_expected_to_go_for_as_long_as_our_doing_may_show(told, state):
    world = InPods()
    world.under_way(state=state)
    world.wait(INTERVAL)
    assert told == ([RUN.pods] if state in MAY_SHOW else [])


@pytest.mark.parametrize("command", [Inject("r-1", "pod-crash", (1,), 1.0), Heal("r-1")])
@pytest.mark.parametrize("world", [InPods, Plain])
def test_pods_that_are_to_be_hit_are_expected_to_go_before_time_passes(monkeypatch, told, world, command):
    sentinel = world()

    def on_tick(_experiments, _world):
        sentinel.under_way()
        return [command]

    monkeypatch.setattr(Experiments, "on_tick", on_tick)
    sentinel.wait(INTERVAL)
    assert told == ([RUN.pods] if world is InPods and isinstance(command, Inject) else [])


@pytest.mark.parametrize(("fault", "replaced"), [("rolling-restart", True), ("rolling-restart", False), ("oom", True)])
def test_a_rolling_restart_is_undone_once_every_pod_was_replaced(monkeypatch, fault, replaced):
    monkeypatch.setattr(Observer, "are_replaced", lambda _, pods: replaced and pods == RUN.pods)
    world = InPods()
    world.under_way(state=RunState.INJECTED, fault=fault)
    world.wait(INTERVAL)
    assert len(of(world.commands, Heal)) == (fault == "rolling-restart" and replaced)


# --- sight, and what the guards are told


def test_that_we_are_cut_off_is_said_once_and_that_it_is_over():
    world = InPods()
    world.wait(CUT_OFF)
    assert (world.engine.blind, world.engine.world().steady_since is None) == (False, False)
    assert world.counts["blind_seconds_total"] == 0
    assert "blind_seconds_total" not in world.counts
    world.wait(10)
    assert (world.status["health"], world.engine.world().steady_since) == ("blind", None)
    [said] = world.said("cut off: neither Kafka nor Kubernetes answers")
    assert said.fields == {"seconds": CUT_OFF + INTERVAL}
    assert world.counts["blind_seconds_total"] > 5
    assert world.said("no longer cut off") == []
    world.list_all()
    world.wait(2)
    assert len(world.said("no longer cut off")) == 1
    assert len(world.said("cut off: neither Kafka nor Kubernetes answers")) == 1
    assert world.status["health"] != "blind"


def test_it_is_steady_since_there_are_partitions_and_all_work():
    sentinel = Plain(partitions=0)
    sentinel.wait(1)
    assert sentinel.engine.world().steady_since is None
    sentinel.sees(view())
    sentinel.wait(INTERVAL)
    since = sentinel.now()
    sentinel.probe(4)
    assert sentinel.engine.world().steady_since == since
    sentinel.suffer(4)
    assert sentinel.engine.world().steady_since is None


def test_the_guards_look_at_kubernetes_where_there_is_any():
    assert InPods().engine.world().kubernetes is not None
    assert Plain().engine.world().kubernetes is None


def test_what_is_overdue_is_so_after_its_time_and_of_its_own_level():
    sentinel = Plain()
    sentinel.acked(sentinel.sent())
    late = sentinel.engine.config.slo_overdue
    sentinel.wait(late - INTERVAL)
    assert (sentinel.engine.overdue(Acks.ALL), sentinel.engine.world().overdue) == (0, 0)
    sentinel.wait(2 * INTERVAL)
    assert (sentinel.engine.overdue(Acks.ALL), sentinel.engine.world().overdue) == (1, 1)
    assert sentinel.engine.overdue(Acks.ONE) == 0


def test_explanations_are_made_anew_every_few_seconds():
    sentinel = Plain()
    first = sentinel.engine.explained()["items"]
    sentinel.wait(EXPLAIN_EVERY - INTERVAL)
    assert sentinel.engine.explained()["items"] is first
    sentinel.wait(INTERVAL)
    second = sentinel.engine.explained()["items"]
    assert second is not first
    assert sentinel.engine.explained()["items"] is second


def test_a_new_run_is_the_accounts_run():
    sentinel = Plain()
    sentinel.engine.start_run(99)
    assert sentinel.engine.truth.run == 99


def test_the_desks_of_the_self_test_reread_as_they_are_told():
    engine = Sentinel().engine
    assert engine._desk(1, 5.0).background_interval == 5.0
    assert engine._desk(1).background_interval == engine.config.recheck_interval


# --- the state


def test_saves_are_numbered_and_come_at_their_interval():
    sentinel = Plain(partitions=0, **KEPT)
    sentinel.step(Tick(sentinel.now()))
    assert sentinel.saves() == [1]
    sentinel.wait(60 - INTERVAL)
    assert sentinel.saves() == [1]
    sentinel.wait(INTERVAL)
    assert sentinel.saves() == [1, 2]


def test_where_no_state_is_kept_none_is_saved_and_nobody_waits_for_it():
    sentinel = Plain(partitions=0)
    sentinel.engine.experiments.needs_save = True
    sentinel.wait(1)
    assert sentinel.saves() == []
    assert not sentinel.engine.experiments.needs_save


def test_what_became_of_a_save_is_told_to_the_guards():
    sentinel = Plain(**KEPT)
    commands = sentinel.step(StateSaveFailed(sentinel.now(), 1, "disk full"))
    assert sentinel.said("state could not be saved")[0].fields == {"reason": "disk full"}
    assert of(commands, StandDown) == []
    assert sentinel.engine.world().state_error == "disk full"
    sentinel.step(StateSaved(sentinel.now(), 1))
    assert (sentinel.engine.world().state_error, sentinel.engine.world().state_saved) == (None, sentinel.now())
    assert StandDown("another one") in sentinel.step(StateSaveFailed(sentinel.now(), 1, "another one", taken_over=True))


def saved_with(world, **run):
    """A run begins to wait for the state, which is being saved. Returns as what."""
    world.under_way(**run)
    world.engine.experiments.needs_save = True
    world.wait(INTERVAL)
    return world.saves()[-1]


def test_what_became_of_a_save_is_told_to_the_run_that_waits_for_it():
    world = InPods()
    world.step(StateSaveFailed(world.now(), saved_with(world, state=RunState.INTENDED), "disk full"))
    assert world.engine.experiments.under_way is None
    world.step(StateSaved(world.now(), saved_with(world, state=RunState.RECHECKED, verdict="passed")))
    assert world.engine.experiments.under_way is None
    assert world.status["experiments"]["items"][0]["last_result"] == "passed"


def test_a_pause_reaches_the_experiments():
    sentinel = Plain()
    sentinel.step(PauseSeen(sentinel.now(), "by anna"))
    assert sentinel.status["experiments"]["paused_by"] == "by anna"

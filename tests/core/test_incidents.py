import json

import pytest
from tests.core.recovery_world import ALL3, P0, P1, P2, PARTS, World, at, new_incidents, observed

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.events import ClusterUnreachable
from kafka_sentinel.core.incident import FREEZE_AFTER, FREEZE_AFTER_LOSS, Cause, IncidentState, Verdict
from kafka_sentinel.core.incident_book import ABSORB, MAX_CLOSED, MAX_OPEN
from kafka_sentinel.core.incidents import RECHECK_LIMIT, RETIME, Step
from kafka_sentinel.core.slots import Edge, Operation, SlotChanges
from kafka_sentinel.core.types import Acks, NodeRef, ProbePartition


def kill_one(world, *, natural=False):
    """Broker 1 dies; 3 s later the controller notices; after 10 s it is back, after 12 s in sync."""
    if natural:
        world.dead.add(1)
    else:
        world.fault(1)
    world.run(3.0)
    world.fence(1, p0=2)
    world.run(7.0)
    world.back(1)
    world.incidents.on_healed("run-1")
    world.run(2.0)
    world.whole()
    world.run(20.0)


# --- lives


def test_a_quiet_cluster_has_no_incident():
    world = World()
    world.run(60.0)
    assert world.status() == []
    assert world.happened == []
    assert world.commands == []


def test_a_leader_that_is_killed():
    world = World()
    kill_one(world)
    (incident,) = world.status()
    assert incident["cause"] == "experiment"
    assert incident["fault"] == "process-kill"
    assert incident["target"] == "broker 1"
    assert incident["state"] == "closed"
    assert incident["verdict"] == "passed"
    phases = incident["phases"]
    assert phases["detected"] == pytest.approx(2.75, abs=0.26)  # the first slot after t0 plus the SLO
    assert phases["leader"] == pytest.approx(3.25, abs=0.26)
    assert phases["produce"] == pytest.approx(3.25, abs=0.26)
    assert phases["consume"] == pytest.approx(3.25, abs=0.26)
    assert phases["isr"] == pytest.approx(12.25, abs=0.26)
    assert phases["lag"] is not None
    assert phases["full"] == phases["isr"]
    assert world.kinds() == ["opened", "needs_recheck", "closed"]
    assert world.counted("incidents_total") == {("experiment", "passed"): 1}


def test_each_phase_is_observed_once_with_the_cause():
    world = World()
    kill_one(world)
    observed_phases = [dict(one.labels)["phase"] for one in world.commands if one.metric == "recovery_seconds"]
    assert sorted(observed_phases) == sorted(["detected", "leader", "produce", "consume", "isr", "lag", "full"])


def test_seconds_of_unavailability_bear_the_cause_as_it_was():
    world = World()
    kill_one(world)
    seconds = {}
    for command in world.commands:
        if isinstance(command, Count) and "unavailable_seconds" in command.metric:
            key = command.metric, *(value for _, value in command.labels)
            seconds[key] = seconds.get(key, 0) + command.amount
    assert seconds["partition_unavailable_seconds_total", "produce", "experiment"] == pytest.approx(2.75, abs=0.3)
    assert seconds["unavailable_seconds_total", "produce", "experiment"] == pytest.approx(2.75, abs=0.3)
    assert all(cause == "experiment" for _, _, cause in seconds)


def test_a_pause_shorter_than_the_session_timeout_changes_no_leader():
    world = World()
    world.fault(1, fault="process-pause")
    world.run(2.5)
    world.dead.clear()
    world.incidents.on_healed("run-1")
    world.run(20.0)
    (incident,) = world.status()
    assert incident["phases"]["leader"] is None
    assert incident["phases"]["produce"] == pytest.approx(2.75, abs=0.3)
    assert incident["verdict"] == "passed"
    assert "leader" not in {dict(one.labels).get("phase") for one in world.commands}


def test_a_pause_too_short_to_be_felt_still_ends():
    world = World()
    world.fault(1, fault="process-pause")
    world.run(0.5)
    world.dead.clear()
    world.incidents.on_healed("run-1")
    world.run(20.0)
    (incident,) = world.status()
    assert incident["verdict"] == "passed"
    assert incident["phases"]["detected"] is None


def test_nothing_settles_while_the_fault_is_in_effect():
    world = World()
    world.incidents.on_fault(world.at(), experiment_run="run-1", fault="process-pause", target="broker 9", brokers=(9,))
    world.run(30.0)
    assert world.status()[0]["state"] == "open"
    assert "the fault is still in effect" in world.status()[0]["reasons"]
    world.incidents.on_healed("run-1")
    world.run(10.0)
    assert world.status()[0]["state"] == "closed"


def test_what_a_broker_still_took_after_it_was_told_to_end_is_not_the_recovery():
    world = World()
    world.incidents.on_fault(world.at(), experiment_run="run-1", fault="pod-crash", target="broker 1", brokers=(1,))
    began = world.now
    world.run(1.0)  # it takes records for another second
    assert world.status()[0]["phases"]["produce"] == pytest.approx(0.5)
    world.dead.add(1)
    world.run(4.0)
    assert world.status()[0]["phases"]["produce"] is None
    assert world.status()[0]["phases"]["consume"] is None
    world.fence(1, p0=2)
    world.run(1.0)
    recovered = world.now - began
    assert recovered - 1.0 <= world.status()[0]["phases"]["produce"] <= recovered
    assert recovered - 1.0 <= world.status()[0]["phases"]["consume"] <= recovered


def test_an_outage_after_the_recovery_is_not_the_recovery_put_off():
    world = World()
    world.fault(1)
    world.run(3.0)
    world.fence(1, p0=2)
    world.run(2.0)
    recovered = world.status()[0]["phases"]["produce"]
    assert recovered is not None
    world.dead.add(2)  # the next one, before everything holds again
    world.run(3.0)
    assert world.status()[0]["phases"]["produce"] == recovered


def test_a_broker_that_ends_in_an_orderly_way_has_recovered_with_the_first_acknowledgement():
    world = World()
    world.incidents.on_fault(world.at(), experiment_run="run-1", fault="pod-delete", target="broker 1", brokers=(1,))
    world.leaders[0] = 2
    world.run(6.0)
    assert world.status()[0]["phases"]["produce"] == pytest.approx(0.5)


def test_all_brokers_down_and_up_again_to_the_same_leaders():
    world = World()
    world.fault(1, 2, 3)
    world.unreachable = True
    world.run(8.0)
    world.incidents.on_healed("run-1")
    world.unreachable = False
    world.leaders, world.isr, world.brokers = [-1, 2, -1], [(2,)] * 3, (2,)
    world.dead.discard(2)
    world.run(1.0)
    world.leaders, world.isr, world.brokers = list(ALL3), [(1, 2)] * 3, ALL3
    world.dead.clear()
    world.run(2.0)
    world.whole()
    world.run(20.0)
    (incident,) = world.status()
    assert incident["verdict"] == "passed"
    assert incident["phases"]["leader"] == pytest.approx(9.25, abs=0.26)
    assert incident["phases"]["produce"] == pytest.approx(9.25, abs=0.26)
    assert incident["phases"]["isr"] == pytest.approx(11.25, abs=0.26)


def test_all_brokers_down_and_up_with_no_answer_in_between_has_a_leader_phase():
    world = World()
    world.fault(1, 2, 3)
    world.unreachable = True
    world.run(8.0)
    world.incidents.on_healed("run-1")
    world.unreachable = False
    world.dead.clear()
    world.run(20.0)
    (incident,) = world.status()
    assert incident["phases"]["leader"] == pytest.approx(8.25, abs=0.26)


def test_a_broker_lost_by_nature():
    world = World()
    killed_at = world.now
    kill_one(world, natural=True)
    (incident,) = world.status()
    assert incident["cause"] == "unknown"
    assert incident["brokers"] == [1]
    assert incident["started_at"] == pytest.approx(at(killed_at + 0.5).wall)  # the send of the first bad slot
    assert incident["phases"]["leader"] == pytest.approx(2.75, abs=0.3)
    assert incident["verdict"] == "passed"
    assert world.kinds().count("opened") == 1


def test_a_broker_that_is_no_leader_lost_by_nature_is_seen_in_metadata():
    world = World()
    world.leaders = [2, 2, 3]
    world.run(2.0)
    gone_at = world.now
    world.dead.add(1)
    world.fence(1)
    world.run(2.0)
    assert [one["brokers"] for one in world.status()] == [[1]]
    assert world.status()[0]["started_at"] == pytest.approx(at(gone_at).wall, abs=0.51)
    world.run(20.0)
    assert world.status()[0]["state"] == "open"
    assert any("isr" in reason and "1" in reason for reason in world.status()[0]["reasons"])
    world.back(1)
    world.whole()
    world.run(20.0)
    assert world.status()[0]["verdict"] == "passed"
    assert world.status()[0]["phases"]["leader"] is None


def test_a_process_that_exited_is_a_crash_also_when_its_slots_went_bad_first():
    world = World()
    world.dead.add(1)
    world.run(2.75)
    assert world.status()[0]["cause"] == "unknown"
    world.incidents.on_broker_exited(1, world.at())
    assert world.status()[0]["cause"] == "crash"
    assert world.kinds().count("opened") == 1


def test_a_bad_slot_before_the_exit_was_noticed_is_t0():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10.0))
    edge = Edge(Operation.PRODUCE, P0, available=False, at=at(9.5))
    incidents.on_slots(SlotChanges({}, (edge,), {}, {}, 0.0), at(11.5))
    assert incident.started == at(9.5)
    assert incidents.open == (incident,)


def test_trouble_while_settling_moves_full():
    world = World(settle=10.0)
    world.fault(1)
    world.run(3.0)
    world.fence(1, p0=2)
    world.run(2.0)
    world.back(1)
    world.incidents.on_healed("run-1")
    world.whole()
    world.run(5.0)
    assert world.status()[0]["state"] == "settling"
    first_full = world.status()[0]["phases"]["full"]
    world.dead.add(3)
    world.run(3.0)
    assert world.status()[0]["state"] == "open"
    assert world.status()[0]["phases"]["full"] is None
    world.dead.clear()
    world.run(20.0)
    (incident,) = world.status()
    assert incident["state"] == "closed"
    assert incident["phases"]["full"] > first_full + 3
    assert "reopened" in world.kinds()


def test_trouble_while_rechecking_asks_for_another_recheck():
    world = World()
    world.answer_rechecks = False
    kill_one(world)
    assert world.status()[0]["state"] == "rechecking"
    world.dead.add(3)
    world.run(3.0)
    world.incidents.recheck_finished(world.incidents.open[0].id)  # the answer to the old question comes too late
    world.run(0.5)
    assert world.status()[0]["state"] == "open"
    world.dead.clear()
    world.answer_rechecks = True
    world.run(20.0)
    assert world.status()[0]["verdict"] == "passed"
    assert world.kinds().count("needs_recheck") == 2


def test_an_outage_that_began_and_ended_between_two_ticks_unsettles_too():
    world = World()
    world.answer_rechecks = False
    kill_one(world)
    (incident,) = world.incidents.open
    edges = tuple(Edge(Operation.CONSUME, P1, available=up, at=world.at()) for up in (False, True))
    world.incidents.on_slots(SlotChanges({}, edges, {}, {}, 0.0), world.at())
    world.incidents.recheck_finished(incident.id)
    world.run(0.5)
    assert incident.state is IncidentState.SETTLING
    assert incident.recovery.full == incident.recovery.outage_ended


def test_metadata_seen_between_t0_and_the_first_bad_slot_being_judged_counts():
    world = World()
    world.leaders = [1, 2, 2]
    world.run(2.0)
    world.dead = {1, 3}
    world.run(1.0)
    world.leaders = [3, 2, 2]
    world.run(3.0)
    world.dead.clear()
    world.run(1.0)
    (incident,) = world.status()
    assert incident["phases"]["leader"] == pytest.approx(1.0, abs=0.26)
    assert incident["phases"]["produce"] == pytest.approx(3.75, abs=0.26)


# --- which incident


def test_a_fault_while_another_incident_is_open_has_its_own():
    world = World()
    world.dead.add(1)
    world.run(3.0)
    world.fence(1, p0=2)
    world.run(6.0)
    world.fault(3)
    world.run(3.0)
    world.fence(3, p2=2)
    world.run(1.0)
    newest, oldest = world.status()
    assert (newest["cause"], oldest["cause"]) == ("experiment", "unknown")
    assert (newest["brokers"], oldest["brokers"]) == ([3], [1])
    world.back(1)
    world.back(3)
    world.incidents.on_healed("run-1")
    world.whole()
    world.run(20.0)
    assert [one["verdict"] for one in world.status()] == ["passed", "passed"]


def test_the_first_sign_of_a_fault_that_came_before_the_news_of_it_is_absorbed():
    world = World()
    injected = world.at()
    world.dead.add(1)
    world.run(2.75)
    assert world.status()[0]["cause"] == "unknown"
    incident = world.incidents.on_fault(
        injected, experiment_run="run-1", fault="process-kill", target="broker 1", brokers=(1,)
    )
    assert len(world.status()) == 1
    assert incident.cause is Cause.EXPERIMENT
    assert incident.started == injected
    assert world.status()[0]["phases"]["produce"] is None


@pytest.mark.parametrize(("broker", "later"), [(2, 1.0), (1, 60.0)])
def test_an_old_incident_or_one_of_another_broker_is_not_absorbed(broker, later):
    incidents = new_incidents()
    incidents.on_broker_exited(1, at(10))
    incidents.on_fault(at(10 + later), experiment_run="r", fault="process-kill", target="b", brokers=(broker,))
    assert len(incidents.open) == 2


def test_the_same_fault_told_twice_is_one_incident():
    incidents = new_incidents()
    for _ in range(2):
        incidents.on_fault(at(10), experiment_run="r", fault="process-kill", target="b", brokers=(1,))
    assert len(incidents.open) == 1


def test_natural_signs_join_the_open_incident():
    incidents = new_incidents()
    incidents.on_broker_exited(1, at(10))
    incidents.on_broker_exited(2, at(12))
    (incident,) = incidents.open
    assert incident.brokers == {1, 2}
    assert incident.started == at(10)


@pytest.mark.parametrize(
    ("partition", "since", "chosen"),
    [
        (P0, 210, 0),  # the first struck its leader
        (P1, 210, 1),
        (P2, 150, 0),  # nobody did: the newest that had begun
        (P2, 210, 1),
    ],
)
def test_an_outage_belongs_to_the_incident_that_struck_the_leader(partition, since, chosen):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    opened = faults(incidents, (100, 1), (200, 2))
    edge = Edge(Operation.PRODUCE, partition, available=False, at=at(since))
    incidents.on_slots(SlotChanges({}, (edge,), {(Operation.PRODUCE, partition): 2.0}, {}, 0.0), at(since + 2))
    assert [bool(one.unavailable) for one in opened] == [chosen == 0, chosen == 1]


def unwritable(*partitions, since=10):
    edges = tuple(Edge(Operation.PRODUCE, part, available=False, at=at(since)) for part in partitions)
    return SlotChanges({}, edges, {}, {}, 0.0)


@pytest.mark.parametrize("order", [(P0, P1, P2), (P2, P1, P0)])
def test_a_partition_that_an_announced_node_leaves_below_min_isr_is_part_of_its_incident(order):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_announced(at(5), "uid-n1", "n1", {1, 2}, Cause.SPOT)
    incidents.on_slots(unwritable(*order), at(12))
    [incident] = incidents.open
    assert (incident.cause, incident.foretold, incident.started) == (Cause.SPOT, False, at(10))
    assert {part for _, part in incident.unavailable} == set(order)


def test_a_partition_that_can_do_without_the_announced_node_is_not_its_matter():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    announced = incidents.on_announced(at(5), "uid-n1", "n1", {1}, Cause.SPOT)
    incidents.on_slots(unwritable(P2), at(12))
    assert announced.foretold
    assert [one.cause for one in incidents.open if one is not announced] == [Cause.UNKNOWN]


@pytest.mark.parametrize("struck", [(P0,), (P0, P1, P2)])
def test_a_notice_that_comes_late_explains_the_outage_that_has_begun(struck):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_slots(unwritable(*struck), at(12))
    incidents.on_announced(at(13), "uid-n1", "n1", {1, 2}, Cause.SPOT)
    incidents.on_brokers_gone({1, 2}, at(14), at(15), Cause.SPOT)
    [incident] = incidents.open
    assert (incident.cause, incident.foretold, incident.started) == (Cause.SPOT, False, at(10))
    assert (incident.brokers, incident.nodes) == ({1, 2}, {"uid-n1": "n1"})


def test_a_notice_explains_no_outage_of_partitions_that_can_do_without_its_brokers():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_slots(unwritable(P0, P2), at(12))
    incidents.on_announced(at(13), "uid-n1", "n1", {1}, Cause.SPOT)
    assert [(one.cause, one.foretold) for one in incidents.open] == [(Cause.UNKNOWN, False), (Cause.SPOT, True)]


def test_a_notice_explains_no_outage_that_is_over():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_slots(unwritable(P0), at(12))
    incidents.on_slots(SlotChanges({}, (Edge(Operation.PRODUCE, P0, available=True, at=at(13)),), {}, {}, 0.0), at(13))
    incidents.on_announced(at(14), "uid-n1", "n1", {1, 2}, Cause.SPOT)
    assert [(one.cause, one.foretold) for one in incidents.open] == [(Cause.UNKNOWN, False), (Cause.SPOT, True)]


def full_of(cause):
    """As many open incidents as there may be, of brokers 100 and up, each begun ten seconds after the one before."""
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    for number in range(MAX_OPEN):
        if cause is Cause.EXPERIMENT:
            incidents.on_fault(
                at(10 * number), experiment_run=f"r{number}", fault="f", target="b", brokers=(100 + number,)
            )
        else:
            incidents.on_announced(at(10 * number), f"uid-{number}", f"n{number}", {100 + number}, cause)
    return incidents


LAST = 99 + MAX_OPEN  # the broker of the newest


def test_a_fault_beyond_the_bound_joins_the_newest_incident_and_says_so():
    incidents = full_of(Cause.EXPERIMENT)
    for broker in (201, 202):
        joined = incidents.on_fault(at(900), experiment_run=f"r{broker}", fault="f", target="b", brokers=(broker,))
        assert joined is incidents.open[-1]
    assert len(incidents.open) == MAX_OPEN
    assert joined.brokers == {LAST, 201, 202}
    assert joined.reasons == [f"f of b joined it: {MAX_OPEN} incidents were open already"]


def test_a_notice_beyond_the_bound_joins_the_newest_incident():
    incidents = full_of(Cause.EXPERIMENT)
    joined = incidents.on_announced(at(900), "uid-n1", "n1", {201}, Cause.SPOT)
    assert (joined is incidents.open[-1], len(incidents.open), joined.announced) == (True, MAX_OPEN, {201})


def test_where_all_that_may_be_is_announced_there_is_room_for_one_that_happens():
    incidents = full_of(Cause.SPOT)
    assert len(incidents.open) == MAX_OPEN - 1
    assert incidents.open[-1].announced == {LAST - 1, LAST}
    edge = Edge(Operation.PRODUCE, P0, available=False, at=at(900))
    incidents.on_slots(SlotChanges({}, (edge,), {}, {}, 0.0), at(901))
    incidents.on_broker_exited(201, at(901))
    [struck] = [one for one in incidents.open if one.struck]
    assert (struck.brokers, len(incidents.open)) == ({201}, MAX_OPEN)


def test_brokers_that_go_beyond_the_bound_join_the_newest_incident_unless_one_is_about_them():
    incidents = full_of(Cause.SPOT)
    own = incidents.on_brokers_gone({101}, at(900), at(900), Cause.SPOT)
    assert own.nodes == {"uid-1": "n1"}
    incidents = full_of(Cause.EXPERIMENT)
    joined = incidents.on_brokers_gone({201}, at(900), at(900), Cause.SPOT)
    assert (joined is incidents.open[-1], len(incidents.open)) == (True, MAX_OPEN)


def test_a_loss_beyond_the_bound_is_of_the_newest_incident_unless_one_was_under_way():
    incidents = full_of(Cause.EXPERIMENT)
    assert incidents.attribute(P0, at(15), at(25)) is incidents.open[2]
    assert incidents.attribute(P0, at(-20), at(-10)) is incidents.open[-1]
    assert len(incidents.open) == MAX_OPEN


def test_closed_incidents_are_bounded():
    world = World(settle=0.5)
    for number in range(MAX_CLOSED + 3):
        world.fault(9, run=f"run-{number}")
        world.incidents.on_healed(f"run-{number}")
        world.run(4.5)
    assert len(world.status()) == MAX_CLOSED
    assert len(world.incidents.to_state()["closed"]) == MAX_CLOSED
    last = world.status()[-1]["started_at"]
    older = [one["started_at"] for one in world.incidents.older()]
    assert (len(older), older) == (3, sorted(older, reverse=True))
    assert older[0] < last


def kinds(incidents, now=0):
    return [change.kind for change in incidents.tick(at(now)).changes]


# --- which one is hit


def test_an_outage_of_a_partition_that_is_still_probed_keeps_holding_back():
    incidents = new_incidents()
    incidents.on_slots(unwritable(P0, P1), at(12))
    incidents.probe([P1, P2])
    assert incidents.open[0].unavailable == {(Operation.PRODUCE, P1)}


def test_the_fault_of_a_node_names_it():
    incidents = new_incidents()
    incident = incidents.on_fault(
        at(10), experiment_run="r", fault="node-reclaim", target="n1", brokers=(1,), node=NodeRef("n1", "uid-n1")
    )
    assert incident.nodes == {"uid-n1": "n1"}


def test_signs_that_a_fault_explains_are_of_its_brokers_and_have_not_settled():
    incidents = new_incidents()
    incidents.on_slots(unwritable(P0), at(12))
    incidents.open[0].state = IncidentState.SETTLING
    incident = incidents.on_fault(at(11), experiment_run="r", fault="f", target="b", brokers=(1, 2))
    assert (incident.brokers, incident.state, len(incidents.open)) == ({1, 2}, IncidentState.OPEN, 1)
    assert incidents.on_fault(at(13), experiment_run="r", fault="f", target="b", brokers=(1, 2)) is incident


def test_signs_of_all_whom_a_fault_was_to_hit_are_its_own_though_nobody_said_that_it_did():
    incidents = new_incidents()
    incidents.on_broker_exited(1, at(12))
    incidents.on_broker_exited(2, at(13))
    incident = incidents.on_fault(at(11), experiment_run="r", fault="f", target="b", brokers=(1,), meant=(1, 2))
    assert (incident.brokers, incident.cause, len(incidents.open)) == ({1, 2}, Cause.EXPERIMENT, 1)


def test_signs_of_others_than_those_whom_a_fault_was_to_hit_are_not_its_own():
    incidents = new_incidents()
    incidents.on_broker_exited(3, at(12))
    incident = incidents.on_fault(at(11), experiment_run="r", fault="f", target="b", brokers=(1,), meant=(1, 2))
    assert (incident.brokers, len(incidents.open)) == ({1}, 2)


def test_only_the_fault_that_was_undone_is_over():
    incidents = new_incidents()
    faults(incidents, (100, 1), (200, 2))
    incidents.on_healed("r100")
    assert [one.fault_active for one in incidents.open] == [False, True]


def test_a_failed_broker_that_metadata_misses_is_a_sign_from_t0_on():
    incidents = new_incidents()
    [incident] = faults(incidents, (10, 9))
    incidents.on_cluster(observed(11, asked=9.9))
    assert incident.recovery.detected is None
    incidents.on_cluster(observed(12, asked=10))
    assert incident.recovery.detected == at(12)


@pytest.mark.parametrize(("operation", "is_led"), [(Operation.PRODUCE, False), (Operation.CONSUME, True)])
def test_when_nobody_answers_what_cannot_be_written_has_no_leader(operation, is_led):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    edge = Edge(operation, P1, available=False, at=at(10))
    incidents.on_slots(SlotChanges({}, (edge,), {}, {}, 0.0), at(12))
    incidents.on_unreachable(ClusterUnreachable(at(14), at(13), "timed out"))
    assert ("leader" not in incidents.open[0].recovery.waiting_for()) == is_led


def test_what_was_just_sent_is_no_lag():
    incidents = new_incidents()
    [incident] = faults(incidents, (10, 1))
    for part in PARTS:
        incidents.on_acked(part, at(11), at(12))
    incidents.on_sent(2_000)
    incidents.on_lag(2_000, at(13))
    assert incident.recovery.lag == at(13)


def test_the_shortest_blindness_is_one():
    incidents = new_incidents()
    faults(incidents, (10, 1))
    incidents.on_slots(SlotChanges({}, (), {}, {}, 0.5), at(12))
    assert incidents.open[0].blind


@pytest.mark.parametrize(("later", "joins"), [(1.0, True), (ABSORB, True), (ABSORB + 0.5, False)])
def test_what_a_notice_leaves_unwritable_joins_it_if_that_began_at_most_a_moment_before(later, joins):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_announced(at(10 + later), "uid-n2", "n2", {2, 3}, Cause.SPOT)  # P0 is led by broker 1
    incidents.on_slots(unwritable(P0, since=10), at(10 + later))
    assert (len(incidents.open) == 1) == joins


def test_the_end_of_an_outage_is_of_the_incident_that_has_it():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    first, second = faults(incidents, (100, 1), (200, 2))
    incidents.on_slots(unwritable(P0, since=201), at(203))
    over = Edge(Operation.PRODUCE, P0, available=True, at=at(205))
    incidents.on_slots(SlotChanges({}, (over,), {}, {}, 0.0), at(205))
    assert [one.recovery.outage_ended for one in (first, second)] == [at(205), None]


def test_a_broker_of_an_announced_node_that_is_missed_strikes():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incident = incidents.on_announced(at(10), "uid-n1", "n1", {1}, Cause.SPOT)
    assert kinds(incidents) == ["opened"]
    incidents.on_cluster(observed(20, asked=19.5, brokers=(2, 3)))
    assert kinds(incidents) == ["broker_lost"]
    assert (incident.foretold, incident.struck, incident.started) == (False, True, at(19.5))
    assert incident.recovery.detected == at(20)


@pytest.mark.parametrize(("broker", "reopened"), [(1, False), (2, True)])
def test_only_another_broker_unsettles(broker, reopened):
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    assert incident.recovery.detected == at(10)
    assert incidents.about({1, 7}) is incident
    incident.state = IncidentState.RECHECKING
    assert incidents.on_broker_exited(broker, at(20)) is incident
    assert incident.state is (IncidentState.OPEN if reopened else IncidentState.RECHECKING)


def test_of_two_that_are_unsettled_one_of_them_by_a_known_broker():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    incidents.on_broker_exited(2, at(11))
    incident.state = IncidentState.RECHECKING
    incidents.on_broker_exited(1, at(20))
    assert incident.state is IncidentState.RECHECKING


def test_a_notice_about_the_broker_of_an_experiment_is_another_incident():
    incidents = new_incidents()
    faults(incidents, (10, 1))
    incidents.on_announced(at(11), "uid-n1", "n1", {1}, Cause.SPOT)
    assert [one.cause for one in incidents.open] == [Cause.EXPERIMENT, Cause.SPOT]


def test_a_notice_about_a_broker_that_failed_explains_it():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    assert incidents.on_announced(at(11), "uid-n1", "n1", {1}, Cause.SPOT) is incident
    assert (incident.cause, incident.nodes) == (Cause.SPOT, {"uid-n1": "n1"})
    assert incidents.of_node("uid-n1", at(12)) is incident


def test_a_second_notice_about_a_node_adds_its_brokers():
    incidents = new_incidents()
    for brokers in ({1}, {2}):
        incident = incidents.on_announced(at(10), "uid-n1", "n1", brokers, Cause.SPOT)
    assert incident.announced == {1, 2}


def test_a_notice_explains_the_outage_of_what_its_broker_led():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_slots(unwritable(P0), at(12))
    incidents.on_announced(at(13), "uid-n1", "n1", {1}, Cause.SPOT)
    assert [one.cause for one in incidents.open] == [Cause.SPOT]


@pytest.mark.parametrize("why", ["it has a cause", "its cause is final", "a broker failed"])
def test_a_notice_does_not_explain_what_is_explained(why):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_slots(unwritable(P0), at(12))
    [incident] = incidents.open
    if why == "it has a cause":
        incidents.improve_cause(incident.id, Cause.OOM, at(12))
    elif why == "its cause is final":
        incidents.tick(at(12 + FREEZE_AFTER))
    else:
        incidents.on_cluster(observed(13, brokers=(1, 2)))
    incidents.on_announced(at(14), "uid-n1", "n1", {1}, Cause.SPOT)
    assert len(incidents.open) == 2


def test_brokers_that_went_explain_the_natural_outage_that_is_open_and_the_news_is_told():
    incidents = new_incidents()
    faults(incidents, (5, 9))
    incidents.on_slots(unwritable(P0), at(12))
    natural = incidents.on_brokers_gone({1}, at(14), at(15), Cause.SPOT)
    assert (natural.cause, natural.brokers, natural.started) == (Cause.SPOT, {1}, at(14))
    assert kinds(incidents) == ["opened", "opened"]
    assert incidents.on_brokers_gone({2}, at(16), at(16), Cause.SPOT) is natural
    assert kinds(incidents) == ["broker_lost"]


def test_that_brokers_of_an_announced_node_went_is_told_once():
    incidents = new_incidents()
    incidents.on_announced(at(10), "uid-n1", "n1", {1}, Cause.SPOT)
    incidents.on_brokers_gone({1}, at(14), at(15), Cause.SPOT)
    assert kinds(incidents) == ["opened", "broker_lost"]


def test_what_came_to_nothing_says_so():
    incidents = new_incidents()
    incident = incidents.on_announced(at(10), "uid-n1", "n1", {1}, Cause.SPOT)
    incidents.came_to_nothing(incident)
    assert (incident.foretold, incident.reasons) == (False, ["what was announced did not happen to its brokers"])


def test_an_earlier_sign_moves_t0_of_a_natural_incident_and_keeps_what_was_noted():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(100))
    incidents.on_slots(unwritable(P0, since=98), at(105))
    assert (incident.started, incident.recovery.detected) == (at(98), at(100))
    before = incident.recovery
    incidents.on_slots(unwritable(P1, since=98), at(106))
    assert incident.recovery is before


@pytest.mark.parametrize(("since", "started"), [(100 - RETIME, 100 - RETIME), (99 - RETIME, 100)])
def test_by_no_more_than_a_minute(since, started):
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(100))
    incidents.on_broker_exited(2, at(since))
    assert incident.started == at(started)


def test_an_injection_is_t0_whatever_signs_are_older():
    incidents = new_incidents()
    [incident] = faults(incidents, (100, 1))
    incidents.on_slots(unwritable(P0, since=99), at(101))
    assert incident.started == at(100)


def test_the_order_follows_t0():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    announced = incidents.on_announced(at(110), "uid-n1", "n1", {1}, Cause.SPOT)
    faults(incidents, (100, 2))
    incidents.on_brokers_gone({1}, at(90), at(111), Cause.SPOT)
    assert incidents.open[0] is announced


# --- when it is over


def settled():
    """An incident of which nothing is probed and that was undone at once, so that all holds from its t0 on."""
    incidents = new_incidents()
    incidents.probe(())
    [incident] = faults(incidents, (10, 1))
    incidents.on_healed("r10")
    incidents.tick(at(10))
    return incidents, incident


def test_it_settles_for_as_long_as_it_was_told_and_waits_so_long_for_its_recheck():
    incidents, incident = settled()
    incidents.recheck_finished(incident.id)  # nobody was asked
    assert (incident.state, incident.recovery.held, incident.recheck_complete) == (IncidentState.SETTLING, at(10), None)
    assert kinds(incidents, 14.9) == []
    assert kinds(incidents, 15) == ["needs_recheck"]
    assert kinds(incidents, 14.9 + RECHECK_LIMIT) == []
    assert kinds(incidents, 15 + RECHECK_LIMIT) == ["closed"]


def test_what_holds_no_more_is_reopened_and_since_when_it_first_held_stays():
    incidents, incident = settled()
    incidents.tick(at(15))
    incident.recovery.pods[1] = None
    assert kinds(incidents, 16) == ["reopened"]
    assert incident.state is IncidentState.OPEN
    incident.recovery.pods[1] = at(17)
    incidents.tick(at(17))
    assert (incident.state, incident.recovery.held) == (IncidentState.SETTLING, at(10))


def test_what_is_not_clear_yet_is_waited_for_until_the_cause_is_final():
    incidents, incident = settled()
    incidents.tick(at(15))
    incidents.recheck_finished(incident.id)
    incident.undecided = ("n1",)
    assert kinds(incidents, 10 + FREEZE_AFTER - 1) == []
    assert kinds(incidents, 10 + FREEZE_AFTER) == ["closed"]


# --- causes


def test_a_cause_is_only_ever_made_more_specific():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    incidents.improve_cause(incident.id, Cause.UNKNOWN, at(11))
    assert incident.cause is Cause.CRASH
    incidents.improve_cause(incident.id, Cause.SPOT, at(12))
    assert incident.cause is Cause.SPOT
    assert kinds(incidents) == ["opened"]


def test_what_comes_to_be_known_of_a_closed_incident_is_told_if_it_is_news():
    incidents, incident = settled()
    incidents.tick(at(15))
    incidents.recheck_finished(incident.id)
    assert kinds(incidents, 16) == ["closed"]
    incidents.improve_cause(incident.id, Cause.UNKNOWN, at(17))
    assert kinds(incidents, 17) == []
    incidents.on_loss(incident.id, Acks.ONE, 3, seen=False, at=at(18))
    assert (kinds(incidents, 18), incident.verdict) == (["revised"], Verdict.INCONCLUSIVE)
    incidents.on_loss(incident.id, Acks.ALL, 3, seen=False, at=at(19))
    assert (kinds(incidents, 19), incident.verdict) == (["revised"], Verdict.FAILED)
    assert incident.reasons[-1] == "acknowledged records were found lost after it was closed (acks=all)"


def test_a_better_cause_of_a_closed_incident_is_told():
    incidents = new_incidents()
    incidents.probe(())
    incident = incidents.on_broker_exited(1, at(10))
    incidents.tick(at(10))
    incidents.tick(at(15))
    incidents.recheck_finished(incident.id)
    incidents.tick(at(16))
    incidents.improve_cause(incident.id, Cause.SPOT, at(17))
    assert (kinds(incidents, 17), incident.cause, incident.cause_revised) == (["revised"], Cause.CRASH, Cause.SPOT)


def test_what_is_told_of_an_incident_that_nobody_remembers_changes_nothing():
    incidents = new_incidents()
    incidents.on_loss("gone", Acks.ALL, 1, seen=True, at=at(1))
    incidents.on_duplicates("gone", Acks.ALL, 1, at(1))
    incidents.improve_cause("gone", Cause.SPOT, at(1))
    incidents.recheck_finished("gone")
    assert incidents.tick(at(2)) == Step((), ())


@pytest.mark.parametrize(
    ("lost_at", "asked_at", "final"),
    [
        (None, 10 + FREEZE_AFTER - 1, False),
        (None, 10 + FREEZE_AFTER, True),
        (20, 20 + FREEZE_AFTER_LOSS - 1, False),
        (20, 20 + FREEZE_AFTER_LOSS, True),
        (10 + FREEZE_AFTER - 1, 10 + FREEZE_AFTER, True),
    ],
)
def test_a_cause_becomes_final_after_a_loss_or_ten_minutes(lost_at, asked_at, final):
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    if lost_at is not None:
        incidents.on_loss(incident.id, Acks.ALL, 3, seen=False, at=at(lost_at))
    incidents.tick(at(asked_at))
    incidents.improve_cause(incident.id, Cause.SPOT, at(asked_at))
    assert (incident.cause, incident.cause_revised) == ((Cause.CRASH, Cause.SPOT) if final else (Cause.SPOT, None))


def test_losses_are_counted_once_and_under_the_final_cause():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    incidents.on_loss(incident.id, Acks.ALL, 3, seen=False, at=at(20))
    incidents.on_loss(incident.id, Acks.ALL, 2, seen=False, at=at(21))
    incidents.on_loss(incident.id, Acks.ONE, 7, seen=True, at=at(21))
    incidents.on_duplicates(incident.id, Acks.ALL, 4, at(21))
    assert (incident.lost, incident.duplicated) == ({Acks.ALL: 5, Acks.ONE: 7}, {Acks.ALL: 4})
    assert incident.verdict is None
    before = incidents.tick(at(22))
    assert (before.commands, [change.kind for change in before.changes]) == ((), ["opened"])
    incidents.improve_cause(incident.id, Cause.OOM, at(30))
    counts = incidents.tick(at(20 + FREEZE_AFTER_LOSS)).commands
    assert {(one.metric, *sorted(one.labels)): one.amount for one in counts} == {
        ("records_lost_total", ("acks", "all"), ("cause", "oom"), ("seen", "never")): 5,
        ("records_lost_total", ("acks", "1"), ("cause", "oom"), ("seen", "before")): 7,
        ("records_duplicated_total", ("acks", "all"), ("cause", "oom")): 4,
    }
    incidents.on_loss(incident.id, Acks.ALL, 1, seen=True, at=at(100))
    (late,) = incidents.tick(at(101)).commands
    assert (late.amount, dict(late.labels)["cause"]) == (1, "oom")
    assert incidents.tick(at(200)).commands == ()


def test_copies_that_are_found_later_add_up():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    for count in (4, 2):
        incidents.on_duplicates(incident.id, Acks.ALL, count, at(21))
    assert incident.duplicated == {Acks.ALL: 6}


def test_a_loss_makes_no_earlier_what_was_final_at_once():
    incidents = new_incidents()
    [incident] = faults(incidents, (10, 1))
    incidents.tick(at(11))
    incidents.on_loss(incident.id, Acks.ALL, 3, seen=True, at=at(20))
    assert incident.final_at == at(10).mono + FREEZE_AFTER


def test_losses_of_an_experiment_are_counted_at_once():
    incidents = new_incidents()
    incident = incidents.on_fault(at(10), experiment_run="r", fault="f", target="b", brokers=(1,))
    incidents.on_loss(incident.id, Acks.ALL, 3, seen=True, at=at(11))
    (count,) = incidents.tick(at(11)).commands
    assert (count.metric, count.amount, dict(count.labels)["cause"]) == ("records_lost_total", 3, "experiment")


# --- whose loss


def faults(incidents, *when_and_broker):
    return [
        incidents.on_fault(at(when), experiment_run=f"r{when}", fault="f", target="b", brokers=(broker,))
        for when, broker in when_and_broker
    ]


@pytest.mark.parametrize(
    ("last_ack", "first_ack", "chosen"),
    [
        (99.0, 120.0, 0),  # only the first was open
        (None, 120.0, 0),
        (199.0, 220.0, 1),  # both open: the newest that holds a replica
        (195.0, 199.0, 0),  # ended before the second began
    ],
)
def test_a_loss_belongs_to_the_incident_in_which_the_log_went_backwards(last_ack, first_ack, chosen):
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    opened = faults(incidents, (100, 1), (200, 2))
    window = None if last_ack is None else at(last_ack), at(first_ack)
    assert incidents.attribute(P0, *window) is opened[chosen]


def test_the_newest_incident_without_a_replica_of_the_partition_is_passed_over():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    first, second = faults(incidents, (100, 1), (200, 9))
    assert incidents.attribute(P0, at(199), at(220)) is first
    assert incidents.attribute(ProbePartition(Acks.ALL, 77), at(199), at(220)) is second


def test_of_two_that_began_together_the_most_specific_is_chosen():
    incidents = new_incidents()
    incidents.on_cluster(observed(1))
    incidents.on_fault(at(100), experiment_run="r", fault="f", target="b", brokers=(1,))
    natural = incidents._begin(at(100), at(100), Cause.UNKNOWN, (2,))
    assert incidents.attribute(P0, at(99), at(120)).cause is Cause.EXPERIMENT
    natural.cause = Cause.SPOT
    assert incidents.attribute(P0, at(99), at(120)).cause is Cause.EXPERIMENT


def test_a_log_that_went_backwards_opens_an_incident_by_itself():
    world = World()
    incident = world.incidents.log_regressed(P1, world.at(2.0), world.at())
    assert incident.cause is Cause.UNKNOWN
    assert incident.started == world.at(2.0)
    assert incident.recovery.detected == world.at()
    world.run(20.0)
    assert world.kinds() == ["opened", "needs_recheck", "closed"]


MOVED = (
    "leaders moved while no broker was missed (acks=all partition 1 from broker 2 to 3): Kafka's return to preferred"
    " leaders, a reassignment, or a restart too short to see"
)


def test_of_what_nothing_else_explains_it_is_said_that_leaders_moved():
    world = World()
    world.incidents.log_regressed(P1, world.at(), world.at())
    world.leaders[1] = 3
    world.run(20.0)
    (incident,) = world.status()
    assert (incident["cause"], incident["reasons"]) == ("unknown", [MOVED])


def test_of_many_leaders_that_moved_some_are_named():
    world = World()
    world.incidents.log_regressed(P1, world.at(), world.at())
    world.leaders = [2, 3, 1]
    world.run(20.0)
    [said] = world.status()[0]["reasons"]
    assert "(acks=all partition 0 from broker 1 to 2, acks=all partition 1 from broker 2 to 3, 1 more)" in said


def test_two_leaders_that_moved_are_all_there_are():
    world = World()
    world.incidents.log_regressed(P1, world.at(), world.at())
    world.leaders = [2, 1, 3]
    world.run(20.0)
    [said] = world.status()[0]["reasons"]
    assert "from broker 1 to 2, acks=all partition 1 from broker 2 to 1): " in said


@pytest.mark.parametrize("story", ["nothing moved", "it is back", "its leader died", "a fault", "it has a cause"])
def test_it_is_not_said_that_leaders_moved(story):
    world = World()
    if story == "a fault":
        world.fault(2)
        world.dead.clear()
        world.incidents.on_healed("run-1")
    incident = world.incidents.log_regressed(P1, world.at(), world.at())
    if story == "it has a cause":
        world.incidents.improve_cause(incident.id, Cause.OOM, world.at())
    if story != "nothing moved":
        world.leaders[1] = 3
    if story == "its leader died":
        world.fence(2)
    world.run(3.0)
    world.back(2)
    world.leaders[1] = 2 if story in {"nothing moved", "it is back"} else 3
    world.whole()
    world.run(30.0)
    (incident,) = world.status()
    assert incident["state"] == "closed"
    assert not [one for one in incident["reasons"] if "leaders moved" in one]


def test_a_log_that_went_backwards_during_an_incident_is_part_of_it_and_unsettles_it():
    world = World()
    world.answer_rechecks = False
    kill_one(world)
    assert world.status()[0]["state"] == "rechecking"
    incident = world.incidents.log_regressed(P0, world.at(4.0), world.at(10.0))
    assert incident is world.incidents.open[0]
    assert incident.state is IncidentState.OPEN
    assert len(world.status()) == 1


def test_a_loss_found_after_the_close_revises_the_verdict_and_is_counted():
    world = World()
    injected = world.now
    kill_one(world)
    world.run(30.0)
    world.commands.clear()
    incident = world.incidents.attribute(P0, world.at(injected - 0.5), world.at(injected + 4))
    assert incident.id == world.status()[0]["id"]
    world.incidents.on_loss(incident.id, Acks.ALL, 2, seen=True, at=world.at())
    world.run(0.5)
    assert world.status()[0]["verdict"] == "failed"
    assert world.status()[0]["lost"] == 2
    assert world.kinds()[-1] == "revised"
    assert world.counted("records_lost_total") == {("all", "before", "experiment"): 2}
    assert world.counted("incidents_total") == {}  # written once, at the close


def test_a_loss_after_all_incidents_were_over_has_its_own():
    world = World()
    kill_one(world)
    world.run(30.0)
    before = world.status()[0]["id"]
    incident = world.incidents.attribute(P0, world.at(world.now - 1), world.at())
    assert incident.id != before
    assert incident.cause is Cause.UNKNOWN


def test_a_loss_of_which_no_earlier_acknowledgement_is_known_begins_with_the_first():
    assert new_incidents().attribute(P0, None, at(10)).started == at(10)


# --- verdicts


def test_a_loss_fails_the_incident_and_acks_one_does_not():
    for acks, verdict in ((Acks.ALL, "failed"), (Acks.ONE, "passed")):
        world = World()
        incident = world.fault(1)
        world.incidents.on_loss(incident.id, acks, 1, seen=False, at=world.at())
        world.dead.clear()
        world.incidents.on_healed("run-1")
        world.run(20.0)
        assert world.status()[0]["verdict"] == verdict
        assert world.status()[0]["lost_by_acks"][acks.value] == 1


def test_a_phase_over_its_objective_fails_the_incident_in_words():
    world = World(slo={"produce": 3.0})
    kill_one(world)
    assert world.status()[0]["verdict"] == "failed"
    assert any(reason.startswith("produce took 3.") for reason in world.status()[0]["reasons"])


def test_a_recheck_that_could_not_finish_leaves_doubt():
    world = World()
    world.answer_rechecks = False
    kill_one(world)
    world.incidents.recheck_finished(world.incidents.open[0].id, complete=False)
    world.run(0.5)
    assert world.status()[0]["verdict"] == "inconclusive"


def test_a_recheck_that_is_never_answered_does_not_keep_an_incident_open():
    world = World()
    world.answer_rechecks = False
    kill_one(world)
    world.run(RECHECK_LIMIT)
    assert world.status()[0]["verdict"] == "inconclusive"


def test_blindness_leaves_doubt_but_excuses_no_loss():
    for lost, verdict in ((0, "inconclusive"), (1, "failed")):
        world = World()
        incident = world.fault(1)
        world.dead.clear()
        world.availability.lived_blind(3.0)
        if lost:
            world.incidents.on_loss(incident.id, Acks.ALL, lost, seen=False, at=world.at())
        world.incidents.on_healed("run-1")
        world.run(20.0)
        assert world.status()[0]["verdict"] == verdict


def test_without_a_probed_partition_nothing_is_proved():
    world = World()
    world.probe()
    world.fault(1)
    world.incidents.on_healed("run-1")
    world.run(20.0)
    assert world.status()[0]["verdict"] == Verdict.INCONCLUSIVE


# --- state


def test_a_restart_in_mid_incident_keeps_it_and_its_t0():
    world = World()
    world.fault(1)
    world.run(3.0)
    world.fence(1, p0=2)
    world.run(2.0)
    before = json.loads(json.dumps(world.status()[0]))
    world.restart()
    after = world.status()[0]
    assert {key: after[key] for key in ("id", "cause", "fault", "target", "started_at", "opened_at", "brokers")} == {
        key: before[key] for key in ("id", "cause", "fault", "target", "started_at", "opened_at", "brokers")
    }
    assert after["phases"] == pytest.approx(before["phases"])
    assert after["phases"]["produce"] is not None
    world.back(1)
    world.incidents.on_healed("run-1")
    world.whole()
    world.run(20.0)
    (incident,) = world.status()
    assert incident["phases"]["isr"] == pytest.approx(7.25, abs=0.3)
    assert incident["verdict"] == "inconclusive"
    assert world.kinds().count("opened") == 1


def test_an_incident_that_was_open_over_a_restart_was_not_seen_throughout():
    incidents = new_incidents()
    incidents.on_broker_exited(1, at(10))
    incidents.tick(at(11))
    assert not incidents.open[0].blind
    again = new_incidents()
    again.restore(json.loads(json.dumps(incidents.to_state())), at(12, offset=500))
    assert again.open[0].blind


def test_closed_incidents_survive_unchanged():
    world = World()
    kill_one(world)
    before = json.loads(json.dumps(world.status()))
    world.restart()
    after = json.loads(json.dumps(world.status()))
    assert after[0].pop("phases") == pytest.approx(before[0].pop("phases"))
    assert after == before
    world.run(20.0)
    assert world.kinds().count("closed") == 1


def test_counts_that_waited_for_the_cause_survive_a_restart():
    incidents = new_incidents()
    incident = incidents.on_broker_exited(1, at(10))
    incidents.on_loss(incident.id, Acks.ALL, 3, seen=False, at=at(20))
    again = new_incidents()
    again.restore(json.loads(json.dumps(incidents.to_state())), at(30, offset=500))
    assert again.tick(at(79, offset=500)).commands == ()
    (count,) = again.tick(at(80, offset=500)).commands
    assert (count.metric, count.amount) == ("records_lost_total", 3)


def test_ids_stay_unique_over_restarts():
    incidents = new_incidents()
    first = incidents.on_broker_exited(1, at(10))
    again = new_incidents()
    again.restore(json.loads(json.dumps(incidents.to_state())), at(30, offset=500))
    assert faults(again, (40, 2))[0].id != first.id


@pytest.mark.parametrize(
    "state", [{}, {"number": 1, "open": [{}], "closed": []}, {"number": "x", "open": [], "closed": []}]
)
def test_a_state_that_is_not_ours_is_refused(state):
    with pytest.raises((KeyError, TypeError, ValueError)):
        new_incidents().restore(state, at(0))


def test_an_unreachable_cluster_alone_opens_nothing():
    incidents = new_incidents()
    incidents.on_unreachable(ClusterUnreachable(at(10), at(8), "timed out"))
    assert incidents.open == ()


def test_partitions_no_longer_probed_hold_nothing_back():
    world = World()
    world.fault(1)
    world.run(3.0)
    world.probe(*PARTS[1:])
    world.incidents.on_healed("run-1")
    world.run(20.0)
    assert world.status()[0]["verdict"] == "passed"

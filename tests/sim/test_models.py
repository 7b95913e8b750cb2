"""What the simulated Kafka and clocks do by themselves, apart from Sentinel: its worlds rest on that."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from tests.sim.kafka_model import Answered, Broker, Entry, Partition, Payload
from tests.sim.lease_model import Process
from tests.sim.quorum_model import CAUGHT_UP, PATIENCE, Quorum
from tests.sim.segments import first_kept

STEP = 0.1


class Silent:
    """A watch that nobody listens to."""

    def __getattr__(self, name):
        return lambda *what: None


class Voters:
    def __init__(self, seed=1):
        self.nodes = {number: Broker() for number in (1, 2, 3)}
        self.said = []
        self.quorum = Quorum(self.nodes, random.Random(seed), self.said.append)
        self.now = 0.0

    def wait(self, seconds):
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.quorum.step(self.now)


def test_where_the_leader_dies_another_is_elected_in_a_new_epoch():
    voters = Voters()
    voters.wait(1.0)
    voters.nodes[1].alive = False
    voters.wait(STEP)
    assert not voters.quorum.active()
    voters.wait(PATIENCE[1] + STEP)
    assert voters.quorum.active()
    assert (voters.quorum.leader in {2, 3}, voters.quorum.epoch) == (True, 2)
    assert voters.said == ["quorum_unled", "quorum_elected"]


def test_without_a_majority_nobody_leads_until_there_is_one_again():
    voters = Voters()
    voters.wait(1.0)
    voters.nodes[2].paused = voters.nodes[3].isolated = True
    voters.wait(STEP)
    assert not voters.quorum.active()
    assert voters.quorum.view(voters.now) is not None  # it does not know it yet
    voters.wait(30.0)
    assert voters.quorum.view(voters.now) is None
    voters.nodes[2].paused = False
    voters.wait(STEP)
    assert voters.quorum.active()


@pytest.mark.parametrize("seed", range(4))
def test_a_voter_that_comes_back_has_to_catch_up_and_does_not_lead_before(seed):
    voters = Voters(seed)
    voters.nodes[3].alive = False
    voters.wait(20.0)
    voters.nodes[3].alive = True
    voters.wait(2 * STEP)
    assert voters.quorum.view(voters.now).caught_up_voters == (1, 2)
    assert not voters.quorum.spares((2,), voters.now, CAUGHT_UP)
    voters.nodes[1].alive = False
    voters.wait(PATIENCE[1] + STEP)
    assert voters.quorum.leader == 2
    voters.nodes[1].alive = True
    voters.wait(20.0)
    assert voters.quorum.view(voters.now).caught_up_voters == (1, 2, 3)
    assert voters.quorum.spares((2,), voters.now, CAUGHT_UP)


def written(kafka, steps, *, changes):
    """Return what became of a write to the leader after so many steps."""
    said = []
    kafka.produce(kafka.leader, [Payload("record")], acks_all=True, producer=None, answer=said.append)
    for number in range(steps):
        kafka.step(number * 1.0, 2.0, 10, changes=changes)
    return said


def test_without_a_controller_the_in_sync_replicas_stay_and_only_all_of_them_acknowledge():
    brokers = {number: Broker() for number in (1, 2, 3)}
    kafka = Partition("p", brokers, (1, 2, 3), 2, Silent())
    assert written(kafka, 3, changes=False) == [0]
    brokers[3].alive = False
    assert written(kafka, 10, changes=False) == []
    assert kafka.isr == {1, 2, 3}
    kafka.step(20.0, 2.0, 10)
    assert kafka.isr == {1, 2}


@pytest.mark.parametrize("seed", range(6))
def test_voters_are_removed_and_added_by_a_leader_that_may_remove_itself(seed):
    voters = Voters(seed)
    voters.wait(1.0)
    sizes = []
    for _ in range(20):
        voters.quorum.change_voters(voters.now)
        voters.wait(1.0)
        sizes.append((len(voters.quorum.voters), voters.quorum.majority))
        assert voters.quorum.active()
        assert voters.quorum.leader in voters.quorum.voters
    assert set(sizes) == {(1, 1), (2, 2), (3, 2)}
    assert {"voter_added", "voter_removed"} <= set(voters.said)
    assert voters.quorum.epoch > 1


def test_for_a_while_nobody_need_know_that_a_voter_was_removed():
    voters = Voters()
    voters.wait(1.0)
    voters.quorum.change_voters(voters.now)
    [gone] = voters.quorum.others
    left = min(voters.quorum.voters)
    assert voters.quorum.spares((left,), voters.now, CAUGHT_UP)
    voters.wait(CAUGHT_UP + STEP)
    assert not voters.quorum.spares((left,), voters.now, CAUGHT_UP)
    assert voters.quorum.spares((gone,), voters.now, CAUGHT_UP)


def test_a_broker_that_is_not_let_in_serves_nobody():
    brokers = {number: Broker() for number in (1, 2)}
    kafka = Partition("p", brokers, (1, 2), 1, Silent())
    assert isinstance(kafka.produce(1, [Payload("record")], acks_all=False, producer=None, answer=None), Answered)
    brokers[1].starting = True
    assert kafka.readable(1) is None
    assert not brokers[1].in_cluster


STAMPS = (10.0, 30.0, 12.0, 11.0, 13.0, 14.0, 15.0)


@pytest.mark.parametrize(
    ("hw", "oldest", "kept"),
    [
        (7, 5.0, 0),  # all are young
        (7, 20.0, 0),  # one that is young keeps the first segment, and that the others
        (7, 31.0, 7),  # the last segment goes, too, though it is not full
        (6, 31.0, 6),  # but nothing that is not committed
        (5, 31.0, 4),  # and only whole segments
    ],
)
def test_whole_segments_go_from_the_beginning_and_an_idle_log_becomes_empty(hw, oldest, kept):
    log = [Entry(0, Payload("record", sent_wall=stamp)) for stamp in STAMPS]
    assert first_kept(log, 0, hw, 2, oldest) == kept


def test_brokers_delete_by_clocks_of_their_own():
    brokers = {number: Broker() for number in (1, 2)}
    kafka = Partition("p", brokers, (1, 2), 1, Silent())
    kafka.produce(1, [Payload("record", sent_wall=10.0)] * 4, acks_all=False, producer=None, answer=None)
    kafka.step(0.0, 2.0, 10)
    kafka.expire(2, {1: 5.0, 2: 15.0})
    assert (kafka.starts[1], kafka.starts[2], kafka.authority_start) == (0, 4, 0)
    kafka.expire(2, {1: 15.0, 2: 15.0})
    assert kafka.authority_start == kafka.hw == 4


def test_the_clocks_of_a_suspended_machine_stand_still_and_the_wall_is_set_later():
    world = SimpleNamespace(now=100.0)
    process = Process(SimpleNamespace(world=world), 1)
    process.held_until = 109.0
    process.suspend(20.0, 5.0)
    world.now = 110.0
    assert (process.clock(), process.wall_lag(), process.holds()) == (100.0, 10.0, True)
    world.now = 123.0
    assert (process.clock(), process.wall_lag(), process.holds()) == (103.0, 20.0, True)
    world.now = 130.0
    assert (process.clock(), process.wall_lag(), process.holds()) == (110.0, 0.0, False)
    process.wake()
    assert process.clock() == 110.0

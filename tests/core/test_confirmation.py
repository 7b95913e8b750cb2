"""Whether Kafka shows that a fault struck: what counts as shown, what does not, and when it is given up."""

from __future__ import annotations

import pytest
from tests.core.experiment_worlds import PROBE, QUORUM, cluster, instant, partition, topic, world

from kafka_sentinel.core.cluster import EnsembleView, QuorumView
from kafka_sentinel.core.confirmation import Confirmation
from kafka_sentinel.core.events import FaultCommanded, FaultFailed, FaultInjected

BEGUN, ENDED = 1_000.0, 1_002.0
WITHOUT_1 = cluster(brokers={2: "h:2", 3: "h:3"})
ALL = ("zk-1:2181", "zk-2:2181", "zk-3:2181")


def isr_without(broker, *numbers):
    """The probe topic where a broker is out of sync with the partitions of these numbers."""
    parts = [
        partition(part.partition, leader=part.leader, isr=tuple(one for one in part.replicas if one != broker))
        if part.partition in numbers
        else part
        for part in PROBE.partitions
    ]
    return cluster(topics={"probe": topic("probe", *parts)})


def confirmation(targets=(1,), servers=(), before=None, limit=30.0):
    return Confirmation("run-1", targets, servers, limit, before or world(BEGUN))


def after(view=None, *, at=BEGUN + 3, asked=BEGUN + 2.5, **changes):
    changes |= {"cluster": view if view is not None else cluster(), "cluster_asked": instant(asked)}
    return world(at, **changes)


def commanded(seen, problem=""):
    seen.commanded(FaultCommanded(instant(ENDED), "run-1", problem))
    return seen


@pytest.mark.parametrize("view", [WITHOUT_1, isr_without(1, 0, 1, 2)])
def test_a_broker_that_is_gone_or_out_of_sync_with_all_it_had_was_hit_from_the_beginning(view):
    outcome = commanded(confirmation()).look(after(view))
    assert outcome.event == FaultInjected(instant(BEGUN), "run-1", (1,), confirmed=instant(BEGUN + 3))


@pytest.mark.parametrize(
    "view",
    [
        cluster(),
        isr_without(1, 0),
        isr_without(1, 0, 1),
        isr_without(2, 0, 1, 2),
        cluster(brokers={1: "h:1", 3: "h:3"}),
        cluster(topics={"probe": topic("probe", *(partition(n, leader=2) for n in range(3)))}),
    ],
)
def test_another_broker_or_a_part_of_it_or_leaders_that_move_back_show_nothing(view):
    assert commanded(confirmation()).look(after(view)) is None


def test_a_view_that_was_asked_for_before_the_command_shows_nothing():
    assert commanded(confirmation()).look(after(WITHOUT_1, asked=BEGUN)) is None
    assert commanded(confirmation()).look(after(WITHOUT_1, asked=BEGUN + 0.1)) is not None


def test_what_was_shown_while_the_command_ran_stays_shown_when_it_is_over():
    seen = confirmation()
    assert seen.look(after(WITHOUT_1)) is None  # it still runs
    assert seen.look(after(cluster(), at=BEGUN + 20, asked=BEGUN + 19)) is None
    assert isinstance(commanded(seen).look(after(cluster(), at=BEGUN + 21, asked=BEGUN + 20)).event, FaultInjected)


def test_a_command_that_does_nothing_is_given_up_at_the_limit_and_not_before():
    seen = commanded(confirmation())
    assert seen.look(after(at=ENDED + 29.9)) is None
    event = seen.look(after(at=ENDED + 30)).event
    assert isinstance(event, FaultFailed)
    assert event.reason == "not confirmed: broker 1 was not seen to go within 30 s"


def test_one_that_failed_counts_if_it_struck_and_its_failure_is_told_if_it_did_not():
    assert isinstance(commanded(confirmation(), "exit status 255").look(after(WITHOUT_1)).event, FaultInjected)
    reason = commanded(confirmation(), "exit status 255").look(after(at=ENDED + 31)).event.reason
    assert reason == "not confirmed: broker 1 was not seen to go within 30 s; exit status 255"


def test_a_view_that_is_not_there_or_was_never_asked_for_shows_nothing():
    for unseen in ({"cluster": None}, {"cluster": WITHOUT_1, "cluster_asked": None}):
        seen = world(BEGUN + 3, **{"cluster_asked": instant(BEGUN + 2), **unseen})
        assert commanded(confirmation()).look(seen) is None


def test_a_broker_with_nothing_but_only_copies_was_hit_when_it_is_gone_and_not_before():
    only = topic("only", partition(0, replicas=(1,)))
    before = world(BEGUN, cluster=cluster(topics={"only": only}))
    out_of_sync = cluster(topics={"only": topic("only", partition(0, replicas=(1,), isr=()))})
    assert commanded(confirmation(before=before)).look(after(out_of_sync)) is None
    assert isinstance(commanded(confirmation(before=before)).look(after(WITHOUT_1)).event, FaultInjected)


def test_a_broker_that_left_the_only_other_replica_alone_in_sync_was_hit():
    def pair(*isr):
        return cluster(topics={"pair": topic("pair", partition(0, leader=2, replicas=(1, 2), isr=isr))})

    seen = commanded(confirmation(before=world(BEGUN, cluster=pair(1, 2))))
    assert isinstance(seen.look(after(pair(2))).event, FaultInjected)


def test_of_several_all_must_have_gone_though_not_at_the_same_time():
    seen = commanded(confirmation((1, 2)))
    assert seen.look(after(WITHOUT_1)) is None
    outcome = seen.look(after(cluster(brokers={1: "h:1", 3: "h:3"}), at=BEGUN + 9, asked=BEGUN + 8))
    assert outcome.event == FaultInjected(instant(BEGUN), "run-1", (1, 2), confirmed=instant(BEGUN + 9))


def test_it_is_over_when_the_command_was_as_far_as_is_known():
    assert confirmation().ended == instant(BEGUN)
    assert commanded(confirmation()).ended == instant(ENDED)


# --- controllers


def quorum(**changes):
    plain = {"leader": 9, "epoch": 7, "voters": (8, 9, 10), "caught_up_voters": (8, 9, 10)}
    return QuorumView(**plain | changes)


def of_controller(view, asked=BEGUN + 2.5):
    seen = commanded(confirmation((9,), before=world(BEGUN, quorum=quorum())))
    return seen.look(world(BEGUN + 3, quorum=view, quorum_asked=instant(asked)))


@pytest.mark.parametrize("view", [quorum(caught_up_voters=(8, 10)), quorum(leader=8)])
def test_a_controller_was_hit_if_the_quorum_lost_it_or_its_lead(view):
    assert isinstance(of_controller(view).event, FaultInjected)


@pytest.mark.parametrize("view", [quorum(), quorum(caught_up_voters=(9, 10)), None])
def test_a_controller_that_still_leads_or_a_quorum_that_is_silent_shows_nothing(view):
    assert of_controller(view) is None


def test_who_led_a_quorum_that_was_not_seen_before_is_not_known():
    seen = commanded(confirmation((0,), before=world(BEGUN, quorum=None, cluster=None)))
    voters = (0, 8, 9)
    led_by_another = QuorumView(8, 8, voters, voters)
    assert seen.look(world(BEGUN + 3, quorum=led_by_another, quorum_asked=instant(BEGUN + 2))) is None


def test_an_old_view_of_the_quorum_shows_nothing():
    assert of_controller(quorum(leader=8), asked=BEGUN) is None


def test_a_broker_that_votes_as_well_is_judged_as_the_broker_it_is():
    seen = commanded(confirmation((2,)))
    assert seen.look(after(quorum=QuorumView(1, 8, (1, 2, 3), (1, 2, 3)), quorum_asked=instant(BEGUN + 2))) is None
    assert QUORUM.leader == 2


# --- ZooKeeper


def of_server(serving, asked=BEGUN + 2):
    seen = commanded(confirmation((), ("zk-2:2181",)))
    return seen.look(world(BEGUN + 3, ensemble=EnsembleView(ALL, frozenset(serving), instant(asked))))


def test_a_server_that_serves_no_more_was_hit():
    assert of_server({ALL[0], ALL[2]}).event == FaultInjected(instant(BEGUN), "run-1", (), confirmed=instant(BEGUN + 3))


@pytest.mark.parametrize(("serving", "asked"), [(ALL, BEGUN + 2), (ALL[1:], BEGUN + 2), (ALL[::2], BEGUN)])
def test_another_server_or_an_old_answer_shows_nothing(serving, asked):
    assert of_server(serving, asked) is None


def test_a_server_that_is_not_seen_to_go_is_named():
    seen = commanded(confirmation((), ("zk-2:2181",)))
    event = seen.look(world(ENDED + 31, ensemble=EnsembleView(ALL, frozenset(ALL), instant(ENDED + 30)))).event
    assert event.reason == "not confirmed: ZooKeeper server zk-2:2181 was not seen to go within 30 s"


def test_servers_of_which_nobody_says_how_they_are_show_nothing_and_are_named_in_order():
    for view in (None, EnsembleView(ALL, frozenset(), None)):
        assert commanded(confirmation((), ALL[:1])).look(world(BEGUN + 3, ensemble=view)) is None
    event = commanded(confirmation((), ALL[::-1])).look(world(ENDED + 31)).event
    assert event.reason == f"not confirmed: ZooKeeper server {', '.join(ALL)} was not seen to go within 30 s"

from __future__ import annotations

from dataclasses import replace

import pytest

from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.exposure import MAX_TOPICS, Domain, Exposed, exposure
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, Flavour, FleetView, Role

SPREAD = {0: ("n1", "a"), 1: ("n2", "b"), 2: ("n3", "c")}
TOGETHER = {0: ("n1", "a"), 1: ("n2", "b"), 2: ("n1", "a")}


def fleet(places, spot=(), controllers=()):
    def pod(number, node, zone):
        return BrokerPod(
            broker=number,
            uid=f"u{number}",
            name=f"kafka-{number}",
            namespace="kafka",
            roles=frozenset({Role.CONTROLLER if number in controllers else Role.BROKER}),
            pool=None,
            node=node,
            node_uid=node,
            zone=zone,
            capacity=Capacity.SPOT if number in spot else Capacity.ON_DEMAND,
            volumes=(),
            budgets=(),
            ready=True,
            deleting=False,
            created=None,
        )

    pods = {number: pod(number, *place) for number, place in places.items()}
    ours = {number: pod for number, pod in pods.items() if number in controllers}
    brokers = {number: pod for number, pod in pods.items() if number not in controllers}
    return FleetView(Flavour.STATEFUL_SET, "kafka", "kafka", brokers, ours)


def topic(name="orders", replicas=((0, 1, 2),), min_isr=2, isr=None):
    parts = [PartitionView(n, r[0], tuple(r), tuple(r) if isr is None else isr) for n, r in enumerate(replicas)]
    return TopicView(name, None, min_isr, tuple(parts))


def cluster(*topics, brokers=(0, 1, 2)):
    return ClusterView("c", dict.fromkeys(brokers, "h:1"), {one.name: one for one in topics}, {})


def counts(view, found, voters=()):
    result = exposure(view, found, voters)
    return tuple(result.counts[domain] for domain in (Domain.NODE, Domain.ZONE, Domain.SPOT_POOL))


def named(view, found, name, voters=()):
    return next(one for one in exposure(view, found, voters).each if one.name == name)


def test_brokers_that_are_spread_expose_nothing():
    assert counts(cluster(topic()), fleet(SPREAD)) == (0, 0, 0)


def test_two_brokers_on_one_node_expose_what_they_both_hold():
    view = cluster(topic(replicas=((0, 1, 2), (0, 1), (1, 2)), min_isr=2), topic("small", ((0, 1),), min_isr=1))
    assert counts(view, fleet(TOGETHER)) == (3, 3, 0)
    worst = exposure(view, fleet(TOGETHER)).each[0]
    assert (worst.members, worst.partitions, worst.bare, worst.topics) == ((0, 2), 3, 0, ("orders",))


def test_the_spot_pool_is_one_domain():
    view = cluster(topic(replicas=((0, 1, 2), (1, 2, 0))))
    assert counts(view, fleet(SPREAD, spot=(0,))) == (0, 0, 0)
    assert counts(view, fleet(SPREAD, spot=(0, 1))) == (0, 0, 2)
    everything = named(view, fleet(SPREAD, spot=(0, 1, 2)), "spot_pool")
    assert (everything.partitions, everything.bare) == (2, 2)


def test_two_nodes_in_one_zone():
    places = {0: ("n1", "a"), 1: ("n2", "b"), 2: ("n3", "a")}
    assert counts(cluster(topic()), fleet(places)) == (0, 1, 0)


def test_a_topic_without_a_replica_to_spare_is_exposed_by_every_node():
    view = cluster(topic(replicas=((0,), (1,), (2,)), min_isr=1))
    assert counts(view, fleet(SPREAD)) == (1, 1, 0)
    assert [(one.partitions, one.bare) for one in exposure(view, fleet(SPREAD)).each] == [(1, 1)] * 6


def test_the_worst_node_and_the_worst_zone_count():
    view = cluster(topic(replicas=((0, 1), (1, 2)), min_isr=2))
    assert counts(view, fleet(SPREAD)) == (2, 2, 0)
    assert [(one.name, one.partitions) for one in exposure(view, fleet(SPREAD)).each[:2]] == [("n2", 2), ("b", 2)]


def test_what_is_out_of_sync_at_the_moment_is_another_matter():
    assert counts(cluster(topic(isr=(0,))), fleet(SPREAD)) == (0, 0, 0)


def test_what_a_domain_does_not_hold_it_does_not_expose():
    view = cluster(topic(replicas=((1,),), min_isr=2))
    assert named(view, fleet(SPREAD), "n1").partitions == 0
    assert named(view, fleet(SPREAD), "n2").partitions == 1


def test_what_is_not_known_is_said_and_not_guessed():
    view = cluster(topic(replicas=((0, 1, 2, 7),)), topic("old", min_isr=None), brokers=(0, 1, 2, 9))
    unknown = fleet({**SPREAD, 2: (None, None)})
    result = exposure(view, unknown)
    assert result.unplaced == (2, 7, 9)
    assert result.unjudged == 1
    assert result.counts[Domain.NODE] == 0


def test_the_quorum_is_a_matter_of_majority():
    places = {**SPREAD, 3: ("n1", "a"), 4: ("n1", "a"), 5: ("n3", "c")}
    found = fleet(places, controllers=(3, 4, 5))
    assert named(cluster(topic()), found, "n1", voters=(3, 4, 5)).quorum
    assert not named(cluster(topic()), found, "n3", voters=(3, 4, 5)).quorum
    assert not named(cluster(topic()), found, "n1").quorum


def test_topics_named_are_bounded_and_the_rest_counted():
    topics = [topic(f"t{number:02}") for number in range(MAX_TOPICS + 5)]
    worst = exposure(cluster(*topics), fleet(TOGETHER)).each[0]
    assert (len(worst.topics), worst.topic_count) == (MAX_TOPICS, MAX_TOPICS + 5)
    assert worst.sentence() == (
        "if node n1 went, 25 partitions would fall below min.insync.replicas "
        "(topics t00, t01, t02, t03, t04 and 20 more)"
    )


@pytest.mark.parametrize(
    ("spot", "voters", "said"),
    [
        ((), (), "if zone b went, no partition would fall below min.insync.replicas"),
        ((0, 1, 2), (), "(topic orders), 1 would have no replica left"),
        ((0, 1, 2), (0, 1, 2), "and the KRaft quorum its majority"),
    ],
)
def test_it_can_be_read(spot, voters, said):
    view = cluster(topic())
    sentences = [one.sentence() for one in exposure(view, fleet(SPREAD, spot=spot), voters).each]
    assert any(said in sentence for sentence in sentences)


def test_it_follows_the_assignment_and_the_pods():
    view = cluster(topic(replicas=((0, 1, 2),)))
    assert counts(view, fleet(TOGETHER)) == (1, 1, 0)
    moved = replace(topic(), partitions=(PartitionView(0, 0, (0, 1, 3), (0, 1, 3)),))
    assert counts(cluster(moved, brokers=(0, 1, 2, 3)), fleet({**TOGETHER, 3: ("n4", "d")})) == (0, 0, 0)


EVERYTHING = (
    "if node n1 went, no partition would fall below min.insync.replicas, 1 would have no replica left, "
    "and the KRaft quorum its majority"
)


def exposed(domain=Domain.NODE, name="n1", *, partitions=2, bare=0, topics=2, quorum=False):
    names = tuple(f"t{number}" for number in range(topics))
    return Exposed(domain, name, (0,), partitions, bare, names, topics, quorum)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (exposed(), "if node n1 went, 2 partitions would fall below min.insync.replicas (topics t0, t1)"),
        (
            exposed(Domain.ZONE, "a", partitions=1, topics=1),
            "if zone a went, 1 partition would fall below min.insync.replicas (topic t0)",
        ),
        (
            exposed(Domain.SPOT_POOL, "spot_pool", topics=5),
            "if the spot pool went, 2 partitions would fall below min.insync.replicas (topics t0, t1, t2, t3, t4)",
        ),
        (
            exposed(partitions=0, bare=1, topics=0, quorum=True),
            EVERYTHING,
        ),
        (
            exposed(topics=6),
            "if node n1 went, 2 partitions would fall below min.insync.replicas (topics t0, t1, t2, t3, t4 and 1 more)",
        ),
        (exposed(partitions=0, topics=0), "if node n1 went, no partition would fall below min.insync.replicas"),
    ],
)
def test_what_would_be_lost_in_one_sentence(one, said):
    assert one.sentence() == said


@pytest.mark.parametrize(
    ("one", "risk"),
    [
        (exposed(), True),
        (exposed(partitions=0, bare=1), True),
        (exposed(partitions=0, quorum=True), True),
        (exposed(partitions=0), False),
    ],
)
def test_whatever_would_be_lost_is_a_risk(one, risk):
    assert one.is_risk is risk


def test_topics_and_brokers_that_cannot_be_judged_are_counted():
    placed = fleet({0: ("n1", "a"), 1: (None, "a"), 2: ("n1", None)})
    found = exposure(cluster(topic("t", min_isr=None), topic("u", min_isr=None), brokers=(0, 9)), placed)
    assert (found.unjudged, found.unplaced) == (2, (1, 9))


def test_those_that_go_together_are_named_in_order():
    placed = fleet(dict.fromkeys((16, 8, 1), ("n1", "a")))
    assert [one.members for one in exposure(cluster(brokers=()), placed).each] == [(1, 8, 16)] * 2


@pytest.mark.parametrize(("there", "gone"), [(2, False), (3, True)])
def test_a_quorum_of_five_bears_the_loss_of_two(there, gone):
    placed = fleet({number: ("n1" if number < there else f"m{number}", None) for number in range(5)})
    assert named(cluster(brokers=()), placed, "n1", voters=range(5)).quorum is gone

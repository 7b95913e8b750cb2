"""What the guards make of pods, budgets, nodes, rolls and the operator: both ways, and unknown is no."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.experiment_worlds import (
    CLUSTER,
    QUORUM,
    START,
    WATCHED,
    around,
    budget,
    cluster,
    kafka_resource,
    node_state,
    on_kubernetes,
    partition,
    settings,
    topic,
    watch,
    watches,
)
from tests.core.kubernetes.fleets import OPERATOR, broker_pod, fleet, side_pod
from tests.core.kubernetes.raw import Watches
from tests.core.kubernetes.raw import pod as raw_pod

from kafka_sentinel.core import guards_kubernetes
from kafka_sentinel.core.guards import GUARDS, evaluate, first_denial
from kafka_sentinel.core.kubernetes.discovery import discover
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, Role, Side
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.surroundings import Surroundings
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind
from kafka_sentinel.core.resolution import resolve
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import NodeRef, PodRef

NOW = START + 1_000
NAMES = {guard.__name__ for guard in GUARDS if guard.__module__ == guards_kubernetes.__name__}


def pods(*changed, sides=(OPERATOR,), **changes):
    """The fleet of three, with other pods in the place of those of the same id."""
    members = {number: broker_pod(number) for number in (1, 2, 3)} | {pod.broker: pod for pod in changed}
    return fleet(*members.values(), sides=sides, **{"kafka": kafka_resource(), **changes})


def zookeepers(*names, **changes):
    return [side_pod(Side.ZOOKEEPER, f"orders-zookeeper-{name}", **changes) for name in names]


def target_of(case):
    return resolve(case.spec, "s", case.world)


def denials(case, target=None):
    judged = evaluate(case, target_of(case) if target is None else target)
    return [answer.guard for answer in judged if not answer.allowed]


def answer_of(guard, case, target=None):
    judged = evaluate(case, target_of(case) if target is None else target)
    return next(answer for answer in judged if answer.guard == guard)


def bold(case):
    return replace(case, spec=replace(case.spec, allow_unavailability=True))


@pytest.mark.parametrize(
    "case",
    [
        on_kubernetes("pod-delete"),
        on_kubernetes("pod-crash", "leader"),
        on_kubernetes("pod-evict", "controller"),
        on_kubernetes("node-reclaim"),
        on_kubernetes("rolling-restart", "all"),
        on_kubernetes("pod-crash", "zone:b"),
    ],
)
def test_in_a_healthy_cluster_every_guard_allows_and_says_no_reason(case):
    answers = evaluate(case, target_of(case))
    assert [answer for answer in answers if not answer.allowed or answer.reason] == []
    assert first_denial(case, target_of(case)) is None


HEALTHY = {
    "fresh_watches": (", ".join(PLURALS[kind] for kind in Kind), "<= 30 s old"),
    "target_pods": ("orders-kafka-1", "Ready, >= 300 s old"),
    "disruption_budget": ("orders-kafka allows 1", "<= 1 budget, losses allowed"),
    "nodes": ("3 undisturbed", "undisturbed"),
    "members": ("3 Ready", "all Ready"),
    "rollout": ("none", "none"),
    "operator": ("strimzi-cluster-operator", "Ready"),
}


def test_in_a_healthy_cluster_each_of_these_guards_says_what_it_sees_and_what_it_needs():
    answers = evaluate(on_kubernetes(), target_of(on_kubernetes()))
    assert {each.guard: (each.seen, each.threshold) for each in answers if each.guard in NAMES} == HEALTHY


def test_an_unresolved_target_is_denied_by_every_guard_that_judges_targets():
    nobody = Target(frozenset(), "nobody knows")
    found = set(denials(on_kubernetes(), nobody))
    assert found == {
        "target_known",
        "target_size",
        "target_pods",
        "min_isr_without_targets",
        "quorum_without_targets",
        "disruption_budget",
        "nodes",
    }


def test_a_process_is_no_pod_so_none_is_broken_where_pods_are_watched():
    assert denials(on_kubernetes("process-kill")) == ["target_pods", "disruption_budget"]


def test_a_roll_that_nobody_can_be_found_for_is_judged_by_every_guard_like_any_other():
    """A broker without a pod leaves the roll no target: it must not end what is said of the experiment."""
    case = on_kubernetes("rolling-restart", "all", fleet=fleet(broker_pod(1), broker_pod(2), kafka=kafka_resource()))
    assert target_of(case).reason == "no pod is known that runs broker 3"
    assert {"target_known", "target_size", "min_isr_without_targets", "members"} <= set(denials(case))
    assert answer_of("target_size", case).reason == "no node targeted"


# --- watches


@pytest.mark.parametrize(("kind", "scope"), WATCHED)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds": 1_000 - 31}, "are known as of 31 s ago"),
        ({"seconds": None}, "are known as of no time"),
        ({"seconds": 1_001}, "are known as of -1 s ago"),
        ({"code": "503"}, "are not watched: 503 it said"),
        ({"code": "503", "seconds": None}, "are not watched: 503 it said"),
        ({"code": "403"}, "are not watched: 403 it said"),  # it was seen before, so the right to see it is there
        ({"code": "404"}, "are not watched: 404 it said"),  # as above
        ({"code": "401", "seconds": None}, "are not watched: 401 it said"),  # who we are was not known
    ],
)
def test_a_watch_that_is_behind_denies_and_is_named(kind, scope, changes, words):
    case = on_kubernetes(watches=watches(watch(kind, scope=scope, **changes)))
    assert "fresh_watches" in denials(case)
    where = "in namespace default, " if scope == "default" else ""
    assert answer_of("fresh_watches", case).reason == f"{where}{PLURALS[kind]} {words}"


def test_a_watch_is_fresh_up_to_its_limit():
    late = [watch(kind, scope=scope, seconds=970) for kind, scope in WATCHED]
    assert denials(on_kubernetes(watches=watches(*late))) == []
    assert denials(on_kubernetes(watches=watches(seconds=1_000))) == []  # and as of now


def test_what_was_never_listed_is_not_known():
    case = on_kubernetes(watches=())
    answer = answer_of("fresh_watches", case)
    assert not answer.allowed
    assert answer.reason.startswith("nodes are not known yet, pods are not known yet, ")


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_that_told_nothing_yet_is_named(kind):
    case = on_kubernetes(watches=tuple(one for one in watches() if one.kind is not kind))
    assert answer_of("fresh_watches", case).reason == f"{PLURALS[kind]} are not known yet"


OPTIONAL = [one for one in WATCHED if one[0] not in {Kind.POD, Kind.BUDGET, Kind.KAFKA}]


@pytest.mark.parametrize(("kind", "scope"), OPTIONAL)
@pytest.mark.parametrize("code", ["403", "404"])
def test_what_may_not_be_seen_or_is_not_there_is_off_and_does_not_deny(kind, scope, code):
    assert denials(on_kubernetes(watches=watches(watch(kind, scope=scope, seconds=None, code=code)))) == []


@pytest.mark.parametrize(("off", "on"), [("kafka", "default"), ("default", "kafka")])
def test_of_events_that_may_be_seen_in_one_of_two_namespaces_only_the_others_are_asked_for(off, on):
    unseen = watch(Kind.EVENT, scope=off, seconds=None, code="403")
    assert denials(on_kubernetes(watches=watches(unseen))) == []
    behind = watch(Kind.EVENT, scope=on, seconds=900)
    assert denials(on_kubernetes(watches=watches(unseen, behind))) == ["fresh_watches"]


def test_a_watch_of_another_namespace_says_nothing_about_ours():
    pods_of_ours = watch(Kind.POD, seconds=900)
    assert "fresh_watches" in denials(on_kubernetes(watches=watches(pods_of_ours, watch(Kind.POD, scope="strimzi"))))
    without = tuple(one for one in watches() if one.kind is not Kind.POD)
    case = on_kubernetes(watches=(*without, watch(Kind.POD, scope="strimzi")))
    assert answer_of("fresh_watches", case).reason == "pods are not known yet"


def test_the_operators_own_namespace_is_asked_for_where_it_may_be_seen():
    behind = on_kubernetes(watches=watches(watch(Kind.POD, scope="strimzi", code="503")))
    assert answer_of("fresh_watches", behind).reason == "in namespace strimzi, pods are not watched: 503 it said"
    off = watch(Kind.POD, scope="strimzi", seconds=None, code="403")
    assert denials(on_kubernetes(watches=watches(off))) == []


@pytest.mark.parametrize("kind", [Kind.POD, Kind.BUDGET])
def test_without_the_right_to_see_pods_or_budgets_nothing_is_hit(kind):
    unseen = on_kubernetes(watches=watches(watch(kind, seconds=None, code="403")))
    assert answer_of("fresh_watches", unseen).reason == f"{PLURALS[kind]} are not watched: 403 it said"


WITHHELD = watch(Kind.NODE, scope="", seconds=None, code="403")


def test_without_the_right_to_see_nodes_only_faults_of_nodes_are_denied():
    case = on_kubernetes(watches=watches(WITHHELD), nodes={})
    assert denials(case) == []
    assert answer_of("nodes", case).seen == "nodes may not be seen"
    assert denials(on_kubernetes("node-reclaim", watches=watches(WITHHELD), nodes={})) == ["fresh_watches", "nodes"]


def test_the_kafka_resource_is_asked_for_with_strimzi_only():
    unseen = watches(watch(Kind.KAFKA, seconds=None, code="403"))
    assert "fresh_watches" in denials(on_kubernetes(watches=unseen))
    plain = pods(flavour=Flavour.BITNAMI, sides=(), kafka=None)
    assert denials(on_kubernetes(watches=unseen, fleet=plain)) == []


def test_stateful_sets_are_asked_for_where_they_own_pods_only():
    unseen = watches(watch(Kind.STATEFUL_SET, seconds=None, code="403"))
    assert denials(on_kubernetes(watches=unseen)) == []
    assert denials(on_kubernetes(watches=unseen, stateful=True)) == ["fresh_watches"]


# --- the pods of the target


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (broker_pod(1, uid="uid-replaced"), "pod orders-kafka-1 is not there any more, or is another one"),
        (broker_pod(1, ready=False), "pod orders-kafka-1 is not Ready"),
        (broker_pod(1, deleting=True), "pod orders-kafka-1 is going"),
        (broker_pod(1, created=NOW - 299), "pod orders-kafka-1 is only 299 s old"),
        (broker_pod(1, created=None), "the age of orders-kafka-1 is unknown"),
    ],
)
def test_a_target_pod_that_is_not_what_it_was_denies(pod, words):
    judged_before = target_of(on_kubernetes())
    answer = answer_of("target_pods", on_kubernetes(fleet=pods(pod)), judged_before)
    assert not answer.allowed
    assert words in answer.reason


def test_a_pod_is_old_enough_at_its_limit_and_the_limit_can_be_set():
    young = on_kubernetes(fleet=pods(broker_pod(1, created=NOW - 300)))
    assert denials(young) == []
    patient = replace(young, settings=settings(min_pod_age=301))
    assert denials(patient) == ["target_pods"]


def test_other_pods_may_be_young():
    assert denials(on_kubernetes(fleet=pods(broker_pod(2, created=NOW - 1)))) == []


def test_a_replaced_pod_is_denied_when_the_guards_are_asked_again_though_it_is_ready_and_old_enough():
    fixed = target_of(on_kubernetes())
    later = on_kubernetes(fleet=pods(broker_pod(1, uid="uid-2")))
    assert first_denial(later, fixed).guard == "target_pods"
    assert "broker 1 has another pod now" in answer_of("target_pods", later, fixed).reason
    assert denials(later) == []  # chosen anew it may be hit


def test_a_pod_that_came_to_the_node_meanwhile_or_left_it_denies():
    fixed = target_of(on_kubernetes("node-reclaim"))
    came = on_kubernetes("node-reclaim", fleet=pods(sides=(OPERATOR, side_pod(Side.ENTITY_OPERATOR, "entity"))))
    assert answer_of("target_pods", came, fixed).reason == "pod entity is on the node too"
    left = on_kubernetes("node-reclaim", fleet=pods(broker_pod(1, node="n2")))
    assert answer_of("target_pods", left, fixed).reason == "pod orders-kafka-1 is not on the node"


def test_of_several_whose_pods_are_others_now_each_is_named_in_order():
    both = Target(frozenset({8, 7}), pods=(PodRef("kafka", "orders-kafka-1", "uid-orders-kafka-1"),))
    said = "broker 7 has another pod now, broker 8 has another pod now"
    assert answer_of("target_pods", on_kubernetes(), both).reason == said


# --- budgets


def test_each_budget_is_named_with_what_it_allows_in_order():
    entity = side_pod(Side.ENTITY_OPERATOR, "entity", budgets=("another",))
    case = on_kubernetes(
        "node-reclaim",
        fleet=pods(broker_pod(1), sides=(OPERATOR, entity)),
        budgets={"orders-kafka": budget(), "another": budget("another", allowed=2)},
    )
    pods_of = target_of(case).pods
    for listed in (pods_of, pods_of[::-1]):
        answer = answer_of("disruption_budget", case, replace(target_of(case), pods=listed))
        assert answer.seen == "another allows 2, orders-kafka allows 1"
    assert answer_of("target_size", case).seen == "1 at a time"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budgets": {"orders-kafka": budget(allowed=0)}}, "budget orders-kafka allows 0, 1 would go at once"),
        ({"budgets": {"orders-kafka": budget(allowed=None)}}, "budget orders-kafka does not say what it allows"),
        ({"budgets": {"orders-kafka": budget(observed=2)}}, "is of an earlier version of it"),
        ({"budgets": {"orders-kafka": budget(observed=None)}}, "is of an earlier version of it"),
        ({"budgets": {}}, "budget orders-kafka is not known"),
        (
            {"fleet": pods(broker_pod(1, budgets=("mine", "orders-kafka")))},
            "pod orders-kafka-1 has 2 budgets: mine, orders-kafka",
        ),
    ],
)
def test_a_budget_that_does_not_clearly_allow_denies(changes, words):
    case = on_kubernetes(**changes)
    assert denials(case) == ["disruption_budget"]
    assert words in answer_of("disruption_budget", case).reason
    assert denials(bold(case)) == ["disruption_budget"]


def test_no_budget_at_all_allows():
    case = on_kubernetes(fleet=pods(broker_pod(1, budgets=())), budgets={})
    assert denials(case) == []
    assert answer_of("disruption_budget", case).seen == "no budget"


def test_two_budgets_of_one_pod_deny_though_the_next_one_has_one_that_allows():
    entity = side_pod(Side.ENTITY_OPERATOR, "entity", budgets=("orders-kafka",))
    doubled = pods(broker_pod(1, budgets=("mine", "orders-kafka")), sides=(OPERATOR, entity))
    case = on_kubernetes("node-reclaim", fleet=doubled)
    assert answer_of("disruption_budget", case).reason == "pod orders-kafka-1 has 2 budgets: mine, orders-kafka"


def test_two_budgets_of_pods_that_are_not_meant_do_not_matter():
    assert denials(on_kubernetes(fleet=pods(broker_pod(2, budgets=("mine", "orders-kafka"))))) == []


TWO_ON_ONE = pods(broker_pod(2, node="n1"))
FIVE = {number: f"h:{number}" for number in (1, 2, 3, 4, 5)}


def five_brokers(*on_first, **of_budget):
    """Five brokers and voters, those of `on_first` on node n1; probe partitions on 1, 3 and 4."""
    members = [broker_pod(number, node="n1" if number in on_first else None) for number in FIVE]
    quorum = replace(QUORUM, voters=tuple(FIVE), caught_up_voters=tuple(FIVE))
    view = cluster(
        brokers=FIVE,
        topics={"probe": topic("probe", partition(0, replicas=(1, 3, 4)), partition(1, replicas=(2, 3, 5)))},
    )
    return on_kubernetes(
        "node-reclaim",
        fleet=fleet(*members, kafka=kafka_resource()),
        budgets={"orders-kafka": budget(**of_budget)},
        nodes={f"uid-n{number}": node_state(f"n{number}") for number in (1, 2, 3, 4, 5)},
        world_changes={"cluster": view, "quorum": quorum},
    )


def test_a_budget_counts_every_pod_that_goes_at_once():
    assert denials(five_brokers(1)) == []
    assert denials(five_brokers(1, 2)) == ["target_size", "disruption_budget"]
    enough = five_brokers(1, 2, allowed=2)
    assert denials(enough) == ["target_size"]
    said = "2 nodes targeted at a time, all on n1: that needs allow_unavailability"
    assert answer_of("target_size", enough).reason == said


def test_a_node_with_two_brokers_goes_only_where_that_was_allowed_and_one_loss_of_the_budget_is_enough_then():
    assert denials(bold(five_brokers(1, 2))) == []
    assert denials(bold(five_brokers(1, 2, allowed=0))) == ["disruption_budget"]
    assert denials(bold(five_brokers(1, 2, observed=1))) == ["disruption_budget"]


def test_a_roll_needs_one_loss_of_the_budget_at_a_time():
    assert denials(on_kubernetes("rolling-restart", "all")) == []
    used_up = on_kubernetes("rolling-restart", "all", budgets={"orders-kafka": budget(allowed=0)})
    assert denials(used_up) == ["disruption_budget"]


# --- how many


def test_a_node_is_never_taken_with_the_last_in_sync_replica_or_the_quorum():
    both = bold(five_brokers(1, 2))
    last = topic("orders", partition(0, replicas=(1, 2), isr=(1, 2)), min_isr=1)
    view = replace(both.world.cluster, topics={**both.world.cluster.topics, "orders": last})
    assert denials(replace(both, world=replace(both.world, cluster=view))) == ["min_isr_without_targets"]
    quorum = replace(both.world.quorum, caught_up_voters=(1, 2, 3, 4))
    assert denials(replace(both, world=replace(both.world, quorum=quorum))) == ["quorum_without_targets"]


def test_two_nodes_of_kafka_or_two_pods_are_too_many_whatever_is_allowed():
    two = Target(
        frozenset({1, 2}), pods=tuple(PodRef("kafka", f"orders-kafka-{n}", f"uid-orders-kafka-{n}") for n in (1, 2))
    )
    assert "target_size" in denials(bold(on_kubernetes()), two)
    budget_said = answer_of("disruption_budget", bold(on_kubernetes()), two).reason
    assert budget_said == "budget orders-kafka allows 1, 2 would go at once"
    sides = Target(frozenset(), pods=two.pods)
    assert answer_of("target_size", bold(on_kubernetes()), sides).reason == "2 nodes targeted at a time"


# --- nodes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disruptions": ("notice: node n3: spot interruption notice",)}, "notice: node n3: spot interruption notice"),
        ({"nodes": {**around().nodes, "uid-n3": node_state("n3", cordoned=True)}}, "node n3 is closed"),
        (
            {"nodes": {**around().nodes, "uid-n3": node_state("n3", ours=True)}},
            "node n3 is closed by a rehearsal of ours",
        ),
        ({"nodes": {**around().nodes, "uid-n1": node_state("n1", ready=False)}}, "node n1 is not Ready"),
        ({"nodes": {}}, "the node of pod orders-kafka-1 is not known"),
        ({"fleet": pods(broker_pod(1, node_uid=None))}, "the node of pod orders-kafka-1 is not known"),
    ],
)
def test_a_disturbed_node_denies(changes, words):
    case = on_kubernetes(**changes)
    assert denials(case) == ["nodes"]
    assert answer_of("nodes", case).reason == words


def test_once_its_notice_is_given_only_the_node_of_the_rehearsal_itself_may_bear_our_mark():
    marked = {**around().nodes, "uid-n1": node_state("n1", ours=True)}
    case = on_kubernetes("node-reclaim", nodes=marked)
    assert denials(case) == ["nodes"]
    assert denials(replace(case, announced=True)) == []
    other = {**around().nodes, "uid-n2": node_state("n2", ours=True)}
    assert denials(replace(on_kubernetes("node-reclaim", nodes=other), announced=True)) == ["nodes"]
    foreign = {**around().nodes, "uid-n1": node_state("n1", cordoned=True)}
    assert denials(replace(on_kubernetes("node-reclaim", nodes=foreign), announced=True)) == ["nodes"]
    assert denials(replace(on_kubernetes(), announced=True)) == []  # no node is meant
    both = {**around().nodes, "uid-n1": node_state("n1", cordoned=True, ours=True)}  # somebody closed it meanwhile
    assert denials(replace(on_kubernetes("node-reclaim", nodes=both), announced=True)) == ["nodes"]


def test_no_other_node_is_broken_as_long_as_an_empty_one_bears_a_mark():
    """All its pods have gone elsewhere, and the API server has not let the mark be taken off yet."""
    case = on_kubernetes("node-reclaim", rehearsed=("n9",))
    assert denials(case) == denials(replace(case, announced=True)) == ["nodes"]
    assert answer_of("nodes", case).reason == "node n9 is still closed by a rehearsal"
    own = {"nodes": {**around().nodes, "uid-n1": node_state("n1", ours=True)}, "rehearsed": ("n1",)}
    assert denials(replace(on_kubernetes("node-reclaim", **own), announced=True)) == []
    assert denials(on_kubernetes(rehearsed=("n9",))) == []  # no node is meant


def test_a_node_that_is_not_ready_is_named_once_however_many_of_its_pods_are_meant():
    both = five_brokers(1, 2)
    around_it = replace(both.world.kubernetes, nodes={"uid-n1": node_state("n1", ready=False)})
    case = replace(both, world=replace(both.world, kubernetes=around_it))
    assert answer_of("nodes", case).reason == "node n1 is not Ready"
    assert answer_of("nodes", on_kubernetes(), Target(frozenset())).reason == "no target"


# --- all other pods


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fleet": pods(broker_pod(3, ready=False))}, "pod orders-kafka-3 is not Ready"),
        ({"fleet": pods(broker_pod(3, deleting=True))}, "pod orders-kafka-3 is going"),
        ({"restarts": ("broker 3, pod orders-kafka-3 (oom)",)}, "broker 3, pod orders-kafka-3 (oom) is restarting"),
        ({"stuck": ("pod orders-kafka-3: no room",)}, "cannot come back: pod orders-kafka-3: no room"),
        ({"fleet": pods(problems=("two pods have broker id 4",))}, "two pods have broker id 4"),
        ({"fleet": pods(broker_pod(4))}, "broker 4 is not alive"),
        ({"fleet": fleet(broker_pod(1), broker_pod(2), kafka=kafka_resource())}, "broker 3 has no pod"),
    ],
)
def test_a_broker_that_is_down_already_denies(changes, words):
    case = on_kubernetes(**changes)
    assert "members" in denials(case)
    assert answer_of("members", case).reason == words


def test_brokers_without_a_pod_and_pods_without_a_broker_are_named_in_order():
    seven = cluster(brokers={1: "h:1", 2: "h:2", 8: "h:8", 7: "h:7"})
    members = fleet(*(broker_pod(number) for number in (1, 2, 16, 15)), kafka=kafka_resource())
    assert answer_of("members", on_kubernetes(fleet=members, world_changes={"cluster": seven})).reason == (
        "broker 7 has no pod, broker 8 has no pod, broker 15 is not alive, broker 16 is not alive"
    )


def test_where_no_pod_is_known_nothing_is_hit():
    empty = replace(fleet(kafka=kafka_resource()), pods={}, controllers={})
    case = on_kubernetes(fleet=empty, world_changes={"cluster": None})
    assert answer_of("members", case).reason == "no pod is known"


def selected(stranger, **labels):
    """The fleet that a selector of these labels finds, with a pod in the namespace that is none of Kafka's."""
    ours = [raw_pod(f"kafka-{number}", labels={"app": "kafka", "tier": "data"}) for number in (1, 2, 3)]
    objects = [(Kind.POD, raw) for raw in (*ours, raw_pod(stranger, labels={"app": "web", "tier": "data"}))]
    spec = FleetSpec("kafka", Flavour.STATEFUL_SET, selector=Selector(labels))
    return discover(spec, Watches(*objects).inventory)


@pytest.mark.parametrize(
    ("stranger", "words"),
    [
        ("web-2", "pods kafka-2, web-2 all have broker id 2: none of them is used"),
        ("web-7", "broker 7 is not alive"),
        ("web-5d9fx", "pod web-5d9fx has no broker id"),
    ],
)
def test_a_selector_that_matches_more_than_kafka_hits_nobody(stranger, words):
    assert "members" not in denials(on_kubernetes(fleet=selected(stranger, app="kafka")))
    for everything in ({"tier": "data"}, {}):
        case = on_kubernetes(fleet=selected(stranger, **everything))
        assert "members" in denials(case)
        assert words in answer_of("members", case).reason


def test_a_selector_that_matches_nothing_hits_nobody():
    case = on_kubernetes(fleet=selected("web-0", app="kafak"))
    assert {"target_known", "members"} <= set(denials(case))
    assert answer_of("target_known", case).reason == "no pod is known that runs broker 1"


def test_controllers_count_among_the_pods_that_must_be_ready():
    controller = broker_pod(100, roles=frozenset({Role.CONTROLLER}))
    assert denials(on_kubernetes(fleet=pods(controller))) == []
    assert denials(on_kubernetes(fleet=pods(replace(controller, ready=False)))) == ["members"]


# --- rolls


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rolls": ("StatefulSet kafka is at a new revision",)}, "StatefulSet kafka is at a new revision"),
        ({"fleet": pods(kafka=kafka_resource(paused=True))}, "the Kafka resource orders is paused"),
        (
            {"fleet": pods(kafka=kafka_resource(observed_generation=6))},
            "the Kafka resource orders was changed, and its operator has not caught up",
        ),
        (
            {"fleet": pods(kafka=kafka_resource(observed_generation=None))},
            "the Kafka resource orders was changed, and its operator has not caught up",
        ),
        (
            {"fleet": pods(kafka=kafka_resource(ready=False, reason="TimeoutException: slow"))},
            "the Kafka resource orders is not ready: TimeoutException: slow",
        ),
        ({"fleet": pods(kafka=kafka_resource(ready=None))}, "the Kafka resource orders is not ready"),
        ({"fleet": pods(kafka=None)}, "the Kafka resource is not known"),
    ],
)
def test_a_roll_or_a_resource_that_is_not_at_rest_denies(changes, words):
    case = on_kubernetes(**changes)
    assert denials(case) == ["rollout"]
    assert answer_of("rollout", case).reason == words


def test_a_kafka_resource_of_another_kafka_cluster_denies():
    other = on_kubernetes(fleet=pods(kafka=kafka_resource(cluster_id="other")))
    assert denials(other) == ["cluster_id"]
    assert answer_of("cluster_id", other).reason == (
        f"armed for {CLUSTER}, but the pods are those of other in the Kafka resource orders"
    )
    assert denials(on_kubernetes(fleet=pods(kafka=kafka_resource(cluster_id=None)))) == []
    elsewhere = replace(other, settings=settings(armed_for="another"))
    assert answer_of("cluster_id", elsewhere).reason == f"armed for another, this is {CLUSTER}"


# --- the operator


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fleet": pods(sides=())}, "no pod of Strimzi's operator is known"),
        (
            {"fleet": pods(sides=(replace(OPERATOR, ready=False),))},
            "pod strimzi-cluster-operator is not Ready",
        ),
        (
            {"fleet": pods(sides=(replace(OPERATOR, deleting=True),))},
            "pod strimzi-cluster-operator is not Ready",
        ),
        (
            {
                "fleet": pods(sides=()),
                "watches": (*watches(), watch(Kind.POD, scope="strimzi", seconds=None, code="403")),
            },
            "pods of namespace strimzi cannot be watched: 403 it said",
        ),
    ],
)
def test_a_dead_operator_denies(changes, words):
    case = on_kubernetes(**changes)
    assert denials(case) == ["operator"]
    assert answer_of("operator", case).reason == words


def test_an_operator_that_was_alive_a_while_ago_denies():
    case = on_kubernetes(
        fleet=pods(sides=(replace(OPERATOR, namespace="strimzi"),)),
        watches=(*watches(), watch(Kind.POD, scope="strimzi", seconds=900)),
    )
    assert denials(case) == ["fresh_watches", "operator"]
    assert answer_of("operator", case).reason == "pods are known as of 100 s ago"


@pytest.mark.parametrize(
    "other", [watch(Kind.NODE, scope="strimzi", seconds=None, code="403"), watch(Kind.POD, scope="", code="500")]
)
def test_of_an_operator_that_is_not_known_only_pods_of_another_namespace_that_cannot_be_watched_are_the_reason(other):
    case = on_kubernetes(fleet=pods(sides=()), watches=watches(other))
    assert answer_of("operator", case).reason == "no pod of Strimzi's operator is known"


def test_one_of_several_operators_is_enough_and_others_need_none():
    second = replace(OPERATOR, name="operator-2", uid="uid-2", ready=False)
    assert denials(on_kubernetes(fleet=pods(sides=(second, OPERATOR)))) == []
    other = on_kubernetes(fleet=pods(flavour=Flavour.STATEFUL_SET, sides=(), kafka=None))
    assert denials(other) == []
    assert answer_of("operator", other).seen == "not run by Strimzi"


# --- pods that run no Kafka node, and ZooKeeper

BROKERS_ONLY = [broker_pod(number, roles=frozenset({Role.BROKER})) for number in (1, 2, 3)]
NO_KRAFT = replace(QUORUM, leader=-1, voters=(), caught_up_voters=())


def with_zookeeper(*sides, fault="pod-delete", target="zookeeper", quorum=NO_KRAFT, **changes):
    members = fleet(*BROKERS_ONLY, sides=(OPERATOR, *sides), kafka=kafka_resource())
    return on_kubernetes(
        fault, target, world_changes={"quorum": quorum}, **{"fleet": members, "ensemble": 3, **changes}
    )


def test_an_entity_operator_is_hit_without_asking_for_replicas():
    case = on_kubernetes(
        "pod-delete", "entity-operator", fleet=pods(sides=(OPERATOR, side_pod(Side.ENTITY_OPERATOR, "e")))
    )
    assert denials(case) == []
    assert answer_of("min_isr_without_targets", case).seen == "no Kafka node is hit"
    assert answer_of("target_known", case).seen == "no Kafka node"
    assert answer_of("target_size", case).seen == "1 at a time"


def test_a_zookeeper_pod_is_hit_while_a_majority_of_the_ensemble_is_left():
    case = with_zookeeper(*zookeepers(0, 1, 2))
    assert denials(case) == []
    assert answer_of("quorum_without_targets", case).seen == "2 of 3 ZooKeeper pods left, needs 2"


@pytest.mark.parametrize(
    "sides",
    [
        [*zookeepers(0, 1), *zookeepers(2, ready=False)],
        [*zookeepers(0, 1), *zookeepers(2, deleting=True)],
        zookeepers(0, 1),  # the third is not even there
    ],
)
def test_a_zookeeper_pod_is_not_hit_where_one_is_missing_already(sides):
    young = {pod.uid: pod for pod in sides if pod.ready and not pod.deleting}
    hit = Target(frozenset(), pods=(PodRef("kafka", "orders-zookeeper-0", next(iter(young))),))
    case = with_zookeeper(*sides)
    assert denials(case, hit) == ["quorum_without_targets"]
    assert answer_of("quorum_without_targets", case, hit).reason == "1 of 3 ZooKeeper pods left, needs 2"


def test_of_an_ensemble_of_five_three_must_be_left():
    enough = with_zookeeper(*zookeepers(0, 1, 2, 3), ensemble=5)
    assert denials(enough) == []
    assert denials(with_zookeeper(*zookeepers(0, 1, 2), ensemble=5)) == ["quorum_without_targets"]


def test_a_broker_of_a_zookeeper_cluster_is_judged_by_the_ensemble_and_not_by_a_quorum_it_does_not_have():
    assert denials(with_zookeeper(*zookeepers(0, 1, 2), target="broker:1")) == []
    two_left = with_zookeeper(*zookeepers(0, 1), *zookeepers(2, ready=False), target="broker:1")
    assert denials(two_left) == []
    one_left = with_zookeeper(*zookeepers(0), *zookeepers(1, 2, ready=False), target="broker:1")
    assert denials(one_left) == ["quorum_without_targets"]


def test_a_machine_takes_its_zookeeper_with_it():
    sides = [*zookeepers(0, 1, node="n1"), *zookeepers(2, node="n2")]
    case = bold(with_zookeeper(*sides, fault="node-reclaim", target="broker:1"))
    assert denials(case) == ["quorum_without_targets"]
    spread = [*zookeepers(0, node="n1"), *zookeepers(1, node="n2"), *zookeepers(2, node="n3")]
    assert denials(with_zookeeper(*spread, fault="node-reclaim", target="broker:1")) == []


def test_an_ensemble_of_unknown_size_denies():
    case = with_zookeeper(*zookeepers(0, 1, 2), ensemble=None)
    assert denials(case) == ["quorum_without_targets"]
    assert "size of the ZooKeeper ensemble is not known" in answer_of("quorum_without_targets", case).reason


def test_without_a_quorum_and_without_zookeeper_nothing_is_hit():
    assert denials(with_zookeeper(target="broker:1")) == ["quorum_without_targets"]
    unseen = with_zookeeper(*zookeepers(0, 1, 2), target="broker:1", quorum=None)
    assert "quorum_without_targets" in denials(unseen)


def test_beside_kraft_controllers_both_quorums_count():
    sides = zookeepers(0, 1, 2)
    both = pods(sides=(OPERATOR, *sides))
    assert denials(with_zookeeper(*sides, target="broker:1", fleet=both, quorum=QUORUM)) == []
    lagging = replace(QUORUM, caught_up_voters=(1, 2))
    for quorum in (NO_KRAFT, lagging):
        case = with_zookeeper(*sides, target="broker:1", fleet=both, quorum=quorum)
        assert "quorum_without_targets" in denials(case)


def test_every_guard_of_this_kind_denies_when_nothing_is_known():
    nothing = Surroundings(replace(fleet(), pods={}, controllers={}, sides=()))
    blind = on_kubernetes()
    blind = replace(blind, world=replace(blind.world, kubernetes=nothing))
    fixed = Target(
        frozenset({1}), pods=(PodRef("kafka", "orders-kafka-1", "uid-orders-kafka-1"),), node=NodeRef("n1", "uid-n1")
    )
    assert set(denials(blind, fixed)) >= NAMES

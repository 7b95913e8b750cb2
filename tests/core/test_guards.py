from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as property_given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from tests.core.experiment_worlds import (
    CLUSTER,
    PROBE,
    QUORUM,
    START,
    cluster,
    given,
    instant,
    partition,
    settings,
    spec,
    topic,
    world,
)

from kafka_sentinel.core import guards, guards_kubernetes
from kafka_sentinel.core.answers import numbers, short
from kafka_sentinel.core.cluster import ProviderView
from kafka_sentinel.core.events import LeaseObserved
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardSettings, World
from kafka_sentinel.core.guards import GUARD_NAMES, GUARDS, evaluate, first_denial, guard_table
from kafka_sentinel.core.schedule import parse_blackout, parse_schedule
from kafka_sentinel.core.targets import Target, parse_target
from kafka_sentinel.core.types import Acks

ONE = Target(frozenset({1}))
KUBERNETES_GUARDS = {guard.__name__ for guard in GUARDS if guard.__module__ == guards_kubernetes.__name__}
NOW = world().now
DOCS = Path(__file__).parents[2] / "docs" / "experiments.md"


def denials(case, target=ONE):
    return [answer.guard for answer in evaluate(case, target) if not answer.allowed]


def answer_of(guard, case, target=ONE):
    return next(answer for answer in evaluate(case, target) if answer.guard == guard)


def with_world(**changes):
    return given(world=world(**changes))


def with_settings(**changes):
    return given(settings=settings(**changes))


def with_topics(*topics, **changes):
    return given(world=world(cluster=cluster(*topics)), **changes)


def test_in_a_healthy_world_every_guard_allows_and_says_no_reason():
    answers = evaluate(given(), ONE)
    assert [answer for answer in answers if not answer.allowed or answer.reason] == []
    assert tuple(answer.guard for answer in answers) == GUARD_NAMES
    assert first_denial(given(), ONE) is None


SPOILT = [
    ("armed", with_settings(armed_for=None)),
    ("armed", with_settings(armed_for="")),
    ("cluster_id", with_settings(armed_for="another")),
    ("cluster_id", with_world(cluster=None)),
    ("paused", given(paused="by anna")),
    ("paused", given(paused="")),
    ("latched", given(latched="a loss")),
    ("lease", with_world(lease=LeaseObserved(NOW, None, "", "it was not asked for yet", answered=False))),
    ("lease", with_world(lease=LeaseObserved(NOW, None, "sentinel-2"))),
    ("lease", with_world(lease=LeaseObserved(NOW, NOW.mono, "sentinel-1", "timeout", answered=False))),
    ("permitted", with_world(rights_missing={"process-kill": "we may not"})),
    ("schedule", given(due=None)),
    ("schedule", given(due=NOW.wall + 0.5)),
    ("schedule", given(due=NOW.wall - 20.5)),
    ("blackout", with_settings(blackouts=(parse_blackout(),))),
    ("warm_up", with_world(started=instant(1_000 - 29))),
    ("one_at_a_time", given(under_way="pause-1")),
    ("incident_open", with_world(open_incidents=("i-1",))),
    ("min_gap", given(injections=(NOW.wall - 59,))),
    ("min_gap", with_world(natural_losses=(NOW.wall - 59,))),
    ("min_gap", given(injections=(NOW.wall + 5,))),
    ("daily_budget", given(settings=settings(daily_budget=1), injections=(NOW.wall - 86_399,))),
    (
        "daily_budget",
        given(settings=settings(daily_budget=2), injections=(START,), world=world(natural_losses=(START,))),
    ),
    ("daily_budget", with_settings(daily_budget=0)),
    ("state_saved", with_world(state_saved=None)),
    ("state_saved", with_world(state_saved=instant(1_000 - 181))),
    ("state_saved", with_world(state_error="conflict")),
    ("fresh_views", with_world(cluster_asked=instant(1_000 - 16))),
    ("fresh_views", with_world(quorum_asked=instant(1_000 - 16))),
    ("fresh_views", with_world(cluster_asked=None)),
    ("fresh_views", with_world(cluster=None)),
    ("fresh_views", with_world(cluster=replace(world().cluster, settings_read=NOW.mono - 180.5))),
    ("fresh_views", with_world(quorum=None)),
    ("fresh_views", with_world(quorum_asked=instant(1_001))),
    ("steady", with_world(steady_since=None)),
    ("steady", with_world(steady_since=instant(1_000 - 9))),
    ("steady", with_world(overdue=1)),
    ("steady", with_world(overdue=None)),
    ("offline", with_topics(topic("other", partition(0, leader=-1)))),
    ("offline", with_topics(topic("other", partition(0, leader=4)))),
    ("offline", with_world(cluster=cluster(topics={}))),
    ("offline", with_world(cluster=None)),
    ("under_replicated", with_topics(topic("other", partition(0, isr=(1, 2))))),
    ("under_replicated", with_topics(topic("other", partition(0, replicas=())))),
    ("under_replicated", with_world(cluster=cluster(brokers={1: "h:1", 2: "h:2"}))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0, isr=(1, 2))))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0), min_isr=None))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0), min_isr=3))),
    ("min_isr_without_targets", with_world(cluster=None)),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, caught_up_voters=(1, 2)))),
    ("quorum_without_targets", with_world(quorum=None)),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(), caught_up_voters=()))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, leader=-1))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(1,), caught_up_voters=(1,)))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(1, 2), caught_up_voters=(1, 2)))),
    ("reassignment", with_world(cluster=cluster(reassigning=frozenset({("other", 1)})))),
    ("reassignment", with_world(quorum=replace(QUORUM, reassigning=frozenset({("other", 1)})))),
    ("reassignment", with_world(quorum=None)),
    ("reassignment", with_world(cluster=None)),
    (
        "reassignment",
        with_world(
            cluster=cluster(reassigning=frozenset({("other", 1), ("other", 2), ("y", 4)})),
            quorum=replace(QUORUM, reassigning=frozenset({("another", 3), ("b", 0)})),
        ),
    ),
    ("provider", with_world(provider=ProviderView())),
]


@pytest.mark.parametrize(("guard", "case"), SPOILT)
def test_each_guard_denies_with_a_reason_when_its_point_is_spoilt(guard, case):
    answer = answer_of(guard, case)
    assert not answer.allowed
    assert answer.reason
    assert answer.seen
    assert answer.threshold
    assert first_denial(case, ONE) is not None


ON_THE_EDGE = [
    ("schedule", given(due=NOW.wall - 20)),
    ("warm_up", with_world(started=instant(1_000 - 30))),
    ("lease", with_world(lease=LeaseObserved(NOW, NOW.mono + 0.1, "sentinel-1", "timeout", answered=False))),
    ("permitted", with_world(rights_missing={})),
    ("permitted", with_world(rights_missing={"pod-evict": "we may not"})),
    ("blackout", with_settings(blackouts=(parse_blackout(dates=("1999-01-01",)),))),
    ("min_gap", given(injections=(NOW.wall - 60,))),
    ("min_gap", given(injections=(NOW.wall + 90_000,))),  # a time a day ahead is a broken clock, not a loss
    ("daily_budget", given(settings=settings(daily_budget=1), injections=(NOW.wall - 86_401,))),
    ("state_saved", with_world(state_saved=instant(1_000 - 180))),
    ("fresh_views", with_world(cluster_asked=instant(1_000 - 15), quorum_asked=instant(1_000 - 15))),
    ("fresh_views", with_world(cluster=replace(world().cluster, settings_read=NOW.mono - 180))),
    ("fresh_views", with_world(cluster_asked=NOW, quorum_asked=NOW)),
    ("steady", with_world(steady_since=instant(1_000 - 10))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0, leader=2, replicas=(2, 3, 1)), min_isr=1))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(100,), caught_up_voters=(100,), leader=100))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, caught_up_voters=(2, 3)))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(0, 1, 2), caught_up_voters=(0, 2), leader=0))),
]


@pytest.mark.parametrize(("guard", "case"), ON_THE_EDGE)
def test_each_guard_allows_up_to_its_limit(guard, case):
    assert answer_of(guard, case).allowed


def test_every_guard_was_seen_to_deny():
    target_guards = {"target_known", "target_size"}
    assert {guard for guard, _ in SPOILT} | target_guards | KUBERNETES_GUARDS == set(GUARD_NAMES)


def test_where_there_is_no_kubernetes_its_guards_have_nothing_to_see():
    for target in (ONE, Target(frozenset())):
        answers = [answer for answer in evaluate(given(), target) if answer.guard in KUBERNETES_GUARDS]
        assert {answer.seen for answer in answers} == {"not on Kubernetes"}
        assert all(answer.allowed for answer in answers)


def test_an_unresolved_target_denies_in_every_guard_that_judges_targets():
    found = denials(given(), Target(frozenset(), "partition 0 has no leader"))
    assert found == ["target_known", "target_size", "min_isr_without_targets", "quorum_without_targets"]
    assert answer_of("target_known", given(), Target(frozenset(), "no leader")).reason == "no leader"
    assert answer_of("target_known", given(), Target(frozenset())).reason == "no target"


def test_for_nobody_and_for_pods_alone_guards_of_replicas_say_what_they_judge():
    nobody = Target(frozenset(), "no leader")
    for guard in ("min_isr_without_targets", "quorum_without_targets"):
        assert answer_of(guard, given(), nobody).reason == "no target"
    assert answer_of("target_size", given(), nobody).reason == "no node targeted"
    assert answer_of("target_known", given(), nobody).seen == "none"
    bold = given(spec=spec(allow_unavailability=True))
    assert answer_of("min_isr_without_targets", bold).threshold == "1 in sync"


def test_of_a_roll_that_leaves_the_same_each_time_that_is_said_once():
    roll = Target(frozenset({1, 2, 3}), one_by_one=True)
    assert answer_of("quorum_without_targets", given(), roll).seen == "2 of 3 voters left, needs 2"


def test_a_target_that_is_not_alive_denies():
    assert "target_known" in denials(given(), Target(frozenset({9})))
    assert answer_of("target_known", given(), Target(frozenset({9}))).reason == "not alive: 9"


def test_a_controller_that_is_no_broker_is_known_by_the_quorum():
    quorum = replace(QUORUM, leader=100, voters=(100, 101, 102), caught_up_voters=(100, 101, 102))
    case = with_world(quorum=quorum)
    assert denials(case, Target(frozenset({100}))) == []
    lagging = with_world(quorum=replace(quorum, caught_up_voters=(100, 101)))
    assert denials(lagging, Target(frozenset({100}))) == ["quorum_without_targets"]


def test_two_targets_are_judged_as_a_set_and_capped_whatever_is_allowed():
    found = denials(given(spec=spec(allow_unavailability=True)), Target(frozenset({1, 2})))
    assert found == ["target_size", "quorum_without_targets"]
    assert "min_isr_without_targets" in denials(given(), Target(frozenset({1, 2})))


def test_a_roll_takes_one_at_a_time_so_each_is_judged_by_itself():
    roll = Target(frozenset({1, 2, 3}), one_by_one=True)
    assert denials(given(), roll) == []
    assert denials(given(), replace(roll, one_by_one=False)) == [
        "target_size",
        "min_isr_without_targets",
        "quorum_without_targets",
    ]
    lagging = with_world(quorum=replace(QUORUM, caught_up_voters=(1, 2)))
    assert "quorum_without_targets" in denials(lagging, roll)
    third = topic("orders", partition(0, leader=2, replicas=(2, 3), isr=(2, 3)), min_isr=2)
    assert "min_isr_without_targets" in denials(with_topics(third), roll)


def test_the_words_of_a_roll_name_each_fault_once():
    short_of = topic("orders", partition(0, replicas=(1, 2), isr=(1, 2)), min_isr=2)
    answer = answer_of("min_isr_without_targets", with_topics(short_of), Target(frozenset({1, 2, 3}), one_by_one=True))
    assert answer.reason == "orders (replication factor 2, min.insync.replicas 2: none to spare)"


# --- min ISR


def test_any_topic_counts_not_only_the_probe_topic():
    other = topic("orders", partition(0), partition(1, leader=2, replicas=(1, 2), isr=(1, 2)), min_isr=1)
    assert denials(with_topics(other)) == []
    assert "min_isr_without_targets" in denials(with_topics(replace(other, min_isr=2)))


def test_a_topic_with_nothing_to_spare_denies_by_name_whichever_node_is_meant():
    case = with_topics(topic("orders", partition(0, leader=2, replicas=(2, 3))))
    assert denials(case) == ["min_isr_without_targets"]
    assert "orders (replication factor 2, min.insync.replicas 2" in answer_of("min_isr_without_targets", case).reason


@pytest.mark.parametrize("replicas", [(1,), (1, 2)])
def test_a_topic_with_nothing_to_spare_may_be_accepted_by_pattern(replicas):
    orders = topic("orders-tmp", partition(0, replicas=replicas), min_isr=len(replicas))
    assert denials(with_topics(orders, settings=settings(accept_unavailable=("orders-*",)))) == []
    assert denials(with_topics(orders, settings=settings(accept_unavailable=("Orders-*", "orders")))) == [
        "min_isr_without_targets"
    ]


def test_an_accepted_pattern_protects_no_less_a_topic_that_has_replicas_to_spare():
    orders = topic("orders", partition(0, isr=(1, 2)))
    case = with_topics(orders, settings=settings(accept_unavailable=("*",)))
    assert denials(case) == ["under_replicated", "min_isr_without_targets"]


def test_an_accepted_topic_never_loses_the_last_of_several_replicas():
    orders = topic("orders", partition(0, replicas=(1, 2), isr=(1,)))
    case = with_topics(orders, settings=settings(accept_unavailable=("*",)))
    assert "min_isr_without_targets" in denials(case)


def test_of_an_accepted_topic_one_of_several_replicas_in_sync_is_enough_and_none_is_not():
    everywhere = settings(accept_unavailable=("*",))
    two, one = (topic("orders", partition(0, isr=isr), min_isr=3) for isr in ((1, 2), (1,)))
    assert answer_of("min_isr_without_targets", with_topics(two, settings=everywhere)).allowed
    for bold in (False, True):
        case = with_topics(one, settings=everywhere, spec=spec(allow_unavailability=bold))
        assert answer_of("min_isr_without_targets", case).reason == "orders-0 (0 in sync left, needs 1)"


@pytest.mark.parametrize("min_isr", [2, 3, None])
def test_allow_unavailability_goes_below_min_isr_but_never_takes_the_last_in_sync_replica(min_isr):
    bold = spec(allow_unavailability=True)
    enough = topic("orders", partition(0, leader=2, isr=(1, 2)), min_isr=min_isr)
    last = topic("orders", partition(0, isr=(1,)), min_isr=min_isr)
    assert answer_of("min_isr_without_targets", with_topics(enough, spec=bold)).allowed
    assert not answer_of("min_isr_without_targets", with_topics(last, spec=bold)).allowed
    assert answer_of("min_isr_without_targets", with_topics(last, spec=bold), Target(frozenset({2}))).allowed


def test_allow_unavailability_keeps_an_only_copy_unless_the_topic_is_accepted():
    only = topic("orders", partition(0, replicas=(1,)), min_isr=1)
    bold = spec(allow_unavailability=True)
    assert denials(with_topics(only, spec=bold)) == ["min_isr_without_targets"]
    assert denials(with_topics(only, spec=bold, settings=settings(accept_unavailable=("orders",)))) == []


def test_allow_unavailability_relaxes_nothing_else():
    for guard, case in SPOILT:
        if guard != "min_isr_without_targets":
            assert guard in denials(replace(case, spec=spec(allow_unavailability=True)))


def test_a_dead_broker_in_the_isr_counts_for_nothing():
    view = cluster(brokers={1: "h:1", 2: "h:2"}, topics={"probe": PROBE})
    assert not answer_of("min_isr_without_targets", with_world(cluster=view)).allowed


def test_reasons_stay_short_however_many_topics_are_concerned():
    many = (topic(f"t{number}", partition(0, replicas=(1,)), min_isr=1) for number in range(1_000))
    reason = answer_of("min_isr_without_targets", with_topics(*many)).reason
    assert "and 995 more" in reason
    assert len(reason) < 600


def test_of_six_things_five_are_named_and_nodes_come_in_order():
    assert short(list("abcde")) == "a, b, c, d, e"
    assert short(list("abcdef")) == "a, b, c, d, e and 1 more"
    assert numbers({8, 1}) == "1, 8"
    assert numbers(()) == "none"


# --- defaults and order


def test_the_defaults_inject_nothing_and_nothing_known_denies_everything_that_needs_data():
    fresh = World(now=instant(0), started=instant(0))
    default = ExperimentSpec("kill", "process-kill", parse_target("any"), parse_schedule(every="1h"), 5)
    case = given(world=fresh, settings=GuardSettings(), spec=default, due=None)
    allowed = {answer.guard for answer in evaluate(case, Target(frozenset({1}))) if answer.allowed}
    harmless = {"paused", "latched", "lease", "permitted", "blackout", "one_at_a_time", "incident_open"}
    harmless |= {"min_gap", "daily_budget", "provider"}
    assert allowed == harmless | {"target_size"} | KUBERNETES_GUARDS
    assert GuardSettings().dry_run


def test_the_first_denial_is_that_of_the_first_guard_in_order():
    case = given(paused="by anna", latched="x", under_way="y")
    assert first_denial(case, ONE) == answer_of("paused", case)


@property_settings(deadline=None)
@property_given(spoil=st.lists(st.sampled_from(SPOILT), min_size=1, max_size=4))
def test_whatever_else_is_wrong_one_spoilt_point_is_enough_to_deny(spoil):
    merged = given()
    for _, case in spoil:
        changed = {
            name: getattr(case, name)
            for name in ("settings", "spec", "due", "paused", "latched", "under_way", "injections")
            if getattr(case, name) != getattr(given(), name)
        }
        merged = replace(merged, **changed)
        spoilt_world = {
            name: getattr(case.world, name)
            for name in World.__slots__
            if getattr(case.world, name) != getattr(world(), name)
        }
        merged = replace(merged, world=replace(merged.world, **spoilt_world))
    assert first_denial(merged, ONE) is not None
    assert first_denial(merged, ONE) == next(answer for answer in evaluate(merged, ONE) if not answer.allowed)


def test_a_budget_outside_its_bound_is_refused():
    for budget in (-1, 10_001):
        with pytest.raises(ValueError, match="allowed are 0 to 10000"):
            GuardSettings(daily_budget=budget)


def test_a_budget_at_its_bounds_is_taken():
    assert [GuardSettings(daily_budget=budget).daily_budget for budget in (0, 10_000)] == [0, 10_000]


@pytest.mark.parametrize("wrong", [{"target": parse_target("zookeeper")}, {"fault": "pod-kill"}])
def test_an_experiment_whose_fault_does_not_fit_its_target_is_refused(wrong):
    with pytest.raises(ValueError, match="experiment kill: fault"):
        spec(**wrong)


@pytest.mark.parametrize("wrong", [{"grace": 0}, {"jitter": -1}, {"duration": -1}])
def test_an_experiment_with_times_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="experiment kill"):
        spec(**wrong)


@pytest.mark.parametrize("wrong", [{"drain": -1}, {"drain": 61, "notice": 60}, {"notice": 901}])
def test_a_notice_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="needs 0 <= drain <= notice <= 900"):
        spec(fault="node-reclaim", **wrong)


def test_an_experiment_at_the_bounds_of_its_times_is_taken():
    assert spec(grace=1, jitter=0, duration=0).grace == 1
    assert spec(fault="node-reclaim", notice=900, drain=900).drain == 900
    assert spec(fault="command", confirm=1).confirm == 1


def test_guard_names_are_the_closed_set_of_the_metric_label():
    assert len(set(GUARD_NAMES)) == len(GUARDS)
    assert all(getattr(guards, name) in GUARDS for name in GUARD_NAMES)
    assert all(answer.guard in GUARD_NAMES for answer in evaluate(given(), ONE))


def test_the_document_lists_exactly_these_guards():
    assert guard_table().startswith(f"| guard | allows only if |\n|---|---|\n| `{GUARD_NAMES[0]}` | ")
    assert f"\n\n{guard_table()}\n\n" in DOCS.read_text()


def test_the_world_of_these_tests_is_what_it_says():
    assert given().world.cluster.cluster_id == CLUSTER
    assert given().world.cluster.probe_topic(Acks.ALL) == PROBE


# --- what is said


HEALTHY = {
    "armed": ("lab-1", "a cluster id"),
    "cluster_id": ("lab-1", "lab-1"),
    "paused": ("not paused", "not paused"),
    "latched": ("not latched", "not latched"),
    "lease": ("none in use", "held"),
    "permitted": ("not told", "nothing missing"),
    "schedule": ("0.0 s late", "0 to 20 s late"),
    "blackout": ("none", "none"),
    "warm_up": ("1000.0 s", ">= 30 s"),
    "one_at_a_time": ("none", "none"),
    "incident_open": ("none", "none"),
    "min_gap": ("none before", ">= 60 s"),
    "daily_budget": ("0", "< 100"),
    "state_saved": ("0.0 s", "<= 180 s ago"),
    "fresh_views": ("cluster 1.0 s, quorum 1.0 s", "<= 15 s old, topic settings 180 s"),
    "fresh_watches": ("not on Kubernetes", "<= 30 s old"),
    "target_known": ("1", "alive"),
    "target_size": ("1 at a time", "1 to 1"),
    "target_pods": ("not on Kubernetes", "Ready, >= 300 s old"),
    "steady": ("steady 990.0 s, overdue 0", ">= 10 s, overdue 0"),
    "offline": ("0", "0"),
    "under_replicated": ("0", "0"),
    "min_isr_without_targets": ("kept", "min.insync.replicas in sync"),
    "quorum_without_targets": ("2 of 3 voters left, needs 2", "a majority"),
    "reassignment": ("none", "none"),
    "provider": ("run by nobody else", "ACTIVE, <= 90 s old"),
    "disruption_budget": ("not on Kubernetes", "<= 1 budget, losses allowed"),
    "nodes": ("not on Kubernetes", "undisturbed"),
    "members": ("not on Kubernetes", "all Ready"),
    "rollout": ("not on Kubernetes", "none"),
    "operator": ("not on Kubernetes", "Ready"),
}
UNKNOWN_TO_THE_PROVIDER = (
    "how the provider says it stands is known as of not known ago, the provider says that the cluster is in no known "
    "state, broker 1 is h, the provider's is not known"
)
# of each of SPOILT, in its order: what is seen, and why that denies
SAID = [
    ("not armed", "experiments are not armed"),
    ("not armed", "experiments are not armed"),
    ("lab-1", "armed for another, this is lab-1"),
    ("not known", "armed for lab-1, this is not known"),
    ("paused: by anna", "experiments are paused: by anna"),
    ("paused: ", "experiments are paused: "),
    ("a loss", "held until resumed: a loss"),
    ("it was not asked for yet", "the Lease is not held by this Sentinel: it was not asked for yet"),
    ("held by sentinel-2", "the Lease is not held by this Sentinel: held by sentinel-2"),
    ("timeout", "the Lease is not held by this Sentinel: timeout"),
    ("we may not", "we may not"),
    ("not planned", "no run is planned yet"),
    ("-0.5 s late", "not due for another 0 s"),
    ("20.5 s late", "missed by 20 s"),
    ("daily 00:00-24:00 UTC", "inside the blackout daily 00:00-24:00 UTC"),
    ("29.0 s", "Sentinel has only just started"),
    ("pause-1", "pause-1 is under way"),
    ("i-1", "1 open: i-1"),
    ("59 s", "a broker was lost 59 s ago"),
    ("59 s", "a broker was lost 59 s ago"),
    ("0 s", "a broker was lost 0 s ago"),
    ("1", "1 losses in 24 h use up the budget of 1"),
    ("2", "2 losses in 24 h use up the budget of 2"),
    ("0", "0 losses in 24 h use up the budget of 0"),
    ("not known", "the state was not written recently"),
    ("181.0 s", "the state was not written recently"),
    ("conflict", "the state could not be written: conflict"),
    ("cluster 16.0 s, quorum 1.0 s", "too old or missing: cluster 16.0 s, quorum 1.0 s"),
    ("cluster 1.0 s, quorum 16.0 s", "too old or missing: cluster 1.0 s, quorum 16.0 s"),
    ("cluster not known, quorum 1.0 s", "too old or missing: cluster not known, quorum 1.0 s"),
    ("cluster not known, quorum 1.0 s", "too old or missing: cluster not known, quorum 1.0 s"),
    (
        "cluster 1.0 s, quorum 1.0 s, topic settings 180.5 s",
        "too old or missing: cluster 1.0 s, quorum 1.0 s, topic settings 180.5 s",
    ),
    ("cluster 1.0 s, quorum not known", "too old or missing: cluster 1.0 s, quorum not known"),
    ("cluster 1.0 s, quorum -1.0 s", "too old or missing: cluster 1.0 s, quorum -1.0 s"),
    ("steady not known, overdue 0", "not steady: steady not known, overdue 0"),
    ("steady 9.0 s, overdue 0", "not steady: steady 9.0 s, overdue 0"),
    ("steady 990.0 s, overdue 1", "not steady: steady 990.0 s, overdue 1"),
    ("steady 990.0 s, overdue not known", "not steady: steady 990.0 s, overdue not known"),
    ("1", "1 without a live leader: other-0"),
    ("1", "1 without a live leader: other-0"),
    ("not known", "no topic in view"),
    ("not known", "no topic in view"),
    ("1", "1 under-replicated: other-0"),
    ("1", "1 under-replicated: other-0"),
    ("3", "3 under-replicated: probe-0, probe-1, probe-2"),
    ("other-0 (1 in sync left, needs 2)", "other-0 (1 in sync left, needs 2)"),
    ("other (min.insync.replicas not known)", "other (min.insync.replicas not known)"),
    (
        "other (replication factor 3, min.insync.replicas 3: none to spare)",
        "other (replication factor 3, min.insync.replicas 3: none to spare)",
    ),
    ("no topic in view", "no topic in view"),
    ("1 of 3 voters left, needs 2", "1 of 3 voters left, needs 2"),
    ("no quorum seen", "no quorum seen"),
    ("no quorum seen", "no quorum seen"),
    ("no quorum seen", "no quorum seen"),
    ("0 of 1 voters left, needs 1", "0 of 1 voters left, needs 1"),
    ("1 of 2 voters left, needs 2", "1 of 2 voters left, needs 2"),
    ("other-1", "being moved: other-1"),
    ("other-1", "being moved: other-1"),
    ("not known", "not known"),
    ("not known", "not known"),
    ("another-3, b-0, other-1, other-2, y-4", "being moved: another-3, b-0, other-1, other-2, y-4"),
    (UNKNOWN_TO_THE_PROVIDER, UNKNOWN_TO_THE_PROVIDER),
]


def test_in_a_healthy_world_each_guard_says_what_it_sees_and_what_it_needs():
    assert {each.guard: (each.seen, each.threshold) for each in evaluate(given(), ONE)} == HEALTHY


@pytest.mark.parametrize(("spoilt", "said"), list(zip(SPOILT, SAID, strict=True)))
def test_each_denial_says_what_was_seen_and_why_that_denies(spoilt, said):
    answer = answer_of(*spoilt)
    assert (answer.seen, answer.reason) == said


def test_of_many_things_a_few_are_named():
    many = tuple(f"i-{number}" for number in range(9))
    assert answer_of("incident_open", with_world(open_incidents=many)).reason == "9 open: i-0, i-1, i-2, i-3, i-4"
    windows = tuple(parse_blackout(end=f"23:{minute}") for minute in range(50, 59))
    seen = answer_of("blackout", with_settings(blackouts=windows)).seen
    assert [each[-9:] for each in seen.split("; ")] == [f"23:{minute} UTC" for minute in range(50, 55)]


@pytest.mark.parametrize(
    ("guard", "case", "seen"),
    [
        (
            "lease",
            with_world(lease=LeaseObserved(NOW, NOW.mono + 0.1, "sentinel-1", "timeout", answered=False)),
            "held",
        ),
        ("permitted", with_world(rights_missing={}), "nothing missing"),
        ("min_gap", given(injections=(NOW.wall - 100, NOW.wall - 70)), "70 s"),  # the last of them counts
        ("min_gap", given(injections=(NOW.wall - 2_000,)), "2000 s"),
        ("daily_budget", given(injections=(NOW.wall - 86_400, NOW.wall - 86_399)), "1"),
    ],
)
def test_what_is_seen_where_it_allows(guard, case, seen):
    answer = answer_of(guard, case)
    assert (answer.allowed, answer.seen) == (True, seen)


def test_what_is_not_armed_is_not_armed_for_any_cluster():
    answer = answer_of("cluster_id", with_settings(armed_for=None))
    assert (answer.allowed, answer.threshold) == (False, "not armed")
    assert not answer_of("cluster_id", given(settings=settings(armed_for=""), world=world(cluster=None))).allowed


@pytest.mark.parametrize(("named", "view"), [("not known", None), ("", cluster(cluster_id="")), (None, None)])
def test_a_cluster_without_a_known_id_is_the_one_of_no_name(named, view):
    assert not answer_of("cluster_id", given(settings=settings(armed_for=named), world=world(cluster=view))).allowed

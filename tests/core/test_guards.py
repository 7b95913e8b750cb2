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
    ("under_replicated", with_topics(topic("other", partition(0, isr=(1, 2))))),
    ("under_replicated", with_world(cluster=cluster(brokers={1: "h:1", 2: "h:2"}))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0, isr=(1, 2))))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0), min_isr=None))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0), min_isr=3))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, caught_up_voters=(1, 2)))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, leader=-1))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(1,), caught_up_voters=(1,)))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(1, 2), caught_up_voters=(1, 2)))),
    ("reassignment", with_world(cluster=cluster(reassigning=frozenset({("other", 1)})))),
    ("reassignment", with_world(quorum=replace(QUORUM, reassigning=frozenset({("other", 1)})))),
    ("reassignment", with_world(quorum=None)),
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
    ("steady", with_world(steady_since=instant(1_000 - 10))),
    ("min_isr_without_targets", with_topics(topic("other", partition(0, leader=2, replicas=(2, 3, 1)), min_isr=1))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, voters=(100,), caught_up_voters=(100,), leader=100))),
    ("quorum_without_targets", with_world(quorum=replace(QUORUM, caught_up_voters=(2, 3)))),
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


@pytest.mark.parametrize("wrong", [{"target": parse_target("zookeeper")}, {"fault": "pod-kill"}])
def test_an_experiment_whose_fault_does_not_fit_its_target_is_refused(wrong):
    with pytest.raises(ValueError, match="experiment kill: fault"):
        spec(**wrong)


@pytest.mark.parametrize("wrong", [{"grace": 0}, {"jitter": -1}, {"duration": -1}])
def test_an_experiment_with_times_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="experiment kill"):
        spec(**wrong)


def test_guard_names_are_the_closed_set_of_the_metric_label():
    assert len(set(GUARD_NAMES)) == len(GUARDS)
    assert all(getattr(guards, name) in GUARDS for name in GUARD_NAMES)
    assert all(answer.guard in GUARD_NAMES for answer in evaluate(given(), ONE))


def test_the_document_lists_exactly_these_guards():
    assert guard_table() in DOCS.read_text()


def test_the_world_of_these_tests_is_what_it_says():
    assert given().world.cluster.cluster_id == CLUSTER
    assert given().world.cluster.probe_topic(Acks.ALL) == PROBE

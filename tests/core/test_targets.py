from __future__ import annotations

import pytest

from kafka_sentinel.core.faults import FAULTS, Reach
from kafka_sentinel.core.targets import (
    ALLOWED,
    FITTING,
    Target,
    TargetError,
    TargetKind,
    TargetSpec,
    misfit,
    parse_target,
)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("any", TargetSpec(TargetKind.ANY)),
        ("broker:12", TargetSpec(TargetKind.BROKER, 12)),
        ("broker:123456789", TargetSpec(TargetKind.BROKER, 123_456_789)),
        ("pool:Brokers-a", TargetSpec(TargetKind.POOL, name="Brokers-a")),
        ("zone:eu-west-1a", TargetSpec(TargetKind.ZONE, name="eu-west-1a")),
        ("leader", TargetSpec(TargetKind.LEADER)),
        ("leader:0", TargetSpec(TargetKind.LEADER, 0)),
        ("controller", TargetSpec(TargetKind.CONTROLLER)),
        ("group-coordinator", TargetSpec(TargetKind.GROUP_COORDINATOR)),
        ("group-coordinator:Orders:v2", TargetSpec(TargetKind.GROUP_COORDINATOR, name="Orders:v2")),
        ("transaction-coordinator", TargetSpec(TargetKind.TRANSACTION_COORDINATOR)),
        ("transaction-coordinator:Pay-1", TargetSpec(TargetKind.TRANSACTION_COORDINATOR, name="Pay-1")),
        ("zookeeper", TargetSpec(TargetKind.ZOOKEEPER)),
        ("entity-operator", TargetSpec(TargetKind.ENTITY_OPERATOR)),
        (f"zone:{'z' * 249}", TargetSpec(TargetKind.ZONE, name="z" * 249)),
        ("all", TargetSpec(TargetKind.ALL)),
    ],
)
def test_a_target_is_understood_and_printed_as_written(text, spec):
    assert parse_target(text) == spec
    assert str(spec) == text


def test_the_word_of_a_target_may_be_written_in_any_case_but_a_name_is_taken_as_it_is():
    assert parse_target(" Controller ") == TargetSpec(TargetKind.CONTROLLER)
    assert parse_target("ZONE:A") == TargetSpec(TargetKind.ZONE, name="A")


@pytest.mark.parametrize("text", ["", "brokers", "any broker", "cluster-operator", ":1"])
def test_a_target_that_is_not_known_is_refused_with_what_is_allowed(text):
    with pytest.raises(TargetError, match=f'target "{text}" is not known; allowed are any, broker:<id>, pool:<name>'):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("broker", "a number"),
        ("broker:", "a number"),
        ("broker:x", "a number"),
        ("broker:-1", "a number"),
        ("broker:²", "a number"),
        ("broker:1234567890", "a number"),
        ("any:1", "nothing"),
        ("controller:1", "nothing"),
        ("all:2", "nothing"),
        ("zookeeper:0", "nothing"),
        ("leader:1:2", "a number or nothing"),
        ("leader:", "a number or nothing"),
        ("pool", "a name"),
        ("zone:", "a name"),
        ("group-coordinator:", "a name or nothing"),
        (f"group-coordinator:{'g' * 250}", "a name or nothing"),
    ],
)
def test_what_may_stand_after_the_colon_is_said(text, takes):
    with pytest.raises(TargetError, match=f"takes {takes} after a colon; allowed are any"):
        parse_target(text)


def test_every_kind_of_target_is_among_the_allowed_words_and_fits_some_fault():
    words = {word.partition(":")[0] for word in ALLOWED.split(", ")}
    assert words == {kind.value for kind in TargetKind}
    assert frozenset().union(*FITTING.values()) == frozenset(TargetKind)


# --- which fault can be done to which target


def fits(fault):
    return {kind.value for kind in TargetKind if misfit(fault, TargetSpec(kind)) == ""}


KAFKA = {"any", "broker", "leader", "controller", "group-coordinator", "transaction-coordinator"}


@pytest.mark.parametrize(
    ("fault", "targets"),
    [
        ("process-kill", KAFKA),
        ("process-pause", KAFKA),
        ("pod-delete", KAFKA | {"pool", "zone", "zookeeper", "entity-operator"}),
        ("pod-crash", KAFKA | {"pool", "zone", "zookeeper", "entity-operator"}),
        ("pod-evict", KAFKA | {"pool", "zone", "zookeeper", "entity-operator"}),
        ("node-reclaim", KAFKA | {"pool", "zone"}),
        ("rolling-restart", {"all"}),
        ("command", KAFKA | {"zookeeper"}),
        ("msk-reboot", KAFKA - {"controller"}),
    ],
)
def test_each_fault_has_its_targets_and_no_others(fault, targets):
    assert fits(fault) == targets


def test_every_fault_reaches_something():
    assert {fault.reach for fault in FAULTS.values()} == set(Reach) == set(FITTING)


def test_a_fault_that_does_not_fit_is_one_sentence_with_what_was_found_and_what_is_allowed():
    assert misfit("node-reclaim", TargetSpec(TargetKind.ZOOKEEPER)) == (
        "fault node-reclaim cannot be done to target zookeeper; its targets are any, broker, pool, zone, leader, "
        "controller, group-coordinator, transaction-coordinator"
    )
    assert misfit("pod-kill", TargetSpec(TargetKind.ANY)).startswith(
        'fault "pod-kill" is not known; allowed are process-kill'
    )


def test_a_roll_loses_one_node_at_a_time_and_everything_else_all_at_once():
    both = frozenset({8, 7})
    assert Target(both).losses == (both,)
    assert Target(both, one_by_one=True).losses == (frozenset({7}), frozenset({8}))
    assert Target(frozenset()).losses == (frozenset(),)


def test_a_target_of_pods_or_servers_alone_is_not_empty():
    assert Target(frozenset()).is_empty
    assert not Target(frozenset({1})).is_empty
    assert not Target(frozenset(), pods=(("kafka", "zookeeper-0", "uid"),)).is_empty
    assert not Target(frozenset(), servers=("zk-1:2181",)).is_empty

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.experiment_worlds import PROBE, QUORUM, cluster, partition, topic

from kafka_sentinel.core.targets import TargetError, TargetKind, TargetSpec, parse_target, resolve


def hit(text: str, *, salt: str = "kill@1", view=None, quorum=QUORUM):
    return resolve(parse_target(text), salt, cluster() if view is None else view, quorum)


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("any", TargetKind.ANY, None),
        ("broker:12", TargetKind.BROKER, 12),
        ("leader", TargetKind.LEADER, None),
        ("leader:0", TargetKind.LEADER, 0),
        (" Controller ", TargetKind.CONTROLLER, None),
    ],
)
def test_a_target_is_understood_and_printed_as_written(text, kind, number):
    assert parse_target(text) == TargetSpec(kind, number)
    assert str(parse_target(text)) == text.strip().lower()


@pytest.mark.parametrize(
    "text", ["", "broker", "broker:", "broker:x", "broker:-1", "any:1", "controller:1", "all", "leader:1:2", "broker:²"]
)
def test_a_wrong_target_is_refused_with_what_is_allowed(text):
    with pytest.raises(TargetError, match="allowed are any, broker:<id>, leader, leader:<partition>, controller"):
        parse_target(text)


def test_a_broker_is_taken_by_its_id_alone():
    assert hit("broker:1").brokers == {1}
    assert hit("broker:10").brokers == {10}  # whether it lives is a guard's question


def test_any_is_one_live_broker_the_same_for_the_same_run():
    chosen = [hit("any", salt=f"kill@{run}") for run in range(60)]
    assert [hit("any", salt=f"kill@{run}") for run in range(60)] == chosen
    assert {next(iter(target.brokers)) for target in chosen} == {1, 2, 3}
    assert all(len(target.brokers) == 1 for target in chosen)


def test_any_never_chooses_a_broker_that_is_down():
    view = cluster(brokers={2: "h:2"})
    assert {hit("any", salt=str(run), view=view).brokers for run in range(20)} == {frozenset({2})}


def test_a_named_partition_gives_its_leader_now():
    assert hit("leader:1").brokers == {2}
    moved = replace(PROBE, partitions=(partition(1, leader=3),))
    assert hit("leader:1", view=cluster(moved)).brokers == {3}


def test_leader_chooses_among_all_probe_partitions():
    assert {next(iter(hit("leader", salt=str(run)).brokers)) for run in range(60)} == {1, 2, 3}


def test_leader_keeps_to_its_partition_while_leaders_move():
    swapped = topic("probe", *(partition(n, leader=(n + 1) % 3 + 1) for n in range(3)))
    before = {hit("leader", salt="s").brokers, frozenset({1, 2, 3})}
    after = hit("leader", salt="s", view=cluster(swapped)).brokers
    assert after not in before


def test_the_controller_is_the_one_the_quorum_names():
    assert hit("controller").brokers == {2}
    assert hit("controller", quorum=replace(QUORUM, leader=100)).brokers == {100}


@pytest.mark.parametrize(
    ("text", "view", "quorum", "reason"),
    [
        ("any", cluster(brokers={}), QUORUM, "no live broker"),
        ("leader", cluster(probe_topics={}), QUORUM, "probe topic has not been seen"),
        ("leader:9", cluster(), QUORUM, "topic probe has no partition 9"),
        ("leader", cluster(topic("probe")), QUORUM, "topic probe has no partitions"),
        ("leader:0", cluster(topic("probe", partition(0, leader=-1))), QUORUM, "partition 0 of probe has no leader"),
        ("controller", cluster(), None, "quorum has not been seen"),
        ("controller", cluster(), replace(QUORUM, leader=-1), "quorum has no leader"),
    ],
)
def test_an_unknown_target_is_empty_and_says_why(text, view, quorum, reason):
    target = hit(text, view=view, quorum=quorum)
    assert not target.brokers
    assert reason in target.reason


def test_nothing_seen_yet_gives_no_target():
    for text in ("any", "leader"):
        target = resolve(parse_target(text), "s", None, None)
        assert not target.brokers
        assert target.reason

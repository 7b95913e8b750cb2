"""e: a node returns with empty disks: what another broker has is restored, what none has is lost to the record.

It is the node of `two_on_a_node.py`.
"""

from __future__ import annotations

import pytest
from tests.kafka.sentinel import lost_in
from tests.kubernetes.deploy.waiting import say
from tests.kubernetes.figures import assert_accounts_whole
from tests.kubernetes.two_on_a_node import BROKERS, NODE, WRITTEN, Story

pytestmark = pytest.mark.timeout(900)  # the first of them waits until all of it has happened


def test_e_replication_fills_the_empty_disks_again_and_nothing_is_lost(both_lost: Story):
    assert both_lost.on_disk == (0, 0), "the disks were empty when the node returned"
    assert set(BROKERS) < set(both_lost.led), "no partition was read from a disk that had been empty"
    for partition, acked in enumerate(both_lost.safe.acked):
        assert acked
        assert both_lost.safe.missing(partition) == set()
    [incident] = both_lost.safe.after.incidents_since(both_lost.killed[0])
    assert (incident["verdict"], incident["lost"], incident["duplicated"]) == ("passed", 0, 0), incident
    assert both_lost.safe.after.records()["lost"] == 0
    assert_accounts_whole(both_lost.safe.after)


def test_e_what_only_the_lost_disks_had_is_lost_to_the_record(both_lost: Story):
    thin = both_lost.thin
    expected, read = thin.missing(0), thin.read[0]
    said = lost_in(thin.after.status)
    say(f"{len(thin.acked[0])} acknowledged, {len(expected)} of them gone; said to be lost: {len(said)}")
    assert len(expected) >= WRITTEN // 3, "too little was lost to be worth looking for"
    assert set(said) == expected
    assert thin.missing(1) == set(), "the third broker had that partition"
    for key, evidence in said.items():
        assert evidence["partition"] == 0
        assert (evidence["seen"] == "before") == (key in read)
        assert evidence["topic_id"]
        assert evidence["stands_there"]
    figures = thin.after.records()
    assert figures["lost"] == len(expected)
    assert figures["lost_before"] == len(expected & read)
    assert_accounts_whole(thin.after)


def test_e_the_loss_is_charged_to_the_reclaim_and_the_alert_is_set(both_lost: Story):
    thin, count = both_lost.thin, len(both_lost.thin.missing(0))
    lost = thin.after.of("records_lost_total")
    assert set(lost) <= {"all spot before", "all spot never"}
    assert sum(lost.values()) == count > 0
    [(labels, at)] = thin.after.of("last_loss_timestamp_seconds").items()
    assert labels == "all spot"
    assert at > both_lost.returned
    [incident] = thin.after.incidents_since(both_lost.killed[0])
    assert (incident["cause"], incident["verdict"], incident["lost"]) == ("spot", "failed", count), incident
    assert (incident["brokers"], incident["nodes"]) == (list(BROKERS), [NODE])
    for evidence in thin.after.status["losses"]:
        assert (evidence["incident"], evidence["cause"]) == (incident["id"], "spot")
    assert thin.after.more_of("incidents_total", thin.before) == {"spot failed": 1}
    # It had been said before that this node has partitions of which there is nothing elsewhere.
    sentences = thin.before.status["kubernetes"]["exposure"]["sentences"]
    assert [
        one for one in sentences if one.startswith(f"if node {NODE} went, ") and "1 would have no replica left" in one
    ]
    assert thin.waiting.of("records_lost_total") == {}, "a log that cannot be read proves no loss"

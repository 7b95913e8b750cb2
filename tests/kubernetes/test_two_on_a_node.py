"""d: two brokers on the node that is lost, as small teams really have it (see `two_on_a_node.py`).

Nothing had announced that loss, so c is looked at, too.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.kafka import observer
from tests.kubernetes import phases
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.waiting import say
from tests.kubernetes.figures import Figures, assert_accounts_whole
from tests.kubernetes.phases import PLACED, TWO_PROBES
from tests.kubernetes.two_on_a_node import BROKERS, NODE, SAFE, Story, play

from kafka_sentinel.core.kubernetes.stuck import Reason

pytestmark = pytest.mark.timeout(900)  # the first of them waits until all of it has happened
PODS = [f"orders-broker-{broker}" for broker in BROKERS]
VOLUMES = [f"kafka-{pod}" for pod in PODS]


def test_d_the_exposure_had_warned_before(both_lost: Story):
    before, waiting = both_lost.safe.before, both_lost.safe.waiting
    fell = waiting.value("partitions_under_min_isr")
    assert before.of("partitions_exposed")["node"] == both_lost.would_fall == fell >= len(PLACED)
    assert before.value("brokers_sharing_node") == len(BROKERS)
    [sentence] = [one for one in before.status["kubernetes"]["exposure"]["sentences"] if one.startswith(_IF_IT_WENT)]
    assert sentence.startswith(f"{_IF_IT_WENT}{both_lost.would_fall} partitions would fall below min.insync.replicas")
    assert SAFE in sentence
    said = [line for line in before.said("placement risk") if line["risk"].startswith(_IF_IT_WENT)]
    assert said
    assert SAFE in said[-1]["risk"]
    assert said[-1]["members"] == list(BROKERS)
    assert datetime.fromisoformat(said[-1]["timestamp"]).timestamp() < both_lost.killed[0]


def test_d_writes_stop_and_the_outage_is_as_long_as_others_find_it(both_lost: Story):
    waiting, after, others = both_lost.safe.waiting, both_lost.safe.after, both_lost.others
    assert waiting.of("partitions_unavailable")["produce"] == len(PLACED)
    first, last = both_lost.killed
    stopped = [one for one in others.writer.passed if last < one.through < both_lost.returned]
    assert stopped == [], "others could write"
    [incident] = after.incidents_since(first)
    phases.check_phases(incident, others, first, last, set(BROKERS))
    outage = max(observer.first_through(others.writer.passed, last).values()) - first
    seconds = after.more_of(
        "unavailable_seconds_total", both_lost.safe.before
    )  # by the cause as it was known at the time
    measured = sum(value for labels, value in seconds.items() if labels.endswith(" produce"))
    say(f"writes were down for {measured:.2f} s, as others saw it for {outage:.2f} s")
    assert measured == pytest.approx(outage, abs=TWO_PROBES + others.own_share)
    assert after.of("partitions_unavailable") == {}


def test_d_the_pods_wait_for_their_volumes_and_the_reason_is_named_until_the_node_returns(both_lost: Story):
    for words in both_lost.scheduler.values():
        assert words.startswith("False Unschedulable"), words
    waiting, after = both_lost.safe.waiting, both_lost.safe.after
    assert waiting.of("broker_pods_stuck") == {Reason.VOLUME_NODE_LOST: len(BROKERS)}
    told = {one["pod"]: (one["reason"], one["text"]) for one in waiting.status["kubernetes"]["stuck"]}
    reasons = {
        pod: (Reason.VOLUME_NODE_LOST, f"its volume {volume} is on node {NODE}, which does not exist")
        for pod, volume in zip(PODS, VOLUMES, strict=True)
    }
    assert told == reasons
    [incident] = waiting.incidents_since(both_lost.killed[0])
    assert incident["closed_at"] is None
    for pod, (_, text) in reasons.items():
        assert f"pod {pod} cannot come back: {text}" in incident["reasons"]
    assert after.of("broker_pods_stuck") == {}
    assert after.status["kubernetes"]["stuck"] == []
    [incident] = after.incidents_since(both_lost.killed[0])
    for pod in PODS:
        assert [one for one in incident["reasons"] if one.startswith(f"pod {pod} could not come back for ")]


def test_d_it_was_one_incident_of_both_brokers_and_all_is_well_again(both_lost: Story):
    before, after = both_lost.safe.before, both_lost.safe.after
    [incident] = after.incidents_since(both_lost.killed[0])
    assert (incident["cause"], incident["verdict"]) == ("spot", "passed"), incident
    assert (incident["brokers"], incident["nodes"]) == (list(BROKERS), [NODE])
    assert incident["closed_at"] > both_lost.returned
    asked = [line for line in after.said("incident needs recheck") if line["id"] == incident["id"]]
    assert len(asked) == 1
    assert after.value("recheck_last_success_timestamp_seconds") > both_lost.returned
    assert after.more_of("incidents_total", before) == {"spot passed": 1}
    assert after.of("node_disruptions_total") == {"false spot": 1}
    assert after.of("incidents_open") == {}
    assert after.of("brokers") == {"up": 3}


def test_c_what_nothing_announced_is_a_reclaim_because_the_node_was_a_spot_one(both_lost: Story):
    before, after = both_lost.safe.before, both_lost.safe.after
    [disruption] = [one for one in after.status["kubernetes"]["disruptions"] if one["node"] == NODE]
    assert (disruption["cause"], disruption["outcome"], disruption["brokers"]) == ("spot", "lost", list(BROKERS))
    assert (disruption["announced"], disruption["source"], disruption["lead_seconds"]) == (False, None, None)
    assert after.more_of("node_disruptions_total", before) == {"false spot": 1}
    assert after.of("disruption_lead_seconds_count") == {}


def test_d_nothing_was_lost_and_nothing_else_was_claimed_at_any_time(both_lost: Story):
    for found in (both_lost.safe.waiting, both_lost.safe.after):
        assert_accounts_whole(found)
        assert_nothing_lost(found)
    for partition, acked in enumerate(both_lost.safe.acked):
        assert acked
        assert both_lost.safe.missing(partition) == set()


@pytest.mark.full
def test_d_all_of_it_holds_for_a_node_that_returns_with_its_disks(shared_kafka: Kafka):
    story = play(shared_kafka, wiped=False)
    assert all(story.on_disk)
    test_d_the_exposure_had_warned_before(story)
    test_d_writes_stop_and_the_outage_is_as_long_as_others_find_it(story)
    test_d_the_pods_wait_for_their_volumes_and_the_reason_is_named_until_the_node_returns(story)
    test_d_it_was_one_incident_of_both_brokers_and_all_is_well_again(story)
    test_d_nothing_was_lost_and_nothing_else_was_claimed_at_any_time(story)
    for partition, acked in enumerate(story.thin.acked):
        assert acked
        assert story.thin.missing(partition) == set(), "two copies on the same disks are still there"
    assert_nothing_lost(story.thin.after)


def assert_nothing_lost(found: Figures) -> None:
    figures = found.records()
    assert figures["lost"] == figures["suspected"] == 0
    assert found.of("records_lost_total") == found.of("last_loss_timestamp_seconds") == {}
    assert found.status["losses"] == []


_IF_IT_WENT = f"if node {NODE} went, "

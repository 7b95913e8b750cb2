"""Failover under load: an experiment's records per second, as another client finds them in the log."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer
from tests.kubernetes.deploy.waiting import say, wait_for
from tests.kubernetes.injections import allowed, armed, deletions, experiment, order, passed, wall
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, PROBE, SECTIONS

LOAD = 300  # records per second over all partitions
AT_ONCE = int(LOAD / len(PLACED) * PROBE)  # in each partition, each time it sends
MOST_SKIPPED = 0.2  # share of times at which a busy machine may keep it from sending
AFTER = 10  # times it sends after the load that are looked at


@pytest.mark.full
def test_a_load_is_in_the_log_while_a_leader_goes_and_ends_with_the_experiment(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    topic = "loaded"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "leader:0", load=LOAD)
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, crash), **SECTIONS)
    allowed(sentinel, "crash")
    ordered = order(sentinel, "run-now", "crash")
    incident = passed(sentinel, "crash", 150)
    over = time.time() + PROBE  # it may be in the middle of sending
    usual = sentinel.records()["sent"]
    enough = len(PLACED) * (AFTER + 2)
    sentinel.wait_for(lambda status: status["records"]["all"]["sent"] >= usual + enough, "it to go on as usual", 60)
    logs = [truth.read_log(kafka.bootstrap, topic, partition) for partition in range(len(PLACED))]
    (deletion,) = deletions(lab, sentinel)
    struck = wall(deletion["requestReceivedTimestamp"])
    times = (incident["closed_at"] - struck) / PROBE
    for log in logs:
        sent = Counter(record.wall_ns / 1e9 for record in log.records if record.valid)  # at once has one time stamp
        assert {count for at, count in sent.items() if at < ordered} == {1}
        loaded = [count for at, count in sent.items() if struck < at < incident["closed_at"]]
        assert set(loaded) == {AT_ONCE}
        assert len(loaded) >= times * (1 - MOST_SKIPPED)
        say(f"{sum(loaded)} records in {times * PROBE:.1f} s")
        assert {count for at, count in sent.items() if at > over} == {1}
        assert truth.claimed(log.records) <= truth.present(log.records)
        assert truth.extra_copies(log.records) == 0
    many = sum(len(truth.present(log.records)) for log in logs)

    def known() -> int:
        figures = sentinel.records()
        return figures["verified"] + figures["present"]

    wait_for(lambda: known() >= many, f"all {many} to be found", 60, known)
    figures = sentinel.records()
    assert_identities(figures)
    assert figures["lost"] == figures["expired"] == figures["unaccounted"] == 0

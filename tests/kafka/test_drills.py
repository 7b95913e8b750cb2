"""A daemon on real brokers tells soon after its start that its detector finds what it is drilled with."""

from __future__ import annotations

import re

from tests.kafka.sentinel import SentinelProcess, configuration, wait_for

from kafka_sentinel.core.drills import Anomaly

THREE = ([1, 2, 3], [2, 3, 1], [3, 1, 2])
COUNTED = ("lost", "duplicated", "reordered", "corrupted", "conflicting", "foreign")  # of what is in Kafka's log


def drilled(sentinel: SentinelProcess, result: str) -> dict[str, float]:
    """What `/metrics` says of the drills that had this result, by anomaly."""
    found = re.findall(
        rf'^kafka_sentinel_selftest_total{{anomaly="(\w+)",.*result="{result}"}} (\S+)$',
        sentinel.get("/metrics") or "",
        re.MULTILINE,
    )
    return {anomaly: float(number) for anomaly, number in found}


def counted(sentinel: SentinelProcess) -> dict[str, float]:
    """What `/metrics` counts of anomalies in Kafka's log."""
    page = sentinel.get("/metrics") or ""
    return {
        name: sum(map(float, found))
        for name in COUNTED
        if (found := re.findall(rf"^kafka_sentinel_records_{name}_total\S* (\S+)$", page, re.MULTILINE))
    }


def test_metrics_tell_soon_after_the_start_that_every_anomaly_was_detected(lab_combined, make_topic, tmp_path):
    topic = make_topic(lab_combined, THREE)
    config = configuration(lab_combined.bootstrap_servers, topic, probe={"manage_topic": False})
    with SentinelProcess(tmp_path / "sentinel", config) as sentinel:
        wait_for(
            lambda: drilled(sentinel, "detected") == dict.fromkeys(Anomaly, 1.0),
            60,
            lambda: f"every anomaly detected: {drilled(sentinel, 'detected')}, {sentinel.log()[-2000:]}",
        )
        wait_for(lambda: sentinel.records().get("verified", 0) > 100, 40, "records verified beside it")
        assert drilled(sentinel, "missed") == dict.fromkeys(Anomaly, 0.0)
        assert counted(sentinel) == dict.fromkeys(COUNTED, 0.0)
        wait_for(lambda: sentinel.status["selftest"]["at"], 10, "the drill in the status, which is published later")
        facts = sentinel.status["selftest"]
        assert (facts["detected"], facts["missed"]) == ([anomaly.value for anomaly in Anomaly], [])
        assert facts["next_run"] > facts["at"]
        assert "self-test" not in sentinel.log()

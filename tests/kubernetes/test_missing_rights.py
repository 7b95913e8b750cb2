"""Without some of its rights Sentinel runs and says what is off; without those it cannot do without, it says so."""

from __future__ import annotations

import json
from collections import Counter

from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for

from kafka_sentinel.adapters.kubernetes.permissions import Need, Permission, Scope

SEEN = ("nodes", "events", "kafkas", "nodeclaims", "persistentvolumes", "statefulsets")
TRIES = 3  # refusals of a watch until it is off, which is looked at again minutes later
RUNTIME_FAILURE = 3


def _crash(kafka: Kafka, target: str) -> dict:
    """Return experiments that are armed, and due every few seconds."""
    item = {"name": "crash", "fault": "pod-crash", "target": target, "every": "5s", "grace": "4s"}
    quick = {"warm_up": 0, "steady": 1, "min_gap": 0, "dry_run": False, "daily_budget": 1}
    return {"armed_for": kafka.cluster_id, "items": [item], **quick}


def _said(sentinel: Sentinel, **wanted: str) -> list[dict]:
    """Return the lines of its log that have these fields. Every line must be one of its own, so no traceback."""
    lines = [json.loads(line) for line in sentinel.logs()]
    assert not [line for line in lines if "traceback" in line]
    return [line for line in lines if wanted.items() <= line.items()]


def _check_probing(sentinel: Sentinel) -> None:
    sentinel.wait_verified(sentinel.records().get("verified", 0) + 60)
    figures = sentinel.records()
    assert_identities(figures)
    assert figures["lost"] == figures["duplicated"] == 0
    assert sentinel.restarts() == 0


def _check_off(sentinel: Sentinel, resources: tuple[str, ...]) -> None:
    """Each of these is said once in the log, once in `check`, and is 0 in the metric; all others are on."""
    wait_for(
        lambda: all(sentinel.metric("watch_restarts_total", resource=each) >= TRIES for each in resources),
        "the watches to be off",
        60,
        sentinel.last_lines,
    )
    told = Counter((line["resource"], line["namespace"]) for line in _said(sentinel, code="403"))
    assert set(told.values()) == {1}, told
    assert {resource for resource, _ in told} == set(resources)
    done = sentinel.exec("kafka-sentinel", "check")
    for each in resources:
        lines = [line for line in done.stdout.splitlines() if f"we may not list, watch {each}" in line]
        assert lines, done.stdout
        assert all(line.startswith("WARN") for line in lines), lines
        assert sentinel.metric("feature_enabled", feature=f"kubernetes_{each}") == 0
    for each in ("pods", "persistentvolumeclaims", "poddisruptionbudgets"):
        assert sentinel.metric("feature_enabled", feature=f"kubernetes_{each}") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_j_without_the_right_to_see_nodes_events_and_the_kafka_resource_it_runs_and_breaks_nothing(
    shared_kafka: Kafka, deploy: Deployer
):
    def wanted(permission: Permission) -> bool:
        return permission.need is not Need.OPTIONAL

    sentinel = deploy(shared_kafka, wanted=wanted, topic="sees-little", experiments=_crash(shared_kafka, "broker:2"))
    before = shared_kafka.pod(2)
    _check_probing(sentinel)
    _check_off(sentinel, SEEN)
    wait_for(
        lambda: sentinel.metric("experiments_skipped_total", experiment="crash", guard="fresh_watches"),
        "a run to be skipped because the Kafka resource is not seen",
        60,
        lambda: _said(sentinel, event="experiment_skipped"),
    )
    assert sentinel.metric("experiments_total", experiment="crash") == 0
    assert shared_kafka.pod(2)["metadata"]["uid"] == before["metadata"]["uid"]
    restarts = sum(sentinel.metric("watch_restarts_total", resource=each) for each in SEEN)
    assert restarts == TRIES * (len(SEEN) + 1), "it asks again and again; events are watched in two namespaces"


def test_j_without_the_right_to_delete_pods_a_run_fails_with_a_sentence(shared_kafka: Kafka, deploy: Deployer):
    def wanted(permission: Permission) -> bool:
        return not (permission.title == "pods" and "delete" in permission.verbs)

    sentinel = deploy(
        shared_kafka, wanted=wanted, topic="deletes-nothing", experiments=_crash(shared_kafka, "broker:2")
    )
    before = shared_kafka.pod(2)
    wait_for(
        lambda: _said(sentinel, event="experiment_ended"),
        "a run to end",
        90,
        lambda: _said(sentinel, event="experiment_skipped"),
    )
    [ended] = _said(sentinel, event="experiment_ended")
    assert ended["result"] == "aborted"
    assert "pod kafka/orders-broker-2 was left alone: 403 Forbidden" in ended["reason"], ended
    assert "grant the permission" in ended["reason"]
    assert sentinel.metric("experiments_total", experiment="crash", result="aborted") == 1
    done = sentinel.exec("kafka-sentinel", "check")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if "we may not delete pods in namespace kafka" in line]
    assert line.startswith("FAIL")
    assert "Traceback" not in done.stdout + done.stderr
    _check_probing(sentinel)
    assert sentinel.incidents() == []
    assert shared_kafka.pod(2)["metadata"]["uid"] == before["metadata"]["uid"]


def _own(plural: str):
    return lambda permission: not (permission.scope is Scope.OWN and permission.resource.plural == plural)


def test_j_without_the_right_to_its_state_it_ends_with_a_sentence_and_without_its_lease_it_stands_by(
    shared_kafka: Kafka, deploy: Deployer
):
    stateless = deploy(shared_kafka, wanted=_own("configmaps"), topic="no-state", ready=False)
    leaseless = deploy(shared_kafka, wanted=_own("leases"), topic="no-lease", ready=False)
    wait_for(lambda: stateless.ended() is not None, "Sentinel without state to end", 60, stateless.last_lines)
    assert stateless.ended() == RUNTIME_FAILURE
    *_, last = stateless.logs(previous=True)
    assert last.startswith(f"kafka-sentinel: state ConfigMap {stateless.namespace}/"), last
    assert "cannot be read: 403 Forbidden" in last
    assert "Traceback" not in "".join(stateless.logs(previous=True))

    leaseless.wait_for(lambda status: status["health"] == "standby", "Sentinel without a Lease to stand by", 60)
    [line] = _said(leaseless, event="standing by: the Lease cannot be asked for")
    assert "403 Forbidden" in line["reason"]
    assert leaseless.metric("feature_enabled", feature="lease") == 0
    done = leaseless.exec("kafka-sentinel", "check")
    assert done.returncode == 1
    assert any(line.startswith("FAIL") and "leases" in line for line in done.stdout.splitlines()), done.stdout
    assert leaseless.restarts() == 0

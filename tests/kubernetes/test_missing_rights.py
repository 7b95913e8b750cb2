"""Without some of its rights Sentinel runs and says what is off; without those it cannot do without, it says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.access import Access

from kafka_sentinel.adapters.kubernetes.permissions import Permission, Scope

BROKER = 2
NO_DELETE = (
    "we may not delete pods in namespace kafka: these faults are refused by the API server (docs/permissions.md)"
)
SEEN = ("nodes", "events", "kafkas", "nodeclaims", "persistentvolumes", "statefulsets", "strimzipodsets")
TRIES = 3  # refusals of a watch until it is off, which is looked at again minutes later
RUNTIME_FAILURE = 3
# A busy machine's slow write is no incident here.
UNHURRIED = {"slo": {"produce": 30, "consume": 30, "overdue": 30}, "incidents": {"settle": 30}}


CLAIMS = "nodeclaims.karpenter.sh"


@pytest.fixture
def karpenter(cluster: Access) -> Iterator[None]:
    """Have the resource that Karpenter brings: where it is unknown there is nothing to withhold."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "NodeClaim", "listKind": "NodeClaimList", "plural": "nodeclaims", "singular": "nodeclaim"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CLAIMS},
        "spec": {"group": "karpenter.sh", "scope": "Cluster", "names": names, "versions": [version]},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(definition))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CLAIMS}")
    yield
    cluster.kubectl("delete", "crd", CLAIMS)


def _crash(kafka: Kafka) -> dict:
    """Return experiments that are armed, and due every few seconds."""
    item = {"name": "crash", "fault": "pod-crash", "target": f"broker:{BROKER}", "every": "5s", "grace": "4s"}
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


def _wait_skipped(sentinel: Sentinel, guard: str) -> None:
    wait_for(
        lambda: sentinel.metric("experiments_skipped_total", experiment="crash", guard=guard),
        f"a run to be denied by {guard}",
        90,
        lambda: [(line["guard"], line["reason"]) for line in _said(sentinel, event="experiment_skipped")],
    )


def _is_same(pod: dict | None, before: dict | None) -> bool:
    return pod is not None and before is not None and pod["metadata"]["uid"] == before["metadata"]["uid"]


def _check_off(sentinel: Sentinel, resources: tuple[str, ...]) -> None:
    """Each of these is said once in the log, once in `check`, and is 0 in the metric; all others are on."""
    wait_for(
        lambda: all(sentinel.metric("watch_restarts_total", resource=each) >= TRIES for each in resources),
        "the watches to be off",
        60,
        lambda: {each: sentinel.metric("watch_restarts_total", resource=each) for each in resources},
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


def _without(*titles: str, verbs: str = "list") -> Callable[[Permission], bool]:
    """Return what leaves out the rows of these resources that have such verbs."""
    return lambda row: not (row.resource.plural in titles and verbs in row.verbs)


@pytest.mark.usefixtures("karpenter")
def test_j_without_the_right_to_see_nodes_events_and_the_kafka_resource_it_runs_and_breaks_nothing(
    shared_kafka: Kafka, deploy: Deployer
):
    before = shared_kafka.pod(BROKER)
    sentinel = deploy(shared_kafka, wanted=_without(*SEEN), topic="sees-little", experiments=_crash(shared_kafka))
    _check_probing(sentinel)
    _check_off(sentinel, SEEN)
    _wait_skipped(sentinel, "fresh_watches")
    wait_for(lambda: _said(sentinel, code="marks"), "it to say that no mark on a node is found", 60)
    [said] = _said(sentinel, code="marks")
    assert "nodes may not be listed" in said["message"]
    assert sentinel.metric("experiments_total", experiment="crash") == 0
    assert _is_same(shared_kafka.pod(BROKER), before)


@pytest.mark.full
@pytest.mark.usefixtures("karpenter")
@pytest.mark.parametrize("resource", SEEN)
def test_j_without_one_right_to_see_only_that_is_off(shared_kafka: Kafka, deploy: Deployer, resource: str):
    sentinel = deploy(shared_kafka, wanted=_without(resource), topic=f"sees-no-{resource}")
    _check_probing(sentinel)
    _check_off(sentinel, (resource,))


@pytest.mark.full
def test_j_without_the_right_to_delete_pods_it_says_so_and_denies_what_needs_it(shared_kafka: Kafka, deploy: Deployer):
    before = shared_kafka.pod(BROKER)
    wanted = _without("pods", verbs="delete")
    experiments = _crash(shared_kafka)
    sentinel = deploy(shared_kafka, wanted=wanted, topic="deletes-nothing", experiments=experiments, **UNHURRIED)
    _check_probing(sentinel)
    _wait_skipped(sentinel, "permitted")
    assert [line["right"] for line in _said(sentinel, event="a right is missing")] == [NO_DELETE]
    assert sentinel.metric("feature_enabled", feature="kubernetes_faults") == 0
    assert sentinel.experiments()["not_permitted"] == [NO_DELETE]
    done = sentinel.exec("kafka-sentinel", "check")
    assert done.returncode == 1
    assert f"FAIL  permissions: {NO_DELETE}" in done.stdout.splitlines(), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert sentinel.metric("experiments_total", experiment="crash") == 0
    assert sentinel.incidents() == []
    assert _is_same(shared_kafka.pod(BROKER), before)


def _own(plural: str):
    return lambda permission: not (permission.scope is Scope.OWN and permission.resource.plural == plural)


@pytest.mark.full
def test_j_without_the_right_to_its_state_it_ends_with_a_sentence_and_without_its_lease_it_stands_by(
    shared_kafka: Kafka, deploy: Deployer
):
    stateless = deploy(shared_kafka, wanted=_own("configmaps"), topic="no-state", ready=False)
    leaseless = deploy(shared_kafka, wanted=_own("leases"), topic="no-lease", ready=False)
    wait_for(lambda: stateless.ended() is not None, "Sentinel without state to end", 60, stateless.last_lines)
    assert stateless.ended() == RUNTIME_FAILURE
    wait_for(lambda: stateless.restarts() > 0, "its container to be started again", 60)  # until then it has no past
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

"""A whole Sentinel beside a small Kubernetes (and no Kafka that answers): from the watches to status and metrics."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.core.kubernetes_world import NOTICE, broker
from tests.kube_api.cluster import PATHS, REVIEWS, Cluster, strimzi
from tests.kube_api.running import Running
from tests.kube_api.server import STALL, bookmark, page, refuse, say, stream

from kafka_sentinel.adapters.kubernetes import rights
from kafka_sentinel.core.kubernetes.objects import Kind


@pytest.fixture
def cluster(script):
    script.world = Cluster(*strimzi())
    return script.world


def test_a_reclaim_is_seen_from_its_notice_to_the_replacement(server, cluster, kubeconfig):
    with Running(kubeconfig(server)) as sentinel:
        sentinel.wait(lambda status: len(status["kubernetes"]["pods"]) == 3)
        sentinel.wait(lambda _: sentinel.metric("brokers_on_spot") == 3)
        raw = cluster.get(Kind.NODE, "n1")
        raw["spec"]["taints"] = [NOTICE]
        cluster.change(Kind.NODE, raw)
        sentinel.wait(lambda status: [one["nodes"] for one in status["incidents"]] == [["n1"]])
        cluster.drop(Kind.NODE, "n1")
        found = sentinel.wait(lambda status: status["incidents"][0]["brokers"] == [1])
        assert found["incidents"][0]["cause"] == "spot"
        cluster.drop(Kind.POD, "orders-broker-1")
        sentinel.wait(lambda status: any("waiting for pod" in one for one in status["incidents"][0]["reasons"]))
        cluster.change(Kind.POD, broker(1, "n2", uid="replacement"))
        found = sentinel.wait(lambda status: status["incidents"][0]["phases"]["pod"] is not None)
        assert [one["cause"] for one in found["incidents"]] == ["spot"]
        sentinel.wait(lambda _: sentinel.metric("brokers_sharing_node") == 2)
        notice = {"source": "aws-node-termination-handler", "class": "notice"}
        assert sentinel.metric("disruption_notices_total", **notice) == 1
        assert sentinel.metric("incidents_open", cause="spot") == 1
        assert sentinel.metric("feature_enabled", feature="kubernetes_nodes") == 1
        assert sentinel.metric("watch_last_sync_timestamp_seconds", resource="pods") > 0
        assert "kafka_sentinel_brokers_on_spot" in sentinel.page("/metrics")
        assert json.loads(sentinel.page("/api/v1/status"))["kubernetes"]["cluster"] == "orders"


def test_without_the_right_to_see_nodes_it_runs_and_says_what_is_off(server, cluster, kubeconfig, capsys):
    cluster.forbidden = (Kind.NODE,)
    with Running(kubeconfig(server)) as sentinel:
        sentinel.wait(lambda status: len(status["kubernetes"]["pods"]) == 3)
        sentinel.wait(lambda _: sentinel.metric("watch_restarts_total", resource="nodes"))
        assert sentinel.metric("feature_enabled", feature="kubernetes_nodes") == 0
        assert sentinel.metric("feature_enabled", feature="kubernetes_pods") == 1
        assert sentinel.metric("brokers_on_spot") is None
        assert sentinel.metric("kubernetes_errors_total", code="403") >= 1
        sentinel.wait(lambda _: sentinel.metric("kubernetes_errors_total", code="marks"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [said] = [one for one in lines if one.get("subject") == "fleet"]
    assert said["level"] == "warning"
    assert said["message"].startswith("nodes may not be listed: marks that an earlier life left on them are not found")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("code", [403, 404])
def test_pod_sets_that_may_not_be_seen_or_are_not_known_are_off_and_that_is_said(
    server, kubeconfig, script, capsys, code
):
    script.on("GET", PATHS[Kind.POD_SET] if code == 403 else "/apis/core.strimzi.io", refuse(code, "No", "no"))
    with Running(kubeconfig(server)) as sentinel:
        sentinel.wait(lambda status: len(status["kubernetes"]["pods"]) == 3)
        sentinel.wait(lambda _: sentinel.metric("watch_restarts_total", resource="strimzipodsets") >= 3)
        assert sentinel.metric("feature_enabled", feature="kubernetes_strimzipodsets") == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [(one["level"], one["code"]) for one in lines if one.get("resource") == "strimzipodsets"]
    assert said == [({403: "warning", 404: "info"}[code], str(code))]


OPERATORS = "/api/v1/namespaces/strimzi/pods"


def test_without_the_right_to_see_the_operators_namespace_only_that_is_off(server, cluster, kubeconfig, script, capsys):
    script.on("GET", OPERATORS, refuse(403, "Forbidden", "no"))
    with Running(kubeconfig(server), kubernetes={"operator_namespace": "strimzi"}) as sentinel:
        sentinel.wait(lambda status: len(status["kubernetes"]["pods"]) == 3)
        sentinel.wait(lambda _: sentinel.metric("watch_restarts_total", resource="operator_pods") >= 3)
        # The snapshot is published first, then its gauges.
        sentinel.wait(lambda _: sentinel.metric("feature_enabled", feature="kubernetes_pods") == 1)
        assert sentinel.metric("feature_enabled", feature="kubernetes_operator_pods") == 0
        assert sentinel.metric("watch_last_sync_timestamp_seconds", resource="pods") > 0
        assert sentinel.metric("watch_last_sync_timestamp_seconds", resource="operator_pods") is None
        assert sentinel.metric("watch_restarts_total", resource="pods") == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [(one["level"], one["resource"], one["namespace"]) for one in lines if one.get("code") == "403"]
    assert said == [("warning", "pods", "strimzi")]


def test_with_the_right_to_see_the_operators_namespace_it_is_on(server, cluster, kubeconfig, script):
    script.on("GET", OPERATORS, say(page(version=10)))
    script.on("GET", OPERATORS, stream(bookmark(11), STALL), watch=True)
    with Running(kubeconfig(server), kubernetes={"operator_namespace": "strimzi"}) as sentinel:
        sentinel.wait(lambda _: sentinel.metric("feature_enabled", feature="kubernetes_operator_pods") == 1)
        sentinel.wait(lambda _: sentinel.metric("feature_enabled", feature="kubernetes_pods") == 1)
        assert sentinel.metric("watch_last_sync_timestamp_seconds", resource="operator_pods") > 0


def synced(sentinel, resource):
    """Return as of when a resource is known, as `/metrics` has it."""
    families = {one.name: one for one in text_string_to_metric_families(sentinel.page("/metrics"))}
    samples = families["kafka_sentinel_watch_last_sync_timestamp_seconds"].samples
    return next((one.value for one in samples if one.labels["resource"] == resource), 0)


def let_pass(sentinel, reports):
    """Wait until the metrics have told so many times of the pods that these are known as of later."""
    for _ in range(reports):
        before = synced(sentinel, "pods")
        sentinel.wait(lambda _: synced(sentinel, "pods") > before)  # noqa: B023 - waited for at once


def test_how_fresh_a_watch_is_stands_still_while_it_is_silent_and_moves_on_when_it_answers(server, cluster, kubeconfig):
    with Running(kubeconfig(server)) as sentinel:
        sentinel.wait(lambda _: synced(sentinel, "nodes") > 0)
        first = synced(sentinel, "nodes")
        sentinel.wait(lambda _: synced(sentinel, "nodes") > first)
        cluster.silent = (Kind.NODE,)
        let_pass(sentinel, 2)  # what was on its way has arrived
        still = synced(sentinel, "nodes")
        let_pass(sentinel, 3)
        assert synced(sentinel, "nodes") == still
        cluster.silent = ()
        sentinel.wait(lambda _: synced(sentinel, "nodes") > still)


CRASH = {"name": "crash", "fault": "pod-crash", "target": "any", "schedule": "0 10 1 1 *"}
NO_DELETE = (
    "we may not delete pods in namespace kafka: these faults are refused by the API server (docs/permissions.md)"
)


def permitted(status):
    [crash] = status["experiments"]["items"]
    return next((one["allowed"], one["reason"]) for one in crash["guards"] if one["guard"] == "permitted")


def test_without_the_right_to_delete_pods_it_runs_and_says_what_is_off_before_anything_is_tried(
    server, cluster, kubeconfig, capsys
):
    cluster.denied = {("pods", "delete")}
    with Running(kubeconfig(server), experiments={"items": [CRASH]}) as sentinel:
        sentinel.wait(lambda status: status["experiments"]["not_permitted"] == [NO_DELETE])
        sentinel.wait(lambda _: sentinel.metric("feature_enabled", feature="kubernetes_faults") == 0)
        sentinel.wait(lambda status: permitted(status) == (False, NO_DELETE))
    said = [line for line in capsys.readouterr().err.splitlines() if "a right is missing" in line]
    assert len(said) == 1
    assert NO_DELETE in said[0]


def test_rights_that_no_configured_fault_needs_are_not_asked_for(server, cluster, kubeconfig, script):
    cluster.denied = {("pods", "delete"), ("pods", "get"), ("nodes", "update")}
    evict = {**CRASH, "fault": "pod-evict"}
    with Running(kubeconfig(server), experiments={"items": [evict]}) as sentinel:
        sentinel.wait(lambda status: status["experiments"]["not_permitted"] == [])
        sentinel.wait(lambda _: sentinel.metric("feature_enabled", feature="kubernetes_faults") == 1)
    reviews = [one.body["spec"]["resourceAttributes"] for one in script.asked if one.path == REVIEWS]
    assert {(one["resource"], one["subresource"], one["verb"]) for one in reviews} == {("pods", "eviction", "create")}


def test_a_server_that_answers_no_review_is_asked_again_and_nothing_is_said_of_rights(
    server, cluster, kubeconfig, script, monkeypatch
):
    monkeypatch.setattr(rights, "ASK_AGAIN", 0.1)
    script.on("POST", REVIEWS, refuse(500))
    with Running(kubeconfig(server), experiments={"items": [CRASH]}) as sentinel:
        sentinel.wait(lambda _: len([one for one in script.asked if one.path == REVIEWS]) >= 3)
        assert sentinel.status["experiments"]["not_permitted"] is None
        assert permitted(sentinel.status) == (True, "")
        script.on("POST", REVIEWS, say({"status": {"allowed": False}}, 201))
        sentinel.wait(lambda status: status["experiments"]["not_permitted"])


def test_nothing_of_kubernetes_is_loaded_unless_it_is_configured():
    import subprocess  # noqa: PLC0415 - a process of its own, in which nothing was imported
    import sys  # noqa: PLC0415 - as above

    code = (
        "import sys; from kafka_sentinel.runtime import Runtime; from kafka_sentinel.settings import Settings;"
        "Runtime(Settings.model_validate({'kafka': {'bootstrap_servers': '127.0.0.1:1'}}), web=False);"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'kubernetes'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

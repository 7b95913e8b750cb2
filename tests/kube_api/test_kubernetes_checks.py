"""What `check` says of Kubernetes."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import stamp
from tests.core.kubernetes_world import broker
from tests.kube_api.cluster import Cluster, strimzi
from tests.kube_api.server import refuse, say

from kafka_sentinel.adapters.kubernetes.checks import kubernetes_findings
from kafka_sentinel.cli.commands import cli
from kafka_sentinel.core.check import Outcome
from kafka_sentinel.core.kubernetes.fleet import FleetSpec, KafkaSays
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.kubernetes_wiring import answers
from kafka_sentinel.runtime import now
from kafka_sentinel.settings import KubernetesSettings, Settings

SAYS = KafkaSays("c", frozenset({1, 2, 3}))


@pytest.fixture
def findings(server, kubeconfig, script):
    def look(cluster, says=SAYS, *, keeps_state=False, faults=(), operator=None, **spec):
        script.world = cluster
        where = {"namespace": "kafka", "operator_namespace": operator}
        settings = Settings(kubernetes=KubernetesSettings(enabled=True, kubeconfig=kubeconfig(server), **where))
        options = {"keeps_state": keeps_state, "faults": faults}
        found = kubernetes_findings(answers(settings, now), FleetSpec("kafka", **spec), says, now(), **options)
        return list(found)

    return look


def of(found, outcome):
    return [f"{one.check}: {one.sentence}" for one in found if one.outcome is outcome]


def test_what_is_found_is_a_table_and_what_is_shared_is_said(findings):
    found = findings(Cluster(*strimzi()))
    assert of(found, Outcome.FAIL) == []
    [pods] = [one for one in found if one.table]
    assert pods.sentence == "3 brokers of strimzi orders in namespace kafka"
    assert pods.table[0] == ("pod", "broker id", "roles", "node", "zone", "capacity", "volume", "node-local")
    assert pods.table[1][:6] == ("orders-broker-1", "1", "broker+controller", "n1", "a", "spot")
    warnings = of(found, Outcome.WARN)
    assert any("are on spot nodes" in one for one in warnings)
    assert any("share zone a" in one for one in warnings)
    assert any("no disruption budget matches" in one for one in warnings)


def test_two_brokers_on_one_node_are_named(findings):
    cluster = Cluster(*strimzi(), (Kind.POD, broker(2, "n1")))
    assert any("brokers 1 and 2 share node n1" in one for one in of(findings(cluster), Outcome.WARN))


@pytest.mark.parametrize(
    ("kind", "outcome", "words"),
    [
        (Kind.NODE, Outcome.WARN, "we may not list, watch nodes: no node is watched"),
        (Kind.VOLUME, Outcome.WARN, "we may not list, watch persistentvolumes"),
        (Kind.POD, Outcome.FAIL, "we may not list, watch pods in namespace kafka: brokers cannot be found"),
        (Kind.BUDGET, Outcome.FAIL, "we may not list, watch poddisruptionbudgets.policy in namespace kafka"),
    ],
)
def test_a_missing_permission_is_named_with_what_is_off(findings, kind, outcome, words):
    found = findings(Cluster(*strimzi(), forbidden=(kind,)))
    assert [words in one for one in of(found, outcome)].count(True) == 1, "said, and once"


class Apart(Cluster):
    """Nobody may see anything in the operator's namespace."""

    def __call__(self, asked):
        return refuse(403, "Forbidden", "no") if "/namespaces/strimzi/" in asked.path else super().__call__(asked)

    def _review(self, asked):
        if asked.body["spec"]["resourceAttributes"].get("namespace") == "strimzi":
            return say({"status": {"allowed": False}}, 201)
        return super()._review(asked)


def test_without_the_right_to_see_the_operators_namespace_brokers_are_found_and_that_is_said_apart(findings):
    found = findings(Apart(*strimzi()), operator="strimzi")
    assert of(found, Outcome.FAIL) == []
    [said] = [one for one in of(found, Outcome.WARN) if one.startswith("permissions")]
    assert "we may not list, watch pods in namespace strimzi: no experiments on clusters run by Strimzi" in said
    assert any(one.table for one in found)


class ReadOnly(Cluster):
    """Nothing of it may be changed."""

    def _review(self, asked):
        verb = asked.body["spec"]["resourceAttributes"]["verb"]
        return say({"status": {"allowed": verb in {"list", "watch"}}}, 201)


@pytest.mark.parametrize(
    ("faults", "missing"),
    [
        ((), []),
        (("process-kill",), []),
        (("pod-evict",), ["get pods", "create pods/eviction"]),
        (("pod-crash",), ["get pods", "delete pods"]),
        (("node-reclaim",), ["get pods", "delete pods", "get, update nodes"]),
        (("rolling-restart",), ["get pods", "update pods", "get, update statefulsets.apps"]),
    ],
)
def test_only_the_permissions_of_the_faults_that_are_configured_are_needed(findings, faults, missing):
    failures = of(findings(ReadOnly(*strimzi()), faults=faults), Outcome.FAIL)
    asked = [one.removeprefix("permissions: we may not ").split(":")[0].split(" in namespace")[0] for one in failures]
    assert asked == missing


def test_the_permissions_of_the_state_are_needed_where_it_is_kept_in_the_cluster(findings):
    assert of(findings(ReadOnly(*strimzi())), Outcome.FAIL) == []
    found = findings(ReadOnly(*strimzi()), keeps_state=True)
    failures, warnings = of(found, Outcome.FAIL), of(found, Outcome.WARN)
    assert any("we may not get, update configmaps" in one for one in failures)
    assert any("we may not get, update leases" in one for one in failures)
    assert any("we may not create configmaps" in one and "is there already" in one for one in warnings)
    assert not any("create" in one for one in failures)


def test_no_brokers_fail_and_say_where_they_were_looked_for(findings):
    found = findings(Cluster())
    assert any("no broker was found in namespace kafka" in one for one in of(found, Outcome.FAIL))


def test_pods_that_kafka_does_not_know_are_said(findings):
    found = findings(Cluster(*strimzi()), KafkaSays("c", frozenset({1, 2, 4})))
    warnings = of(found, Outcome.WARN)
    assert "pods: broker 4: no pod was found that runs it" in warnings
    assert "pods: broker 3 (pod orders-broker-3): Kafka has not named it" in warnings


def test_a_pod_that_cannot_come_back_is_said(findings):
    message = "0/3 nodes are available: 3 Insufficient memory."
    pending = broker(3, None, phase="Pending", containers=())
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pending["status"]["conditions"] = [{**scheduled, "lastTransitionTime": stamp(-3_600)}]
    found = findings(Cluster(*strimzi(), (Kind.POD, pending)))
    assert f"pods: pod orders-broker-3 cannot come back: {message}" in of(found, Outcome.WARN)


def test_a_server_that_answers_nothing_usable_is_one_failure(findings, script):
    found = findings(lambda _asked: refuse(500, "InternalError", "no"))
    [failure] = of(found, Outcome.FAIL)
    assert "cannot be asked" in failure
    assert len(found) == 1


def test_the_command_prints_the_table(server, kubeconfig, script, monkeypatch, capsys):
    script.world = Cluster(*strimzi())
    monkeypatch.setenv("KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__ENABLED", "true")
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__NAMESPACE", "kafka")
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__KUBECONFIG", str(kubeconfig(server)))
    with pytest.raises(Exception, match="checks failed"):
        cli.main(["check", "--timeout", "1s"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "OK    pods: 3 brokers of strimzi orders in namespace kafka\n      pod " in out
    assert "      orders-broker-3  3          broker+controller" in out

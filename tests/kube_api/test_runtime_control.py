"""Whole Sentinels that share a Lease, a state and orders, beside a scripted API server (and no Kafka that answers)."""

from __future__ import annotations

import pytest
from tests.kube_api.cluster import Cluster, strimzi
from tests.kube_api.running import Running
from tests.kube_api.server import drop, refuse

from kafka_sentinel.adapters.kubernetes.order_writer import OrderWriter
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.cli.commands import cli
from kafka_sentinel.core.types import OrderKind

NAME = "kafka-sentinel-state"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/own/leases/{NAME}"
STATE = f"/api/v1/namespaces/own/configmaps/{NAME}"
SHARED = {"state": {"namespace": "own", "checkpoint_interval": "1s"}}
KILL = {"name": "kill", "fault": "pod-delete", "target": "any", "every": "300d", "grace": "1s"}


@pytest.fixture
def cluster(script):
    script.world = Cluster(*strimzi())
    return script.world


@pytest.fixture
def sentinel(server, kubeconfig, cluster):
    file = kubeconfig(server)
    return lambda **sections: Running(file, **{**SHARED, **sections})


@pytest.fixture
def writer(api):
    return OrderWriter(api, "own", NAME)


def lease_of_another(cluster, seconds):
    spec = {"holderIdentity": "sentinel-0-aa", "leaseDurationSeconds": seconds, "leaseTransitions": 0}
    cluster.put(LEASE, {"metadata": {"name": NAME, "namespace": "own"}, "spec": spec})


def holder(cluster):
    return cluster.objects[LEASE]["spec"].get("holderIdentity")


def state_of(api):
    return StateConfigMap(api, "own", NAME, writer="reader", holds=lambda: False).load().state


def begun(status):
    return status["health"] != "standby" and status["experiments"]["lease"]["held"]


# --- standing by


def test_a_standby_answers_and_says_who_holds_the_lease_and_touches_nothing(sentinel, cluster, script, capsys):
    lease_of_another(cluster, 600)
    with sentinel(experiments={"items": [KILL]}) as standby:
        status = standby.wait(lambda status: status["experiments"]["lease"]["holder"])
        assert status["health"] == "standby"
        for path in ("/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/incidents"):
            assert standby.page(path)
        assert standby.metric("feature_enabled", feature="lease") == 0
        cli(["experiments", "explain", "--url", f"http://127.0.0.1:{standby.runtime.web.port}"], standalone_mode=False)
        said = capsys.readouterr().out
        assert "standing by: sentinel-0-aa holds the Lease" in said
        assert "held by sentinel-0-aa" in said
    asked = {(one.method, one.path) for one in script.asked}
    assert asked == {("GET", LEASE)}
    assert holder(cluster) == "sentinel-0-aa"


def test_a_standby_takes_over_when_the_lease_runs_out(sentinel, cluster):
    lease_of_another(cluster, 1)
    with sentinel() as standby:
        standby.wait(lambda status: status["health"] == "standby")
        status = standby.wait(begun)
        assert len(standby.wait(lambda status: len(status["kubernetes"]["pods"]) == 3)["kubernetes"]["pods"]) == 3
        assert standby.metric("feature_enabled", feature="lease") == 1
        assert holder(cluster) == status["experiments"]["lease"]["holder"]
    assert holder(cluster) is None  # given back at the end, so that the next one need not wait


def test_two_of_them_take_turns_and_the_second_goes_on_where_the_first_left_off(sentinel, cluster, api, writer):
    with sentinel() as one:
        one.wait(begun)
        with sentinel() as other:
            other.wait(lambda status: status["experiments"]["lease"]["holder"] == holder(cluster))
            assert other.status["health"] == "standby"
            writer.pause("by anna")
            one.wait(lambda status: status["experiments"]["paused_by"] == "by anna")
            assert one.end() == 0
            since = state_of(api)["since"]
            status = other.wait(begun)
            assert (status["since"], status["experiments"]["paused_by"]) == (since, "by anna")


def test_one_that_cannot_ask_for_the_lease_stands_by_and_says_why(sentinel, cluster, script):
    script.on("GET", LEASE, refuse(403, "Forbidden", "no"))
    with sentinel() as standby:
        status = standby.wait(lambda status: "403" in (status["experiments"]["lease"]["problem"] or ""))
        assert status["health"] == "standby"


def test_a_state_that_cannot_be_read_is_one_sentence_and_the_lease_is_given_back(sentinel, cluster, script):
    script.on("GET", STATE, refuse(403, "Forbidden", "no"))
    one = sentinel().start()
    assert one.ended() == 3
    assert one.error.startswith(f"state ConfigMap own/{NAME} cannot be read: 403 Forbidden")
    assert holder(cluster) is None


# --- losing it


def test_while_the_api_server_is_away_it_goes_on_and_holds_again_afterwards(sentinel, cluster, script):
    with sentinel() as one:
        one.wait(begun)
        script.world = lambda _asked: drop()
        one.wait(lambda status: not status["experiments"]["lease"]["held"])
        assert one.status["experiments"]["lease"]["problem"]
        assert one.page("/healthz")
        script.world = cluster
        one.wait(begun)
        before = cluster.objects[STATE]["metadata"]["resourceVersion"]
        one.wait(lambda _: cluster.objects[STATE]["metadata"]["resourceVersion"] != before)  # it saves again


def test_one_that_finds_another_with_the_lease_ends(sentinel, cluster):
    one = sentinel().start()
    one.wait(begun)
    lease_of_another(cluster, 600)
    assert one.ended() == 3
    assert holder(cluster) == "sentinel-0-aa"


def test_one_whose_state_another_wrote_ends_and_leaves_it_alone(sentinel, cluster, api):
    one = sentinel().start()
    one.wait(begun)
    other = StateConfigMap(api, "own", NAME, writer="other", holds=lambda: True)
    other.load()
    other.save({"name": "kafka-sentinel", "theirs": True})
    assert one.ended() == 3
    assert state_of(api)["theirs"]
    assert holder(cluster) is None


# --- what people say


def test_annotations_of_anybody_do_no_harm(sentinel, cluster, api):
    with sentinel() as one:
        one.wait(begun)
        for number in range(6):
            cluster.annotate(STATE, other=f"n{number}")
            before = one.status["now"]
            one.wait(lambda status, before=before: status["now"] > before)
        assert one.end() == 0
    assert state_of(api)["name"] == "kafka-sentinel"
    assert cluster.objects[STATE]["metadata"]["annotations"]["kafka-sentinel.io/other"] == "n5"


def test_a_pause_that_stands_there_from_the_start_holds_from_the_start(sentinel, cluster):
    cluster.put(
        STATE, {"metadata": {"name": NAME, "namespace": "own", "annotations": {"kafka-sentinel.io/pause": "x"}}}
    )
    with sentinel() as one:
        status = one.wait(begun)
        assert status["experiments"]["paused_by"] == "x"
        assert one.metric("experiments_paused") == 1


def test_orders_are_obeyed_once_and_answered_in_the_state(sentinel, cluster, api, writer):
    with sentinel(experiments={"items": [KILL]}) as one:
        one.wait(begun)
        nonces = [writer.give(OrderKind.HEAL), writer.give(OrderKind.RUN_NOW, "kill"), writer.give(OrderKind.RESUME)]

        def orders():
            return (state_of(api) or {}).get("control", {}).get("orders", [])

        one.wait(lambda _: {order["nonce"] for order in orders() if order["done"]} >= set(nonces))
        assert sorted(order["nonce"] for order in orders()) == sorted(nonces)
        [ordered] = [order for order in orders() if order["kind"] == "run-now"]
        assert ordered["answer"].startswith("it did not run: ")
        assert cluster.objects[STATE]["metadata"].get("annotations", {}) == {}

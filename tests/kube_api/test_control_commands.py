"""The commands `pause`, `resume`, `run-now` and `heal` in a cluster: what they do, print, and end with."""

from __future__ import annotations

import shlex
import sys

import pytest
from tests.kube_api.cluster import Cluster, strimzi
from tests.kube_api.running import Running
from tests.kube_api.server import drop, obj, page, refuse, say
from tests.kube_api.test_runtime_control import KILL, NAME, SHARED, STATE, begun
from tests.typed import typed

from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.cli import main, telling
from kafka_sentinel.core.types import NodeRef


@pytest.fixture
def cluster(script):
    script.world = Cluster(*strimzi())
    return script.world


@pytest.fixture
def command(server, kubeconfig, cluster, monkeypatch, capsys):
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__ENABLED", "true")
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__NAMESPACE", "kafka")
    monkeypatch.setenv("KAFKA_SENTINEL__KUBERNETES__KUBECONFIG", str(kubeconfig(server)))
    monkeypatch.setenv("KAFKA_SENTINEL__STATE__NAMESPACE", "own")
    monkeypatch.setattr(telling, "LOOK_EVERY", 0.1)
    capsys.readouterr()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kafka-sentinel", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err.rstrip()

    return run


@pytest.fixture
def sentinel(server, kubeconfig, cluster):
    """To be named before `command`: it writes its log to the standard error that the test began with."""
    with Running(kubeconfig(server), **SHARED, experiments={"items": [KILL]}) as one:
        one.wait(begun)
        one.wait(lambda _: one.metric("checkpoint_last_success_timestamp_seconds"))
        yield one


def test_a_running_sentinel_is_paused_and_resumed_and_an_experiment_is_judged(sentinel, command, cluster):
    code, out, err = command("pause", "--reason", "by anna")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["paused: by anna"]
    assert sentinel.wait(lambda status: status["experiments"]["paused_by"] == "by anna")
    code, out, err = command("run-now", "kill")
    assert (code, err) == (1, "kafka-sentinel: kill did not run")
    assert out.splitlines()[-1].startswith("it did not run: ")
    assert command("run-now", "kil")[0] == 2
    code, out, err = command("resume")
    assert (code, out.splitlines()[-1], err) == (0, "nothing was latched", "")
    sentinel.wait(lambda status: not status["experiments"]["paused"])
    code, out, err = command("heal")
    assert (code, out.splitlines()[-1][:24], err) == (0, "no fault was under way; ", "")
    assert cluster.objects[STATE]["metadata"]["annotations"] == {}


def test_what_the_documents_tell_to_type_is_taken(sentinel, command):
    """One after the other, as they stand; what is run there has the name that it has in the documents."""
    ended = {}
    for line in typed("orders"):
        words = shlex.split(line)[1:]
        ended[words[0]], out, err = command(*(KILL["name"] if word == "kill-leader" else word for word in words))
        assert "Usage" not in err
        assert out
        if words[0] == "pause":
            sentinel.wait(lambda status: status["experiments"]["paused_by"] == "release on Tuesday")
        if words[0] == "resume":
            sentinel.wait(lambda status: not status["experiments"]["paused"])
    assert ended == {"pause": 0, "resume": 0, "run-now": 1, "heal": 0}, "not armed, so nothing is run"


def test_where_no_sentinel_ever_ran_that_is_said(command):
    code, _, err = command("pause")
    assert (code, err) == (
        3,
        f"kafka-sentinel: there is no ConfigMap own/{NAME}: has a Kafka Sentinel ever run with it?",
    )


def test_a_pause_that_nobody_notes_stands_all_the_same(command, cluster, monkeypatch):
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 0.3)
    cluster.put(STATE, {"metadata": {"name": NAME, "namespace": "own"}})
    code, _, err = command("pause", "--reason", "x")
    assert (code, err) == (3, "kafka-sentinel: nobody took note within 0.3 s: one that is started will")
    assert cluster.objects[STATE]["metadata"]["annotations"] == {"kafka-sentinel.io/pause": "x"}


def test_an_order_that_nobody_takes_is_one_sentence(command, cluster, monkeypatch):
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 0.3)
    cluster.put(STATE, {"metadata": {"name": NAME, "namespace": "own"}})
    code, _, err = command("resume")
    assert (code, err) == (3, "kafka-sentinel: no Kafka Sentinel took resume within 0.3 s.")


def test_heal_takes_our_marks_off_itself_where_no_sentinel_runs(command, cluster, api, monkeypatch):
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 0.3)
    cluster.put(STATE, {"metadata": {"name": NAME, "namespace": "own"}})
    nodes = "/api/v1/nodes"
    cluster.put(f"{nodes}/n7", obj("n7"))
    NodeMarks(api, f"own/{NAME}").put(NodeRef("n7", "uid-n7"), "reclaim-1")
    monkeypatch.setattr(cluster, "_list", lambda _kind: listed(cluster, nodes))
    code, out, err = command("heal")
    assert (code, err) == (0, "")
    assert "node n7 is open again" in out
    assert cluster.objects[f"{nodes}/n7"]["spec"].get("taints", []) == []
    assert "nothing to undo" in command("heal")[1]


def listed(cluster, prefix):
    label = "kafka-sentinel.io/reclaim"
    items = [raw for path, raw in cluster.objects.items() if path.startswith(prefix)]
    return say(page(*(raw for raw in items if label in (raw["metadata"].get("labels") or {}))))


@pytest.mark.parametrize(
    ("answer", "words"), [(refuse(403, "Forbidden", "no"), "403 Forbidden"), (drop(), "kubernetes: broken")]
)
def test_an_api_server_that_refuses_is_one_sentence(command, script, answer, words):
    script.on("GET", STATE, answer)
    code, _, err = command("pause")
    assert (code, words in err, len(err.splitlines())) == (3, True, 1)

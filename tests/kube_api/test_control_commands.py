"""The commands `pause`, `resume`, `run-now` and `heal` in a cluster: what they do, print, and end with."""

from __future__ import annotations

import json
import shlex
import sys

import pytest
from tests.kube_api.cluster import Cluster, strimzi
from tests.kube_api.running import Running
from tests.kube_api.server import drop, obj, page, refuse, say
from tests.kube_api.test_runtime_control import KILL, NAME, SHARED, STATE, begun
from tests.typed import typed

from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.cli import main, telling, undoing
from kafka_sentinel.core.kubernetes.objects import Kind
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
            why = words[words.index("--reason") + 1]
            sentinel.wait(lambda status, why=why: status["experiments"]["paused_by"] == why)
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
    monkeypatch.setattr(cluster, "_list", lambda *_: listed(cluster, nodes))
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


# --- before it is removed


RECLAIM, ROLL, OURS = (
    "kafka-sentinel.io/reclaim",
    "strimzi.io/manual-rolling-update",
    "kafka-sentinel.io/rolling-restart",
)
NODE = "/api/v1/nodes/n7"
POD = "/api/v1/namespaces/kafka/pods/{}"
ROLLING = [{"name": "roll-them", "fault": "rolling-restart", "target": "all", "every": "1h"}]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 0.3)
    monkeypatch.setattr(undoing, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(undoing, "QUIET", 0.4)


@pytest.fixture
def marked(cluster, api, monkeypatch):
    """A node and two pods of Strimzi's that bear marks, one of the pods that of another Sentinel's experiment."""
    monkeypatch.setenv("KAFKA_SENTINEL__EXPERIMENTS__ITEMS", json.dumps(ROLLING))
    cluster.put(NODE, obj("n7"))
    NodeMarks(api, f"own/{NAME}").put(NodeRef("n7", "uid-n7"), "reclaim-1")
    for name, run in (("k-0", "roll-them-20260101T000000.000"), ("k-1", "another-20260101T000000.000")):
        raw = obj(name)
        raw["metadata"] |= {"labels": {"strimzi.io/cluster": "k"}, "annotations": {ROLL: "true", OURS: run}}
        cluster.put(POD.format(name), raw)

    def answer(kind, _asked):
        prefix, label = ("/api/v1/nodes/", RECLAIM) if kind is Kind.NODE else (POD.format(""), "strimzi.io/cluster")
        items = [raw for path, raw in cluster.objects.items() if path.startswith(prefix)]
        return say(page(*(raw for raw in items if label in (raw["metadata"].get("labels") or {}))))

    monkeypatch.setattr(cluster, "_list", answer)
    return cluster


def marks(cluster) -> tuple[bool, bool, bool]:
    """Whether there is a mark of ours on the node, one of ours on a pod, and the one that is another's."""
    taints = cluster.objects[NODE].get("spec", {}).get("taints", [])
    ours, others = (OURS in cluster.objects[POD.format(pod)]["metadata"]["annotations"] for pod in ("k-0", "k-1"))
    return bool(taints), ours, others


def remove(command, seconds="20s"):
    return command("pause", "--reason", "helm uninstall x", "--until-undone", seconds)


def test_before_it_is_removed_what_nobody_else_undoes_is_undone_from_here(command, marked, quick):
    marked.put(STATE, {"metadata": {"name": NAME, "namespace": "own"}})
    assert marks(marked) == (True, True, True)
    code, out, err = remove(command)
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["nobody took note within 0.3 s", "nothing that an experiment did is in effect"]
    assert marks(marked) == (False, False, True)
    assert marked.objects[STATE]["metadata"]["annotations"] == {"kafka-sentinel.io/pause": "helm uninstall x"}


def test_before_it_is_removed_one_that_runs_is_paused_and_undoes_it_itself(
    sentinel, command, cluster, quick, monkeypatch
):
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 30.0)
    code, out, err = remove(command)
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["paused: helm uninstall x", "nothing that an experiment did is in effect"]
    assert sentinel.status["experiments"]["paused_by"] == "helm uninstall x"
    assert cluster.objects[STATE]["metadata"]["annotations"] == {"kafka-sentinel.io/pause": "helm uninstall x"}


def test_a_pause_that_stands_stays_as_it_is(command, marked, quick):
    annotations = {"kafka-sentinel.io/pause": "by anna"}
    marked.put(STATE, {"metadata": {"name": NAME, "namespace": "own", "annotations": dict(annotations)}})
    assert remove(command)[0] == 0
    assert marked.objects[STATE]["metadata"]["annotations"] == annotations
    assert marks(marked) == (False, False, True)


def test_one_that_never_ran_may_be_removed(command, cluster, quick):
    code, out, err = remove(command)
    assert (code, err) == (0, "")
    assert out.startswith(f"there is no ConfigMap own/{NAME}: no Kafka Sentinel ever ran with it\n")
    assert STATE not in cluster.objects


def test_what_cannot_be_undone_in_time_is_named(command, marked, quick, script):
    marked.put(STATE, {"metadata": {"name": NAME, "namespace": "own"}})
    script.on("PUT", NODE, *[refuse(409, "Conflict", "no")] * 500)
    code, _, err = remove(command, "2s")
    assert code == 1
    assert err.startswith("kafka-sentinel: still in effect after 2 s: node n7 is closed to new pods (mark ")
    assert "`helm uninstall --no-hooks`" in err


def test_one_that_runs_and_does_not_undo_it_is_helped_after_its_share(sentinel, command, marked, quick, monkeypatch):
    """Its marks are of no run that it knows: it looks for such at its start alone, and that is past."""
    monkeypatch.setattr(telling, "TAKEN_WITHIN", 30.0)
    monkeypatch.setattr(undoing, "SHARE", 1.0)
    assert remove(command)[0] == 0
    assert marks(marked) == (False, False, True)


def test_with_a_state_file_nobody_can_be_waited_for(command, monkeypatch, tmp_path):
    monkeypatch.delenv("KAFKA_SENTINEL__STATE__NAMESPACE")
    monkeypatch.setenv("KAFKA_SENTINEL__STATE__FILE", str(tmp_path / "state"))
    code, _, err = remove(command)
    assert (code, "state.file is set" in err) == (2, True)

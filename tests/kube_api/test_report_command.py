"""`report` from the state in a cluster: it is read and left alone, and what is not there is a sentence."""

from __future__ import annotations

import copy
import json

import pytest
from tests.core.kubernetes_world import KubernetesWorld
from tests.kube_api.server import drop, refuse
from tests.kube_api.test_control_commands import cluster, command  # noqa: F401 - fixtures
from tests.kube_api.test_runtime_control import NAME, STATE

from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.core.checkpoint import to_state


@pytest.fixture
def lived(api, cluster):  # noqa: F811 - the fixture
    """The state of a Sentinel that probed for a while is there. Returns what it had sent."""
    world = KubernetesWorld()
    world.run(30)
    state = json.loads(json.dumps(to_state(world.engine)))
    StateConfigMap(api, "own", NAME, writer="a", holds=lambda: True).save(state)
    return world.records["sent"]


def test_the_state_in_the_cluster_is_read_and_left_alone(lived, command, cluster):  # noqa: F811 - fixtures
    before = copy.deepcopy(cluster.objects[STATE])
    code, out, err = command("report", "--since", "400d", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["records"][0]["sent"] == lived
    assert cluster.objects[STATE] == before


def test_a_state_that_cannot_be_used_is_a_sentence_and_stays(lived, command, cluster):  # noqa: F811 - fixtures
    cluster.objects[STATE]["data"]["header"] = '{"magic": "kafka-sentinel-state", "version": 9}'
    before = copy.deepcopy(cluster.objects[STATE])
    code, out, err = command("report")
    assert (code, out) == (3, "")
    assert err == (
        f"kafka-sentinel: state ConfigMap own/{NAME} holds no state: its version is 9, this Kafka Sentinel reads 1"
    )
    assert cluster.objects[STATE] == before


def test_where_no_sentinel_ever_ran_that_is_said(command):  # noqa: F811 - the fixture
    code, _, err = command("report")
    words = f"state ConfigMap own/{NAME} does not exist: has a Kafka Sentinel ever run with it?"
    assert (code, err) == (3, f"kafka-sentinel: {words}")


@pytest.mark.parametrize(
    ("answer", "words"), [(refuse(403, "Forbidden", "no"), "403 Forbidden"), (drop(), "cannot be read")]
)
def test_an_api_server_that_refuses_is_one_sentence(command, script, answer, words):  # noqa: F811 - the fixture
    script.on("GET", STATE, answer)
    code, _, err = command("report")
    assert (code, words in err, len(err.splitlines())) == (3, True, 1)

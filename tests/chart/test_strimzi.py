"""Strimzi's own definitions of a KafkaTopic and a KafkaUser, of a version that serves v1 alone and one of v1beta2."""

from __future__ import annotations

from functools import cache

import pytest
from tests.chart.definitions import faults, schema
from tests.chart.rendering import STRIMZI_OLD, STRIMZI_V1, Helm
from tests.kubernetes.deploy.crds import MODEL, Strimzi, definitions

CLASSES = {"kafkatopics": f"{MODEL}.topic.KafkaTopic", "kafkausers": f"{MODEL}.user.KafkaUser"}
SERVES = {Strimzi.V1: STRIMZI_V1, Strimzi.V1BETA2: STRIMZI_OLD}


@cache
def closed(strimzi: Strimzi, kind: str, version: str) -> dict:
    (found,) = (each for each in definitions(strimzi, CLASSES) if each["spec"]["names"]["kind"] == kind)
    return schema(found, version)


def mistakes(strimzi: Strimzi, one: dict) -> list[str]:
    group, _, version = one["apiVersion"].partition("/")
    assert group == "kafka.strimzi.io"
    return faults(closed(strimzi, one["kind"], version), one)


def resources(helm: Helm, strimzi: Strimzi, kind: str, **user) -> list[dict]:
    values = {
        "kafka": {"clusterName": "c", "auth": {"type": kind}},
        "strimzi": {"kafkaUser": {"create": True, **user}, "kafkaTopic": {"create": True}},
        "settings": {"probe": {"acks_one": {"enabled": True}, "topic": "A_Topic"}},
    }
    objects = helm.template(values, namespace="kafka", serves=SERVES[strimzi])
    found = objects.of("KafkaTopic") + objects.of("KafkaUser")
    assert len(found) == 3
    return found


@pytest.mark.parametrize("strimzi", Strimzi)
@pytest.mark.parametrize("kind", ["tls", "scram-sha-512"])
@pytest.mark.parametrize("acls", [True, False])
def test_its_resources_are_what_strimzi_takes(helm, strimzi, kind, acls):
    assert [mistakes(strimzi, one) for one in resources(helm, strimzi, kind, acls=acls)] == [[], [], []]


@pytest.mark.parametrize("strimzi", Strimzi)
def test_what_strimzi_would_not_take_is_noticed(helm, strimzi):
    topic, _, user = resources(helm, strimzi, "tls")
    topic["spec"]["partitions"] = "many"
    topic["spec"]["replication"] = 3
    user["spec"]["authentication"]["type"] = "plain"
    user["spec"]["authorization"]["acls"][0]["operations"].append("Drop")
    said = " ".join([*mistakes(strimzi, topic), *mistakes(strimzi, user)])
    for word in ("'many'", "'replication'", "'plain'", "'Drop'"):
        assert word in said

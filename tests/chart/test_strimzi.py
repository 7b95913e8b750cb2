"""Strimzi's own definitions of a KafkaTopic and a KafkaUser, of a version that serves v1 alone and one of v1beta2."""

from __future__ import annotations

from functools import cache

import pytest
from jsonschema import Draft202012Validator
from tests.chart.rendering import STRIMZI_OLD, STRIMZI_V1, Helm
from tests.kubernetes.deploy.crds import MODEL, Strimzi, definitions

CLASSES = {"kafkatopics": f"{MODEL}.topic.KafkaTopic", "kafkausers": f"{MODEL}.user.KafkaUser"}
SERVES = {Strimzi.V1: STRIMZI_V1, Strimzi.V1BETA2: STRIMZI_OLD}


@cache
def schema(strimzi: Strimzi, kind: str, version: str) -> dict:
    """Return the schema of a resource, in which no key may be unknown but where Strimzi itself takes any."""
    (found,) = (
        each["schema"]["openAPIV3Schema"]
        for definition in definitions(strimzi, CLASSES)
        for each in definition["spec"]["versions"]
        if definition["spec"]["names"]["kind"] == kind and each["name"] == version and each["served"]
    )
    close(found)
    found["properties"]["metadata"] = {"type": "object"}
    return found


def close(below: object) -> None:
    if isinstance(below, list):
        for each in below:
            close(each)
    if isinstance(below, dict):
        if isinstance(below.get("properties"), dict) and not below.get("x-kubernetes-preserve-unknown-fields"):
            below["additionalProperties"] = False
        for each in below.values():
            close(each)


def faults(strimzi: Strimzi, one: dict) -> list[str]:
    group, _, version = one["apiVersion"].partition("/")
    assert group == "kafka.strimzi.io"
    validator = Draft202012Validator(schema(strimzi, one["kind"], version))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(one)]


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
    assert [faults(strimzi, one) for one in resources(helm, strimzi, kind, acls=acls)] == [[], [], []]


@pytest.mark.parametrize("strimzi", Strimzi)
def test_what_strimzi_would_not_take_is_noticed(helm, strimzi):
    topic, _, user = resources(helm, strimzi, "tls")
    topic["spec"]["partitions"] = "many"
    topic["spec"]["replication"] = 3
    user["spec"]["authentication"]["type"] = "plain"
    user["spec"]["authorization"]["acls"][0]["operations"].append("Drop")
    said = " ".join([*faults(strimzi, topic), *faults(strimzi, user)])
    for word in ("'many'", "'replication'", "'plain'", "'Drop'"):
        assert word in said

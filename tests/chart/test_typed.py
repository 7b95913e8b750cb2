"""What the documents tell people to type installs something: word for word, and the values they show are taken."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from tests.chart.rendering import CHART, STRIMZI_V1, THREE, Helm, Objects
from tests.go_programs import ROOT
from tests.typed import DOCUMENTS, typed

VALUES = re.compile(r"^```yaml\n((?:kafka|settings):\n  .*?)^```", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"\bsentinel-[a-z-]+[a-z]\b")  # of objects of a release called sentinel
REGISTRY = "registry.example.com/kafka-sentinel"
ELSEWHERE = ("--create-namespace",)  # about what is there already


def named() -> list[str]:
    return [command for command in typed("kubectl") if NAMES.search(command)]


def shown() -> list[str]:
    return [found[1] for path in DOCUMENTS for found in VALUES.finditer(path.read_text())]


@pytest.mark.parametrize("command", typed("helm"))
def test_what_is_typed_to_install_it_installs_it(helm: Helm, command: str):
    words = [word for word in shlex.split(command, comments=True)[2:] if word not in ELSEWHERE]
    arguments = [str(CHART) if word == "helm/kafka-sentinel" else word for word in words]
    versions = [word for version in STRIMZI_V1 for word in ("--api-versions", version)]
    code, out, error = helm.run("template", *arguments, *versions)
    assert code == 0, error
    objects = Objects(out)
    assert objects.container["image"].startswith(f"{REGISTRY}:"), "there is no image where nobody pushed one"
    assert f"image.repository={REGISTRY}" in command
    brokers = objects.config["kafka"]["bootstrap_servers"]
    assert brokers in command or brokers.startswith("my-cluster-kafka-bootstrap.kafka")


@pytest.mark.parametrize("command", named())
def test_what_is_typed_about_an_object_names_one_that_is_there(helm: Helm, command: str):
    """The objects are the chart's, or those it tells Sentinel to make."""
    values = {"kafka": {"clusterName": "my-cluster"}}
    there = set(NAMES.findall(helm.template(values, namespace="kafka", serves=STRIMZI_V1).text))
    assert set(NAMES.findall(command)) <= there
    assert "-n kafka" in command


@pytest.mark.parametrize("text", shown())
def test_values_that_are_shown_are_taken(helm: Helm, text: str):
    values = yaml.safe_load(text)
    assert helm.template(values if "kafka" in values else {**THREE, **values}, serves=STRIMZI_V1).config["kafka"]


def test_bitnamis_users_sign_in_as_its_listener_wants_it(helm: Helm):
    """SASL without TLS, with the password that its Secret has for the first user."""
    [command] = [each for each in typed("helm") if "scram-sha-256" in each]
    arguments = [str(CHART) if word == "helm/kafka-sentinel" else word for word in shlex.split(command)[2:]]
    code, out, error = helm.run("template", *arguments)
    assert code == 0, error
    objects = Objects(out)
    security = objects.config["kafka"]["security"]
    assert (security["protocol"], security["mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-256")
    assert (security["username"], "ca_file" in security) == ("user1", False)
    [secret] = [each["secret"] for each in objects.pod["volumes"] if "secret" in each]
    assert secret["secretName"] == "my-kafka-user-passwords"
    assert [item["key"] for item in secret["items"]] == ["system-user-password"]


def test_what_is_needed_of_kafka_is_what_the_charts_user_gets(helm: Helm):
    """By resource: its topic, its groups, and the cluster with every other topic."""
    text = (
        (ROOT / "docs" / "install.md").read_text().partition("What it needs of Kafka")[2].partition("\n\n[Security]")[0]
    )
    needed = [
        set(re.findall(r"\b(?:Describe|DescribeConfigs|Read|Write|Create|Alter)\b", row))
        for row in text.split("\n- ")[1:]
    ]
    user = {"kafka": {"clusterName": "c", "auth": {"type": "tls"}}, "strimzi": {"kafkaUser": {"create": True}}}
    acls = helm.template(user, serves=STRIMZI_V1).one("KafkaUser")["spec"]["authorization"]["acls"]
    got = [(each["resource"].get("name", ""), each["resource"]["type"], set(each["operations"])) for each in acls]
    own = [operations for name, kind, operations in got if kind == "topic" and name != "*"]
    groups = [operations for _, kind, operations in got if kind == "group"]
    rest = [operations for name, kind, operations in got if kind == "cluster" or name == "*"]
    assert [len(own), len(groups), len(rest)] == [1, 2, 2]
    assert needed == [own[0], groups[0], rest[0]]
    assert (groups[1], rest[1]) == (groups[0], rest[0])
    assert {name for name, kind, _ in got if kind == "group"} > {"kafka-sentinel-"}


def test_there_is_something_to_try():
    assert len(typed("helm")) >= 4
    assert len(named()) >= 4
    assert len(shown()) >= 2

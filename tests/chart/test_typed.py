"""What the documents tell people to type installs something: word for word, and the values they show are taken."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from tests.chart.rendering import CHART, STRIMZI_V1, THREE, Helm, Objects
from tests.typed import DOCUMENTS, typed

VALUES = re.compile(r"^```yaml\n((?:kafka|settings):\n  .*?)^```", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"\bsentinel-[a-z-]+[a-z]\b")  # of objects of a release called sentinel
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
    brokers = Objects(out).config["kafka"]["bootstrap_servers"]
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


def test_there_is_something_to_try():
    assert len(typed("helm")) >= 4
    assert len(named()) >= 4
    assert len(shown()) >= 2

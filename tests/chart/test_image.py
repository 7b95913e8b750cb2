"""The Dockerfile fits to the chart, the program and the restricted profile. Whether it builds, a build shows."""

from __future__ import annotations

import json
import re
import tomllib

import yaml
from tests.chart.rendering import CHART
from tests.go_programs import ROOT

from kafka_sentinel.settings import Settings

LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
INSTRUCTIONS = [tuple(line.split(" ", 1)) for line in LINES if line and not line.startswith("#")]
LAST = max(index for index, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM")
FINAL = INSTRUCTIONS[LAST + 1 :]


def given(word: str, instructions: list[tuple[str, str]] = FINAL) -> list[str]:
    return [rest for each, rest in instructions if each == word]


def test_the_base_of_every_stage_is_an_argument():
    assert given("FROM", INSTRUCTIONS) == ["${BASE} AS build", "${RUNTIME_BASE}"]
    before = INSTRUCTIONS[: INSTRUCTIONS.index(("FROM", "${BASE} AS build"))]
    assert [each.partition("=")[0] for each in given("ARG", before)] == ["BASE", "RUNTIME_BASE"]


def test_nothing_is_run_in_the_final_stage_and_all_of_it_comes_from_the_first():
    assert {word for word, _ in FINAL} <= {"ARG", "LABEL", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert given("COPY") == ["--from=build /opt/kafka-sentinel /opt/kafka-sentinel"]


def test_it_starts_without_a_shell_and_as_the_number_the_chart_names():
    (entrypoint,), (command,), (user,) = given("ENTRYPOINT"), given("CMD"), given("USER")
    assert [*json.loads(entrypoint), *json.loads(command)] == ["kafka-sentinel", "run"]
    context = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert given("EXPOSE") == [str(Settings().http.port)]


def test_dependencies_are_those_of_the_lock_and_nothing_is_compiled():
    (sync,) = (each for each in given("RUN", INSTRUCTIONS) if "uv sync" in each)
    assert {"--frozen", "--no-dev", "--no-build"} <= set(sync.split())


def test_labels_and_versions_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', " ".join(given("LABEL"))))
    assert labels == {
        "title": project["name"],
        "description": project["description"],
        "licenses": project["license"],
        "version": "${VERSION}",
    }
    assert f"VERSION={project['version']}" in given("ARG")
    (uv,) = (each for each in given("ARG", INSTRUCTIONS) if each.startswith("UV_VERSION="))
    assert f"UV_VERSION := {uv.partition('=')[2]}" in (ROOT / "Makefile").read_text()


def test_the_builder_is_sent_what_is_copied_and_no_more():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {name for each in given("COPY", INSTRUCTIONS[:LAST]) for name in each.split()[:-1]}
    assert sent == copied
    assert {"**/__pycache__", "**/*.pyc"} <= set(lines)

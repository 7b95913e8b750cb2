"""What the chart makes of values: Helm renders it, and its objects are looked up here."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.chart.helm import PROGRAMS
from tests.go_programs import ROOT

CHART = ROOT / "helm" / "kafka-sentinel"
SECONDS = 120.0
THREE = {"kafka": {"clusterName": "stage", "namespace": "kafka", "bootstrapServers": "broker-1:9092,broker-2:9092"}}
STRIMZI_V1 = ("kafka.strimzi.io/v1", "kafka.strimzi.io/v1/Kafka")
STRIMZI_OLD = ("kafka.strimzi.io/v1beta2",)


def merged(*layers: dict) -> dict:
    """Return values with those of later layers over them, key by key."""
    found: dict = {}
    for layer in layers:
        for key, value in layer.items():
            below = found.get(key)
            found[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


class Objects:
    """The objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.all: list[dict] = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    def of(self, kind: str) -> list[dict]:
        return [each for each in self.all if each["kind"] == kind]

    def one(self, kind: str, where: Callable[[dict], bool] = lambda _: True) -> dict:
        found = [each for each in self.of(kind) if where(each)]
        assert len(found) == 1, f"{len(found)} of kind {kind}"
        return found[0]

    @property
    def deployment(self) -> dict:
        return self.one("Deployment")

    @property
    def pod(self) -> dict:
        """The pod's specification in the Deployment."""
        return self.deployment["spec"]["template"]["spec"]

    @property
    def container(self) -> dict:
        (found,) = self.pod["containers"]
        return found

    @property
    def config_text(self) -> str:
        return self.one("ConfigMap", lambda each: each["metadata"]["name"].endswith("-config"))["data"]["config.yaml"]

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.config_text)

    def names(self) -> set[tuple[str, str, str]]:
        return {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in self.all}


class Helm:
    """One Helm. Values are given as a file, as people give them."""

    def __init__(self, major: str, work: Path) -> None:
        self.major = major
        self._work = work
        self._program = PROGRAMS[major].path

    def template(
        self,
        *layers: dict,
        name: str = "sentinel",
        namespace: str = "monitoring",
        serves: Iterable[str] = (),
        chart: Path = CHART,
    ) -> Objects:
        """Render the chart. `serves`: API versions that the Kubernetes cluster has, besides its own."""
        code, out, error = self._template(_key(layers), name, namespace, tuple(serves), chart)
        assert code == 0, error
        return Objects(out)

    def refused(
        self, *layers: dict, name: str = "sentinel", namespace: str = "monitoring", serves: Iterable[str] = ()
    ) -> str:
        """Return what is said of values that must not be taken."""
        code, _, error = self._template(_key(layers), name, namespace, tuple(serves), CHART)
        assert code != 0, "it was rendered"
        return error

    def notes(
        self, *layers: dict, name: str = "sentinel", namespace: str = "monitoring", serves: Iterable[str] = ()
    ) -> str:
        """Return what is printed after an installation: in a copy of the chart, for `helm template` leaves it out."""
        copy = self._work / "noted"
        if not copy.exists():
            shutil.copytree(CHART, copy)
            lines = (copy / "templates" / "NOTES.txt").read_text().splitlines()
            head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: notes\ndata:\n  notes: |\n"
            (copy / "templates" / "notes.yaml").write_text(head + "".join(f"    {line}\n" for line in lines))
        found = self.template(*layers, name=name, namespace=namespace, serves=serves, chart=copy)
        return found.one("ConfigMap", lambda each: each["metadata"]["name"] == "notes")["data"]["notes"]

    def lint(self, *layers: dict) -> tuple[int, str]:
        code, out, error = self.run("lint", "--strict", str(CHART), "--values", self._file(_key(layers)))
        return code, out + error

    def run(self, *arguments: str) -> tuple[int, str, str]:
        home = {"HOME": str(self._work), "PATH": "/usr/bin:/bin"}  # no settings, plugins or cluster of the person's
        done = subprocess.run(
            [self._program, *arguments], env=home, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return done.returncode, done.stdout, done.stderr

    @cache  # noqa: B019 - there are two of them, for as long as the tests take
    def _template(
        self, values: str, name: str, namespace: str, serves: tuple[str, ...], chart: Path
    ) -> tuple[int, str, str]:
        versions = [word for version in serves for word in ("--api-versions", version)]
        command = ("template", name, str(chart), "--namespace", namespace, "--values", self._file(values), *versions)
        return self.run(*command)

    def _file(self, values: str) -> str:
        file = self._work / f"values-{abs(hash(values))}.yaml"
        file.write_text(values)  # JSON is YAML, and leaves no doubt about what is text
        return str(file)


def _key(layers: Iterable[dict[str, Any]]) -> str:
    return json.dumps(merged(*layers), sort_keys=True)

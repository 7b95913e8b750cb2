"""The Prometheus operator, built by Go from its module, and one image of all it needs and runs.

Its definitions and rights are those that its module brings. Prometheus and Alertmanager are Debian's.
"""

from __future__ import annotations

import json
import shutil
import sys
from functools import cache
from pathlib import Path

from tests.alerts import binaries
from tests.go_programs import CACHE, Program, cannot_build, go
from tests.go_programs import ensure as ensure_built
from tests.kubernetes.deploy import images
from tests.kubernetes.deploy.cache import digest, kept
from tests.kubernetes.deploy.images import Image
from tests.kubernetes.lab import archive

from kafka_sentinel.lab.errors import LabError

PINS = Path(__file__).resolve().parent / "go" / "prometheus-operator"
MODULE = "github.com/prometheus-operator/prometheus-operator"
OLDEST_GO = (1, 24)
DEFINITIONS = "example/prometheus-operator-crd"
OPERATOR_ROLE = "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml"
PROMETHEUS_ROLE = "example/rbac/prometheus/prometheus-cluster-role.yaml"


def _program(name: str, package: str) -> Program:
    return Program(CACHE / "prometheus-operator" / name, PINS, f"{MODULE}/cmd/{package}", cgo=False)


OPERATOR = _program("prometheus-operator", "operator")
RELOADER = _program("prometheus-config-reloader", "prometheus-config-reloader")  # beside each server it runs


def ensure() -> None:
    """Build and fetch what is missing. Raises LabError."""
    reason = cannot_build("The Prometheus operator", OLDEST_GO)
    if reason is not None:
        raise LabError(reason)
    ensure_built([OPERATOR, RELOADER])
    image()


def source(path: str) -> Path:
    """Return a file or folder of the operator's module. Raises LabError."""
    return Path(json.loads(go("mod", "download", "-json", MODULE, folder=PINS))["Dir"], path)


@cache
def image() -> Image:
    """Return the programs on top of Debian, for they need its C library. Raises LabError."""
    base = images.python_layer()
    debian = [binaries.prometheus(), binaries.alertmanager()]
    versions = " ".join(f"{program.name} {binaries.version(program)}" for program in debian)
    inputs = f"{base.name}\n{versions}\n{OPERATOR.stamp}\n{RELOADER.stamp}".encode()
    name = f"sentinel.test/monitoring:{digest(inputs)}"

    def build(work: Path, out: Path) -> None:
        folder = work / "root/usr/bin"
        folder.mkdir(parents=True)
        for program in (*debian, OPERATOR.path, RELOADER.path):
            shutil.copy(program, folder)
        layer = archive.pack(work / "root", work / "layer.tar")
        archive.write(archive.Recipe(name, ("prometheus-operator",)), (archive.of(base), layer), out)

    return Image(name, kept("images", "monitoring", inputs, build))


def main() -> int:
    try:
        ensure()
    except LabError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for who prepares the tests
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

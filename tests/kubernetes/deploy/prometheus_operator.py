"""The Prometheus operator and Prometheus, built by Go from their modules, and one image of all the operator runs.

Its definitions and rights are those that its module brings. Alertmanager is Debian's. Debian's Prometheus would not do:
it is built without discovery in Kubernetes.
"""

from __future__ import annotations

import shutil
import sys
from functools import cache
from pathlib import Path

from tests import go_programs
from tests.alerts import binaries
from tests.go_programs import CACHE, Program, cannot_build, pinned
from tests.go_programs import ensure as ensure_built
from tests.kubernetes.deploy import images
from tests.kubernetes.deploy.cache import digest, kept
from tests.kubernetes.deploy.images import Image
from tests.kubernetes.lab import archive
from tests.needs import problem

from kafka_sentinel.lab.errors import LabError

GO = Path(__file__).resolve().parent / "go"
PINS, PROMETHEUS_PINS = GO / "prometheus-operator", GO / "prometheus"
MODULE = "github.com/prometheus-operator/prometheus-operator"
PROMETHEUS_MODULE = "github.com/prometheus/prometheus"
OLDEST_GO = (1, 24)
DEFINITIONS = "example/prometheus-operator-crd"
OPERATOR_ROLE = "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml"
PROMETHEUS_ROLE = "example/rbac/prometheus/prometheus-cluster-role.yaml"

_RECIPE = Path(__file__).read_bytes()  # the image is made anew when what makes it has changed


def _program(name: str, pins: Path, package: str, flags: str = "-s -w") -> Program:
    return Program(CACHE / "prometheus-operator" / name, pins, package, flags, cgo=False)


def _prometheus_version() -> str:
    """Return 3.5.0 of what its module calls 0.305.0."""
    _, both, patch = pinned(PROMETHEUS_PINS, PROMETHEUS_MODULE).split(".")
    return f"{both[:-2]}.{int(both[-2:])}.{patch}"


VERSION = pinned(PINS, MODULE)
PROMETHEUS_VERSION = _prometheus_version()
PROMETHEUS = _program(
    "prometheus",
    PROMETHEUS_PINS,
    f"{PROMETHEUS_MODULE}/cmd/prometheus",
    f"-s -w -X github.com/prometheus/common/version.Version={PROMETHEUS_VERSION}",
)
OPERATOR = _program("prometheus-operator", PINS, f"{MODULE}/cmd/operator")
# It runs beside each server, and tells it when its configuration has changed.
RELOADER = _program("prometheus-config-reloader", PINS, f"{MODULE}/cmd/prometheus-config-reloader")
PROGRAMS = (OPERATOR, RELOADER, PROMETHEUS)


def ensure() -> None:
    """Build and fetch what is missing. Raises LabError."""
    reason = cannot_build("The Prometheus operator", OLDEST_GO)
    if reason is not None:
        raise LabError(reason)
    ensure_built(PROGRAMS)
    image()


def source(path: str) -> Path:
    """Return a file or folder of the operator's module. Raises LabError."""
    return go_programs.source(MODULE, PINS) / path


@cache
def image() -> Image:
    """Return the programs on top of Debian: Alertmanager needs its C library. Raises LabError."""
    base = images.python_layer()
    alertmanager = binaries.alertmanager()
    versions = "".join([base.name, binaries.version(alertmanager), *(each.stamp for each in PROGRAMS)])
    inputs = _RECIPE + versions.encode()
    name = f"sentinel.test/monitoring:{digest(inputs)}"

    def build(work: Path, out: Path) -> None:
        usr = work / "root/usr"
        (usr / "bin").mkdir(parents=True)
        for path in (alertmanager, *(each.path for each in PROGRAMS)):
            shutil.copy(path, usr / "bin")
        own = "share/prometheus"  # without its templates, Alertmanager takes no configuration
        shutil.copytree(alertmanager.parents[1] / own, usr / own, symlinks=True)
        layer = archive.pack(work / "root", work / "layer.tar")
        archive.write(archive.Recipe(name, ("prometheus-operator",)), (archive.of(base), layer), out)

    return Image(name, kept("images", "monitoring", inputs, build))


if __name__ == "__main__":
    sys.exit(problem(ensure))

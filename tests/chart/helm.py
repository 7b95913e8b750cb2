"""Helm 3 and Helm 4, built by Go from the modules that `go.mod` and `go.sum` below `go/` pin.

The OpenAPI document of Kubernetes comes from its module, as the lab pins it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.go_programs import CACHE, ROOT, Program, cannot_build, pinned, source
from tests.go_programs import ensure as ensure_built
from tests.needs import problem

from kafka_sentinel.lab.errors import LabError

HERE = Path(__file__).resolve().parent
KUBERNETES = ROOT / "tests" / "kubernetes" / "lab" / "go" / "kubernetes"
OLDEST_GO = (1, 21)  # from which on it fetches the Go that a module asks for
MAJORS = ("3", "4")


VERSIONS = {major: pinned(HERE / "go" / f"helm{major}", f"helm.sh/helm/v{major}") for major in MAJORS}


def _program(major: str) -> Program:
    module = f"helm.sh/helm/v{major}"
    flags = f"-s -w -X {module}/internal/version.version=v{VERSIONS[major]}"
    return Program(
        CACHE / "helm" / f"helm{major}", HERE / "go" / f"helm{major}", f"{module}/cmd/helm", flags, cgo=False
    )


PROGRAMS = {major: _program(major) for major in MAJORS}


def ensure() -> None:
    """Build and download what is missing. Raises LabError."""
    reason = cannot_build("Helm", OLDEST_GO)
    if reason is not None:
        raise LabError(reason)
    ensure_built(list(PROGRAMS.values()))
    openapi()


def openapi() -> Path:
    """Return the OpenAPI document of the Kubernetes that the lab runs. Raises LabError."""
    return source("k8s.io/kubernetes", KUBERNETES) / "api" / "openapi-spec" / "swagger.json"


if __name__ == "__main__":
    sys.exit(problem(ensure))

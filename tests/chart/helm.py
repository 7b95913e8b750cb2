"""Helm 3 and Helm 4, built by Go from the modules that `go.mod` and `go.sum` below `go/` pin.

The name of each program has a hash of what it was built from in it, so a second call takes a moment. The OpenAPI
document of Kubernetes comes from its module, as the lab pins it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = (ROOT / ".cache").resolve()
FOLDER = CACHE / "helm"
GO_BUILD = FOLDER / "go-build"  # removed once both are built
GO_MODULES = CACHE / "go-mod"
KUBERNETES = ROOT / "tests" / "kubernetes" / "lab" / "go" / "kubernetes"
GO_SECONDS = 1_800.0  # of one program, from nothing, on two slow cores
OLDEST_GO = (1, 21)  # from which on it fetches the Go that a module asks for
MAJORS = ("3", "4")


class BuildError(Exception):
    """Helm cannot be built here."""


@dataclass(frozen=True, slots=True)
class Program:
    major: str

    @property
    def pins(self) -> Path:
        return HERE / "go" / f"helm{self.major}"

    @property
    def module(self) -> str:
        return f"helm.sh/helm/v{self.major}"

    @property
    def version(self) -> str:
        found = re.search(
            rf"^require {re.escape(self.module)} (v\S+)$", (self.pins / "go.mod").read_text(), re.MULTILINE
        )
        assert found is not None
        return found[1]

    @property
    def flags(self) -> str:
        return f"-s -w -X {self.module}/internal/version.version={self.version}"

    @property
    def path(self) -> Path:
        """Where it lies, with a hash of its pins in the name."""
        digest = hashlib.sha256(self.flags.encode())
        for file in sorted(self.pins.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return FOLDER / f"helm-{self.version}-{digest.hexdigest()[:12]}"


PROGRAMS = {major: Program(major) for major in MAJORS}


def cannot_run() -> str | None:
    """Return why Helm cannot be had here, or None."""
    if shutil.which("go") is None:
        return "Helm is built by Go, and there is no go on the PATH"
    words = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = tuple(int(part) for part in words.strip().removeprefix("go").split(".")[:2] if part.isdecimal())
    if found < OLDEST_GO:
        return f"Helm is built by Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or later; go says {words.strip()!r}"
    return None


def ensure() -> None:
    """Build and download what is missing. Raises BuildError."""
    reason = cannot_run()
    if reason is not None:
        raise BuildError(reason)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [each for each in PROGRAMS.values() if not each.path.exists()]
        for program in missing:
            began = time.monotonic()
            print(f"build helm {program.version} …", end="", flush=True)  # noqa: T201 - it takes minutes
            _build(program)
            print(f" {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        if missing:
            shutil.rmtree(GO_BUILD, ignore_errors=True)
    openapi()


def openapi() -> Path:
    """Return the OpenAPI document of the Kubernetes that the lab runs. Raises BuildError."""
    found = json.loads(go("mod", "download", "-json", "k8s.io/kubernetes", folder=KUBERNETES))
    return Path(found["Dir"]) / "api" / "openapi-spec" / "swagger.json"


def go(*arguments: str, folder: Path) -> str:
    """Run Go by the pins in a folder and return what it prints. Raises BuildError."""
    environment = {
        **os.environ,
        "GOCACHE": str(GO_BUILD),
        "GOMODCACHE": str(GO_MODULES),
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    done = subprocess.run(
        ["go", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=GO_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        closing = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise BuildError(f"go {arguments[0]} failed with exit code {done.returncode}:\n{closing}")
    return done.stdout


def _build(program: Program) -> None:
    for older in FOLDER.glob(f"helm-v{program.major}.*"):
        older.unlink()
    fresh = FOLDER / f".helm{program.major}.new"
    go("build", "-ldflags", program.flags, "-o", str(fresh), f"{program.module}/cmd/helm", folder=program.pins)
    fresh.replace(program.path)


def main() -> int:
    try:
        ensure()
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for who prepares the tests
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

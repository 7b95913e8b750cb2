"""The image of the Dockerfile, built by `make image` as a user builds it, on the bases made here.

`python -m tests.image.built` builds it, or says in a line why it cannot be had. What has not changed takes seconds.
"""

from __future__ import annotations

import fcntl
import json
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.image.bases import bases
from tests.image.podman import ensure, environment, folder, podman
from tests.kubernetes.deploy.cache import kept
from tests.kubernetes.deploy.images import Image
from tests.needs import problem

from kafka_sentinel.lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 900.0
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # in the base
TITLE = "org.opencontainers.image.title=kafka-sentinel"
# What is kept of earlier builds: images that lost their name, and steps that no image has any more.
OLD_IMAGE, OLD_STEP = "6h", "720h"


@dataclass(frozen=True, slots=True)
class Built:
    """`id` names exactly this build; the tag may be moved by the next."""

    id: str
    base: str
    runtime_base: str

    @property
    def details(self) -> dict[str, Any]:
        (found,) = json.loads(podman("image", "inspect", self.id))
        return dict(found)

    def packed(self) -> Image:
        """Return it as an archive for nodes of the lab, under a name that no other build has."""
        name = f"sentinel.test/dockerfile:{self.id[:16]}"

        def save(_: Path, out: Path) -> None:
            podman("tag", self.id, name)
            try:
                podman("save", "--quiet", "--format", "docker-archive", "--output", str(out), name)
            finally:
                podman("untag", self.id, name)

        return Image(name, kept("images", "dockerfile", self.id.encode(), save))


@cache
def image(extras: str = "") -> Built:
    """Return the image of this checkout, built if anything has changed. Raises LabError."""
    ensure()
    with _alone():
        base, runtime_base = bases()
        _make(base, runtime_base, extras)
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        found = podman("image", "inspect", "--format", "{{.Id}}", f"localhost/kafka-sentinel:{version}").strip()
        for filters in ((f"label={TITLE}", f"until={OLD_IMAGE}"), (f"until={OLD_STEP}",)):
            podman("image", "prune", "--force", *(f"--filter={each}" for each in filters))
    return Built(found, base, runtime_base)


def _make(base: str, runtime_base: str, extras: str) -> None:
    log = folder() / "build.log"
    given = {"BASE": base, "RUNTIME_BASE": runtime_base, "EXTRAS": extras, "ARGS": _arguments()}
    words = ["make", "image", "BUILDER=podman", *(f"{name}={value}" for name, value in given.items())]
    began = time.monotonic()
    with log.open("w") as output:
        try:
            done = subprocess.run(
                words,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"make image took more than {BUILD_SECONDS:.0f} s (see {log})") from None
    said = log.read_text(errors="replace").strip().splitlines()
    if done.returncode != 0:
        raise LabError(f"make image failed: {' | '.join(said[-3:])} (see {log})")
    print(f"make image: {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201 - for who prepares the tests


def _arguments() -> str:
    """Return what the builder is told besides: whom this machine trusts, where that is not Debian's own list.

    Proxies of the environment podman passes on itself.
    """
    trusted = ssl.get_default_verify_paths().cafile or CERTIFICATES
    return f"--volume={trusted}:{CERTIFICATES}:ro" if Path(trusted).is_file() else ""


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock between processes: a tag is one for all checkouts that share the cache."""
    environment()
    with (folder() / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(problem(image))

"""Debian's podman, with storage of its own in the cache: no daemon, no registry, nothing of the user's is touched."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.kubernetes.lab import build
from tests.kubernetes.lab.shell import run

from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import default_cache

PACKAGES = ("debootstrap", "make", "podman")
SECONDS = 120.0  # until a command is taken for stuck

# No systemd is asked for, and a container has the machine's network or, by --network=none, none. The limits are such as
# any root may set: by default podman takes the kernel's own, which needs a capability that root has not everywhere.
_CONTAINERS = """\
[containers]
netns = "host"
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{run}/libpod"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{run}/storage"
"""


def folder() -> Path:
    """Return where bases, layers and images are kept."""
    return default_cache().resolve() / "image"


def ensure() -> None:
    """Have podman and what bases are made by. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("images are built from a Debian made by debootstrap, which needs root")
    build.install(PACKAGES)


@cache
def environment() -> dict[str, str]:
    """Return the environment in which podman, called by whomever, has that storage."""
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    # What is mounted and runs is forgotten with the machine's next start, as it must be, so it is not in the cache.
    where = {"folder": place, "run": f"/run/kafka-sentinel-image-{hashlib.sha256(bytes(place)).hexdigest()[:8]}"}
    files = {"CONTAINERS_CONF": _CONTAINERS, "CONTAINERS_STORAGE_CONF": _STORAGE}
    for name, text in files.items():
        _write(place / f"{name.lower()}.toml", text.format(**where))
    # What RUN starts is confined by chroot alone: it needs neither control groups nor a network of its own.
    return {
        **os.environ,
        **{name: str(place / f"{name.lower()}.toml") for name in files},
        "BUILDAH_ISOLATION": "chroot",
    }


def _write(file: Path, text: str) -> None:
    """Replace it at once: others may read it."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(file)


def podman(*words: str, seconds: float = SECONDS) -> str:
    """Return what `podman words` prints. Raises LabError, with what it said, if it fails."""
    return run("podman", *words, seconds=seconds, environment=environment())


# A container as the restricted profile of Pod Security has it, on a root file system that cannot be written, with no
# place to write to and no network but what is given besides.
RESTRICTED = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=all"),
    "--security-opt=no-new-privileges",  # and podman's default seccomp profile
)


def confined(image: str, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run `command` for the image's entry point, whose failure is an answer too. No network."""
    return subprocess.run(
        ["podman", "run", "--rm", *RESTRICTED, "--network=none", *options, image, *command],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def running(image: str, *options: str) -> Iterator[str]:
    """Run the image's own command until the block is left. Gives the container's id."""
    container = podman("run", "--detach", *RESTRICTED, *options, image).strip()
    try:
        yield container
    finally:
        podman("rm", "--force", "--time=0", container)

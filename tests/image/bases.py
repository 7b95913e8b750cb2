"""What the image is based on where no registry is asked: two images of one Debian, made of its packages.

The one it is built on has Python, pip and a shell. The one it runs on is what is left of it without all programs but
Python: no shell, no pip, no package manager. Kept in the cache under a hash of what they are made of.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from tests.image.podman import folder, podman
from tests.kubernetes.deploy import debian
from tests.kubernetes.deploy.cache import digest, kept
from tests.kubernetes.lab import archive

PACKAGES = ("python3", "python3-pip", "ca-certificates")  # pip without what it only recommends: no compiler
LOAD_SECONDS = 300.0
_RECIPE = b"".join(Path(each).read_bytes() for each in (__file__, debian.__file__, archive.__file__))
# Programs, what pip is and brings along, and what describes packages. Of programs Python's stay.
_NOT_AT_RUN_TIME = re.compile(
    r"usr/(s?bin/(?!python3)|lib/python3/dist-packages/.|lib/(dpkg|apt|init|systemd)(/|$)|share/(?!ca-certificates|zoneinfo).)"
    r"|var/lib/(dpkg|apt)/|etc/(apt|dpkg|alternatives|init\.d|cron\.d|systemd)(/|$)"
)


def bases() -> tuple[str, str]:
    """Return the names of the image to build on and the one to run on, made and in podman's storage."""
    build_layer = kept("images", "base", _RECIPE, _system)
    runtime_layer = kept("images", "runtime-base", _RECIPE, lambda _, out: _without_programs(build_layer, out))
    return _loaded("base", build_layer), _loaded("runtime-base", runtime_layer)


def _system(work: Path, out: Path) -> None:
    root = work / "root"
    debian.unpack(PACKAGES, root, log=work.parent / "debootstrap-base.log", debs=work.parent / "debs")
    archive.pack(root, out)


def _without_programs(layer: Path, out: Path) -> None:
    with tarfile.open(layer) as whole, tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as left:
        for entry in whole:
            if _NOT_AT_RUN_TIME.match(entry.name) is None:
                left.addfile(entry, whole.extractfile(entry) if entry.isreg() else None)


def _loaded(kind: str, layer: Path) -> str:
    repository = f"localhost/sentinel-{kind}"
    name = f"{repository}:{digest(_RECIPE)}"
    there = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for old in there:
        if old.startswith(f"{repository}:") and old != name:
            podman("untag", old)  # and what no image is based on any more is pruned
    if name not in there:
        file = folder() / f"{kind}.tar"
        archive.write(archive.Recipe(name, ("python3",)), (archive.of(layer),), file)
        podman("load", "--quiet", "--input", str(file), seconds=LOAD_SECONDS)
        file.unlink()
    return name

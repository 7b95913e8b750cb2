"""What the containerd of a new node starts with: images imported once, then shared by all nodes as hard links.

A file of an image never changes: containers write to layers of their own. So nodes may share these files, as they would
share them on the shelf of a registry, and a lab needs seconds less to come up and gigabytes less of disk and memory.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from .build import LAB_CACHE
from .shell import attempt, run

FOLDER = LAB_CACHE / "containerd"
KEPT = 12  # sets of images, the last used; they share what they have in common
_SECONDS = 30.0
_ROUND_SECONDS = 0.05
# Everything but these databases is written once. They are copied.
_DATABASES = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
_CONFIG = """version = 2
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.restart",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
"""


def prepared(archives: Sequence[Path]) -> Path:
    """Return a folder of containerd that holds these images, made if it is missing. Raises LabError.

    Each is imported on top of those before it: so the last may change, and only it is imported anew.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _prepared(archives)
        for old in sorted(FOLDER.glob("[!.]*"), key=lambda each: -each.stat().st_mtime)[KEPT:]:
            shutil.rmtree(old)
    return found


def give(found: Path, target: Path) -> None:
    """Make `target` a folder of containerd with the images of `found`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run("cp", "--archive", "--link", str(found), str(target))
    for name in _DATABASES:
        copy = target / name
        copy.unlink()
        shutil.copy2(found / name, copy)


def _prepared(archives: Sequence[Path]) -> Path:
    found = FOLDER / _key(archives)
    if not found.exists():
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".") as work:
            if len(archives) > 1:
                give(_prepared(archives[:-1]), Path(work, "root"))
            _import(Path(work), archives[-1])
            Path(work, "root").rename(found)
    found.touch()  # used now
    return found


def _key(archives: Sequence[Path]) -> str:
    """Return a name for these images: their manifests name all that is in them by its hash."""
    digest = hashlib.sha256(run("containerd", "--version").encode())
    for archive in archives:
        with tarfile.open(archive) as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            digest.update(manifest.read())
    return digest.hexdigest()[:16]


def _import(folder: Path, archive: Path) -> None:
    """Import into the folder `root` below `folder`, by a containerd of its own."""
    config = folder / "config.toml"
    config.write_text(_CONFIG)
    with tempfile.TemporaryDirectory() as state:  # a socket's path must be short
        address = f"{state}/socket"
        folders = ["--root", str(folder / "root"), "--state", f"{state}/state", "--address", address]
        command = ["unshare", "--mount", "containerd", "--config", str(config), *folders]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _wait(address, folder / "log")
                where = ["--address", address, "--namespace", "k8s.io"]
                run("ctr", *where, "images", "import", str(archive))
            finally:
                process.terminate()


def _wait(address: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not attempt("ctr", "--address", address, "version"):
        if time.monotonic() > deadline:
            closing = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise LabError(f"containerd did not answer within {_SECONDS:.0f} s; its log ends:\n{closing}")
        time.sleep(_ROUND_SECONDS)

"""Debian's prometheus and promtool, unpacked into the cache: nothing is installed, no service started.

`python -m tests.alerts.binaries` fetches them, or says in a line why they cannot be had.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import default_cache

PACKAGE = "prometheus"  # of the release that apt is set up for, whose signed lists it checks what it fetches against
SECONDS = 300.0


def prometheus() -> Path:
    return _folder() / "usr/bin/prometheus"


def promtool() -> Path:
    return _folder() / "usr/bin/promtool"


def _folder() -> Path:
    """Return where the package is unpacked, fetching it once. Raises LabError."""
    cache = default_cache()
    target = cache / PACKAGE
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{PACKAGE}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _unpack(target)
    return target


def _unpack(target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LabError("promtool is taken from a Debian package, and there is no apt-get")
    work = target.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        reason = _apt("download", PACKAGE, folder=work)
        if reason is not None and os.geteuid() == 0:  # its lists may be old, or not there yet
            reason = _apt("update", folder=work) or _apt("download", PACKAGE, folder=work)
        if reason is not None:
            raise LabError(f"Debian's {PACKAGE} cannot be fetched: {reason}")
        (package,) = work.glob("*.deb")
        unpacked = work / "unpacked"
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True, timeout=SECONDS)
        unpacked.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _apt(*words: str, folder: Path) -> str | None:
    """Return why apt-get failed, or None."""
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *words]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


if __name__ == "__main__":
    try:
        promtool()
    except LabError as error:
        sys.exit(str(error))

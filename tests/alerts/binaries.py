"""Debian's Prometheus, promtool and Alertmanager, unpacked into the cache: nothing is installed, no service started.

`python -m tests.alerts.binaries` fetches the first two, or says in a line why they cannot be had.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.needs import one_apt, problem

from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import default_cache

# Packages of the release that apt is set up for, whose signed lists it checks what it fetches against.
PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"
SECONDS = 300.0


def prometheus() -> Path:
    return _folder(PROMETHEUS) / "usr/bin/prometheus"


def promtool() -> Path:
    return _folder(PROMETHEUS) / "usr/bin/promtool"


def alertmanager() -> Path:
    return _folder(ALERTMANAGER) / "usr/bin/prometheus-alertmanager"


def version(program: Path) -> str:
    """Return the version of one of them, as 2.42.0."""
    command = [program, "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    found = re.search(r"version (\d+\.\d+\.\d+)", said.stdout + said.stderr)
    assert found is not None, said.stdout
    return found[1]


def _folder(package: str) -> Path:
    """Return where a package is unpacked, fetching it once. Raises LabError."""
    cache = default_cache()
    target = cache / package
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{package}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _unpack(package, target)
    return target


def _unpack(package: str, target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LabError(f"{package} is taken from Debian's package, and there is no apt-get")
    work = target.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        reason = _apt("download", package, folder=work)
        if reason is not None and os.geteuid() == 0:  # its lists may be old, or not there yet
            reason = _apt("update", folder=work) or _apt("download", package, folder=work)
        if reason is not None:
            raise LabError(f"Debian's {package} cannot be fetched: {reason}")
        (file,) = work.glob("*.deb")
        unpacked = work / "unpacked"
        subprocess.run(["dpkg-deb", "--extract", file, unpacked], check=True, timeout=SECONDS)
        unpacked.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _apt(*words: str, folder: Path) -> str | None:
    """Return why apt-get failed, or None."""
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *words]
    with one_apt():
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


if __name__ == "__main__":
    sys.exit(problem(promtool))

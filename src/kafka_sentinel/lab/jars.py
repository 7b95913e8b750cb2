"""Fetch the jars of Apache Kafka, pinned by SHA-256, once: one version for the lab, others for the tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kafka_sentinel.lab.errors import LabError

KAFKA_VERSION = "4.3.1"
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"

_PINNED = Path(__file__).with_name("kafka")
_MAVEN_SECONDS = 600.0
_READ_SECONDS = 30.0
_ATTEMPTS = 4
_PARALLEL = 6
_MAX_JAR_BYTES = 64 * 1024 * 1024


class Jar(NamedTuple):
    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def url(self) -> str:
        return f"{MAVEN_CENTRAL}/{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


def default_cache() -> Path:
    """Return `.cache` of the checkout we run from, else the user's cache folder."""
    checkout = Path(__file__).resolve().parents[3]
    if checkout.joinpath("pyproject.toml").is_file():
        return checkout / ".cache"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kafka-sentinel"


def fetch_kafka(cache: Path | None = None) -> Path:
    """Return the folder with exactly the pinned jars of KAFKA_VERSION; see `fetch`."""
    return fetch(f"kafka-{KAFKA_VERSION}", _PINNED, cache)


def fetch(name: str, pinned: Path, cache: Path | None = None) -> Path:
    """Return the folder with exactly the jars of `pinned`, fetching them into `cache` if they are not there yet.

    By Maven where it is on the PATH, else (or if that fails) straight from Maven Central. The folder appears under its
    name only when every sum is right. Raises LabError.
    """
    text = pinned.joinpath("jars.txt").read_text()
    jars = parse_pins(text)
    cache = cache or default_cache()
    target = cache / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / "kafka.lock"):
            if not target.is_dir():
                _fetch(name, pinned, jars, cache, target)
    except OSError as error:
        raise LabError(f"cannot keep Kafka's jars in {cache}: {error}") from error
    return target


def parse_pins(text: str) -> tuple[Jar, ...]:
    """Read lines of `<sha256>  <group>:<artifact>:<version>`."""
    pairs = (line.split() for line in text.splitlines())
    return tuple(Jar(digest, *coordinates.split(":")) for digest, coordinates in pairs)


def verify(jars: tuple[Jar, ...], folder: Path) -> list[str]:
    """Return what is wrong with the jars in `folder`: missing, changed or not pinned."""
    wanted = {jar.name: jar.sha256 for jar in jars}
    present = {path.name: path for path in folder.iterdir()}
    wrong = [f"{name} is not pinned" for name in present.keys() - wanted.keys()]
    for name, digest in wanted.items():
        if name not in present:
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(present[name].read_bytes()).hexdigest() != digest:
            wrong.append(f"{name} has another SHA-256 than the pinned one")
    return sorted(wrong)


def _fetch(name: str, pinned: Path, jars: tuple[Jar, ...], cache: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as work:
        fetched = Path(work, "jars")
        fetched.mkdir()
        maven = shutil.which("mvn")
        if maven is None or not _by_maven(maven, name, pinned, Path(work), fetched):
            _straight(name, jars, fetched)
        wrong = verify(jars, fetched)
        if wrong:
            raise LabError(f"the jars of {name} are not what they should be: {'; '.join(wrong)}")
        fetched.rename(target)


def _by_maven(maven: str, name: str, pinned: Path, work: Path, fetched: Path) -> bool:
    """Resolve with Maven's own checks on (`-C`: a wrong checksum is an error). Return whether it worked."""
    _say(f"fetching {name} with Maven")
    command = [maven, "-B", "-q", "-C", "-f", str(pinned / "pom.xml"), "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={fetched}", f"-Dmaven.repo.local={work / 'repository'}"]
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments to the user's Maven
            command, capture_output=True, text=True, timeout=_MAVEN_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return True
        lines = (done.stdout + done.stderr).strip().splitlines()
        reason = next((line for line in lines if "ERROR" in line), f"exit status {done.returncode}")
    _say(f"Maven failed ({reason[:200]})")
    shutil.rmtree(fetched)
    fetched.mkdir()
    return False


def _straight(name: str, jars: tuple[Jar, ...], fetched: Path) -> None:
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="fetch") as pool:
        futures = [pool.submit(_download, jar, fetched / jar.name) for jar in jars]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                _say(f"fetching {name}: {done} of {len(jars)} jars", last=done == len(jars))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _download(jar: Jar, path: Path) -> None:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(min(8.0, 2.0**attempt) * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not a secret
        try:
            with urllib.request.urlopen(jar.url, timeout=_READ_SECONDS) as answer:  # noqa: S310  an https constant
                data: bytes = answer.read(_MAX_JAR_BYTES)
        except (OSError, urllib.error.URLError) as error:
            reason = str(error)
            if isinstance(error, urllib.error.HTTPError) and error.code == 404:  # noqa: PLR2004  not found, for good
                break
            continue
        if hashlib.sha256(data).hexdigest() == jar.sha256:
            path.write_bytes(data)
            return
        reason = "its SHA-256 is not the pinned one"
    raise LabError(f"cannot fetch {jar.url}: {reason}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that holds it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(text: str, *, last: bool = True) -> None:
    """Print a progress line: on a terminal in place, elsewhere only the last."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="\n" if last else "", file=sys.stderr, flush=True)  # noqa: T201  progress for a person
    elif last:
        print(text, file=sys.stderr, flush=True)  # noqa: T201  the same, in a log

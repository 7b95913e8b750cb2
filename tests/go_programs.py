"""Go programs that tests need, built from the modules that `go.mod` and `go.sum` in a folder pin.

Each program bears a stamp of what it was built from, so a second call takes a moment, a changed pin builds only what it
concerns, and a build that was broken off goes on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

ROOT = Path(__file__).resolve().parents[1]
CACHE = (ROOT / ".cache").resolve()  # Go builds anew what it finds under another path
BUILD = CACHE / "go-build"  # several GB: removed once all that was asked for is built
MODULES = CACHE / "go-mod"
SECONDS = 1_800.0  # of one program, from nothing, on two slow cores
CLOSING_LINES = 15  # of what a failed call printed
# What debuggers read is not even made: the linker would leave it out (-w), and it takes a sixth of all the time.
WITHOUT_DEBUGGING = "-gcflags=all=-dwarf=false"


@dataclass(frozen=True, slots=True)
class Program:
    """A program and where it is to lie. `pins`: the folder of its go.mod and go.sum.

    `cgo`: linked with the C library of this machine. Without, it runs on any, so in images too.
    """

    path: Path
    pins: Path
    package: str
    flags: str = "-s -w"
    cgo: bool = True

    @property
    def is_built(self) -> bool:
        """Whether it is there and was built from what the pins say now."""
        return self.path.exists() and self._stamp_file.exists() and self._stamp_file.read_text() == self.stamp

    @property
    def stamp(self) -> str:
        """A hash of all it is built from, but for Go itself."""
        digest = hashlib.sha256(f"{self.package}\n{self.flags}\n".encode())
        digest.update(b"" if self.cgo else b"without cgo\n")
        for file in sorted(self.pins.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()

    @property
    def _stamp_file(self) -> Path:
        return self.path.with_name(f".{self.path.name}.stamp")

    def build(self) -> None:
        """Build it, in place of what is there. Raises LabError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.new")
        options = (WITHOUT_DEBUGGING, "-ldflags", self.flags, "-o", str(fresh))
        go("build", *options, self.package, folder=self.pins, cgo=self.cgo)
        fresh.replace(self.path)
        self._stamp_file.write_text(self.stamp)


def ensure(programs: Sequence[Program]) -> None:
    """Build what is missing, a line for each with its seconds. Raises LabError."""
    if all(each.is_built for each in programs):
        return
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "go-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who is done first removes what the other would build on
        missing = [each for each in programs if not each.is_built]
        for number, program in enumerate(missing, 1):
            with timed(f"build {program.path.name} ({number} of {len(missing)})"):
                program.build()
        shutil.rmtree(BUILD, ignore_errors=True)


def cannot_build(what: str, oldest: tuple[int, int]) -> str | None:
    """Return why Go does not build `what` here, or None. `oldest`: the version of Go it needs."""
    if shutil.which("go") is None:
        return f"{what} is built by Go, and there is no go on the PATH"
    words = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = tuple(int(part) for part in words.removeprefix("go").split(".")[:2] if part.isdecimal())
    if found < oldest:
        return f"{what} is built by Go {oldest[0]}.{oldest[1]} or later; go says {words!r}"
    return None


def pinned(pins: Path, module: str) -> str:
    """Return the version of a module that is required by name, without its v."""
    found = re.search(rf"^require {re.escape(module)} v(\S+)$", (pins / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"{pins}/go.mod requires no {module}")
    return found[1]


def source(module: str, pins: Path) -> Path:
    """Return the folder of a module's source, fetched if it is missing. Raises LabError."""
    return Path(json.loads(go("mod", "download", "-json", module, folder=pins))["Dir"])


def go(*arguments: str, folder: Path, cgo: bool = True) -> str:
    """Run Go by the pins in a folder, and return what it prints. Raises LabError."""
    environment = {
        **os.environ,
        "CGO_ENABLED": "1" if cgo else "0",
        "GOCACHE": str(BUILD),
        "GOMODCACHE": str(MODULES),
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    try:
        done = subprocess.run(
            ["go", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"go {arguments[0]} in {folder} took more than {SECONDS:.0f} s") from None
    if done.returncode != 0:
        closing = "\n".join(done.stderr.strip().splitlines()[-CLOSING_LINES:])
        raise LabError(f"go {arguments[0]} in {folder} failed with exit code {done.returncode}:\n{closing}")
    return done.stdout


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what is being done, and then how long it took."""
    began = time.monotonic()
    print(f"{what} …", end="", flush=True)  # noqa: T201 - it takes minutes
    yield
    print(f" {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201

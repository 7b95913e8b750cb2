"""The state in one file: written whole or not at all, and never thrown away because it cannot be read.

Two lines of JSON: a header (magic, version, size and checksum of the second line) and the state itself. A write goes to
NAME.tmp, is synced, and takes the place of NAME by rename; then the folder is synced. So a crash at any point leaves
the old state or the new one, and at most a NAME.tmp that the next write replaces.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kafka_sentinel.core.text import one_line

MAGIC = "kafka-sentinel-state"
VERSION = 1
MAX_BYTES = 64 * 1_048_576
MAX_SAID = 60  # characters of what it says that are repeated
MAX_NAMES = 1_000  # tries at a free name for a state set aside within one second


class StateFileError(Exception):
    """The state cannot be kept here. The message is a sentence that names the file."""


class StateTakenOverError(StateFileError):
    """Another process has written a state that this one has not read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found. `state` is None where there was none, or none that could be read; then `reason` says why.

    `set_aside`: where a state that could not be used was moved.
    """

    state: dict[str, Any] | None
    set_aside: Path | str | None = None
    reason: str = ""


class StateFile:
    """One state file, for one process at a time: it is locked (through NAME.lock) from `open` to `close`."""

    def __init__(self, path: Path, *, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._temporary = path.with_name(f"{path.name}.tmp")
        self._wall = wall
        self._lock: IO[bytes] | None = None

    def open(self) -> None:
        """Take the lock. Raises StateFileError if another process has it or the folder cannot be written."""
        if not self._path.parent.is_dir():
            raise StateFileError(f"state file {self._path}: there is no folder {self._path.parent}")
        try:
            lock = self._path.with_name(f"{self._path.name}.lock").open("ab")
        except OSError as error:
            raise StateFileError(f"state file {self._path}: its folder cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StateFileError(f"state file {self._path} is in use by another Kafka Sentinel") from None
        self._lock = lock

    def close(self) -> None:
        """Give the lock back. May be repeated."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def load(self) -> Loaded:
        """Return the state. One that cannot be used is renamed NAME.unreadable-TIME, and the answer says so.

        Raises StateFileError where the file can neither be read nor be moved: going on would overwrite it.
        """
        try:
            with self._path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Loaded(None)
        except OSError as error:
            raise StateFileError(f"state file {self._path} cannot be read: {error.strerror}") from error
        try:
            return Loaded(_decode(content))
        except ValueError as error:
            return Loaded(None, self.set_aside(), str(error))

    def peek(self) -> dict[str, Any]:
        """Return the state, and change nothing; no lock is needed. Raises StateFileError where there is none to use."""
        try:
            with self._path.open("rb") as stream:
                return _decode(stream.read(MAX_BYTES + 1))
        except OSError as error:
            raise StateFileError(f"state file {self._path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise StateFileError(f"state file {self._path} holds no state: {error}") from error

    def set_aside(self) -> Path:
        """Rename the state file so that it is kept, and return its new name. Raises StateFileError if it cannot be."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))
        for number in range(MAX_NAMES):
            aside = self._path.with_name(f"{self._path.name}.unreadable-{stamp}" + (f"-{number}" if number else ""))
            if not aside.exists():
                break
        try:
            self._path.rename(aside)
            self._sync_folder()
        except OSError as error:
            raise StateFileError(f"state file {self._path} cannot be set aside: {error.strerror}") from error
        return aside

    def save(self, state: Mapping[str, object]) -> None:
        """Replace the state. Raises StateFileError, and leaves the old one, if that fails or the state is too big."""
        content = _encode(state)
        if len(content) > MAX_BYTES:
            raise StateFileError(f"state file {self._path}: {len(content)} bytes are more than the {MAX_BYTES} allowed")
        try:
            with self._temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            self._temporary.replace(self._path)
            self._sync_folder()
        except OSError as error:
            raise StateFileError(f"state file {self._path} cannot be written: {error.strerror}") from error

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _encode(state: Mapping[str, object]) -> bytes:
    body = json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
    header = {"magic": MAGIC, "version": VERSION, "bytes": len(body), "crc32": zlib.crc32(body)}
    return json.dumps(header).encode() + b"\n" + body + b"\n"


def _decode(content: bytes) -> dict[str, Any]:
    """Return the state. Raises ValueError with the reason, in words, why this is not one."""
    if not content:
        raise ValueError("the file is empty")
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    first, _, body = content.partition(b"\n")
    header = read_header(first)
    return read_body(header, body.removesuffix(b"\n"))


def read_header(text: str | bytes) -> dict[str, Any]:
    """Return the header of a state of this version. Raises ValueError with the reason, in words, if it is none."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("magic") != MAGIC:
        raise ValueError("it was not written by Kafka Sentinel")
    version = header.get("version")
    if version != VERSION or isinstance(version, bool):
        said = str(version) if isinstance(version, int | str) else "not said"
        raise ValueError(f"its version is {one_line(said, MAX_SAID)}, this Kafka Sentinel reads {VERSION}")
    return header


def read_body(header: Mapping[str, object], body: bytes | None) -> dict[str, Any]:
    """Return the state that a header describes. Raises ValueError with the reason, in words, if there is none."""
    if body is None or len(body) != header.get("bytes") or zlib.crc32(body) != header.get("crc32"):
        raise ValueError("it is damaged: size or checksum do not fit")
    try:
        state = json.loads(body, object_pairs_hook=_once, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is no JSON") from None
    if not isinstance(state, dict):
        raise ValueError("it holds no state")  # noqa: TRY004 - the file is wrong, not the caller
    return state


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse two values of one name: which of them is meant, nobody can tell."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{one_line(twice, MAX_SAID)} is there twice")
    return found


def _finite(constant: str) -> object:
    raise ValueError(f"{constant} is no number")

"""The state as one ConfigMap, changed by compare-and-swap only, and never thrown away because it cannot be read.

The state is compressed JSON (`binaryData`), described by a readable header (`data`) that also says which process wrote
it. The API server refuses a write if anything changed since we read. Then the ConfigMap is read again: where only
others' fields changed (an annotation), the write is repeated; where another process wrote a state meanwhile, it is not,
for that state holds intents we do not know. Whoever does not hold the Lease writes nothing at all.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.orders import Order, Orders, annotation, read_orders
from kafka_sentinel.adapters.kubernetes.resources import CONFIG_MAPS
from kafka_sentinel.adapters.state_file import (
    MAGIC,
    VERSION,
    Loaded,
    StateFileError,
    StateTakenOverError,
    read_body,
    read_header,
)
from kafka_sentinel.core.text import one_line

HEADER = "header"
STATE = "state.json.gz"
ASIDE = "unreadable-"
MAX_BYTES = 1_048_576  # of all values together, as the API server counts
MAX_PLAIN = 64 * 1_048_576  # bytes of the state unpacked
MAX_ASIDE = 3
MAX_HEADER = 300  # characters of another's header that are repeated
ATTEMPTS = 5  # at one write, each after somebody else's
GZIP = 31  # zlib's word for that format


class StateConfigMapError(StateFileError):
    """The state cannot be kept here. The message is a sentence that names the ConfigMap."""


class StateConfigMap:
    """What `StateFile` is, in the cluster. Every method may be called from any thread."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        *,
        writer: str,
        holds: Callable[[], bool],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`writer`: who we are, of this process alone. `holds`: whether we hold the Lease now."""
        self._api = api
        self._resource = CONFIG_MAPS.within(namespace)
        self._name = name
        self._title = f"state ConfigMap {namespace}/{name}"
        self._writer = writer
        self._holds = holds
        self._wall = wall
        self._lock = threading.RLock()
        self._raw: Json | None = None  # as last read or written; None: there is none
        self._loaded: str | None = None  # the header as we read it
        self._saves = 0

    def open(self) -> None:
        """Nothing to take: the Lease is the lock."""

    def close(self) -> None:
        """Nothing to give back."""

    # --- the state

    def load(self) -> Loaded:
        """Return the state. One that cannot be used is kept under another key, and the answer says which.

        Raises StateConfigMapError where the ConfigMap can neither be read nor be written.
        """
        with self._lock:
            self._raw = self._get()
            self._loaded = _header(self._raw)
            if self._raw is None or (self._loaded is None and STATE not in _values(self._raw, "binaryData")):
                return Loaded(None)
            try:
                return Loaded(_decode(self._raw))
            except ValueError as error:
                return Loaded(None, self.set_aside(), str(error))

    def peek(self) -> dict[str, Any]:
        """Return the state, and change nothing. Raises StateConfigMapError where there is none to use."""
        found = self._get()
        if found is None:
            raise StateConfigMapError(f"{self._title} does not exist: has a Kafka Sentinel ever run with it?")
        try:
            return _decode(found)
        except ValueError as error:
            raise StateConfigMapError(f"{self._title} holds no state: {error}") from error

    def set_aside(self) -> str:
        """Keep the state under another key, and return that. Raises StateConfigMapError if that cannot be done."""
        kept = ""

        def change(raw: Json) -> None:
            nonlocal kept
            raw["data"], raw["binaryData"] = data, binary = _values(raw, "data"), _values(raw, "binaryData")
            kept = self._free_name({*data, *binary})
            if HEADER in data:
                data[f"{kept}.{HEADER}"] = data.pop(HEADER)
            if STATE in binary:
                binary[f"{kept}.{STATE}"] = binary.pop(STATE)

        with self._lock:
            self._swap(change)
        return f"{self._title}, keys {kept}…"

    def _free_name(self, keys: set[str]) -> str:
        taken = {key.partition(".")[0] for key in keys if key.startswith(ASIDE)}
        if len(taken) >= MAX_ASIDE:
            raise StateConfigMapError(
                f"{self._title} holds {MAX_ASIDE} states set aside already: look at its keys {ASIDE}…, and remove them"
            )
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))
        names = (f"{ASIDE}{stamp}" + (f"-{number}" if number else "") for number in range(MAX_ASIDE))
        return next(name for name in names if name not in taken)

    def save(self, state: Mapping[str, object]) -> None:
        """Replace the state. Raises StateConfigMapError, and leaves the old one, if that fails or it is too big."""
        body = json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
        packed = base64.b64encode(gzip.compress(body, mtime=0)).decode()
        with self._lock:
            self._saves += 1
            about = {"magic": MAGIC, "version": VERSION, "bytes": len(body), "crc32": zlib.crc32(body)}
            header = json.dumps({**about, "writer": self._writer, "save": self._saves})

            def change(raw: Json) -> None:
                raw["data"] = {**_values(raw, "data"), HEADER: header}
                raw["binaryData"] = {**_values(raw, "binaryData"), STATE: packed}

            self._swap(change)

    def may_be_written(self) -> bool:
        """Tell whether we hold the Lease, without which nothing is written."""
        return self._holds()

    # --- orders

    def orders(self) -> Orders:
        """Read what people have annotated. Raises StateConfigMapError."""
        with self._lock:
            found = self._get()
            if self._is_ours(found):
                self._raw = found
            return read_orders(_annotations(found), self._wall())

    def consume(self, order: Order) -> bool:
        """Take an order off, so that it is obeyed once. Returns whether it was us who did; only then may it be obeyed.

        Raises StateConfigMapError; whether the order was taken off is not known then, and it must not be obeyed.
        """
        taken, key = False, annotation(order.kind)

        def change(raw: Json) -> None:
            nonlocal taken
            annotations = _annotations(raw)
            taken = annotations.get(key) == order.value
            if taken:
                raw["metadata"]["annotations"] = {one: text for one, text in annotations.items() if one != key}

        with self._lock:
            self._swap(change)
        return taken

    # --- compare and swap

    def _swap(self, change: Callable[[Json], None]) -> None:
        for _ in range(ATTEMPTS):
            if not self._holds():
                raise StateConfigMapError(f"{self._title} is not written: this Kafka Sentinel does not hold the Lease")
            raw = copy.deepcopy(self._raw) if self._raw is not None else self._new()
            change(raw)
            if raw == self._raw:
                return
            self._check_size(raw)
            try:
                if self._raw is None:
                    self._raw = self._api.create(self._resource, raw)
                else:
                    self._raw = self._api.replace(self._resource, self._name, raw)
            except ApiError as error:
                if error.code not in {"409", "404"}:
                    raise StateConfigMapError(f"{self._title} cannot be written: {error}") from error
                self._read_again()
            else:
                return
        raise StateConfigMapError(f"{self._title} cannot be written: others changed it {ATTEMPTS} times in a row")

    def _read_again(self) -> None:
        found = self._get()
        if not self._is_ours(found):
            raise StateTakenOverError(
                f"{self._title} is not written: another Kafka Sentinel wrote it since we read it "
                f"({one_line(_header(found) or '', MAX_HEADER)})"
            )
        self._raw = found

    def _is_ours(self, raw: Json | None) -> bool:
        """Tell whether we know the state that stands there: we read it or wrote it, or it is none."""
        header = _header(raw)
        if header is None or header == self._loaded:
            return True
        about = _parse(header)
        return isinstance(about, dict) and about.get("writer") == self._writer

    def _get(self) -> Json | None:
        try:
            return self._api.get(self._resource, self._name)
        except ApiError as error:
            if error.code == "404":
                return None
            raise StateConfigMapError(f"{self._title} cannot be read: {error}") from error

    def _new(self) -> Json:
        metadata = {"name": self._name, "namespace": self._resource.namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}

    def _check_size(self, raw: Json) -> None:
        size = sum(len(str(value).encode()) for value in _values(raw, "data").values())
        size += sum(len(str(value)) * 3 // 4 for value in _values(raw, "binaryData").values())
        if size > MAX_BYTES:
            aside = any(key.startswith(ASIDE) for key in _values(raw, "binaryData"))
            hint = f"; remove its keys {ASIDE}… if they are not needed" if aside else ""
            raise StateConfigMapError(f"{self._title}: {size} bytes are more than the {MAX_BYTES} allowed{hint}")


def _values(raw: Json, key: str) -> Json:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _annotations(raw: Json | None) -> Json:
    return _values(_values(raw or {}, "metadata"), "annotations")


def _header(raw: Json | None) -> str | None:
    found = _values(raw or {}, "data").get(HEADER)
    return None if found is None else str(found)


def _decode(raw: Json) -> dict[str, Any]:
    """Return the state. Raises ValueError with the reason, in words, why this is not one."""
    header = read_header(_header(raw) or "")
    return read_body(header, _unpack(str(_values(raw, "binaryData").get(STATE) or "")))


def _unpack(packed: str) -> bytes | None:
    try:
        unpacker = zlib.decompressobj(GZIP)
        return unpacker.decompress(base64.b64decode(packed, validate=True), MAX_PLAIN)
    except (ValueError, zlib.error):
        return None


def _parse(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

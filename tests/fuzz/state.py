"""Any state file, any ConfigMap, any state in them: an engine that lives on and adds up, or one clear sentence."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

from tests.core.engine_world import ZERO, Sentinel, view
from tests.core.kubernetes_world import GONE, SECTIONS, KubernetesWorld
from tests.fuzz.choices import Choices, changed
from tests.fuzz.harness import Harness

from kafka_sentinel.adapters import state_file
from kafka_sentinel.adapters.kubernetes import state_configmap
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.core.checkpoint import StateError, to_state
from kafka_sentinel.core.commands import Command, Count, Observe, Recheck
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import RecheckDone, Tick
from kafka_sentinel.core.text import STEERING
from kafka_sentinel.core.types import Acks
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings

MONO, WALL = 5_000.0, 1.79e9 + 5_000.0
LONGEST_ERROR = 500  # characters
ITEM = {"name": "kill", "fault": "pod-delete", "every": "1d"}
EXPERIMENTS = {"armed_for": "cluster", "dry_run": False, "items": [ITEM]}
RUN_UNDER_WAY = {
    "id": "kill-1790000000",
    "experiment": "kill",
    "fault": "pod-delete",
    "targets": [1],
    "duration": 0.0,
    "due": 1.79e9,
    "started": 1.79e9,
    "pods": [["kafka", "orders-broker-1", "uid-1", 1]],
    "node": ["n1", "uid-n1"],
    "state": "injected",
    "injected": 1.79e9 + 1,
    "verdict": None,
    "reason": "",
    "addresses": ["broker-1:9092"],
}
LOSS = {
    "acks": "all",
    "partition": 0,
    "run": "0000000000000007",
    "first_sequence": 3,
    "count": 2,
    "offset": 3,
    "seen": "before",
    "acked_at": 1.79e9,
    "proved_at": 1.79e9 + 3,
    "leader_epoch_before": 4,
    "topic_id": "topic id",
    "stands_there": "a foreign record",
    "incident": "1790000005-1",
    "cause": "unknown",
}


@cache
def config() -> Any:
    sections = {**SECTIONS, "experiments": EXPERIMENTS, "probe": {"interval": 0.5}, "group_consumer": {"enabled": True}}
    return engine_config(Settings.model_validate(sections))


@cache
def real() -> tuple[dict[str, Any], ...]:
    """Return states as engines wrote them: calm, in an outage, and beside Kubernetes, with all there may be in them."""
    calm = Sentinel(partitions=2)
    calm.live(3)
    troubled = Sentinel(partitions=2)
    troubled.live(3)
    troubled.suffer(10)
    troubled.uncertain(8, 2)
    troubled.live(30)
    pods = KubernetesWorld(experiments=EXPERIMENTS)
    pods.run(3)
    pods.taint("n1", GONE)
    pods.silent("n1")
    pods.dead = {1}
    pods.run(20)
    states = [json.loads(json.dumps(to_state(each.engine))) for each in (calm, troubled, pods)]
    full = states[2]
    full["experiments"] |= {
        "run": RUN_UNDER_WAY,
        "injections": [1.79e9],
        "latched": "a record was lost",
        "past": {"kill": {"last_run": 1.79e9, "last_result": "passed", "last_skip": None, "last_reason": ""}},
    }
    order = {"given": 1.79e9, "kind": "run-now", "subject": "kill", "nonce": "n", "answer": "it runs", "done": False}
    full["control"] = {"orders": [order]}
    full["losses"] = [LOSS]
    full["natural_losses"] = [1.79e9]
    return tuple(states)


def as_file(state: object) -> bytes:
    return sealed(json.dumps(state).encode("utf-8", "surrogatepass"))


def sealed(body: bytes) -> bytes:
    return json.dumps(header(body)).encode() + b"\n" + body + b"\n"


def header(body: bytes) -> dict[str, Any]:
    return {"magic": state_file.MAGIC, "version": state_file.VERSION, "bytes": len(body), "crc32": zlib.crc32(body)}


def as_config_map(state: object) -> dict[str, Any]:
    body = json.dumps(state).encode("utf-8", "surrogatepass")
    packed = base64.b64encode(gzip.compress(body, 1, mtime=0)).decode()
    return {"data": {"header": json.dumps(header(body))}, "binaryData": {state_configmap.STATE: packed}}


def check(data: bytes) -> None:
    choices = Choices(data)
    mode = choices.below(6)
    state = choices.pick(real())
    try:
        found = _read(mode, state, choices)
    except RecursionError:
        raise AssertionError("nested too deeply, and nobody said so") from None
    except ValueError as error:
        said(str(error))
        return
    if found is not None:
        live(found)


def _read(mode: int, state: dict[str, Any], choices: Choices) -> dict[str, Any] | None:
    match mode:
        case 0:
            return state_file._decode(choices.rest())
        case 1:
            whole = bytearray(as_file(state))
            for _ in range(1 + choices.below(3)):
                whole[choices.below(1 << 16) % len(whole)] = choices.byte()
            return state_file._decode(bytes(whole[: len(whole) - choices.below(1 << 16) % len(whole)]))
        case 2:
            body = json.dumps(state).encode()
            at = choices.below(1 << 16) % len(body)
            return state_file._decode(sealed(body[:at] + choices.rest(20) + body[at + choices.below(8) :]))
        case 3:
            config_map = _made(as_config_map(state), choices)
            return None if config_map is None else state_configmap._decode(config_map)
        case 4:
            return state_configmap._decode(as_config_map(_made(state, choices)))
        case _:
            return state_file._decode(as_file(_made(state, choices)))


def _made(document: Any, choices: Choices) -> Any:
    try:
        found = changed(document, choices)
        json.dumps(found)
    except RecursionError:
        return None  # what cannot be written was never read
    return found


def said(reason: str) -> None:
    assert 0 < len(reason) <= LONGEST_ERROR, f"a reason of {len(reason)} characters"
    assert not STEERING.search(reason), "a reason of more than one line, or one that steers a terminal"


class Restored(Sentinel):
    """What a state was made into, and its hands."""

    def __init__(self, state: dict[str, Any], run: int) -> None:
        super().__init__(partitions=0)
        self.mono, self.wall = MONO, WALL
        self.engine = Engine(config(), run=run, started=self.now(), state=state)
        self.everything: list[Command] = []

    def step(self, event: Any) -> list[Command]:
        commands = super().step(event)
        self.everything += commands
        return commands


@cache
def metrics() -> Metrics:
    return Metrics("stage", known={"experiment": ["kill"]})


def live(state: dict[str, Any], *, again: bool = True) -> None:
    try:
        world = Restored(checked(state), run=9 if again else 10)
    except StateError as error:
        said(str(error))
        return
    world.sees(view(partitions=2))
    ledger = world.engine.truth.ledgers[ZERO]
    world.end[ZERO] = max(ledger.position or 0, ledger.highest_acked + 1)
    for _ in range(3):
        first, offset = world.sent(), world.end[ZERO]
        world.acked(first)
        world.read(first, offset)
        world.wait(0.5)
        _answer(world)
    for jump in (30.0, 700.0, 90_000.0):
        world.mono, world.wall = world.mono + jump, world.wall + jump
        world.step(Tick(world.now()))
        _answer(world)
    _judge(world)
    if again:
        live(json.loads(json.dumps(to_state(world.engine), allow_nan=False)), again=False)


def _answer(world: Restored) -> None:
    """Every re-reading finds nothing: what the state says was acknowledged is not in this log."""
    asked, world.commands = world.commands, []
    for command in asked:
        if isinstance(command, Recheck):
            at, end = world.now(), command.end
            world.step(RecheckDone(at, command.recheck, command.partition, command.start, end, 0, "topic id", ()))


def _judge(world: Restored) -> None:
    status = world.status
    for acks in world.engine.config.acks:
        records = status["records"][Acks(acks).value]
        sent = records["acked"] + records["rejected"] + records["uncertain"] + records["in_flight"]
        assert records["sent"] == sent, f"sent {records}"
    assert world.engine.truth.violations == 0, "the state was taken, and contradicted itself later"
    for command in world.everything:
        if isinstance(command, Count | Observe):
            metrics().apply(command)
    metrics().update_from_status(status)
    snapshot = Snapshot()
    snapshot.publish(status)
    for name in VIEWS:
        snapshot.body(name)


def seeds() -> Iterable[bytes]:
    yield b"\x00\x00" + as_file({"name": "kafka-sentinel"})
    yield b"\x00\x00{}\n{}"
    for which in range(3):
        yield from (bytes((mode, which, *range(start, start + 12))) for mode in range(1, 6) for start in (0, 60, 150))
        yield bytes((5, which))


HARNESS = Harness(check, seeds, longest=512)

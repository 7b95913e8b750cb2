"""Any line of a Kubernetes watch, and any object: a view or one short error, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, partial
from typing import Any, cast

from tests.core.kubernetes import raw as real
from tests.core.kubernetes.raw import FIXTURES, at
from tests.core.kubernetes_world import NOTICE, SPOT, broker, budget, kafka
from tests.fuzz.choices import Choices, changed
from tests.fuzz.harness import Harness

from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.orders import MAX_LENGTH, read_orders
from kafka_sentinel.adapters.kubernetes.resources import PODS
from kafka_sentinel.adapters.kubernetes.watch import Watch
from kafka_sentinel.adapters.kubernetes.watched import Watched, WatchOptions
from kafka_sentinel.core.audit.workload import budget_spec, extra, listeners, pod_spec
from kafka_sentinel.core.events import AdapterError, Event, ObjectsListed
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.fleet import FleetSpec
from kafka_sentinel.core.kubernetes.inventory import WatchEvent
from kafka_sentinel.core.kubernetes.objects import Kind, ObjectError, parse
from kafka_sentinel.core.text import STEERING
from kafka_sentinel.core.types import OrderKind

LONGEST_ERROR = 1_000  # characters: it goes into the log, and into a Kubernetes Event
Object = tuple[Kind, dict[str, Any]]


@cache
def fleet() -> tuple[Object, ...]:
    """Return a Strimzi cluster of three brokers, its nodes, and what else there may be beside them."""
    nodes = [(Kind.NODE, real.node(f"n{number}", labels=SPOT)) for number in (1, 2, 3)]
    pods = [(Kind.POD, broker(number, f"n{number}")) for number in (1, 2, 3)]
    others = [
        (Kind.BUDGET, budget()),
        (Kind.KAFKA, kafka()),
        (Kind.NODE, real.node("n4", ready="Unknown", taints=[NOTICE], cordoned=True, labels=SPOT)),
        (Kind.NODE_CLAIM, real.node_claim()),
        (Kind.EVENT, real.event("NodeNotReady", message="Node n1 status is now: NodeNotReady")),
        (
            Kind.POD,
            broker(
                1,
                "n1",
                ready=False,
                deleted=5,
                containers=[real.container(restarts=3, last=real.ended(137, "OOMKilled"), waiting="CrashLoopBackOff")],
                status={"reason": "Evicted", "message": "The node was low on resource: memory."},
            ),
        ),
    ]
    fixtures = [each for file in sorted(FIXTURES.iterdir()) for each in real.load(file.name)]
    return (*nodes, *pods, *others, *fixtures)


def check(data: bytes) -> None:
    choices = Choices(data)
    mode = choices.below(4)
    kind, whole = choices.pick(fleet())
    before = json.dumps({"type": "ADDED", "object": whole}).encode()
    try:
        if mode == 0:
            line = choices.rest()
        else:
            told = {"type": choices.pick(("MODIFIED", "ADDED", "DELETED", "BOOKMARK", "ERROR")), "object": whole}
            line = json.dumps(changed(told, choices)).encode("utf-8", "surrogatepass")
    except RecursionError:
        return  # what cannot be written cannot be sent
    events = _watch(kind, before, line)
    _parse(kind, line)
    if told := [each for each in events[1:] if not isinstance(each, AdapterError)]:
        _follow(told)
    if mode == 3:
        _orders(choices)


def _watch(kind: Kind, before: bytes, line: bytes) -> list[Event]:
    """Have a watch take the line, after the same object as it really is."""
    events: list[Event] = []
    watch = Watch(
        cast("Any", None),
        Watched(kind, PODS.within("kafka")),
        WatchOptions(),
        post=events.extend,
        now=lambda: at(1),
        on_death=lambda *_: None,
    )
    for each in (before, line, line):
        try:
            watch._take([each])
        except ApiError as error:
            _is_short(str(error))
    for event in events:
        if isinstance(event, AdapterError):
            _is_short(event.message)
    return events


def _parse(kind: Kind, line: bytes) -> None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return
    for each in (told, told.get("object") if isinstance(told, dict) else None):
        for read in (partial(parse, kind), pod_spec, budget_spec, listeners, partial(extra, "KafkaTopic")):
            try:
                read(each)
            except ObjectError as error:
                _is_short(str(error))


def _is_short(words: str) -> None:
    assert len(words) <= LONGEST_ERROR, f"an error of {len(words)} characters"
    assert not STEERING.search(words), "an error of more than one line, or one that steers a terminal"


def _follow(events: list[Event]) -> None:
    """Have the core take what the watch told, and say what it makes of it."""
    desk = KubernetesDesk(FleetSpec(namespace="kafka", cluster="orders"))
    for kind in Kind:
        views = tuple(parse(one, whole) for one, whole in fleet()[:8] if one is kind)
        desk.take(ObjectsListed(at(0), kind, views))
    desk.tick(at(0.5), None)
    for event in events:
        desk.take(cast("WatchEvent", event))
    for second in (1, 40, 4_000):
        step = desk.tick(at(second), None)
        assert len(step.disruptions) + len(step.restarts) <= 100


def _orders(choices: Choices) -> None:
    annotations = {f"kafka-sentinel.io/{choices.pick(('pause', *OrderKind))}": choices.text(200) for _ in range(3)}
    found = read_orders(cast("dict[str, object]", annotations), 1_790_000_000.0)
    assert all(len(order.problem) <= MAX_LENGTH for order in found.orders)


def seeds() -> Iterable[bytes]:
    for index, (_, whole) in enumerate(fleet()):
        for mode in (1, 2, 3):
            yield bytes((mode, index, index % 5, 1, 2, 3, 4, 5, 6, 7, 8))
        if index % 8 == 0:
            line = json.dumps({"type": "MODIFIED", "object": whole}, separators=(",", ":")).encode()
            yield bytes((0, index)) + line


HARNESS = Harness(check, seeds, longest=2_048)

"""What people tell a running Sentinel, by annotations on its state ConfigMap. Who may is the say of Kubernetes RBAC.

`kafka-sentinel.io/pause` stands as long as Sentinel is to rest. The others are given once: TIME/NONCE or
TIME/NONCE/SUBJECT, TIME in RFC 3339. Sentinel takes them off before it obeys, and ignores what is older than a minute:
an order that lay unread while Sentinel was down is not what somebody wants now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from kafka_sentinel.core.types import OrderKind

PREFIX = "kafka-sentinel.io/"
PAUSE = f"{PREFIX}pause"
NOT_PAUSED = "false"  # the one value of `pause` that does not
MAX_AGE = 60.0  # seconds; as much for one from the future, by our clock
MAX_LENGTH = 300  # characters of a value


def annotation(kind: OrderKind) -> str:
    return f"{PREFIX}{kind.value}"


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `problem`: why it is not to be obeyed, "" if it is. `value`: the annotation as it was found."""

    kind: OrderKind
    value: str
    subject: str = ""
    nonce: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """`paused`: what the annotation says, as "by anna", or None."""

    paused: str | None = None
    orders: tuple[Order, ...] = ()


def read_orders(annotations: Mapping[str, object], wall: float) -> Orders:
    """Read what stands there. `wall`: the time now, in seconds."""
    pause = annotations.get(PAUSE)
    paused = None if pause is None or str(pause).lower() == NOT_PAUSED else str(pause)[:MAX_LENGTH]
    found = tuple(
        _order(kind, str(annotations[annotation(kind)]), wall) for kind in OrderKind if annotation(kind) in annotations
    )
    return Orders(paused, found)


def order_value(wall: float, nonce: str, subject: str = "") -> str:
    """Return the value to annotate with."""
    time = datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "/".join(part for part in (time, nonce, subject) if part)


def _order(kind: OrderKind, value: str, wall: float) -> Order:
    if len(value) > MAX_LENGTH:
        return Order(kind, value, problem=f"it is longer than {MAX_LENGTH} characters")
    time, nonce, subject, *_ = [*value.split("/", 2), "", ""]
    try:
        given = datetime.fromisoformat(time)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None or not nonce:
        return Order(kind, value, problem="it is not TIME/NONCE or TIME/NONCE/SUBJECT with TIME in RFC 3339")
    if (kind is OrderKind.RUN_NOW) != bool(subject):
        problem = "it names no experiment" if kind is OrderKind.RUN_NOW else "it takes no subject"
        return Order(kind, value, subject, nonce, problem)
    age = wall - given.timestamp()
    problem = f"it is {age:.0f} s old by our clock; {MAX_AGE:g} s are allowed" if abs(age) > MAX_AGE else ""
    return Order(kind, value, subject, nonce, problem)

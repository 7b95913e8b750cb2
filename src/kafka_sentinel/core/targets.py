"""What an experiment is to hit: a target as written in the configuration, and what it turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.faults import FaultKind, Reach, fault_named
from kafka_sentinel.core.types import NodeRef, PodRef

MAX_NAME = 249  # characters after the colon
MAX_DIGITS = 9  # of an int32


class TargetError(ValueError):
    """A target that cannot be taken as written; the message says what was found and what is allowed."""


class TargetKind(StrEnum):
    ANY = "any"  # one live broker
    BROKER = "broker"  # the broker of that id
    POOL = "pool"  # one live node of that node pool
    ZONE = "zone"  # one live broker in that zone
    LEADER = "leader"  # the leader of a partition of the acks=all probe topic: the one of that number, or one of them
    CONTROLLER = "controller"  # the active KRaft controller, as the quorum names it
    GROUP_COORDINATOR = "group-coordinator"  # of that group; without a name, of Sentinel's own
    TRANSACTION_COORDINATOR = "transaction-coordinator"  # of that transactional id; without one, of some
    ZOOKEEPER = "zookeeper"  # one ZooKeeper pod, or server
    ENTITY_OPERATOR = "entity-operator"  # Strimzi's entity operator
    ALL = "all"  # all brokers, one after another


class After(StrEnum):
    """What may stand after the colon."""

    NOTHING = "nothing"
    NUMBER = "a number"
    NUMBER_OR_NOTHING = "a number or nothing"
    NAME = "a name"
    NAME_OR_NOTHING = "a name or nothing"


_AFTER = {
    TargetKind.ANY: After.NOTHING,
    TargetKind.BROKER: After.NUMBER,
    TargetKind.POOL: After.NAME,
    TargetKind.ZONE: After.NAME,
    TargetKind.LEADER: After.NUMBER_OR_NOTHING,
    TargetKind.CONTROLLER: After.NOTHING,
    TargetKind.GROUP_COORDINATOR: After.NAME_OR_NOTHING,
    TargetKind.TRANSACTION_COORDINATOR: After.NAME_OR_NOTHING,
    TargetKind.ZOOKEEPER: After.NOTHING,
    TargetKind.ENTITY_OPERATOR: After.NOTHING,
    TargetKind.ALL: After.NOTHING,
}

ALLOWED = (
    "any, broker:<id>, pool:<name>, zone:<name>, leader, leader:<partition>, controller, group-coordinator, "
    "group-coordinator:<group>, transaction-coordinator, transaction-coordinator:<transactional id>, zookeeper, "
    "entity-operator, all"
)

SIDES = frozenset({TargetKind.ZOOKEEPER, TargetKind.ENTITY_OPERATOR})  # pods that run no Kafka node
ONLY_KUBERNETES = SIDES | {TargetKind.POOL, TargetKind.ZONE}
ON_MACHINES = frozenset(TargetKind) - ONLY_KUBERNETES - {TargetKind.ALL}
_ONE_NODE = frozenset(TargetKind) - SIDES - {TargetKind.ALL}

FITTING = {
    Reach.PROCESS: ON_MACHINES,
    Reach.PODS: _ONE_NODE | SIDES,
    Reach.NODE: _ONE_NODE,
    Reach.ROLL: frozenset({TargetKind.ALL}),
    Reach.COMMAND: ON_MACHINES | {TargetKind.ZOOKEEPER},
    Reach.PROVIDER: ON_MACHINES - {TargetKind.CONTROLLER},  # a provider's controllers are no brokers of ours
}


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """`number`: broker id or partition; `name`: of a pool, zone or group, or a transactional id."""

    kind: TargetKind
    number: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        after = self.name if self.number is None else str(self.number)
        return self.kind.value if after is None else f"{self.kind}:{after}"


@dataclass(frozen=True, slots=True)
class Target:
    """The set that every guard judges. An empty set comes with the reason why there is none.

    `brokers`: ids of the Kafka nodes that are hit, brokers and KRaft controllers. `pods`: on Kubernetes all pods that
    are hit, those of other sorts too. `node`: the node of Kubernetes that is hit with them, if the fault is one of
    nodes. `one_by_one`: never two at a time, each is back before the next one goes. `servers`: of ZooKeeper, on
    machines of their own, as "host:port".
    """

    brokers: frozenset[int]
    reason: str = ""
    pods: tuple[PodRef, ...] = ()
    node: NodeRef | None = None
    one_by_one: bool = False
    servers: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.brokers and not self.pods and not self.servers

    @property
    def losses(self) -> tuple[frozenset[int], ...]:
        """The sets of Kafka nodes that are gone at the same time, each to be judged by itself."""
        return tuple(frozenset({one}) for one in sorted(self.brokers)) if self.one_by_one else (self.brokers,)


def parse_target(text: str) -> TargetSpec:
    """Read a target as written. Raises TargetError."""
    word, colon, after = text.strip().partition(":")
    kind = next((kind for kind in TargetKind if kind.value == word.strip().lower()), None)
    if kind is None:
        raise TargetError(f'target "{text}" is not known; allowed are {ALLOWED}')
    wanted = _AFTER[kind]
    if not colon and wanted in {After.NOTHING, After.NUMBER_OR_NOTHING, After.NAME_OR_NOTHING}:
        return TargetSpec(kind)
    if colon and wanted in {After.NUMBER, After.NUMBER_OR_NOTHING} and _is_number(after):
        return TargetSpec(kind, number=int(after))
    if colon and wanted in {After.NAME, After.NAME_OR_NOTHING} and 0 < len(after) <= MAX_NAME:
        return TargetSpec(kind, name=after)
    raise TargetError(f'target "{text}": {kind} takes {wanted} after a colon; allowed are {ALLOWED}')


def misfit(fault: str, spec: TargetSpec) -> str:
    """Say why a fault cannot be done to a target, "" if it can: both as found, and what is allowed."""
    if fault not in set(FaultKind):
        return f'fault "{fault}" is not known; allowed are {", ".join(FaultKind)}'
    reach = fault_named(fault).reach
    if spec.kind in FITTING[reach]:
        return ""
    allowed = ", ".join(kind.value for kind in TargetKind if kind in FITTING[reach])
    return f"fault {fault} cannot be done to target {spec}; its targets are {allowed}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS

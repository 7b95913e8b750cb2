"""Fleets as discovery would find them, for the tests of what is judged by them."""

from __future__ import annotations

from dataclasses import replace

from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, DataVolume, Flavour, FleetView, Role, Side, SidePod

BOTH = frozenset({Role.BROKER, Role.CONTROLLER})
CREATED = 1_700_000_000.0


def broker_pod(number, *, node=None, roles=BOTH, **changes) -> BrokerPod:
    """Broker n runs on node n<n> in zone a, b or c, as `orders-kafka-<n>`."""
    name = f"n{number}" if node is None else node
    plain = BrokerPod(
        broker=number,
        uid=f"uid-orders-kafka-{number}",
        name=f"orders-kafka-{number}",
        namespace="kafka",
        roles=roles,
        pool="kafka",
        node=name,
        node_uid=f"uid-{name}",
        zone="abc"[(number - 1) % 3],
        capacity=Capacity.SPOT,
        volumes=(DataVolume(f"data-{number}", None, local=True),),
        budgets=("orders-kafka",),
        ready=True,
        deleting=False,
        created=CREATED,
    )
    return replace(plain, **changes)


def side_pod(side, name, *, node="n1", **changes) -> SidePod:
    plain = SidePod(
        side=side,
        uid=f"uid-{name}",
        name=name,
        namespace="kafka",
        node=node,
        node_uid=f"uid-{node}",
        zone="a",
        capacity=Capacity.SPOT,
        budgets=(),
        ready=True,
        deleting=False,
        created=CREATED,
    )
    return replace(plain, **changes)


OPERATOR = side_pod(Side.CLUSTER_OPERATOR, "strimzi-cluster-operator", node="n9")


def fleet(*pods, sides=(OPERATOR,), **changes) -> FleetView:
    """Three brokers, which are controllers too, unless `pods` says otherwise."""
    members = pods or tuple(broker_pod(number) for number in (1, 2, 3))
    plain = FleetView(
        flavour=Flavour.STRIMZI,
        namespace="kafka",
        cluster="orders",
        pods={pod.broker: pod for pod in members if Role.BROKER in pod.roles},
        controllers={pod.broker: pod for pod in members if Role.CONTROLLER in pod.roles},
        sides=tuple(sides),
    )
    return replace(plain, **changes)

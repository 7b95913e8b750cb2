"""A Kafka cluster that the audit finds nothing wrong with, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace

from tests.core.kubernetes.fleets import broker_pod, fleet, side_pod

from kafka_sentinel.core.audit.facts import BrokerFacts, Facts, KafkaFacts, KubernetesFacts, Setting, Source
from kafka_sentinel.core.audit.placed import exposed
from kafka_sentinel.core.audit.workload import BudgetSpec, ListenerSpec, PodSpec, Separation
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import DataVolume, Flavour, FleetView, Side
from kafka_sentinel.core.kubernetes.selector import Selector

LABELS = {"strimzi.io/cluster": "orders"}
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REMOTE = (DataVolume("data", "pv", local=False),)
LOCAL = (DataVolume("data", "pv", local=True, hostnames=("n1",)),)
TOPIC = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
}
BROKER = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "controlled.shutdown.enable": "true",
    "controlled.shutdown.max.retries": "3",
    "controlled.shutdown.retry.backoff.ms": "5000",
    "listeners": "CONTROLPLANE-9090://0.0.0.0:9090,REPLICATION-9091://0.0.0.0:9091,TLS-9093://0.0.0.0:9093",
    "controller.listener.names": "CONTROLPLANE-9090",
    "listener.security.protocol.map": "CONTROLPLANE-9090:SSL,REPLICATION-9091:SSL,TLS-9093:SSL",
    "listener.name.tls-9093.ssl.client.auth": "required",
}


def settings(**changed):
    """Return settings, with "_" for "."; None takes one out."""
    return {key.replace("_", "."): value for key, value in changed.items()}


def _set(base, changed):
    values = {**base, **changed}
    return {name: Setting(value, Source.FILE) for name, value in values.items() if value is not None}


def topic(name="orders", replicas=(1, 2, 3), partitions=3, min_isr=2):
    parts = tuple(PartitionView(number, replicas[0], tuple(replicas), tuple(replicas)) for number in range(partitions))
    return TopicView(name, None, min_isr, parts)


def kafka(*topics, brokers=None, racks=("a", "b", "c"), broker=(), of_topic=(), **more) -> KafkaFacts:
    """Three brokers and some topics. `broker`: what is set otherwise on all; `brokers`: id → on that one."""
    own = [topic(name) for name in ("__consumer_offsets", "__transaction_state", "__share_group_state")]
    views = {one.name: one for one in (*own, *(topics or (topic(),)))}
    view = ClusterView("lkc-1", {number: f"b{number}:9092" for number in (1, 2, 3)}, views, {})
    each = brokers or {}
    return KafkaFacts(
        view=view,
        brokers={
            number: BrokerFacts(number, f"b{number}:9092", rack, _set(BROKER, {**dict(broker), **each.get(number, {})}))
            for number, rack in zip((1, 2, 3), racks, strict=True)
        },
        settings={
            name: _set(TOPIC, {"min.insync.replicas": str(one.min_isr), **dict(of_topic)})
            for name, one in views.items()
        },
        **{"acls": (), "has_authorizer": True, "voters": (1, 2, 3), **more},
    )


def pods(grace=60, separations=None, memory=True, labels=None):
    apart = (Separation(HOST, True, Selector(LABELS)),) if separations is None else separations
    return {
        f"uid-orders-kafka-{number}": PodSpec(
            f"orders-kafka-{number}", "kafka", LABELS if labels is None else labels, grace, apart, memory
        )
        for number in (1, 2, 3)
    }


def member(number, **changes):
    return broker_pod(number, **{"capacity": Capacity.ON_DEMAND, "volumes": REMOTE, **changes})


OPERATOR = side_pod(Side.CLUSTER_OPERATOR, "strimzi-cluster-operator", node="n9", capacity=Capacity.ON_DEMAND)


def kubernetes(*members, sides=(OPERATOR,), view=None, **changes) -> KubernetesFacts:
    placed = changes.pop("fleet", None) or fleet(*(members or (member(1), member(2), member(3))), sides=sides)
    plain = KubernetesFacts(
        fleet=placed,
        pods=pods(),
        budgets={"orders-kafka": BudgetSpec("orders-kafka", "minAvailable 2", 3, 2)},
        listeners=(ListenerSpec("tls", "internal", True, "tls"),),
        exposure=exposed(view or kafka(), placed),
        drain_cleaner=True,
    )
    return replace(plain, **changes)


def good(kafka_facts=None, kubernetes_facts=None, gaps=()) -> Facts:
    of_kafka = kafka_facts or kafka()
    return Facts(of_kafka, kubernetes_facts or kubernetes(view=of_kafka), tuple(gaps))


def as_flavour(flavour: Flavour, one: FleetView) -> FleetView:
    return replace(one, flavour=flavour)

"""What rules find, word for word and in which order: one row for each rule, and those where nothing is to be found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import HOST, LABELS, LOCAL, OPERATOR, REMOTE, good, kafka, kubernetes, member, pods, topic
from tests.core.kubernetes.fleets import fleet, side_pod

from kafka_sentinel.core.audit.facts import AclFacts, Facts
from kafka_sentinel.core.audit.finding import Severity
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.audit.workload import BudgetSpec, ListenerSpec, Separation
from kafka_sentinel.core.cluster import PartitionView, TopicView
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import DataVolume, Role, Side
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import KafkaResourceView, Meta

CRITICAL, WARNING, INFO = Severity
SPOT = {"capacity": Capacity.SPOT}
BROKER, CONTROLLER = {"roles": frozenset({Role.BROKER})}, {"roles": frozenset({Role.CONTROLLER})}
IN_POD = DataVolume(None, None, local=True)
RUNNING = KafkaResourceView(
    Meta("kafka", "orders", "u", "1", 1, {}, {}, None, None), "kafka.strimzi.io/v1", "lkc-1", True, False, 1, ""
)
OFFSETS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
THIN_OFFSETS = (
    "__consumer_offsets is not there yet and would get offsets.topic.replication.factor -1, 0, 1 and 1 more "
    "(brokers 1, 2, 3 and 1 more)"
)
NO_SPOT = "on nodes that are no spot nodes as far as their labels tell"
WITHOUT_ZONE_A = (
    "if zone a went, 12 partitions would fall below min.insync.replicas (topics __consumer_offsets, "
    "__transaction_state, __share_group_state, orders), and the KRaft quorum its majority"
)


def on(*members, **changes) -> Facts:
    return good(kubernetes_facts=kubernetes(*members, **changes))


def nowhere(number, **changes):
    return replace(member(number, **changes), node=None, node_uid=None)


def budget(name, expected, desired):
    return {name: BudgetSpec(name, f"minAvailable {desired}", expected, desired)}


def uneven(name, *replicas, min_isr=2):
    parts = tuple(PartitionView(number, one[0], one, one) for number, one in enumerate(replicas))
    return TopicView(name, None, min_isr, parts)


def among(*numbers, racks=(), broker=(), brokers=None, topics=()):
    """Return a Kafka of those brokers, in that order."""
    plain, each = kafka(broker=broker), brokers or {}
    racks = dict(zip(numbers, racks, strict=False))
    found = {}
    for number in numbers:
        own = kafka(broker={**dict(broker), **each.get(number, {})}).brokers[1]
        found[number] = replace(own, broker=number, rack=racks.get(number))
    views = {one.name: one for one in topics}
    return replace(plain, brokers=found, view=replace(plain.view, brokers={}, topics=views))


def listening(listeners, mapped, *numbers, **more):
    names = {"listeners": listeners, "listener.security.protocol.map": mapped, "controller.listener.names": "CTL"}
    return among(*(numbers or (1,)), broker=names | more, topics=(topic(),))


def acl(principal, operation, resource="Topic", name="orders", pattern="Literal"):
    return AclFacts(principal, "*", operation, True, resource, name, pattern)


def offered(*names):
    return kubernetes(listeners=tuple(ListenerSpec(name, kind, False, "") for name, kind in names))


TOLD = [
    # --- placement
    (
        "brokers-share-node",
        on(member(3, node="n9"), member(1, node="n9"), member(4, node="m1"), member(2, node="m1"), nowhere(5)),
        [
            (CRITICAL, "brokers 2 and 4 are on node m1", ("orders-kafka-2", "orders-kafka-4")),
            (CRITICAL, "brokers 1 and 3 are on node n9", ("orders-kafka-1", "orders-kafka-3")),
        ],
    ),
    (
        "controller-shares-node",
        on(member(1), member(2), member(8, node="m8", **CONTROLLER), member(9, node="n1", **CONTROLLER)),
        [(WARNING, "orders-kafka-9 is on node n1 with broker 1", ("orders-kafka-9", "orders-kafka-1"))],
    ),
    (
        "operator-shares-node",
        on(sides=(replace(OPERATOR, node="n2"),)),
        [(WARNING, "the operator (strimzi-cluster-operator) is on node n2 with broker 2", (OPERATOR.name,))],
    ),
    (
        "quorum-on-one-node",
        on(member(1, node="n9"), member(2, node="n9"), member(3, node="m1"), member(4, node="m1")),
        [
            (CRITICAL, f"2 of 4 controllers are on node {node}: {' and '.join(names)}", names)
            for node, names in (
                ("m1", ("orders-kafka-3", "orders-kafka-4")),
                ("n9", ("orders-kafka-1", "orders-kafka-2")),
            )
        ],
    ),
    ("quorum-on-one-node", on(member(1), nowhere(2), nowhere(3)), []),
    ("quorum-on-one-node", on(member(1, node="n1"), member(2, node="n1")), []),
    (
        "quorum-in-one-zone",
        on(sides=(OPERATOR, *(side_pod(Side.ZOOKEEPER, f"zk-{n}", node=f"z{n}", zone="a") for n in range(3)))),
        [(WARNING, "3 of 3 ZooKeeper servers are in zone a: zk-0, zk-1 and zk-2", ("zk-0", "zk-1", "zk-2"))],
    ),
    ("all-brokers-in-one-zone", on(member(1)), []),
    ("all-brokers-in-one-zone", on(member(1, zone=None), member(2, zone=None)), []),
    (
        "zone-takes-partitions",
        on(member(1, zone="a", **SPOT), member(2, zone="a", **SPOT), member(3)),
        [
            (
                WARNING,
                WITHOUT_ZONE_A,
                (OFFSETS, TRANSACTIONS, "__share_group_state", "orders"),
            )
        ],
    ),
    ("zone-takes-partitions", on(member(1, zone="a"), member(2, zone="a"), member(3), exposure=None), []),
    ("all-on-spot", on(member(9, **SPOT, **CONTROLLER)), []),
    (
        "all-on-spot",
        on(member(1, **SPOT, **BROKER), member(2, **SPOT, **BROKER)),
        [(WARNING, "every broker is on a spot node", ("orders-kafka-1", "orders-kafka-2"))],
    ),
    (
        "all-on-spot",
        on(member(1, **SPOT), member(2, volumes=LOCAL, **SPOT), member(9, **CONTROLLER)),
        [
            (
                CRITICAL,
                "every broker is on a spot node, with its log on the node's own disk",
                ("orders-kafka-1", "orders-kafka-2"),
            )
        ],
    ),
    (
        "log-in-the-pod",
        on(member(1, volumes=(*REMOTE, IN_POD)), member(2)),
        [(CRITICAL, "the log of broker 1 is on no volume claim", ("orders-kafka-1",))],
    ),
    (
        "log-on-local-disk",
        on(member(1, volumes=LOCAL, **SPOT), member(2, volumes=LOCAL), member(3)),
        [
            (
                WARNING,
                "the log of brokers 1 and 2 is on the node's own disk, on spot nodes",
                ("orders-kafka-1", "orders-kafka-2"),
            )
        ],
    ),
    (
        "log-on-local-disk",
        on(member(1, volumes=LOCAL), member(2)),
        [
            (
                INFO,
                f"the log of broker 1 is on the node's own disk, {NO_SPOT}",
                ("orders-kafka-1",),
            )
        ],
    ),
    # --- pods
    (
        "budget-too-wide",
        on(
            *(member(number, budgets=(name,)) for number, name in enumerate("zyxbcmn", start=1)),
            budgets=budget("z", 2, 1)
            | budget("y", 2, 1)
            | budget("x", 2, 1)
            | budget("b", 3, 1)
            | budget("c", None, None)
            | budget("n", 3, 3),
        ),
        [
            (CRITICAL, "disruption budget b (minAvailable 1) lets 2 of 3 pods go at once", ("b",)),
            (CRITICAL, "the disruption budgets x, y and z each let a pod go, at the same time", ("x", "y", "z")),
        ],
    ),
    (
        "budgets-overlap",
        on(member(1, budgets=(*"fedcba",)), member(2)),
        [
            (
                WARNING,
                "several disruption budgets (a, b, c and 3 more) match orders-kafka-1",
                ("orders-kafka-1",),
            )
        ],
    ),
    (
        "budget-blocks-drains",
        on(
            member(1, budgets=(*"zyxwv",)),
            member(2, budgets=("m", "n", "o")),
            budgets={name: one for each in "zyxwv" for name, one in budget(each, 3, 3).items()}
            | budget("n", 3, 2)
            | budget("o", None, None),
            drain_cleaner=False,
        ),
        [(WARNING, f"disruption budget {name} (minAvailable 3) never lets a pod go", (name,)) for name in "vwxyz"],
    ),
    (
        "no-anti-affinity",
        on(
            pods=pods(
                separations=(
                    Separation(HOST, True, Selector(LABELS)),
                    Separation(HOST, False, Selector(LABELS)),
                )
            )
        ),
        [],
    ),
    ("no-anti-affinity", on(member(1), pods=pods(separations=())), []),
    (
        "grace-period-short",
        Facts(
            among(
                *(3, 2, 1),
                broker={"controlled.shutdown.retry.backoff.ms": "20000"},
                brokers={
                    3: {"controlled.shutdown.max.retries": None, "controlled.shutdown.retry.backoff.ms": None},
                },
                topics=(topic(),),
            ),
            kubernetes(member(3), member(2), member(1), pods=pods(grace=29)),
        ),
        [
            (
                WARNING,
                "broker 3 is killed 29 s after being told to end, and may need 30 s to hand over and close",
                ("orders-kafka-3",),
            ),
            (
                WARNING,
                "brokers 1 and 2 are killed 29 s after being told to end, and may need 75 s to hand over and close",
                ("orders-kafka-1", "orders-kafka-2"),
            ),
        ],
    ),
    ("kafka-resource-paused", on(fleet=fleet(member(1), kafka=RUNNING)), []),
    # --- topics
    (
        "topic-single-replica",
        good(kafka(uneven("u", (1, 2, 3), (2,)), uneven("t", (3,), (1, 2)), uneven("v", (1, 2, 3)))),
        [(CRITICAL, "2 topics with one replica: t and u", ("t", "u"))],
    ),
    ("topic-unavailable-at-any-kill", good(kafka(uneven("t"))), []),
    (
        "topic-min-isr-1-on-local-disks",
        good(kafka(uneven("t", (2, 3), (1, 2), min_isr=1)), kubernetes(member(1, volumes=LOCAL), member(2), member(3))),
        [(CRITICAL, "1 topic with min.insync.replicas 1 on disks that go with their node or pod: t", ("t",))],
    ),
    ("internal-topic-weak", good(kafka(uneven(OFFSETS))), []),
    (
        "internal-topic-weak",
        good(kafka(topic(OFFSETS, (1, 2), min_isr=None)), kubernetes(*(member(n, volumes=LOCAL) for n in (1, 2, 3)))),
        [(WARNING, "Kafka's own topic __consumer_offsets has 2 replicas", (OFFSETS,))],
    ),
    (
        "internal-topic-weak",
        good(kafka(topic(OFFSETS, (1,), min_isr=1))),
        [(CRITICAL, "Kafka's own topic __consumer_offsets has 1 replica", (OFFSETS,))],
    ),
    (
        "internal-topic-weak",
        good(
            replace(
                kafka(topic(OFFSETS)),
                settings={OFFSETS: kafka(of_topic={"unclean.leader.election.enable": "true"}).settings[OFFSETS]},
            )
        ),
        [(CRITICAL, "Kafka's own topic __consumer_offsets has unclean.leader.election.enable", (OFFSETS,))],
    ),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "1", "cleanup.policy": None})), []),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": None})), []),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "86400000"})), []),
    (
        "topic-retention-short",
        good(kafka(of_topic={"retention.ms": "0"})),
        [(WARNING, "1 topic whose records are kept for less than a day: orders", ("orders",))],
    ),
    ("topic-retention-by-size", good(kafka(of_topic={"retention.bytes": "1", "cleanup.policy": None})), []),
    ("topic-retention-by-size", good(kafka(of_topic={"retention.bytes": None})), []),
    (
        "topic-retention-by-size",
        good(kafka(of_topic={"retention.bytes": "0"})),
        [(INFO, "1 topic whose records are cut by size (retention.bytes): orders", ("orders",))],
    ),
    # --- brokers
    ("brokers-too-few", good(among(8, 1)), [(WARNING, "there are brokers 1 and 8 and no other", ("1", "8"))]),
    ("brokers-too-few", good(among()), []),
    ("quorum-too-small", good(kafka(voters=None)), []),
    ("new-topics-weak", good(kafka(broker={"default.replication.factor": None, "min.insync.replicas": None})), []),
    (
        "new-topics-weak",
        good(among(8, 1, broker={"min.insync.replicas": "1"}, topics=(topic(),))),
        [
            (
                WARNING,
                "a topic made without settings of its own gets min.insync.replicas 1 (brokers 1 and 8)",
                ("1", "8"),
            )
        ],
    ),
    (
        "topics-made-by-accident",
        good(
            kafka(
                broker={"auto.create.topics.enable": "true", "default.replication.factor": None},
                brokers={1: {"default.replication.factor": "2"}, 2: {"auto.create.topics.enable": "false"}},
            )
        ),
        [(WARNING, "a topic is made with 2 replicas by whoever names one that is not there (brokers 1 and 3)", ())],
    ),
    (
        "topics-made-by-accident",
        good(kafka(broker={"auto.create.topics.enable": "true"}, brokers={1: {"default.replication.factor": "4"}})),
        [(INFO, "a topic is made by whoever names one that is not there (brokers 1, 2 and 3)", ())],
    ),
    (
        "internal-topics-to-come-weak",
        good(
            among(
                *range(1, 6),
                brokers={
                    number: {"offsets.topic.replication.factor": str(factor)}
                    for number, factor in enumerate((2, 1, 0, -1, 3), start=1)
                },
                topics=(topic(),),
            )
        ),
        [
            (
                WARNING,
                THIN_OFFSETS,
                (OFFSETS,),
            )
        ],
    ),
    (
        "no-rack-awareness",
        good(among(1, 2, topics=(topic(),))),
        [(INFO, "brokers 1 and 2 say nothing of a rack (broker.rack)", ("1", "2"))],
    ),
    (
        "no-rack-awareness",
        good(among(1, 2, 3, 4, topics=(topic(),))),
        [(WARNING, "brokers 1, 2, 3 and 1 more say nothing of a rack (broker.rack)", ("1", "2", "3", "4"))],
    ),
    (
        "rack-is-not-the-zone",
        Facts(
            among(*range(1, 9), racks=("r2", "r1", "s2", "s1", None, "r3", "r4"), topics=(topic(),)),
            kubernetes(
                *(member(number, zone="b") for number in (1, 2)),
                *(member(number, zone="a") for number in (3, 4, 5)),
                *(member(number, zone=None) for number in (6, 7)),
            ),
        ),
        [
            (WARNING, "brokers 3 and 4 are in zone a and say racks s1 and s2", ("3", "4")),
            (WARNING, "brokers 1 and 2 are in zone b and say racks r1 and r2", ("1", "2")),
        ],
    ),
    (
        "rack-is-not-the-zone",
        good(
            among(*range(1, 8), racks=(*"gfedcba",)), kubernetes(*(member(number, zone="z") for number in range(1, 8)))
        ),
        [
            (
                WARNING,
                "brokers 1, 2, 3 and 4 more are in zone z and say racks a, b, c and 4 more",
                (*"1234567",),
            )
        ],
    ),
    # --- security
    (
        "plaintext-listener",
        replace(
            good(listening("B-2://:2,A-1://:1,CTL://:3,", "A-1:PLAINTEXT,B-2:SASL_PLAINTEXT,", 8, 1)), kubernetes=None
        ),
        [
            (WARNING, "listener A-1 is PLAINTEXT on brokers 1 and 8", ("A-1",)),
            (WARNING, "listener B-2 is SASL_PLAINTEXT on brokers 1 and 8", ("B-2",)),
        ],
    ),
    ("anonymous-clients", good(listening("A-1://:1,", "A-1:SASL_SSL,")), []),
    ("anonymous-clients", good(listening("A-1://:1", "A-1:SSL", **{"ssl.client.auth": "required"})), []),
    (
        "anonymous-clients",
        good(listening("A-1://:1", "A-1:PLAINTEXT", **{"ssl.client.auth": "required"})),
        [(WARNING, "listener A-1 (PLAINTEXT) lets clients in unnamed on broker 1", ("A-1",))],
    ),
    (
        "plaintext-listener",
        good(
            listening("PLAINTEXT://:1", None, **{"controller.listener.names": None}),
            offered(("ext", "loadbalancer")),
        ),
        [(WARNING, "listener PLAINTEXT is PLAINTEXT on broker 1", ("PLAINTEXT",))],
    ),
    ("plaintext-listener", good(listening(None, "A-1:PLAINTEXT")), []),
    (
        "plaintext-listener",
        good(
            listening("IN-1://:1,EXT-2://:2", "IN-1:PLAINTEXT,EXT-2:PLAINTEXT"),
            offered(("in", "internal"), ("ext", "loadbalancer")),
        ),
        [
            (
                CRITICAL,
                "listener EXT-2, offered outside of the Kubernetes cluster, is PLAINTEXT on broker 1",
                ("EXT-2",),
            ),
            (WARNING, "listener IN-1 is PLAINTEXT on broker 1", ("IN-1",)),
        ],
    ),
    (
        "allowed-without-acl",
        good(among(8, 1, broker={"allow.everyone.if.no.acl.found": "hidden"}, topics=(topic(),))),
        [
            (
                INFO,
                "allow.everyone.if.no.acl.found is set on brokers 1 and 8; Kafka does not tell to what",
                ("1", "8"),
            )
        ],
    ),
    (
        "allowed-without-acl",
        good(kafka(broker={"allow.everyone.if.no.acl.found": "hidden"}, has_authorizer=False)),
        [],
    ),
    (
        "allowed-without-acl",
        good(replace(kafka(), brokers={1: replace(kafka().brokers[1], settings=None)})),
        [],
    ),
    (
        "acl-for-everybody",
        good(
            kafka(
                acls=(
                    acl("User:ANONYMOUS", "Read", "Group", "g"),
                    acl("User:*", "Write"),
                    acl("User:a", "Write"),
                    acl("User:*", "Read", name="x", pattern="Prefixed"),
                    acl("User:*", "Read"),
                )
            )
        ),
        [
            (CRITICAL, "User:* may Read and Write on topic orders", ("User:*",)),
            (WARNING, "User:* may Read on topic x*", ("User:*",)),
            (WARNING, "User:ANONYMOUS may Read on group g", ("User:ANONYMOUS",)),
        ],
    ),
    (
        "acl-for-everything",
        good(
            kafka(
                acls=(
                    *(acl(f"User:{name}", "All", name="*") for name in "cba"),
                    acl("User:a", "All", "Cluster", "kafka-cluster"),
                    acl("User:d", "Describe", "Cluster", "kafka-cluster"),
                    acl("User:*", "All", name="*"),
                )
            )
        ),
        [
            (
                INFO,
                "may do everything: User:a (every cluster and topic), User:b (every topic) and User:c (every topic)",
                ("User:a", "User:b", "User:c"),
            )
        ],
    ),
]


@pytest.mark.parametrize(("rule", "facts", "told"), TOLD, ids=[f"{n}-{one[0]}" for n, one in enumerate(TOLD)])
def test_what_it_says_of_whom_and_in_which_order(rule, facts, told):
    report = audit(facts)
    assert rule in report.judged
    assert [(one.severity, one.what, one.subjects) for one in report.findings if one.rule == rule] == told

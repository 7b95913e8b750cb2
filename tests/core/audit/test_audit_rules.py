"""Every rule both ways: it fires for what it is about, and for nothing on a good cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import HOST, LABELS, LOCAL, OPERATOR, good, kafka, kubernetes, member, pods, topic
from tests.core.kubernetes.fleets import broker_pod, fleet, side_pod

from kafka_sentinel.core.audit.facts import AclFacts, Facts, Gap, Part
from kafka_sentinel.core.audit.finding import MAX_OF_RULE, MAX_SUBJECTS, Severity
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.audit.rules import RULES
from kafka_sentinel.core.audit.workload import BudgetSpec, ListenerSpec, Separation
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import DataVolume, Flavour, Role, Side
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import KafkaResourceView, Meta

CRITICAL, WARNING, INFO = Severity
POD_DISK = (DataVolume(None, None, local=True),)
SPOT = {"capacity": Capacity.SPOT}
CONTROLLER = frozenset({Role.CONTROLLER})
PAUSED = KafkaResourceView(
    Meta("kafka", "orders", "u", "1", 1, {}, {}, None, None), "kafka.strimzi.io/v1", "lkc-1", True, True, 1, ""
)
OUTSIDE = ListenerSpec("ext", "loadbalancer", False, "")


def acl(principal="User:*", operation="Write", resource="Topic", name="orders", *, allows=True, pattern="Literal"):
    return AclFacts(principal, "*", operation, allows, resource, name, pattern)


def with_listener(name, protocol, **more):
    names = {"listeners": f"{name}://0.0.0.0:9092", "listener.security.protocol.map": f"{name}:{protocol}", **more}
    return kafka(broker=names)


def on(*members, **changes) -> Facts:
    return good(kubernetes_facts=kubernetes(*members, **changes))


def only(*numbers):
    """Return a Kafka with no other brokers."""
    whole = kafka()
    topics = {"orders": topic("orders", numbers, min_isr=1)}
    view = replace(whole.view, topics=topics, brokers={n: whole.view.brokers[n] for n in numbers})
    return replace(whole, view=view, brokers={n: whole.brokers[n] for n in numbers})


def budget(expected, desired, name="orders-kafka"):
    return {name: BudgetSpec(name, f"minAvailable {desired}", expected, desired)}


def separated(*, required, topology=HOST, labels=LABELS):
    return pods(separations=(Separation(topology, required, Selector(labels)),))


# Rule, what is there, severity, and words of the finding.
FIRES = [
    ("topic-single-replica", good(kafka(topic("t", (1,), min_isr=1))), CRITICAL, "1 topic with one replica: t"),
    ("topic-unavailable-at-any-kill", good(kafka(topic("t", (1, 2)))), CRITICAL, "as high as the number"),
    ("topic-unavailable-at-any-kill", good(kafka(topic("t", (1, 2), min_isr=3))), CRITICAL, "refused even now"),
    (
        "topic-min-isr-1-on-local-disks",
        good(kafka(topic("t", min_isr=1)), kubernetes(member(1, volumes=LOCAL), member(2), member(3))),
        CRITICAL,
        "1 topic with min.insync.replicas 1 on disks that go with their node or pod: t",
    ),
    ("topic-min-isr-1", good(kafka(topic("t", min_isr=1))), WARNING, "min.insync.replicas 1: t"),
    ("topic-unclean-election", good(kafka(of_topic={"unclean.leader.election.enable": "true"})), CRITICAL, "orders"),
    ("internal-topic-weak", good(kafka(topic("__consumer_offsets", (1,), min_isr=1))), CRITICAL, "has 1 replica"),
    ("internal-topic-weak", good(kafka(topic("__consumer_offsets", (1, 2)))), CRITICAL, "2 of 2"),
    ("internal-topic-weak", good(kafka(topic("__transaction_state", min_isr=1))), WARNING, "1 of 3"),
    (
        "internal-topic-weak",
        good(kafka(topic("__consumer_offsets", min_isr=1)), kubernetes(member(1, volumes=LOCAL), member(2), member(3))),
        CRITICAL,
        "1 of 3",
    ),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "3600000"})), WARNING, "less than a day: orders"),
    ("topic-retention-by-size", good(kafka(of_topic={"retention.bytes": "1000"})), INFO, "orders"),
    ("brokers-too-few", good(only(1)), CRITICAL, "there is broker 1 and no other"),
    (
        "brokers-too-few",
        good(only(1, 2)),
        WARNING,
        "brokers 1 and 2 and no other",
    ),
    ("quorum-too-small", good(kafka(voters=(9,))), CRITICAL, "1 voter: 9"),
    ("quorum-too-small", good(kafka(voters=(8, 9))), CRITICAL, "2 voters: 8 and 9"),
    ("new-topics-weak", good(kafka(broker={"default.replication.factor": "1"})), WARNING, "replication.factor 1"),
    ("new-topics-weak", good(kafka(broker={"min.insync.replicas": "1"})), WARNING, "min.insync.replicas 1"),
    ("new-topics-weak", good(kafka(broker={"unclean.leader.election.enable": "true"})), WARNING, "true"),
    ("topics-made-by-accident", good(kafka(broker={"auto.create.topics.enable": "true"})), INFO, "whoever names"),
    (
        "topics-made-by-accident",
        good(kafka(broker={"auto.create.topics.enable": "true", "default.replication.factor": "1"})),
        WARNING,
        "with 1 replica",
    ),
    (
        "internal-topics-to-come-weak",
        good(
            replace(
                kafka(broker={"offsets.topic.replication.factor": "1"}),
                view=replace(kafka().view, topics={"orders": topic()}),
            )
        ),
        WARNING,
        "__consumer_offsets is not there yet and would get offsets.topic.replication.factor 1",
    ),
    ("no-rack-awareness", good(kafka(racks=(None, None, None))), INFO, "brokers 1, 2 and 3 say nothing of a rack"),
    ("no-rack-awareness", good(kafka(racks=("a", "b", None))), WARNING, "broker 3 says"),
    ("rack-is-not-the-zone", on(member(1), member(2, zone="a"), member(3)), WARNING, "in zone a and say racks a and b"),
    ("controlled-shutdown-off", good(kafka(broker={"controlled.shutdown.enable": "false"})), WARNING, "1, 2 and 3"),
    ("broker-settings-differ", good(kafka(brokers={3: {"log.retention.ms": "1"}, 2: {"log.retention.ms": "2"}})),
     WARNING, "log.retention.ms is 1 on broker 3 and 2 on broker 2"),
    ("brokers-share-node", on(member(1), member(2, node="n1"), member(3)), CRITICAL, "brokers 1 and 2 are on node n1"),
    (
        "controller-shares-node",
        on(member(1), member(2), member(3), member(9, node="n1", roles=CONTROLLER)),
        WARNING,
        "orders-kafka-9 is on node n1 with broker 1",
    ),
    (
        "controller-shares-node",
        on(sides=(OPERATOR, side_pod(Side.ZOOKEEPER, "zk-0", node="n2"))),
        WARNING,
        "zk-0 is on node n2 with broker 2",
    ),
    ("operator-shares-node", on(sides=(replace(OPERATOR, node="n1"),)), WARNING, "is on node n1 with broker 1"),
    ("quorum-on-one-node", on(member(1), member(2, node="n1"), member(3)), CRITICAL, "2 of 3 controllers are on node"),
    (
        "quorum-on-one-node",
        on(sides=(OPERATOR, *(side_pod(Side.ZOOKEEPER, f"zk-{n}", node=f"m{n // 2}") for n in range(3)))),
        CRITICAL,
        "2 of 3 ZooKeeper servers are on node m0",
    ),
    ("quorum-in-one-zone", on(member(1), member(2, zone="a"), member(3)), WARNING, "2 of 3 controllers are in zone a"),
    ("all-brokers-in-one-zone", on(*(member(n, zone="a") for n in (1, 2, 3))), WARNING, "all brokers are in zone a"),
    ("zone-takes-partitions", on(member(1), member(2, zone="a"), member(3)), WARNING, "if zone a went, 12 partitions"),
    ("all-on-spot", on(*(member(n, **SPOT) for n in (1, 2, 3))), WARNING, "every broker and every controller"),
    ("all-on-spot", on(*(member(n, volumes=LOCAL, **SPOT) for n in (1, 2, 3))), CRITICAL, "on the node's own disk"),
    ("spot-takes-partitions", on(member(1, **SPOT), member(2, **SPOT), member(3)), WARNING, "if the spot pool went"),
    ("operator-on-spot", on(sides=(replace(OPERATOR, capacity=Capacity.SPOT),)), WARNING, "is on a spot node"),
    ("log-in-the-pod", on(member(1, volumes=POD_DISK), member(2), member(3)), CRITICAL, "broker 1 is on no volume"),
    ("log-on-local-disk", on(member(1, volumes=LOCAL), member(2), member(3)), INFO, "the log of broker 1"),
    ("log-on-local-disk", on(member(1, volumes=LOCAL, **SPOT), member(2), member(3)), WARNING, "on spot nodes"),
    ("budget-missing", on(member(1, budgets=()), member(2), member(3)), CRITICAL, "matches orders-kafka-1"),
    ("budget-too-wide", on(budgets=budget(3, 1)), CRITICAL, "lets 2 of 3 pods go at once"),
    (
        "budget-too-wide",
        on(
            member(1), member(2), member(3, budgets=("other",)),
            budgets=budget(2, 1) | budget(2, 1, "other"),
        ),
        CRITICAL,
        "each let a pod go",
    ),
    ("budgets-overlap", on(member(1, budgets=("a", "b")), member(2), member(3)), WARNING, "(a and b) match orders"),
    ("budget-blocks-drains", on(budgets=budget(3, 3), drain_cleaner=False), WARNING, "never lets a pod go"),
    ("no-anti-affinity", on(pods=pods(separations=())), WARNING, "nothing keeps orders-kafka-1"),
    ("no-anti-affinity", on(pods=separated(required=False)), INFO, "only prefer"),
    ("no-anti-affinity", on(pods=separated(required=True, topology="topology.kubernetes.io/zone")), WARNING, "nothing"),
    ("no-anti-affinity", on(pods=separated(required=True, labels={"app": "other"})), WARNING, "nothing keeps"),
    ("no-drain-cleaner", on(drain_cleaner=False), WARNING, "by their disruption budget alone"),
    ("grace-period-short", on(pods=pods(grace=29)), WARNING, "are killed 29 s after"),
    (
        "grace-period-short",
        good(kafka(broker={"controlled.shutdown.max.retries": "10"})),
        WARNING,
        "killed 60 s after being told to end, and may need 65 s",
    ),
    ("no-memory-request", on(pods=pods(memory=False)), WARNING, "3 pods without a request for memory"),
    ("kafka-resource-paused", on(fleet=fleet(member(1), member(2), member(3), sides=(OPERATOR,), kafka=PAUSED)),
     WARNING, "kafka/orders is paused"),
    ("plaintext-listener", good(with_listener("PLAIN-9092", "PLAINTEXT")), WARNING, "listener PLAIN-9092 is PLAINTEXT"),
    ("plaintext-listener", good(with_listener("SCRAM-9092", "SASL_PLAINTEXT")), WARNING, "SASL_PLAINTEXT"),
    (
        "plaintext-listener",
        good(with_listener("EXT-9092", "PLAINTEXT"), kubernetes(listeners=(OUTSIDE,))),
        CRITICAL,
        "offered outside",
    ),
    ("anonymous-clients", good(with_listener("PLAIN-9092", "PLAINTEXT")), WARNING, "lets clients in unnamed"),
    ("anonymous-clients", good(with_listener("TLS-9093", "SSL", **{"listener.name.tls-9093.ssl.client.auth": None})),
     WARNING, "TLS-9093 (SSL)"),
    (
        "anonymous-clients",
        good(with_listener("EXT-9092", "PLAINTEXT"), kubernetes(listeners=(OUTSIDE,))),
        CRITICAL,
        "EXT-9092",
    ),
    ("no-authorizer", good(kafka(has_authorizer=False)), WARNING, "whoever may connect may do everything"),
    ("allowed-without-acl", good(kafka(broker={"allow.everyone.if.no.acl.found": "hidden"})), INFO, "brokers 1, 2"),
    ("acl-for-everybody", good(kafka(acls=(acl(),))), CRITICAL, "User:* may Write on topic orders"),
    ("acl-for-everybody", good(kafka(acls=(acl(operation="Read", pattern="Prefixed"),))), WARNING, "on topic orders*"),
    ("acl-for-everything", good(kafka(acls=(acl("User:a", "All", name="*"),))), INFO, "User:a (every topic)"),
]  # fmt: skip

# Near misses: the same rule must not fire.
SILENT = [
    ("brokers-too-few", good(replace(kafka(), brokers={n: kafka().brokers[n] for n in (1, 2)}))),  # 3 is down
    ("topic-single-replica", good(kafka(topic("t", (1, 2), min_isr=1)))),
    ("topic-unavailable-at-any-kill", good(kafka(topic("t", (1,), min_isr=1)))),  # has a rule of its own
    ("topic-unavailable-at-any-kill", good(kafka(topic("t", min_isr=None)))),
    ("topic-min-isr-1-on-local-disks", good(kafka(topic("t", min_isr=1)))),
    (
        "topic-min-isr-1",
        good(kafka(topic("t", min_isr=1)), kubernetes(*(member(n, volumes=LOCAL) for n in (1, 2, 3)))),
    ),
    ("topic-min-isr-1", good(kafka(topic("t", (1,), min_isr=1)))),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "3600000", "cleanup.policy": "compact"}))),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "3600000"}, probes=frozenset({"orders"})))),
    ("topic-retention-short", good(kafka(of_topic={"retention.ms": "-1"}))),
    ("topic-retention-by-size", good(kafka(of_topic={"retention.bytes": "1000", "cleanup.policy": "compact"}))),
    ("quorum-too-small", good(kafka(voters=()))),  # ZooKeeper
    ("no-rack-awareness", good(replace(kafka(racks=(None,) * 3), brokers={1: kafka(racks=(None,) * 3).brokers[1]}))),
    ("internal-topics-to-come-weak", good(kafka(broker={"offsets.topic.replication.factor": "1"}))),  # it is there
    ("rack-is-not-the-zone", good(kafka(racks=("a", "a", "c")), kubernetes(member(1), member(2, zone="a"), member(3)))),
    ("quorum-on-one-node", on(*(member(n, node=f"n{n // 2}") for n in (1, 2, 3, 4, 5)))),  # 2 of 5
    ("zone-takes-partitions", on(*(member(n, zone="a") for n in (1, 2, 3)))),  # all of them: another rule
    ("zone-takes-partitions", good(kafka(topic("t", (1,), min_isr=1)))),  # it has a rule of its own
    ("spot-takes-partitions", on(*(member(n, **SPOT) for n in (1, 2, 3)))),
    ("all-on-spot", on(member(1, **SPOT), member(2, **SPOT), member(3))),
    ("log-on-local-disk", on(member(1, volumes=POD_DISK), member(2), member(3))),
    ("log-on-local-disk", on(member(1, volumes=(DataVolume("d", None, None),)), member(2), member(3))),
    ("budget-too-wide", on(budgets=budget(None, None))),
    ("budget-blocks-drains", on(budgets=budget(3, 3), drain_cleaner=True)),
    ("grace-period-short", on(pods=pods(grace=30))),
    ("no-drain-cleaner", on(drain_cleaner=None)),
    ("no-authorizer", good(kafka(has_authorizer=None, acls=None))),
    ("anonymous-clients", good(with_listener("SCRAM-9092", "SASL_PLAINTEXT"))),
    ("acl-for-everybody", good(kafka(acls=(acl(operation="Describe"), acl(allows=False))))),
    ("acl-for-everything", good(kafka(acls=(acl("User:a", "All", name="orders"), acl("User:a", "Read", name="*"))))),
    ("plaintext-listener", good(kafka(broker={"listener.security.protocol.map": "CONTROLPLANE-9090:PLAINTEXT,"
                                              "REPLICATION-9091:SSL,TLS-9093:SSL"}))),  # the controllers' own
]  # fmt: skip


def of_rule(facts, rule):
    return [one for one in audit(facts).findings if one.rule == rule]


def test_a_good_cluster_has_no_finding_and_every_rule_was_judged():
    report = audit(good())
    assert [one.what for one in report.findings] == []
    assert report.counts == dict.fromkeys(Severity, 0)
    assert set(report.judged) == {rule.id for rule in RULES}
    assert not any(report.reaches(severity) for severity in Severity)


@pytest.mark.parametrize(
    ("rule", "facts", "severity", "words"), FIRES, ids=[f"{n}-{one[0]}" for n, one in enumerate(FIRES)]
)
def test_it_fires(rule, facts, severity, words):
    found = of_rule(facts, rule)
    assert [one for one in found if words in one.what and one.severity is severity], found


@pytest.mark.parametrize(("rule", "facts"), SILENT, ids=[f"{n}-{one[0]}" for n, one in enumerate(SILENT)])
def test_it_does_not_fire(rule, facts):
    assert of_rule(facts, rule) == []


def test_every_rule_is_seen_to_fire_with_each_of_its_severities():
    seen = {(rule, severity) for rule, _, severity, _ in FIRES}
    assert seen == {(rule.id, severity) for rule in RULES for severity in rule.severities}


def test_rules_have_names_of_their_own_and_all_their_words():
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.title
        assert rule.why.endswith(".")
        assert Flavour.AUTO in rule.mend
        assert all(text and not text.endswith(".") for text in rule.mend.values()), rule.id
        assert rule.needs
        assert list(rule.severities) == sorted(rule.severities, key=list(Severity).index)


@pytest.mark.parametrize("part", Part)
def test_without_a_part_its_rules_are_not_judged_and_that_is_said(part):
    report = audit(good(gaps=[Gap(part, "we may not")]))
    needing = {rule.id for rule in RULES if part in rule.needs}
    assert report.not_judged == dict.fromkeys(needing, (part,))
    assert set(report.judged) == {rule.id for rule in RULES} - needing
    assert [gap.part for gap in report.gaps] == [part]


def test_without_anything_nothing_is_judged_and_nothing_breaks():
    report = audit(Facts(None, None, tuple(Gap(part, "silence") for part in Part)))
    assert report.judged == ()
    assert report.findings == ()
    assert set(report.not_judged) == {rule.id for rule in RULES}


@pytest.mark.parametrize("lacking", ["kafka", "kubernetes"])
def test_what_was_not_asked_is_not_judged_even_if_nobody_says_so(lacking):
    report = audit(replace(good(), **{lacking: None}))
    assert report.not_judged
    assert report.findings == ()


def test_a_partial_gap_keeps_no_rule_from_what_is_there():
    report = audit(good(kafka(topic("t", (1,), min_isr=1)), gaps=[Gap(Part.TOPICS, "a topic", whole=False)]))
    assert report.not_judged == {}
    assert of_rule(good(kafka(topic("t", (1,), min_isr=1))), "topic-single-replica")


def test_rules_of_strimzi_are_for_strimzi():
    placed = fleet(member(1), member(2), member(3), sides=(OPERATOR,), flavour=Flavour.BITNAMI)
    report = audit(on(fleet=placed, drain_cleaner=False))
    assert not {one.rule for one in report.findings} & {"no-drain-cleaner"}
    assert "no-drain-cleaner" not in (*report.judged, *report.not_judged)


@pytest.mark.parametrize(
    ("flavour", "words"),
    [
        (Flavour.STRIMZI, "KafkaTopic"),
        (Flavour.BITNAMI, "kafka-configs.sh"),
        (Flavour.STATEFUL_SET, "kafka-configs.sh"),
    ],
)
def test_it_says_how_to_mend_it_where_it_was_installed(flavour, words):
    placed = fleet(member(1), member(2), member(3), sides=(OPERATOR,), flavour=flavour)
    [found] = of_rule(good(kafka(topic("t", min_isr=1)), kubernetes(fleet=placed)), "topic-min-isr-1")
    assert words in found.mend


def test_ten_thousand_topics_make_one_finding():
    topics = [topic(f"t{number:05}", (1, 2), partitions=1, min_isr=1) for number in range(10_000)]
    [found] = of_rule(good(kafka(*topics)), "topic-min-isr-1")
    assert found.what == "10000 topics with min.insync.replicas 1: t00000, t00001, t00002 and 9997 more"
    assert (len(found.subjects), found.subject_count) == (MAX_SUBJECTS, 10_000)


def test_more_findings_of_one_rule_than_are_kept_are_counted():
    acls = tuple(acl(name=f"t{number}") for number in range(MAX_OF_RULE + 7))
    assert audit(good(kafka(acls=acls[:MAX_OF_RULE]))).more == {}
    report = audit(good(kafka(acls=acls)))
    assert len([one for one in report.findings if one.rule == "acl-for-everybody"]) == MAX_OF_RULE
    assert report.more == {"acl-for-everybody": 7}
    assert report.counts[CRITICAL] == MAX_OF_RULE + 7


def test_of_more_findings_than_are_kept_the_worst_are():
    acls = [acl(name=f"t{number:03}", operation="Read") for number in range(MAX_OF_RULE + 1)]
    report = audit(good(kafka(acls=(*acls, acl(name="z")))))
    assert [one.what for one in report.findings if one.severity is CRITICAL] == ["User:* may Write on topic z"]
    assert [one.what[-4:] for one in report.findings[1:]] == [f"t{number:03}" for number in range(MAX_OF_RULE - 1)]
    assert (report.counts[CRITICAL], report.more) == (1, {"acl-for-everybody": 2})


def test_the_worst_comes_first():
    report = audit(good(kafka(topic("t", (1, 2), min_isr=1), topic("u", (1,), min_isr=1), voters=(9,))))
    order = [list(Severity).index(one.severity) for one in report.findings]
    assert order == sorted(order)
    assert report.reaches(CRITICAL)


@pytest.mark.parametrize(
    ("worst", "reached"), [(CRITICAL, (CRITICAL, WARNING, INFO)), (WARNING, (WARNING, INFO)), (INFO, (INFO,))]
)
def test_a_severity_is_reached_by_a_worse_one(worst, reached):
    report = replace(audit(good()), counts={each: int(each is worst) for each in Severity})
    assert tuple(each for each in Severity if report.reaches(each)) == reached


def test_the_cluster_of_the_story_shows_all_that_was_wrong_with_it():
    """Two brokers, a controller and the operator on one spot node, on its disks; nothing holds them apart."""
    members = [
        broker_pod(1, node="n1", volumes=LOCAL, roles=frozenset({Role.BROKER}), budgets=()),
        broker_pod(2, node="n1", volumes=LOCAL, roles=frozenset({Role.BROKER}), budgets=(), zone="a"),
        broker_pod(9, node="n1", volumes=LOCAL, roles=CONTROLLER, budgets=(), zone="a"),
    ]
    of_kafka = kafka(topic("orders", (1, 2), min_isr=1), topic("payments", (1, 2)), voters=(9,))
    own = {name: topic(name, (1, 2)) for name in of_kafka.view.topics if name.startswith("__")}
    view = replace(of_kafka.view, topics={**of_kafka.view.topics, **own})
    of_kafka = replace(of_kafka, view=view, brokers={n: of_kafka.brokers[n] for n in (1, 2)})
    placed = kubernetes(
        *members, sides=(replace(OPERATOR, node="n1", capacity=Capacity.SPOT),), view=of_kafka,
        pods=pods(separations=()), drain_cleaner=False,
    )  # fmt: skip
    found = {(one.rule, one.severity) for one in audit(good(of_kafka, placed)).findings}
    assert found >= {
        ("topic-min-isr-1-on-local-disks", CRITICAL),
        ("topic-unavailable-at-any-kill", CRITICAL),
        ("brokers-share-node", CRITICAL),
        ("controller-shares-node", WARNING),
        ("operator-shares-node", WARNING),
        ("all-on-spot", CRITICAL),
        ("log-on-local-disk", WARNING),
        ("budget-missing", CRITICAL),
        ("no-anti-affinity", WARNING),
        ("no-drain-cleaner", WARNING),
        ("brokers-too-few", WARNING),
        ("quorum-too-small", CRITICAL),
        ("all-brokers-in-one-zone", WARNING),
    }

"""What `check` concludes: the sentences are tried in tests/cli/test_checks.py, with all that is asked."""

from dataclasses import replace

import pytest

from kafka_sentinel.core.check import (
    MAX_OVERHEAD,
    NOT_SAID,
    Finding,
    Outcome,
    Right,
    Topic,
    Wanted,
    of_arming,
    of_clock,
    of_cluster,
    of_cost,
    of_group,
    of_other_topics,
    of_quorum,
    of_readers,
    of_state_file,
    of_topic,
    of_unseen_quorum,
    trouble_of,
    why_not_created,
)
from kafka_sentinel.core.connection import CLOCK_WRONG, Reason, Trouble
from kafka_sentinel.core.probe_cost import ProbeLoad

BROKERS = (3, 1, 2)
TOPIC = Topic("t", (3, 3), frozenset(BROKERS), 2, "delete", 3600.0, 200 + MAX_OVERHEAD, frozenset(Right))
WANTED = Wanted(3, 2, 3600.0, 200, manage_topic=True)
LOOKING = frozenset({Right.DESCRIBE, Right.DESCRIBE_CONFIGS})


def said_of(topic=None, wanted=None):
    """What is said of a topic that is, or should be, otherwise in these ways: outcomes and sentences."""
    found = of_topic(TOPIC._replace(**topic or {}), replace(WANTED, **wanted or {}), BROKERS)
    assert {one.check for one in found} == {"topic t"}
    return [(one.outcome, one.sentence) for one in found]


@pytest.mark.parametrize(
    ("outcome", "reason", "is_trouble"),
    [
        (Outcome.FAIL, Reason.UNUSABLE, True),
        (Outcome.FAIL, Reason.ACL, True),
        (Outcome.WARN, Reason.ACL, True),
        (Outcome.WARN, Reason.UNUSABLE, False),
        (Outcome.OK, Reason.UNUSABLE, False),
        (Outcome.OK, Reason.ACL, False),
        (Outcome.FAIL, Reason.NO_ANSWER, False),
    ],
)
def test_what_the_daemon_takes_for_trouble(outcome, reason, is_trouble):
    found = trouble_of(Finding(outcome, "topic t", "it is so", reason=reason))
    assert found == (Trouble(reason, "topic t: it is so") if is_trouble else None)


def test_a_right_that_the_broker_does_not_tell_is_neither_missing_nor_there():
    assert of_group("g", None).outcome is Outcome.WARN
    assert of_cluster(None) is None
    assert of_group("g", frozenset({Right.READ})).outcome is Outcome.OK
    assert of_group("g", frozenset({Right.DESCRIBE})).outcome is Outcome.FAIL


# --- the probe topics

SHAPE = (Outcome.OK, "partitions: 2, replicas of each: 3, min.insync.replicas: 2")
MAY = (Outcome.OK, "we may Alter, Create, Describe, DescribeConfigs, Read, Write")


def test_a_topic_that_is_as_it_should_be():
    assert said_of() == [SHAPE, MAY]


@pytest.mark.parametrize(
    ("topic", "wanted", "outcome", "words"),
    [
        ({"replicas": (3, 2), "min_isr": 1}, {}, Outcome.FAIL, "has partitions with 2 of 3 replicas"),
        ({"min_isr": None}, {}, Outcome.WARN, "min.insync.replicas cannot be read"),
        ({"min_isr": 3}, {}, Outcome.FAIL, "min.insync.replicas 3 of 3: not writable while one"),
        ({"min_isr": 4}, {}, Outcome.FAIL, "min.insync.replicas 4 of 3: not writable while one"),
        ({"replicas": (2,)}, {"replication_factor": 2}, Outcome.FAIL, "min.insync.replicas 2 of 2: not writable"),
        ({"min_isr": 1}, {}, Outcome.WARN, "min.insync.replicas is 1: acks=all may then mean one copy"),
        ({"min_isr": 1, "replicas": (2,)}, {"replication_factor": 2}, Outcome.WARN, "min.insync.replicas is 1: acks"),
        ({}, {"min_insync_replicas": 1}, Outcome.WARN, "min.insync.replicas is 2, the settings say 1"),
        ({"cleanup": "compact"}, {}, Outcome.FAIL, "cleanup.policy is compact"),
        ({"max_bytes": 200 + MAX_OVERHEAD - 1}, {}, Outcome.FAIL, "max.message.bytes is 299, below"),
        ({"retention": 3599.0}, {}, Outcome.WARN, "keeps records for 3599s, the settings say 1h"),
        ({"retention": 0.0}, {}, Outcome.WARN, "keeps records for 0s, the settings say 1h"),
        ({"leaders": frozenset({2})}, {}, Outcome.WARN, "no partition is led by broker 1, 3, so nothing probes it; Se"),
        ({"leaders": frozenset({1, 2})}, {"manage_topic": False}, Outcome.WARN, "no partition is led by broker 3, so"),
    ],
)
def test_what_is_wrong_with_a_topic(topic, wanted, outcome, words):
    first, *others = said_of(topic, wanted)
    assert (first[0], first[1][: len(words)]) == (outcome, words)
    shape = outcome is not Outcome.FAIL
    assert ["partitions: " in sentence for _, sentence in others] == ([True] if shape else []) + [False] * (
        len(others) - shape
    )


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        ({"replicas": (1, 1), "min_isr": 1}, {"replication_factor": 1, "min_insync_replicas": 1}),
        ({"replicas": (4, 4)}, {}),
        ({"cleanup": None, "max_bytes": None, "retention": None}, {}),
        ({"retention": -0.001}, {}),
        ({"retention": 3601.0, "max_bytes": 1_000_000}, {}),
    ],
)
def test_what_is_not_wrong_with_a_topic(topic, wanted):
    assert [outcome for outcome, _ in said_of(topic, wanted)] == [Outcome.OK, Outcome.OK]


def test_brokers_that_lead_nothing_are_named_in_order():
    assert "led by broker 5, 8, so" in of_topic(TOPIC, WANTED, (8, 3, 2, 1, 5))[0].sentence


def test_of_several_flaws_each_is_said_and_the_shape_only_where_none_is_fatal():
    found = said_of({"min_isr": None, "retention": 60.0, "leaders": frozenset()}, {"manage_topic": False})
    assert [outcome for outcome, _ in found] == [Outcome.WARN] * 3 + [Outcome.OK] * 2
    assert found[2][1].endswith("nothing probes it; add partitions or elect other leaders")
    assert found[3][1] == "partitions: 2, replicas of each: 3, min.insync.replicas: not known"
    assert [outcome for outcome, _ in said_of({"cleanup": "compact", "retention": 60.0})] == [
        Outcome.FAIL,
        Outcome.WARN,
        Outcome.OK,
    ]


# --- rights

NEITHER = "adds no partitions for new brokers and does not make it anew once it was deleted"


def right_of(missing, **wanted):
    """The finding about the rights on a topic of which these are missing; None: the broker does not say."""
    rights = None if missing is None else frozenset(Right) - missing
    return of_topic(TOPIC._replace(rights=rights), replace(WANTED, **wanted), BROKERS)[-1]


@pytest.mark.parametrize(
    ("missing", "user", "outcome", "sentence", "reason"),
    [
        (None, "", Outcome.WARN, NOT_SAID, Reason.UNUSABLE),
        (
            {Right.WRITE, Right.ALTER},
            "",
            Outcome.FAIL,
            "our principal may not Alter, Write: add an ACL that allows it on this topic",
            Reason.ACL,
        ),
        (
            {Right.CREATE, Right.ALTER},
            "User:anna",
            Outcome.WARN,
            f"User:anna may not Alter, Create: add an ACL that allows it on this topic; Sentinel {NEITHER}",
            Reason.UNUSABLE,
        ),
    ],
)
def test_what_we_may_not_do_with_a_topic(missing, user, outcome, sentence, reason):
    assert right_of(missing, user=user) == Finding(outcome, "topic t", sentence, reason=reason)


def test_a_topic_that_others_manage_needs_fewer_rights():
    found = right_of({Right.ALTER, Right.CREATE}, manage_topic=False)
    assert (found.outcome, found.sentence) == (Outcome.OK, "we may Describe, DescribeConfigs, Read, Write")
    assert right_of({Right.DESCRIBE_CONFIGS}, manage_topic=False).outcome is Outcome.WARN


def test_rights_on_groups():
    refused = of_group("g", frozenset())
    assert refused == Finding(Outcome.FAIL, "group g", refused.sentence, reason=Reason.ACL)
    assert of_group("g", None) == Finding(Outcome.WARN, "group g", NOT_SAID)
    assert of_group("g", frozenset({Right.READ})) == Finding(Outcome.OK, "group g", "we may Read")
    check = "groups kafka-sentinel-*"
    assert of_readers(refused=False) == Finding(Outcome.OK, check, "we may Describe")
    complaint = of_readers(refused=True)
    assert (complaint.outcome, complaint.check) == (Outcome.WARN, check)
    assert "prefix kafka-sentinel-; without it readers complain" in complaint.sentence


@pytest.mark.parametrize(
    ("judge", "check", "where", "blind"),
    [
        (of_other_topics, "other topics", "topic *", "guards and the audit do not see all topics"),
        (of_cluster, "cluster", "the cluster", "the audit does not see what brokers are set to"),
    ],
)
def test_what_guards_and_the_audit_may_look_at(judge, check, where, blind):
    assert judge(None) is None
    assert judge(LOOKING) == Finding(Outcome.OK, check, "we may Describe, DescribeConfigs")
    found = judge(LOOKING - {Right.DESCRIBE})
    sentence = f"we may not Describe: add an ACL that allows it on {where}; without it {blind}"
    assert found == Finding(Outcome.WARN, check, sentence)


# --- the cluster


def test_who_leads_the_quorum():
    assert of_quorum(2, (1, 2, 3)) == Finding(Outcome.OK, "quorum", "led by 2, voters 1, 2, 3")


def test_what_the_probe_costs_is_said():
    found = of_cost(ProbeLoad(2.0, (3, 3), 200, 1, 2, 100.0, 3600.0))
    assert (found.outcome, found.check) == (Outcome.OK, "cost")
    assert found.sentence.startswith("4 records/s: about ")


@pytest.mark.parametrize(("brokers", "manages", "hindered"), [(3, True, False), (2, True, True), (3, False, True)])
def test_why_a_topic_cannot_be_made(brokers, manages, hindered):
    wanted = Wanted(3, 2, 3600.0, 200, manage_topic=manages)
    assert (why_not_created(wanted, range(brokers)) is not None) is hindered


def test_why_a_topic_cannot_be_made_is_said():
    assert why_not_created(replace(WANTED, manage_topic=False), BROKERS).startswith("does not exist and probe.manage_t")
    said = why_not_created(WANTED, (1, 2))
    assert said.startswith("cannot be created with probe.replication_factor 3: there are 2 live brokers")


@pytest.mark.parametrize(
    ("ahead", "outcome"),
    [
        (None, None),
        (0.1, None),
        (-60.0, Outcome.WARN),
        (CLOCK_WRONG - 1, Outcome.WARN),
        (CLOCK_WRONG, Outcome.FAIL),
        (-3600.0, Outcome.FAIL),
    ],
)
def test_the_clock(ahead, outcome):
    found = of_clock(ahead)
    assert (found and (found.outcome, found.check, found.reason)) == (outcome and (outcome, "clock", Reason.CLOCK))


@pytest.mark.parametrize(("armed_for", "said"), [(None, False), ("abc", False), ("xyz", True)])
def test_experiments_that_are_armed_for_another_cluster(armed_for, said):
    found = of_arming(armed_for, "abc")
    assert (found is not None) is said
    sentence = "experiments are armed for cluster xyz, this is abc: none will run here"
    assert not found or found == Finding(Outcome.WARN, "experiments", sentence)


@pytest.mark.parametrize(("experiments", "effect"), [(True, "will be denied"), (False, "will not be shown")])
def test_what_follows_if_the_quorum_is_not_seen(experiments, effect):
    found = of_unseen_quorum("it did not answer", Reason.NO_ANSWER, experiments=experiments)
    assert (found.outcome, found.check, found.reason) == (Outcome.WARN, "quorum", Reason.NO_ANSWER)
    assert effect in found.sentence


@pytest.mark.parametrize(
    ("writable", "there", "outcome", "said"),
    [
        (None, False, Outcome.FAIL, "no folder /var/x"),
        (False, True, Outcome.FAIL, "the folder /var/x of state.file cannot be written"),
        (True, False, Outcome.OK, "can be created"),
        (True, True, Outcome.OK, "is there"),
    ],
)
def test_where_the_state_is_to_be_kept(writable, there, outcome, said):
    found = of_state_file("/var/x/state", "/var/x", writable=writable, there=there)
    assert (found.outcome, found.check, said in found.sentence) == (outcome, "state", True)

"""What `check` concludes from Kafka's answers, and how it asks."""

import socket

import pytest
from confluent_kafka import KafkaError, Producer

from kafka_sentinel.adapters.check_client import Cluster, KafkaAnswers, Quorum, Unanswered
from kafka_sentinel.adapters.checks import run_checks
from kafka_sentinel.core.check import Outcome, Right, Topic
from kafka_sentinel.core.connection import Reason, Trouble
from kafka_sentinel.settings import Settings

LOOK = frozenset({Right.DESCRIBE, Right.DESCRIBE_CONFIGS})
RIGHTS = LOOK | {Right.READ, Right.WRITE, Right.ALTER, Right.CREATE}
SOUND = Topic(
    name="kafka-sentinel-probe",
    replicas=(3, 3, 3),
    leaders=frozenset({1, 2, 3}),
    min_isr=2,
    cleanup="delete",
    retention=86400.0,
    max_bytes=1_048_588,
    rights=RIGHTS,
)


class Kafka:
    """Answers as told; an exception is raised."""

    def __init__(self, **answers):
        self.answers = {
            "cluster": Cluster("abc", frozenset({1, 2, 3})),
            "topic": SOUND,
            "creation": None,
            "group": frozenset({Right.READ}),
            "readers": frozenset({Right.READ}),
            "quorum": Quorum(1, (1, 2, 3), 0.1),
            "others": LOOK,
            "rights": LOOK,
            "advertised": None,
        } | answers

    def _answer(self, name):
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cluster(self):
        return self._answer("cluster")

    def advertised(self, cluster):
        return self._answer("advertised")

    def topic(self, name):
        topic = self._answer("topic")
        return topic._replace(name=name) if topic is not None else None

    def validate_creation(self, name, probe):
        self._answer("creation")

    def group_rights(self, group):
        return self._answer("readers" if group.startswith("kafka-sentinel-") else "group")

    def topic_rights(self, name):
        return self._answer("others")

    def cluster_rights(self):
        return self._answer("rights")

    def quorum(self):
        return self._answer("quorum")


@pytest.fixture
def findings(tmp_path):
    def run(kafka=None, **sections):
        given = {"kafka": {"bootstrap_servers": "a:1"}, "state": {"file": str(tmp_path / "state")}} | sections
        return list(run_checks(Settings.model_validate(given), lambda: kafka or Kafka()))

    return run


def test_a_sound_cluster_passes_without_a_warning(findings):
    assert {finding.outcome for finding in findings()} == {Outcome.OK}
    assert [finding.check for finding in findings()] == [
        "state",
        "kafka",
        "topic kafka-sentinel-probe",
        "topic kafka-sentinel-probe",
        "cost",
        "group kafka-sentinel",
        "groups kafka-sentinel-*",
        "quorum",
        "other topics",
        "cluster",
    ]


@pytest.mark.parametrize(
    ("answers", "outcome", "words"),
    [
        ({"cluster": Unanswered("none of a:1 answered")}, Outcome.FAIL, "none of a:1 answered"),
        ({"topic": Unanswered("we may not Describe")}, Outcome.FAIL, "we may not Describe"),
        ({"topic": SOUND._replace(replicas=(3, 1))}, Outcome.FAIL, "1 of 3 replicas"),
        ({"topic": SOUND._replace(min_isr=3)}, Outcome.FAIL, "not writable while one broker is down"),
        ({"topic": SOUND._replace(min_isr=1)}, Outcome.WARN, "min.insync.replicas is 1"),
        ({"topic": SOUND._replace(min_isr=None)}, Outcome.WARN, "allow DescribeConfigs"),
        ({"topic": SOUND._replace(cleanup="compact")}, Outcome.FAIL, "cleanup.policy is compact"),
        ({"topic": SOUND._replace(retention=600.0)}, Outcome.WARN, "keeps records for 10m"),
        ({"topic": SOUND._replace(max_bytes=250)}, Outcome.FAIL, "max.message.bytes is 250"),
        ({"topic": SOUND._replace(leaders=frozenset({1, 3}))}, Outcome.WARN, "led by broker 2"),
        ({"topic": SOUND._replace(rights=RIGHTS - {Right.WRITE})}, Outcome.FAIL, "may not Write: add an ACL"),
        ({"topic": SOUND._replace(rights=RIGHTS - {Right.ALTER})}, Outcome.WARN, "adds no partitions for new"),
        ({"topic": SOUND._replace(rights=RIGHTS - {Right.CREATE})}, Outcome.WARN, "may not Create: add an ACL"),
        (
            {"topic": SOUND._replace(rights=RIGHTS - {Right.ALTER, Right.DESCRIBE_CONFIGS})},
            Outcome.WARN,
            "on this topic; Sentinel adds no partitions for new brokers and does not see its settings",
        ),
        ({"topic": SOUND._replace(rights=None)}, Outcome.WARN, "does not say"),
        ({"topic": None, "creation": Unanswered("we may not Create")}, Outcome.FAIL, "cannot be created: we may not"),
        (
            {"topic": None, "cluster": Cluster("abc", frozenset({1, 2}))},
            Outcome.FAIL,
            "there are 2 live brokers; start the others",
        ),
        ({"topic": None}, Outcome.OK, "does not exist yet and can be created"),
        ({"group": frozenset({Right.DESCRIBE})}, Outcome.FAIL, "we may not Read"),
        ({"group": Unanswered("we may not Describe")}, Outcome.FAIL, "we may not Describe"),
        ({"group": None}, Outcome.WARN, "does not say"),
        ({"readers": Unanswered("no", reason=Reason.ACL)}, Outcome.WARN, "on groups with the prefix kafka-sentinel-"),
        ({"readers": Unanswered("GroupError: no")}, Outcome.WARN, "GroupError: no"),
        (
            {"others": frozenset()},
            Outcome.WARN,
            "may not Describe, DescribeConfigs: add an ACL that allows it on topic",
        ),
        ({"others": LOOK - {Right.DESCRIBE_CONFIGS}}, Outcome.WARN, "may not DescribeConfigs: add an ACL"),
        ({"rights": LOOK - {Right.DESCRIBE_CONFIGS}}, Outcome.WARN, "allows it on the cluster; without it the audit"),
        ({"rights": Unanswered("UNSUPPORTED")}, Outcome.WARN, "UNSUPPORTED"),
        ({"quorum": Unanswered("the KRaft quorum cannot be asked")}, Outcome.WARN, "the controller will not be shown"),
        ({"quorum": Quorum(1, (1, 2, 3), 3600.0)}, Outcome.FAIL, "clock is 1 h ahead of that of the cluster's"),
        ({"quorum": Quorum(1, (1, 2, 3), -3600.0)}, Outcome.FAIL, "clock is 1 h behind that of the cluster's"),
        ({"quorum": Quorum(1, (1, 2, 3), 20.0)}, Outcome.WARN, "clock is 20 s ahead"),
        ({"quorum": Quorum(1, (1, 2, 3), None)}, Outcome.OK, "led by 1"),
    ],
)
def test_each_flaw_is_one_finding_that_says_what_to_do(findings, answers, outcome, words):
    found = findings(Kafka(**answers))
    (matching,) = [finding for finding in found if words in finding.sentence]
    assert matching.outcome is outcome
    others = [finding.outcome for finding in found if finding is not matching]
    assert set(others) <= {Outcome.OK}


def test_nothing_more_is_asked_of_a_kafka_that_does_not_answer(findings):
    assert findings(Kafka(cluster=Unanswered("silence")))[-1].check == "kafka"


def test_nothing_more_is_asked_of_brokers_that_cannot_be_reached_where_they_say_they_are(findings):
    found = findings(Kafka(advertised=Trouble(Reason.ADVERTISED, "broker 1 advertises a:1")))
    assert (found[-1].outcome, found[-1].sentence) == (Outcome.FAIL, "broker 1 advertises a:1")


def test_nothing_more_is_asked_once_a_question_was_not_answered_in_time(findings):
    found = findings(Kafka(topic=Unanswered("no answer within 8 s", reason=Reason.NO_ANSWER)))
    assert [(one.outcome, one.sentence) for one in found[2:]] == [(Outcome.FAIL, "no answer within 8 s")]


def test_a_right_that_is_missing_is_told_from_other_flaws(findings):
    def reasons(**answers):
        return {one.reason for one in findings(Kafka(**answers)) if one.outcome is Outcome.FAIL}

    assert reasons(topic=SOUND._replace(rights=RIGHTS - {Right.WRITE})) == {Reason.ACL}
    assert reasons(topic=Unanswered("we may not", KafkaError.TOPIC_AUTHORIZATION_FAILED)) == {Reason.ACL}
    assert reasons(group=frozenset({Right.DESCRIBE})) == {Reason.ACL}
    assert reasons(topic=SOUND._replace(replicas=(3, 1))) == {Reason.UNUSABLE}


def test_a_missing_topic_that_sentinel_may_not_make_fails(findings):
    found = findings(Kafka(topic=None), probe={"manage_topic": False})
    assert any(finding.outcome is Outcome.FAIL and "create it" in finding.sentence for finding in found)


def test_both_probe_topics_are_looked_at(findings):
    checks = {finding.check for finding in findings(probe={"acks_one": {"enabled": True, "topic": "one"}})}
    assert {"topic kafka-sentinel-probe", "topic one"} <= checks


def test_experiments_armed_for_another_cluster_are_said(findings):
    found = findings(experiments={"armed_for": "xyz"})
    assert any("armed for cluster xyz, this is abc" in finding.sentence for finding in found)
    assert not any("armed for" in finding.sentence for finding in findings(experiments={"armed_for": "abc"}))


def test_a_state_file_without_a_folder_fails(findings, tmp_path):
    found = findings(state={"file": str(tmp_path / "none" / "s")})
    assert any(finding.outcome is Outcome.FAIL and "there is no folder" in finding.sentence for finding in found)


def answers(servers, **given):
    settings = Settings.model_validate({"kafka": {"bootstrap_servers": servers, **given}})
    return KafkaAnswers(settings.kafka, timeout=2.0)


def test_an_unreachable_kafka_is_named_with_the_reason():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(Unanswered) as caught:
            answers(server).cluster()
    assert (
        str(caught.value) == f"nothing listens at {server} (connection refused): start the broker, or correct the port"
    )
    assert caught.value.reason is Reason.REFUSED


def test_a_name_that_does_not_resolve_is_said():
    with pytest.raises(Unanswered, match=r"the name of no-such-host\.invalid:9092 is not known") as caught:
        answers("no-such-host.invalid:9092").cluster()
    assert caught.value.reason is Reason.NO_NAME


def test_a_property_the_client_does_not_know_is_named():
    with pytest.raises(Unanswered, match=r"no\.such\.property"):
        answers("a:1", properties={"no.such.property": "1"})


def test_brokers_and_topics_are_seen():
    cluster = Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 3, "log_level": 0})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    kafka = answers(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
    assert kafka.cluster().brokers == {1, 2, 3}
    with pytest.raises(Unanswered):
        kafka.quorum()


# --- what it costs


@pytest.mark.parametrize(
    ("topic", "sections", "rate"),
    [
        (SOUND, {}, "30 records/s"),
        (SOUND._replace(replicas=(3,) * 4), {}, "40 records/s"),
        (SOUND, {"probe": {"acks_one": {"enabled": True}}}, "60 records/s"),
        (SOUND, {"probe": {"interval": "1s"}}, "3 records/s"),
        (None, {}, "60 records/s"),  # it is made with two partitions for each broker
        (None, {"probe": {"partitions": 1}}, "10 records/s"),
    ],
)
def test_the_cost_is_that_of_the_topics_and_the_settings(findings, topic, sections, rate):
    [cost] = [finding for finding in findings(Kafka(topic=topic), **sections) if finding.check == "cost"]
    assert cost.outcome is Outcome.OK
    assert cost.sentence.startswith(f"{rate}: about ")


def test_where_there_can_be_no_topic_no_cost_is_told(findings):
    checks = [finding.check for finding in findings(Kafka(topic=None), probe={"manage_topic": False})]
    assert "cost" not in checks

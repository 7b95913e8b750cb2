"""The questions `check` asks Kafka, each answered in plain data or with a sentence that says why there is no answer."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are its documented names
    AclOperation,
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from kafka_sentinel.adapters import check_groups, handshake
from kafka_sentinel.adapters.connection import Connection
from kafka_sentinel.adapters.kafka_client import client_config, error_name, kafka_error
from kafka_sentinel.adapters.tokens import MissingSignerError
from kafka_sentinel.core.check import Right, Topic
from kafka_sentinel.core.connection import Attempt, Complaint, Reason, Trouble, Way, advertised, ahead_of, unanswered
from kafka_sentinel.settings import KafkaSettings, ProbeSettings

POLL = 0.1  # seconds between two looks at whether an answer has come
COMPLAINTS = 20  # of the client are kept
FIRST_PATIENCE = 0.5  # seconds until the brokers are asked again; each time it doubles
SETTLING = 2.0  # seconds in which a broker may yet answer where others refuse us
CONNECTING = 0.75  # of the time for an answer: for connections of our own, so that they have ended by then
MAX_SERVERS = 8  # of the configured ones, that are connected to by ourselves
MAX_BROKERS = 64  # likewise of those that metadata names
Answer = TypeVar("Answer")


RIGHTS = {getattr(AclOperation, right.name): right for right in Right}
NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        "we may not {action}: allow Describe, DescribeConfigs, Read, Write, Create and Alter on this topic by ACLs"
    ),
    KafkaError.GROUP_AUTHORIZATION_FAILED: "we may not {action}: allow Describe and Read on this group by ACLs",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "we may not {action}: allow it on the cluster by an ACL",
}
LATE = frozenset({"KafkaTimeoutError", "RequestTimedOutError", *check_groups.COMING_UP})


class Cluster(NamedTuple):
    """`addresses`: "host:port" that each broker advertises."""

    cluster_id: str
    brokers: frozenset[int]
    addresses: Mapping[int, str] = MappingProxyType({})


class Quorum(NamedTuple):
    """`ahead`: seconds that our clock is ahead of the leader's; None: it does not say what its clock shows."""

    leader: int
    voters: tuple[int, ...]
    ahead: float | None = None


class Unanswered(Exception):  # noqa: N818 - it is an answer, and often not an error of ours
    """A question brought no answer. The message is a sentence without secrets."""

    def __init__(self, sentence: str, code: int | None = None, reason: Reason = Reason.UNUSABLE) -> None:
        super().__init__(sentence)
        self.code = code
        self.reason = Reason.ACL if code in NOT_ALLOWED else reason


class KafkaAnswers:
    """One admin client for the length of a check. Every question takes at most `timeout` seconds."""

    def __init__(self, kafka: KafkaSettings, *, timeout: float) -> None:
        """Raise Unanswered for properties that the client does not take, and if there is no token to sign in with."""
        self._kafka = kafka
        self._timeout = timeout
        self._complaints: deque[Complaint] = deque(maxlen=COMPLAINTS)
        try:
            self._connection = Connection(kafka)
            if why := self._connection.why_no_token():
                raise Unanswered(f"there is no token to sign in with: {why}", reason=Reason.NO_TOKEN)
            given: dict[str, Any] = {**client_config(self._connection.librdkafka()), "error_cb": self._on_error}
            self._admin = AdminClient(given)
        except KafkaException as error:
            raise Unanswered(f"the Kafka client does not take its configuration: {kafka_error(error).str()}") from None
        except MissingSignerError as error:
            raise Unanswered(str(error)) from None
        except OSError as error:
            raise Unanswered(f"{error.filename} cannot be read: {error.strerror}") from None

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name; says less than the others
            self._complaints.append(Complaint(error_name(error.code()), error.str()))

    def cluster(self) -> Cluster:
        """Ask any broker. (`describe_cluster` would wait for a controller, which may be the one that is down.)

        Raises Unanswered with the reason, as soon as that is certain.
        """
        begun = time.monotonic()
        deadline = begun + self._timeout
        servers = self._kafka.bootstrap_servers.split(",")[:MAX_SERVERS]
        look = handshake.attempts(servers, self._encryption(), CONNECTING * self._timeout)
        patience = FIRST_PATIENCE
        while True:
            try:
                answer = self._admin.list_topics(timeout=max(min(patience, deadline - time.monotonic()), POLL))
            except KafkaException:
                self._admin.poll(0)  # serves the complaints that have come meanwhile
            else:
                addresses = {broker.id: f"{broker.host}:{broker.port}" for broker in answer.brokers.values()}
                return Cluster(str(answer.cluster_id), frozenset(addresses), addresses)
            patience *= 2
            tried = look()
            if time.monotonic() >= deadline or self._is_certain(tried, time.monotonic() - begun):
                trouble = unanswered(tried or [], tuple(self._complaints), self._way())
                raise Unanswered(trouble.sentence, reason=trouble.reason) from None

    def _is_certain(self, tried: list[Attempt] | None, seconds: float) -> bool:
        if seconds < SETTLING:
            return False
        refused = any(complaint.code == "_AUTHENTICATION" for complaint in self._complaints)
        return refused or (bool(tried) and all(attempt.reason is not None for attempt in tried or ()))

    def advertised(self, cluster: Cluster) -> Trouble | None:
        """Connect to every broker where it says that it is. Returns what is wrong with that."""
        brokers = sorted(cluster.addresses)[:MAX_BROKERS]
        seconds = CONNECTING * self._timeout
        look = handshake.attempts([cluster.addresses[broker] for broker in brokers], self._encryption(), seconds)
        while (tried := look()) is None:
            time.sleep(POLL)
        return advertised(zip(brokers, tried, strict=True), self._way())

    def _encryption(self) -> handshake.Encryption | None:
        try:
            return handshake.encryption(self._kafka)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Unanswered(f"a file of kafka.security cannot be used: {handshake.said(error)}") from None

    def _way(self) -> Way:
        security = self._kafka.security
        return Way(
            protocol=security.protocol,
            now=time.time(),
            mechanism=security.mechanism or "",
            user=security.username or "",
            ca_file=str(security.ca_file or ""),
            cert_file=str(security.cert_file or ""),
        )

    def topic(self, name: str) -> Topic | None:
        """Return the topic, or None if there is none of this name."""
        answer = self._describe_topic(name)
        if answer is None:
            return None
        config = self._topic_config(name)
        retention = _number(config.get("retention.ms"))
        return Topic(
            name=name,
            replicas=tuple(len(partition.replicas) for partition in answer.partitions),
            leaders=frozenset(partition.leader.id for partition in answer.partitions if partition.leader is not None),
            min_isr=_number(config.get("min.insync.replicas")),
            cleanup=config.get("cleanup.policy"),
            retention=retention / 1000 if retention is not None else None,
            max_bytes=_number(config.get("max.message.bytes")),
            rights=_rights(answer.authorized_operations),
        )

    def _topic_config(self, name: str) -> dict[str, str]:
        """Return the topic's configuration; empty where we may not read it."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        future = self._admin.describe_configs([resource], request_timeout=self._timeout)[resource]
        try:
            entries = self._wait(future, "DescribeConfigs")
        except Unanswered:
            return {}
        return {key: entry.value for key, entry in entries.items() if entry.value is not None}

    def validate_creation(self, name: str, probe: ProbeSettings) -> None:
        """Raise Unanswered if the cluster would refuse to create the probe topic."""
        topic = NewTopic(
            name,
            num_partitions=probe.partitions or 1,
            replication_factor=probe.replication_factor,
            config={"min.insync.replicas": str(probe.min_insync_replicas), "cleanup.policy": "delete"},
        )
        futures = self._admin.create_topics([topic], validate_only=True, request_timeout=self._timeout)
        self._wait(futures[name], "Create")

    def topic_rights(self, name: str) -> frozenset[Right] | None:
        """Return what we may do with any topic; None if there is none of this name, or the broker does not say."""
        try:
            answer = self._describe_topic(name)
        except Unanswered as error:
            if error.code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return frozenset()
            raise
        return None if answer is None else _rights(answer.authorized_operations)

    def _describe_topic(self, name: str) -> Any:  # noqa: ANN401 - the library's own annotations are wrong
        """Return what Kafka says of a topic, or None if there is none of this name."""
        futures = self._admin.describe_topics(
            TopicCollection([name]), include_authorized_operations=True, request_timeout=self._timeout
        )
        try:
            return self._wait(futures[name], "Describe")
        except Unanswered as error:
            if error.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise

    def cluster_rights(self) -> frozenset[Right] | None:
        """Return what we may do with the cluster itself; None if the broker does not say."""
        future = self._admin.describe_cluster(include_authorized_operations=True, request_timeout=self._timeout)
        operations = self._wait(future, "Describe").authorized_operations
        return None if operations is None else _rights(operations) or frozenset()

    def group_rights(self, group: str) -> frozenset[Right] | None:
        """Return what we may do with the group, which need not exist; None if the broker does not say."""
        with self._other_client() as client:
            said = check_groups.describe(client, group, self._timeout)
        if said.error is None:
            operations = said.operations
            return None if operations is None else frozenset(each for each in Right if each.name in operations)
        name, text = said.error
        if name == check_groups.FORBIDDEN:
            sentence = NOT_ALLOWED[KafkaError.GROUP_AUTHORIZATION_FAILED].format(action="Describe")
            raise Unanswered(sentence, reason=Reason.ACL)
        late = name in LATE
        raise Unanswered(f"{name}: {text}", reason=Reason.NO_ANSWER if late else Reason.UNUSABLE)

    @contextmanager
    def _other_client(self) -> Iterator[Any]:
        """Give an admin client of kafka-python. Raises Unanswered."""
        from kafka.errors import KafkaError as OtherKafkaError  # noqa: PLC0415 - half a second that few need to pay

        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it meets is said in our own sentence
        milliseconds = round(self._timeout * 1000)
        limits = {"request_timeout_ms": milliseconds, "bootstrap_timeout_ms": milliseconds}
        try:
            client = check_groups.admin_client({**self._connection.kafka_python(), **limits})
        except (OtherKafkaError, OSError, ValueError, LookupError, TypeError) as error:
            raise Unanswered(f"{type(error).__name__}: {error}", reason=Reason.NO_ANSWER) from None
        try:
            yield client
        finally:
            client.close()

    def quorum(self) -> Quorum:
        """Return the leader and the voters of the KRaft quorum, which only the other client library can ask for."""
        from kafka.errors import ClusterAuthorizationFailedError  # noqa: PLC0415 - as above
        from kafka.errors import KafkaError as OtherKafkaError  # noqa: PLC0415 - as above

        from kafka_sentinel.adapters.quorum import quorum_view  # noqa: PLC0415 - as above

        try:
            with self._other_client() as client:
                asked = time.time()
                view = quorum_view(client.describe_metadata_quorum())
                answered = time.time()
        except ClusterAuthorizationFailedError:
            sentence = "we may not ask the KRaft quorum: add an ACL that allows Describe on the cluster"
            raise Unanswered(sentence, reason=Reason.ACL) from None
        except Unanswered as error:
            raise Unanswered(f"the KRaft quorum cannot be asked: {error}") from None
        except (OtherKafkaError, OSError, ValueError, LookupError, TypeError) as error:
            raise Unanswered(f"the KRaft quorum cannot be asked: {type(error).__name__}: {error}") from None
        return Quorum(view.leader, view.voters, ahead_of(view.leader_time, asked, answered))

    def _wait(self, future: Future[Answer], action: str) -> Answer:
        """Serve the client's callbacks until the answer has come."""
        deadline = time.monotonic() + self._timeout + 1  # the client's own time-out comes first
        while not future.done() and time.monotonic() < deadline:
            self._admin.poll(POLL)
        if not future.done():
            raise Unanswered(f"no answer within {self._timeout:g} s", reason=Reason.NO_ANSWER)
        try:
            return future.result()
        except KafkaException as raised:
            error = kafka_error(raised)
            reason = f"{error.str().strip(' :')} ({error.name()})"
            sentence = NOT_ALLOWED.get(error.code(), "{reason}").format(action=action, reason=reason)
            late = error.code() == KafkaError._TIMED_OUT  # noqa: SLF001 - its public name
            why = Reason.NO_ANSWER if late else Reason.UNUSABLE
            raise Unanswered(sentence, error.code(), why) from None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None else None


def _rights(operations: list[AclOperation] | None) -> frozenset[Right] | None:
    return frozenset(RIGHTS[item] for item in operations if item in RIGHTS) if operations else None

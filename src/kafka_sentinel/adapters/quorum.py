"""The KRaft quorum and partition reassignments: what the other client library cannot ask for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kafka.errors import UnsupportedVersionError

from kafka import KafkaAdminClient
from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.core.cluster import QuorumView
from kafka_sentinel.core.events import QuorumObserved, QuorumUnreachable

CAUGHT_UP_MS = 1_000  # a voter that far behind the leader, or less, can take over at once
NO_QUORUM = QuorumView(leader=-1, epoch=-1, voters=(), caught_up_voters=())


@dataclass(frozen=True, slots=True)
class QuorumOptions:
    """`client`: bootstrap servers and security, as kafka-python names them. Times in seconds."""

    client: Mapping[str, object]
    interval: float = 2.0
    timeout: float = 3.0


class QuorumWatcher:
    """Posts QuorumObserved or QuorumUnreachable once every interval. A cluster with ZooKeeper has no voters."""

    def __init__(self, options: QuorumOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._worker = Worker("quorum", self._run, on_death)
        self._client: KafkaAdminClient | None = None
        self._login: Login | None = None  # that is to be used from now on
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its failures are posted; it would log each retry too

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def sign_in(self, login: Login) -> None:
        """Ask by a new client from the next time on."""
        self._login = login

    def _run(self) -> None:
        try:
            while not self._worker.stopping.is_set():
                begun = self._now().mono
                self._observe()
                self._worker.stopping.wait(max(self._options.interval - (self._now().mono - begun), 0.05))
        finally:
            self._close()

    def _observe(self) -> None:
        asked = self._now()
        if self._login is not None:
            self._login = None
            self._close()
        try:
            view = self._ask()
        except Exception as error:  # noqa: BLE001 - a view beside the proof: whatever that library meets, it is "unknown"
            self._close()
            self._post([QuorumUnreachable(self._now(), asked, f"{type(error).__name__}: {error}")])
        else:
            self._post([QuorumObserved(self._now(), asked, view)])

    def _ask(self) -> QuorumView:
        milliseconds = int(self._options.timeout * 1000)
        if self._client is None:
            limits = {"request_timeout_ms": milliseconds, "bootstrap_timeout_ms": milliseconds}
            self._client = KafkaAdminClient(client_id="kafka-sentinel-quorum", **limits, **self._options.client)
        try:
            quorum = quorum_view(self._client.describe_metadata_quorum())
        except UnsupportedVersionError:  # brokers with ZooKeeper do not offer the request
            quorum = NO_QUORUM
        moving = self._client.list_partition_reassignments(timeout_ms=milliseconds)
        return replace(quorum, reassigning=frozenset((one.topic, one.partition) for one in moving))

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def quorum_view(answer: Mapping[str, Any]) -> QuorumView:
    """Read a DescribeQuorum response. Raises ValueError if it says that it failed."""
    partition = answer["topics"][0]["partitions"][0]
    if partition.get("error") or partition.get("error_code"):
        raise ValueError(f"the controllers answered {partition.get('error') or partition.get('error_code')}")
    leader, voters = partition["leader_id"], partition["current_voters"]
    newest = max((voter.get("last_caught_up_timestamp", -1) for voter in voters), default=-1)
    shown = [voter.get("last_caught_up_timestamp", -1) for voter in voters if voter["replica_id"] == leader]
    return QuorumView(
        leader=leader,
        epoch=partition["leader_epoch"],
        voters=tuple(sorted(voter["replica_id"] for voter in voters)),
        caught_up_voters=tuple(
            sorted(
                voter["replica_id"]
                for voter in voters
                if voter["replica_id"] == leader or _caught_up(voter, newest, partition["high_watermark"])
            )
        ),
        leader_time=shown[0] / 1000 if shown and shown[0] > 0 else None,  # a leader is caught up with itself now
    )


def _caught_up(voter: Mapping[str, int], newest: int, high_watermark: int) -> bool:
    stamp = voter.get("last_caught_up_timestamp", -1)
    if stamp < 0:  # controllers before Kafka 3.3 do not say when
        return voter["log_end_offset"] >= high_watermark
    return newest - stamp <= CAUGHT_UP_MS

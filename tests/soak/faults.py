"""Does to brokers, logs and the daemon what a plan says, and puts right again what it broke."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from kafka.errors import KafkaError
from tests.kafka import truth
from tests.kafka.conftest import describe, leader_and_isr
from tests.soak.cards import DELETED, EITHER, OLD, Cards, Where
from tests.soak.daemon import Daemon
from tests.soak.plan import BROKERS, MOST_PARTITIONS, Parameters

import kafka
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.topology import CONTROLLER_ID

PATIENCE = 40.0  # seconds for the cluster to do what a recipe waits for
IN_OTHER_HANDS = 300.0  # … and for another fault to be done with a broker
STARVED = 40.0  # seconds the daemon stands still at most; it ends itself after a minute
NEW_TOPIC = "probe topic was deleted and made anew"
SAMPLE = 50  # newest records that a stranger copies from
UNSAFE = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
ALONE = {"min.insync.replicas": "1"}


class SkippedError(Exception):
    """The fault could not be done: something else is at its place. Says what."""


class Faults:
    """One method for each fault of a plan. Each returns what is worth knowing of how it went."""

    def __init__(self, lab: LabCluster, daemon: Daemon, topics: dict[str, str], group: str, cards: Cards) -> None:
        self._lab, self._daemon, self._topics, self._group, self._cards = lab, daemon, topics, group, cards
        self._taken: set[int] = set()
        self._free = threading.Condition()
        self.deleted: set[Where] = set()
        self.deleted_then_cut: set[Where] = set()
        self.damaged: set[Where] = set()
        self.remade: set[str] = set()  # levels whose topic was made anew
        self.forgotten: set[str] = set()  # … before a life began without the newest state
        self.touched: set[str] = set()  # levels whose logs were not only appended to since `touched` was emptied

    def do(self, fault: str, parameters: Parameters) -> dict[str, Any]:
        """Raises SkippedError where it cannot be done now."""
        work: Callable[..., dict[str, Any] | None] = getattr(self, fault)
        try:
            return work(**parameters) or {}
        except (KafkaException, KafkaError, TimeoutError) as error:
            raise SkippedError(f"Kafka: {error!r}") from error

    # --- brokers

    def kill_leader(self, level: str, partition: int, seconds: float) -> dict[str, Any]:
        leader, _ = leader_and_isr(self._lab.bootstrap_servers, self._topics[level], partition)
        if leader not in BROKERS:
            raise SkippedError(f"acks={level} partition {partition} has no leader")
        self.kill_broker(leader, seconds)
        return {"broker": leader}

    def kill_broker(self, broker: int, seconds: float) -> None:
        with self._taking(broker):
            self._lab.kill(broker)
            time.sleep(seconds)
            self._start(broker)

    def kill_controller(self, seconds: float) -> None:
        self.kill_broker(CONTROLLER_ID, seconds)

    def kill_all(self, seconds: float) -> None:
        with self._taking(*BROKERS):
            for broker in BROKERS:
                self._lab.kill(broker)
            time.sleep(seconds)
            self._start(*BROKERS)

    def pause_short(self, broker: int, seconds: float) -> None:
        with self._taking(broker):
            self._lab.pause(broker)
            time.sleep(seconds)
            self._lab.resume(broker)

    pause_long = pause_short

    def move_leaders(self) -> dict[str, Any]:
        """Give every partition to its preferred leader, as Kafka does every five minutes by itself."""
        where = [
            TopicPartition(topic, number)
            for topic in self._topics.values()
            for number in (describe(self._lab.bootstrap_servers)[topic].partitions if topic in self._there() else ())
        ]
        client = self._admin()
        moved = client.elect_leaders(ElectionType.PREFERRED, where).result(30)
        return {"moved": sum(error is None for error in moved.values())}

    # --- what loses records

    def wipe_follower(self, broker: int, seconds: float) -> None:
        self._cuts()
        with self._taking(broker):
            self._lab.kill(broker)
            time.sleep(seconds)
            self._wait(lambda: broker not in {leader for leader, _ in self._standing()}, "others lead")
            self._lab.wipe(broker)
            self._start(broker)

    def unclean_election(self, broker: int, seconds: float) -> None:
        """A follower that lags leads: what only the old leader had is gone, also if it was acknowledged and read."""
        with self._set("all", UNSAFE):
            self.followers_behind(broker, seconds)

    def followers_behind(self, broker: int, seconds: float) -> None:
        """The same without unclean elections: acks=1 has promised what the eligible followers do not have."""
        self._cuts()
        others = [each for each in BROKERS if each != broker]
        with self._taking(*BROKERS):
            for each in others:
                self._lab.pause(each)
            try:
                self._wait(lambda: self._all_alone(broker), f"broker {broker} is alone in sync", on=broker)
                time.sleep(seconds)
                self._lab.kill(broker)
                self._lab.wipe(broker)
            finally:
                for each in others:
                    self._lab.resume(each)
            self._start(broker)

    def empty_leader(self, broker: int, seconds: float) -> None:
        """The only replica in sync loses its disk, and leads again: everything is gone."""
        self._cuts()
        others = [each for each in BROKERS if each != broker]
        with self._taking(*BROKERS), self._set("all", ALONE):
            for each in others:
                self._lab.kill(each)
            try:
                self._wait(lambda: self._all_alone(broker), f"broker {broker} is alone in sync", on=broker)
                time.sleep(seconds)
                self._lab.kill(broker)
                self._lab.wipe(broker, same_disk=True)
                self._start(broker)
                time.sleep(2)
            finally:
                self._start(*others)

    # --- logs and topics

    def delete_records(self, level: str, partition: int, share: float, *, starved: bool) -> dict[str, Any]:
        """Move the log start. `starved`: while the daemon stands still, so that it passes what nobody has read."""
        where, topic = (level, partition), self._topics[level]
        with self._still(starved):
            try:
                copy = truth.read_log(self._lab.bootstrap_servers, topic, partition, STARVED)
            except AssertionError as error:  # too long, or it was cut meanwhile
                raise SkippedError(str(error)) from error
            edge = copy.log_start + int(share * (copy.log_end - copy.log_start))
            client = kafka.KafkaAdminClient(bootstrap_servers=self._lab.bootstrap_servers.split(","))
            try:
                client.delete_records({kafka.TopicPartition(topic, partition): edge})
            finally:  # whatever was answered: what has gone is below where the log starts now
                client.close()
                start = truth.log_start(self._lab.bootstrap_servers, topic, partition)
                self._cards.met(where, [record for record in copy.records if record.offset < start], DELETED)
                self.deleted.add(where)
                self.touched.add(level)
        return {"from": copy.log_start, "to": start, "end": copy.log_end}

    def recreate_topic(self, level: str) -> dict[str, Any]:
        """Delete a topic; the daemon makes it anew. What stands in it goes with it, and nothing else does."""
        before = len(self._daemon.heard_of(NEW_TOPIC))
        topic = self._topics[level]
        self._daemon.tap.refresh()
        there = self._there()
        try:
            standing = {
                partition: truth.read_log(self._lab.bootstrap_servers, topic, partition, STARVED).records
                for partition in (there[topic].partitions if topic in there else ())
            }
        except AssertionError as error:  # too long
            raise SkippedError(str(error)) from error
        for partition, records in standing.items():
            self._cards.met((level, partition), records, OLD)
        self.touched.add(level)
        self._cards.mark_level(level, EITHER, unless=OLD)  # gone before, or on its way
        began = time.monotonic()
        self._insist(lambda client: client.delete_topics([topic], request_timeout=20)[topic].result(30))
        try:
            self._wait(lambda: len(self._daemon.heard_of(NEW_TOPIC)) > before, "the daemon knows of the new topic")
        except SkippedError as error:  # it is done, so it is not skipped: the daemon does not see it
            raise AssertionError(str(error)) from error
        self._daemon.tap.refresh()
        self._cards.mark_level(level, EITHER, unless=OLD)
        self.remade.add(level)
        return {"known_after": round(time.monotonic() - began, 1)}

    def add_partition(self, level: str) -> dict[str, Any]:
        topic = self._topics[level]
        count = len(self._there()[topic].partitions) if topic in self._there() else MOST_PARTITIONS
        if count >= MOST_PARTITIONS:
            raise SkippedError(f"{topic} has {MOST_PARTITIONS} partitions already, or does not answer")
        client = self._admin()
        client.create_partitions([NewPartitions(topic, count + 1)], request_timeout=20)[topic].result(30)
        return {"partitions": count + 1}

    def strangers(
        self, level: str, partition: int, *, foreign: int, damaged: int, copies: int, elsewhere: int, salt: int
    ) -> dict[str, Any]:
        """Somebody else writes there: what is not ours, what was ours and is damaged, and records once more."""
        chance = random.Random(salt)
        ours = self._newest(level, partition)
        if not ours:
            raise SkippedError("nothing to copy")
        here = [chance.randbytes(chance.randrange(300)) for _ in range(foreign)] + [
            _damaged(chance, chance.choice(ours)) for _ in range(damaged)
        ]
        here += [chance.choice(ours) for _ in range(copies)]
        chance.shuffle(here)
        self.damaged.add((level, partition))
        producer = Producer({"bootstrap.servers": self._lab.bootstrap_servers, "enable.idempotence": True})
        for value in here:
            producer.produce(self._topics[level], value, partition=partition)
        for _ in range(elsewhere):
            producer.produce(self._topics[level], chance.choice(ours), partition=(partition + 1) % 3)
        if producer.flush(PATIENCE):
            raise SkippedError("not all was written")
        return {}

    def transaction(self, level: str, partition: int, seconds: float) -> None:
        """Leave a transaction open for a while, and then abort it."""
        producer = Producer({"bootstrap.servers": self._lab.bootstrap_servers, "transactional.id": "soak-stranger"})
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        for number in range(3):
            producer.produce(self._topics[level], f"not committed {number}".encode(), partition=partition)
        producer.flush(PATIENCE)
        time.sleep(seconds)
        producer.abort_transaction(PATIENCE)

    # --- the daemon

    def kill_sentinel(self, seconds: float) -> None:
        self._restarted(seconds, lambda: None, orderly=False)

    def stop_sentinel(self, seconds: float) -> None:
        self._restarted(seconds, lambda: None, orderly=True)

    def no_state(self, seconds: float) -> None:
        self.forgotten |= self.remade
        self._restarted(seconds, self._daemon.forget, orderly=False)

    def older_state(self, seconds: float) -> dict[str, Any]:
        self.forgotten |= self.remade
        older = self._restarted(seconds, self._daemon.bring_back_older_state, orderly=False)
        return {"older_by": older}

    def pause_sentinel(self, seconds: float) -> None:
        with self._still(True):
            time.sleep(seconds)

    def join_group(self, seconds: float) -> None:
        """Another member joins the daemon's group and leaves it again: two rebalances."""
        member = Consumer({"bootstrap.servers": self._lab.bootstrap_servers, "group.id": self._group, "log_level": 0})
        member.subscribe(list(self._topics.values()))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            member.poll(0.2)
        member.close()

    def _restarted(self, seconds: float, meanwhile: Callable[[], Any], *, orderly: bool) -> Any:
        with self._daemon.busy:
            self._daemon.end(orderly=orderly)
            try:
                found = meanwhile()
                time.sleep(seconds)
            finally:
                self._daemon.go_on()
        return found

    @contextlib.contextmanager
    def _still(self, wanted: bool) -> Iterator[None]:
        """The daemon stands still, if that is wanted."""
        if not wanted:
            yield
            return
        with self._daemon.busy:
            self._daemon.freeze()
            try:
                yield
            finally:
                self._daemon.thaw()

    # --- what they share

    @contextlib.contextmanager
    def _taking(self, *nodes: int) -> Iterator[None]:
        """Nobody else does anything to these nodes meanwhile. Waits until they are free."""
        with self._free:
            if not self._free.wait_for(lambda: not self._taken & set(nodes), IN_OTHER_HANDS):
                raise SkippedError(f"node {', '.join(map(str, sorted(self._taken & set(nodes))))} is in other hands")
            self._taken |= set(nodes)
        try:
            yield
        finally:
            with self._free:
                self._taken -= set(nodes)
                self._free.notify_all()

    def _start(self, *nodes: int) -> None:
        stopped = [node for node in nodes if self._lab.state(node) == "stopped"]
        for node in stopped:
            self._lab.start(node)
        if CONTROLLER_ID not in self._taken - set(nodes):  # without it no broker becomes ready
            self._lab.wait_ready(stopped)

    def _cuts(self) -> None:
        """Logs are about to be cut, wherever they are."""
        self.touched |= set(self._topics)
        self.deleted_then_cut |= self.deleted

    @contextlib.contextmanager
    def _set(self, level: str, values: dict[str, str]) -> Iterator[None]:
        """The topic of a level has these settings meanwhile."""
        self._alter(level, values, AlterConfigOpType.SET)
        try:
            yield
        finally:
            safe = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
            self._alter(level, {name: safe[name] for name in values}, AlterConfigOpType.SET)

    def _alter(self, level: str, values: dict[str, str], how: AlterConfigOpType) -> None:
        entries = [ConfigEntry(name, value, incremental_operation=how) for name, value in values.items()]
        resource = ConfigResource(ResourceType.TOPIC, self._topics[level], incremental_configs=entries)
        self._insist(
            lambda client: client.incremental_alter_configs([resource], request_timeout=20)[resource].result(30)
        )

    def _insist(self, ask: Callable[[AdminClient], object]) -> None:
        """Ask by clients made for it until brokers have done it: they may still be on their way up."""
        until = time.monotonic() + PATIENCE
        while True:
            client = self._admin()  # in a variable: the request is given up with the client
            try:
                ask(client)
            except (KafkaException, TimeoutError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
            else:
                return

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._lab.bootstrap_servers, "log_level": 0})

    def _there(self) -> dict[str, Any]:
        return describe(self._lab.bootstrap_servers)

    def _standing(self, servers: str = "") -> list[tuple[int, set[int]]]:
        """Return leader and in-sync replicas of all probe partitions; nothing if nobody answers."""
        there = describe(servers or self._lab.bootstrap_servers)
        return [
            (one.leader, set(one.isrs))
            for topic in self._topics.values()
            if topic in there
            for one in there[topic].partitions.values()
        ]

    def whole(self) -> bool:
        """Tell whether every probe partition is led, and all its replicas are in sync."""
        found = self._standing()
        return bool(found) and all(leader in BROKERS and isr == set(BROKERS) for leader, isr in found)

    def _all_alone(self, broker: int) -> bool:
        found = self._standing(self._lab.address(broker))
        return bool(found) and all(isr == {broker} for _, isr in found)

    @staticmethod
    def _wait(predicate: Callable[[], bool], what: str, on: int | None = None) -> None:
        until = time.monotonic() + PATIENCE
        while not predicate():
            if time.monotonic() > until:
                raise SkippedError(f"not within {PATIENCE:.0f} s: {what}")
            time.sleep(0.1)

    def _newest(self, level: str, partition: int) -> list[bytes]:
        """Return values of ours among the newest of a partition."""
        where = kafka.TopicPartition(self._topics[level], partition)
        consumer = kafka.KafkaConsumer(bootstrap_servers=self._lab.bootstrap_servers.split(","))
        try:
            consumer.assign([where])
            end = consumer.end_offsets([where])[where]
            consumer.seek(where, max(end - SAMPLE, consumer.beginning_offsets([where])[where]))
            found = consumer.poll(5_000, max_records=SAMPLE).get(where, ())
            records = [(truth.parse(each.offset, each.value), each.value) for each in found]
            return [value for record, value in records if self._cards.ours(record, partition)]
        finally:
            consumer.close()


def _damaged(chance: random.Random, value: bytes) -> bytes:
    """Flip one bit behind the magic."""
    bit = chance.randrange(8 * 4, 8 * len(value))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

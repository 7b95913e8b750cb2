"""Real brokers lead to the verdicts that the simulator gives (tests/sim/test_scenarios.py), scenario by scenario."""

from __future__ import annotations

import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from tests.kafka.conftest import leader_and_isr
from tests.kafka.sentinel import Sentinel, configuration, wait_for
from tests.kafka.test_duplicates import HASTY
from tests.kafka.test_strangers import values, with_one_bit_flipped, write
from tests.scenarios.scripts import SCENARIOS, Scenario
from tests.scenarios.words import differs

from kafka import KafkaAdminClient, TopicPartition
from kafka_sentinel.core.types import Acks, ProbePartition

REPLICAS = [[1, 2, 3]]


class RealBench:
    """A script's hands on a lab and on a Sentinel beside it."""

    def __init__(self, lab, sentinel: Sentinel, topic: str, scenario: Scenario) -> None:
        self._lab, self._sentinel, self._topic, self._scenario = lab, sentinel, topic, scenario
        self._acks = Acks(scenario.acks)

    # --- what it sees

    def leader(self) -> int:
        found = [each for each in self._sentinel.status["partitions"] if each["acks"] == self._scenario.acks]
        return found[0]["leader"]

    def in_sync(self) -> set[int]:
        return set(self._sentinel.isr(0, self._scenario.acks))

    def records(self, name: str) -> int:
        return self._sentinel.records(self._scenario.acks).get(name, 0)

    def said(self) -> list[str]:
        return list(self._sentinel.runtime.words.said)

    def until(self, true, what: str, within: float = 60.0) -> None:
        wait_for(true, within, lambda: f"{what}; said: {self.said()}")

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    # --- what it does

    def kill(self, broker: int) -> None:
        self._lab.kill(broker)

    def start(self, broker: int, *, empty: bool = False) -> None:
        if empty:
            self._lab.wipe(broker, same_disk=True)
        self._lab.start(broker)

    def pause(self, broker: int) -> None:
        self._lab.pause(broker)

    def resume(self, broker: int) -> None:
        self._lab.resume(broker)

    def write_foreign(self) -> None:
        write(self._lab, self._topic, [b"of somebody else"])

    def write_damaged(self) -> None:
        ours = values(self._lab, self._topic, 1)[0]
        write(self._lab, self._topic, [with_one_bit_flipped(ours, len(ours) * 8 - 77)])

    def hold_reader(self) -> None:
        self._verifier.probe(())

    def release_reader(self) -> None:
        partition = ProbePartition(self._acks, 0)
        position = self._sentinel.runtime.ask(lambda engine: engine.truth.ledgers[partition].position)
        self._verifier.assign(partition, position)

    @property
    def _verifier(self):
        return self._sentinel.runtime._adapters._verifiers[self._acks]

    def delete_records(self, left: int) -> None:
        end = max(offset for offset, _ in self._sentinel.acked(0, self._acks).values() if offset is not None)
        client = KafkaAdminClient(bootstrap_servers=self._lab.bootstrap_servers.split(","))
        client.delete_records({TopicPartition(self._topic, 0): end - left})

    def remake_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._lab.bootstrap_servers, "log_level": 0})
        admin.delete_topics([self._topic])[self._topic].result(20)
        self.wait(4.0)
        new = NewTopic(self._topic, num_partitions=1, replica_assignment=REPLICAS, config=settings(self._scenario))
        admin.create_topics([new])[self._topic].result(20)
        wait_for(lambda: leader_and_isr(self._lab.bootstrap_servers, self._topic)[0] > 0, 30, "the new topic")


def settings(scenario: Scenario) -> dict[str, str]:
    return {
        "min.insync.replicas": str(scenario.min_isr),
        "unclean.leader.election.enable": str(scenario.unclean).lower(),
    }


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(one, marks=pytest.mark.full if one.full else (), id=one.name.replace(" ", "_")) for one in SCENARIOS],
)
def test_real_brokers_lead_to_what_the_simulator_says(lab_separate, make_topic, scenario):
    lab = lab_separate
    topic = make_topic(lab, REPLICAS, config=settings(scenario))
    probe: dict[str, object] = {"manage_topic": False, "records_per_interval": 10}
    if scenario.acks == "1":
        make_topic(lab, REPLICAS, config=settings(scenario), name=f"{topic}-acks1")
        probe["acks_one"] = {"enabled": True, "topic": f"{topic}-acks1"}
    client = {} if scenario.idempotent else {**HASTY, "enable.idempotence": False}
    config = configuration(lab.bootstrap_servers, topic, probe=probe, cluster={"session_timeout": 3})
    with Sentinel(config, producer_extra=client) as sentinel:
        sentinel.wait_verified(1, acks=scenario.acks)
        bench = RealBench(lab, sentinel, topic if scenario.acks == "all" else f"{topic}-acks1", scenario)
        scenario.play(bench)
        assert not differs(bench.said(), scenario.stages, scenario.may)

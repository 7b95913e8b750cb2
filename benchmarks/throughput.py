"""How many records a second are accounted for exactly, beside what else a user would run.

Three take turns, on the same brokers, each on a topic of its own (RF 3, min ISR 2, six partitions; acks=all,
idempotence, 200-byte records):

    bare      a loop of confluent-kafka: sends as fast as it can, counts acknowledgements in the delivery callback; a
              second thread reads all of it back and counts. Nothing is encoded, decoded, compared or remembered.
    java      Kafka's own VerifiableProducer and VerifiableConsumer, which say of each record that it was acknowledged
              and that it was read. Comparing the two is left to whoever runs them, and not done here. Its values have
              17 bytes, the longest it makes.
    sentinel  the whole daemon's probe path: records with claims and checksums, ledgers, verifier, availability,
              incidents, checkpoints. What counts is records *verified*.

Ratios, by records a second and by processor time a record, are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.figures import Figure
from benchmarks.java_pair import JavaPair
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_sentinel.adapters.producer_client import ProducerOptions
from kafka_sentinel.adapters.reader import reader_config
from kafka_sentinel.core.types import Acks
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.runtime import Runtime
from kafka_sentinel.settings import Settings

KINDS = ("bare", "java", "sentinel")
PARTITIONS = 6
BATCH = 1_000  # records handed to the client at once
QUEUE = 50_000  # records in the client's queue
RATE = 50_000.0  # records per second and partition that are asked for: more than can be sent, the queue paces it
INTERVAL = 0.02  # seconds
ROUND_LIMIT = 90.0  # seconds for one round, start and end included


@dataclass(frozen=True)
class Count:
    """`done`: records acknowledged and read back. `cpu`: seconds of processor time of this process so far."""

    at: float
    done: int
    acked: int
    cpu: float


def main() -> int:
    given = _options()
    if given.worker:
        worker = {"bare": bare, "java": java, "sentinel": sentinel}[given.worker]
        print(json.dumps(worker(given.servers, given.topic, given.warm_up, given.seconds)))
        return 0
    rounds: list[dict[str, dict[str, Any]]] = []
    with LabCluster("combined", overrides={"log.segment.delete.delay.ms": "1000"}) as lab:
        for number in range(given.rounds):
            order = KINDS[number % len(KINDS) :] + KINDS[: number % len(KINDS)]
            rounds.append({kind: _round(kind, lab.bootstrap_servers, number, given) for kind in order})
            for kind in order:
                print(_line(f"{number + 1} {kind}", rounds[-1][kind]), flush=True)
    return figures.conclude("throughput", _figures(rounds), {"rounds": rounds}, given)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of each (5)")
    parser.add_argument("--warm-up", type=float, default=8.0, metavar="S", help="seconds before measuring (8)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="seconds of measuring, each round (8)")
    figures.options(parser)
    parser.add_argument("--worker", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--servers", help=argparse.SUPPRESS)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    return parser.parse_args()


def _round(kind: str, servers: str, number: int, given: argparse.Namespace) -> dict[str, Any]:
    """Run one worker on a topic of its own, which is gone afterwards."""
    topic = f"throughput-{number}-{kind}"
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=3, config={"min.insync.replicas": "2"})
    admin.create_topics([new])[topic].result()
    command = [sys.executable, "-m", "benchmarks.throughput", "--worker", kind, "--servers", servers, "--topic", topic]
    command += ["--warm-up", str(given.warm_up), "--seconds", str(given.seconds)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=ROUND_LIMIT, check=False)
    finally:
        admin.delete_topics([topic])[topic].result()
    if ended.returncode:
        raise SystemExit(f"throughput: the {kind} round failed\n{ended.stderr[-4_000:]}")
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def _line(name: str, result: dict[str, Any]) -> str:
    return (
        f"{name:14}{result['records_per_second']:>9,.0f} records/s"
        f"{result['cpu_us_per_record']:>8.2f} us of processor time a record"
        f"{result['cores']:>6.2f} cores"
    )


def _figures(rounds: list[dict[str, dict[str, Any]]]) -> list[Figure]:
    def middle(kind: str, key: str) -> float:
        return statistics.median(each[kind][key] for each in rounds)

    def ratio(other: str) -> float:
        return statistics.median(
            each["sentinel"]["records_per_second"] / each[other]["records_per_second"] for each in rounds
        )

    def thrift(other: str) -> float:
        return statistics.median(
            each[other]["cpu_us_per_record"] / each["sentinel"]["cpu_us_per_record"] for each in rounds
        )

    return [
        Figure("verified records/s", middle("sentinel", "records_per_second"), least=100_000),
        Figure("… of the bare loop's", ratio("bare"), least=0.9),
        Figure("… of Kafka's own verifiable clients'", ratio("java"), least=1.3),
        Figure("records per second of processor, of the bare loop's", thrift("bare")),
        Figure("… of Kafka's own verifiable clients'", thrift("java")),
        *(Figure(f"processor time a record: {kind}", middle(kind, "cpu_us_per_record"), "µs") for kind in KINDS),
    ]


# --- the workers


def _measured(count: Callable[[], Count], warm_up: float, seconds: float) -> dict[str, Any]:
    time.sleep(warm_up)
    before = count()
    time.sleep(seconds)
    after = count()
    passed, done, cpu = after.at - before.at, after.done - before.done, after.cpu - before.cpu
    if done <= 0:
        raise SystemExit(f"nothing came back: {asdict(before)} {asdict(after)}")
    return {
        "records_per_second": round(done / passed),
        "cpu_us_per_record": round(1e6 * cpu / done, 2),
        "cores": round(cpu / passed, 2),
        "behind": after.acked - after.done,
    }


def _producer_options(servers: str, topic: str) -> ProducerOptions:
    return ProducerOptions(
        common={"bootstrap.servers": servers}, topic=topic, acks=Acks.ALL, instance=0, records_per_second=RATE
    )


class _Bare:
    def __init__(self, servers: str, topic: str) -> None:
        self._servers, self._topic = servers, topic
        self.acked = self.read = 0
        self.stopping = threading.Event()

    def send(self) -> None:
        def delivered(error: object, _message: object) -> None:
            self.acked += error is None

        properties = _producer_options(self._servers, self._topic).client_properties()
        producer = Producer({**properties, "on_delivery": delivered})
        key, value = bytes(8), bytes(200)
        while not self.stopping.is_set():
            for partition in range(PARTITIONS):
                if len(producer) < QUEUE:
                    batch = [{"value": value, "key": key} for _ in range(BATCH)]
                    producer.produce_batch(self._topic, batch, partition=partition)
                producer.poll(0)
            if len(producer) >= QUEUE:
                producer.poll(0.01)
        producer.purge()
        producer.flush(5)

    def receive(self) -> None:
        config = reader_config({"bootstrap.servers": self._servers}, "bare", "bare", {})
        consumer = Consumer(config)
        consumer.assign([TopicPartition(self._topic, partition, 0) for partition in range(PARTITIONS)])
        while not self.stopping.is_set():
            messages = consumer.consume(1, 0.1)
            messages += consumer.consume(5_000, 0)
            self.read += len(messages)
        consumer.close()

    def count(self) -> Count:
        return Count(time.monotonic(), self.read, self.acked, time.process_time())


def bare(servers: str, topic: str, warm_up: float, seconds: float) -> dict[str, Any]:
    loop = _Bare(servers, topic)
    threads = [threading.Thread(target=work, daemon=True) for work in (loop.receive, loop.send)]
    for thread in threads:
        thread.start()
    result = _measured(loop.count, warm_up, seconds)
    loop.stopping.set()
    for thread in threads:
        thread.join()
    return result


def java(servers: str, topic: str, warm_up: float, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        pair = JavaPair(servers, topic, Path(folder))
        try:
            pair.start()
            return _measured(lambda: Count(time.monotonic(), pair.read, pair.acked, pair.cpu()), warm_up, seconds)
        finally:
            pair.stop()


def sentinel(servers: str, topic: str, warm_up: float, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        settings = Settings.model_validate(
            {
                "name": topic,
                "kafka": {"bootstrap_servers": servers},
                "probe": {"topic": topic, "interval": INTERVAL, "records_per_interval": int(RATE * INTERVAL)},
                "group_consumer": {"enabled": False},  # the bare loop has none
                "state": {"file": Path(folder) / "state.json"},
            }
        )
        runtime = Runtime(settings, web=False)
        thread = threading.Thread(target=runtime.run, daemon=True)
        thread.start()
        try:
            _wait_for(lambda: runtime.ask(lambda engine: engine.records(Acks.ALL).get("verified", 0)) > 0)

            def count() -> Count:
                figures = runtime.ask(lambda engine: engine.records(Acks.ALL))
                return Count(time.monotonic(), figures["verified"], figures["acked"], time.process_time())

            result = _measured(count, warm_up, seconds)
            figures = runtime.ask(lambda engine: engine.records(Acks.ALL))
        finally:
            runtime.stop()
            thread.join()
    anomalies = {name: figures[name] for name in ("lost", "duplicated", "corrupted", "unaccounted") if figures[name]}
    if anomalies or figures["sent"] != sum(figures[name] for name in ("acked", "rejected", "uncertain", "in_flight")):
        raise SystemExit(f"the accounts do not add up: {figures}")
    return result


def _wait_for(predicate: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing was verified within {seconds:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())

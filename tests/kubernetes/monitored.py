"""A spot node with two of three brokers is reclaimed, as Prometheus, the dashboards and whoever is alerted see it.

Before that one broker is restarted by an experiment, and then all of them, one after the other, by the operator. Two
releases of the chart watch. One is as users have it: its probe topic has three copies, of which two must be in
sync. The probe topic of the other has two copies, of one partition both on that node, and one in sync is enough: what
that partition acknowledged is gone for good, for the node returns with empty disks. It dies as soon as it has proved
that. The user's also probes with acks=1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerts.client import Client
from tests.alerts.contract import unheard
from tests.alerts.shown import Shown, answers
from tests.chart.helm import MAJORS
from tests.kafka import truth
from tests.kubernetes.agents import Machine
from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.calm import is_calm
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.monitoring import SELECTED, Monitoring
from tests.kubernetes.deploy.release import Release, installed
from tests.kubernetes.deploy.waiting import say, wait_for
from tests.kubernetes.injections import armed, denying, experiment
from tests.kubernetes.memory import Memory, memory_of
from tests.kubernetes.pod_record import PodRecord, recorded

SCRAPED = {"interval": "2s", "labels": SELECTED}
# For the user's release. The objectives of slots are wide for a machine that runs a whole data centre.
SLO = {"produce": "2s", "consume": "3s"}
THIN, THIN_TOPIC, THIN_PLACES = "orders-thin", "two-copies", [[0, 1], [2, 0]]
LAST_LOSS = "kafka_sentinel_last_loss_timestamp_seconds"
WEAK_TOPIC, WEAK = "one-ack", "1"
FRESH = 200  # of the newest records of a partition, some may still be on their way
SAFE = "orders"  # the clusters' names in the metrics
NODE, BROKERS, DISKS = "n1", (0, 1), ("d1", "d2")
TAINT, TAINT_VALUE = "aws-node-termination-handler/spot-itn", "spot-itn-4f2e1c"
CRASH = "crash"  # name of the experiment
NOTICE = 8.0  # seconds from the notice to the power loss; clouds give 120
VERIFIED = 300  # records before anything happens
EVALUATED = 75.0  # seconds in which what fires after a minute has been delivered
RANGE, LATELY = "20m", 900.0  # what the dashboards are set to show
SECONDS, CLOSED = 120.0, 300.0
PROVED = 90.0  # seconds from the proof of a loss to its alert's arrival, as docs/alerts.md says


@dataclass(frozen=True, slots=True)
class Rolled:
    """`delivered`: (name, severity) of what fired until then."""

    delivered: set[tuple[str, str]]
    incidents: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """`calm`, `down`, `after`: what the dashboards showed of the user's release. `thin`: and of the other in the end.

    `unheard`: metrics that had no series in the end. `rolled`: how things were when all brokers had been restarted.
    `quiet`: what had been delivered before the node got its notice. `said`, `lost`: by our own clock. `missing`:
    (partition, run, sequence) of what the log of acks=1 lacks. `proved`: what the other release said just before its
    death; `last_loss`: what Prometheus had of it in the end. `pods`: what became of those of both that were there at
    first. `memory`: of the user's pod in the end, and of the other's before its death and in the end.
    """

    monitoring: Monitoring
    calm: Shown
    down: Shown
    after: Shown
    thin: Shown
    unheard: set[str]
    rolled: Rolled
    quiet: list[str]
    said: float
    lost: float
    incident: dict[str, Any]
    status: dict[str, Any]
    thin_status: dict[str, Any]
    missing: set[tuple[int, int, int]]
    proved: dict[str, Any]
    last_loss: float
    pods: PodRecord
    memory: tuple[Memory, ...]


def seen_by(monitor: str) -> dict[str, Any]:
    """Return the chart's values that let a Prometheus operator's Prometheus find all there is. `monitor`: its kind."""
    return {
        monitor: {"enabled": True, **SCRAPED},
        "prometheusRule": {"enabled": True, "labels": SELECTED},
        "dashboards": {"enabled": True},
    }


def show(prometheus: Client, cluster: str) -> Shown:
    """Ask what the dashboards ask when somebody opens them and chooses one of the clusters they offer."""
    assert cluster in prometheus.label_values("kafka_cluster", "kafka_sentinel_build_info{}")
    return answers(prometheus, LATELY, time.time(), kafka_cluster=cluster, __range=RANGE, __rate_interval="10s")


@contextmanager
def both(kafka: Kafka, folder: Path) -> Iterator[tuple[Release, Release]]:
    """Have both releases. The rules come with the first alone: each is of the whole Prometheus."""
    kafka.create_topic(THIN_TOPIC, THIN_PLACES, min_insync_replicas="1")
    experiments = armed(kafka, experiment(CRASH, "pod-crash"), warm_up="20s", steady="10s")
    thin = {
        "kafka": {"cluster_name": THIN},
        "probe": {"topic": THIN_TOPIC, "manage_topic": False, "records_per_interval": 10},
        "slo": SLO,
    }
    only_scraped = {"podMonitor": {"enabled": True, **SCRAPED}}
    settings = {"slo": SLO, "experiments": experiments, "probe": {"acks_one": {"enabled": True, "topic": WEAK_TOPIC}}}
    with (
        installed(kafka, MAJORS[0], folder, forgetting=True, **seen_by("podMonitor"), settings=settings) as first,
        installed(kafka, MAJORS[0], folder, "thin", forgetting=True, **only_scraped, settings=thin) as second,
    ):
        yield first, second


def play(kafka: Kafka, monitoring: Monitoring, folder: Path) -> Told:
    """Let it happen, and return once everything has settled and was delivered."""
    with both(kafka, folder) as releases:
        for each in releases:
            wait_for(lambda each=each: all(map(objects.is_ready, each.pods())), "its pod to be ready", SECONDS)
        names = [pod["metadata"]["name"] for each in releases for pod in each.pods()]
        with recorded(kafka, names) as pods:
            return _Play(kafka, monitoring, *releases, pods).run()


def is_settled(status: dict[str, Any]) -> bool:
    """Tell whether the fate of every record of acks=1 is known, too."""
    return not (status["records"][WEAK]["suspected"] or status["records"][WEAK]["unresolved"])


def missing_in(kafka: Kafka, status: dict[str, Any]) -> set[tuple[int, int, int]]:
    """Return which records of acks=1 the log lacks, of those that were sent before the newest that it has."""
    run = int(status["run"], 16)
    found: set[tuple[int, int, int]] = set()
    for partition in (one["partition"] for one in status["partitions"] if one["acks"] == WEAK):
        records = truth.read_log(kafka.bootstrap, WEAK_TOPIC, partition).records
        there = {sequence for its, sequence in truth.present(records) if its == run}
        found |= {(partition, run, sequence) for sequence in set(range(max(there) - FRESH)) - there}
    return found


class _Play:
    def __init__(self, kafka: Kafka, monitoring: Monitoring, safe: Release, thin: Release, pods: PodRecord) -> None:
        self.kafka, self.lab = kafka, kafka.cluster
        self.prometheus, self.monitoring, self.receiver = monitoring.prometheus, monitoring, monitoring.receiver
        self.safe, self.thin, self.pods = safe, thin, pods
        self.began = time.monotonic()

    def run(self) -> Told:
        self._ready()
        calm = show(self.prometheus, SAFE)
        self._experiment()
        rolled = self._roll()
        quiet = sorted(one.name for one in self.receiver.got("firing"))
        said, lost = self._reclaim()
        self._delivered("firing", alertname="KafkaSentinelWritesDown", kafka_cluster=SAFE)
        self._say("somebody was told that writes are down")
        self._refused()
        self._wait(lambda status: len(status["kubernetes"]["stuck"]) == len(BROKERS), "the pods to wait for their node")
        stuck = f'sum(kafka_sentinel_broker_pods_stuck{{kafka_cluster="{SAFE}"}})'
        wait_for(lambda: self._value(stuck) == len(BROKERS), "that to have been scraped", SECONDS)
        down = show(self.prometheus, SAFE)
        self._return()
        proved, memory = self._die()
        loss = {"alertname": "KafkaSentinelMessageLossAfterSpotReclaim", "kafka_cluster": THIN}
        wait_for(lambda: self.receiver.got("firing", **loss), "somebody to be told of the loss", PROVED)
        self._say("somebody was told of the loss")
        status = self._wait(lambda status: is_calm(status) and is_settled(status), "the incident to be closed")
        missing = missing_in(self.kafka, status)
        thin_status = self.thin.wait_for(is_calm, "the incident to be closed", CLOSED)
        for cluster in (SAFE, THIN):
            self._delivered("resolved", alertname="KafkaSentinelWritesDown", kafka_cluster=cluster)
            self._delivered("firing", alertname="KafkaSentinelSlowRecovery", kafka_cluster=cluster)
        self._say("somebody was told that it is over, and that it took long")
        many = len(self.kafka.brokers) + 1 + len(BROKERS)
        wait_for(lambda: self._restarts() >= many, f"{many} restarts to be counted", CLOSED, self._restarts)
        after, thin = (show(self.prometheus, cluster) for cluster in (SAFE, THIN))
        last_loss = self.prometheus.now(f'max({LAST_LOSS}{{kafka_cluster="{THIN}", acks="all"}})')
        [incident] = [one for one in status["incidents"] if one["opened_at"] > said and one["cause"] != "unknown"]
        return Told(
            self.monitoring,
            calm,
            down,
            after,
            thin,
            unheard(self.prometheus),
            rolled,
            quiet,
            said,
            lost,
            incident,
            status,
            thin_status,
            missing,
            proved,
            float(last_loss[0]["value"][1]),
            self.pods,
            (memory_of(self.safe), memory, memory_of(self.thin)),
        )

    def _ready(self) -> None:
        for each in (self.safe, self.thin):
            each.wait_for(lambda status: status["records"]["all"]["verified"] > VERIFIED, "records verified", SECONDS)
            each.wait_for(is_calm, "a slow start to be over", SECONDS)
        wait_for(lambda: self._seen(SAFE) and self._seen(THIN), "both to have been scraped for a while", SECONDS)
        self._wait(lambda status: status["kubernetes"]["exposure"] is not None, "what is exposed to be known")
        self._wait(lambda status: denying(status, CRASH) == {"schedule"}, "the guards to allow the experiment")

    def _seen(self, cluster: str) -> bool:
        expr = f'count_over_time(kafka_sentinel_build_info{{kafka_cluster="{cluster}"}}[1m]) > 15'
        return bool(self.prometheus.now(expr))

    def _restarts(self) -> float:
        """Return how many were counted, whatever their cause: it is final only a minute after the incident."""
        return self._value(f'sum(kafka_sentinel_broker_restarts_total{{kafka_cluster="{SAFE}"}})')

    def _value(self, expr: str) -> float:
        return float(self.prometheus.now(expr)[0]["value"][1])

    def _roll(self) -> Rolled:
        """Restart all brokers in order, each once all replicas are in sync: by the operator, as after a change."""
        for broker, member in self.kafka.brokers.items():
            for each in (self.safe, self.thin):
                each.wait_for(is_calm, "all replicas to be in sync", CLOSED)
            before = self._uid(broker)
            self.kafka.roll(broker)
            wait_for(lambda one=broker, uid=before: self._uid(one) not in {None, uid}, f"a new {member.pod}", SECONDS)
            self.kafka.wait_ready()
        self._say("all brokers were restarted")
        self._wait(is_calm, "the incidents of that to be closed")
        time.sleep(EVALUATED)
        delivered = {(one.name, one.labels["severity"]) for one in self.receiver.got("firing")}
        return Rolled(delivered, self.safe.status()["incidents"])

    def _uid(self, broker: int) -> str | None:
        pod = self.kafka.pod(broker)
        return None if pod is None else pod["metadata"]["uid"]

    def _die(self) -> tuple[dict[str, Any], Memory]:
        """Have the pod of the other release die as soon as it has proved a loss, and return when another life has."""
        [pod] = self.thin.there()
        memory = memory_of(self.thin)
        proved = self.thin.wait_for(lambda status: status["losses"], "the loss to be proved", CLOSED)
        objects.kill_container(self.lab, pod)
        forced = ("--grace-period=0", "--force")
        self.lab.kubectl("delete", "pod", pod["metadata"]["name"], "-n", self.thin.namespace, *forced)
        self._say("the loss was proved, and whoever proved it is dead")
        self.thin.wait_for(
            lambda status: status["health"] != "standby" and status["run"] != proved["run"] and status["losses"],
            "its next life to know of it",
            CLOSED,
        )
        return proved, memory

    def _experiment(self) -> None:
        done = self.safe.exec("kafka-sentinel", "run-now", CRASH)
        assert done.returncode == 0, done.stdout + done.stderr
        self._say("an experiment passed")
        self._wait(lambda status: status["incidents"] and is_calm(status), "its incident to be closed")
        self.thin.wait_for(is_calm, "the other release to be calm too", CLOSED)
        self.kafka.wait_ready()

    def _reclaim(self) -> tuple[float, float]:
        machine = Machine(self.lab, NODE)
        said = time.time()
        machine.taint(TAINT, TAINT_VALUE)
        time.sleep(NOTICE)
        lost = time.time()
        self.lab.kill_node(NODE)
        self._say(f"the power of {NODE} went")
        time.sleep(1)  # a cloud takes a moment to notice
        machine.delete()
        return said, lost

    def _refused(self) -> None:
        done = self.safe.exec("kafka-sentinel", "run-now", CRASH)
        assert done.returncode == 1, done.stdout + done.stderr

    def _return(self) -> None:
        for disk in DISKS:
            self.lab.wipe_disk(NODE, disk)
        self.lab.start_node(NODE)
        self.kafka.wait_ready()
        self._say("all brokers are back")

    def _delivered(self, status: str, **labels: str) -> None:
        what = f"{labels['alertname']} of {labels['kafka_cluster']} to be delivered as {status}"
        wait_for(lambda: self.receiver.got(status, **labels), what, CLOSED, self._firing)

    def _firing(self) -> str:
        found = self.prometheus.now("ALERTS")
        return ", ".join(sorted(f"{one['metric']['alertname']} {one['metric']['alertstate']}" for one in found))

    def _wait(self, fits: Callable[[dict], object], what: str) -> dict:
        return self.safe.wait_for(fits, what, CLOSED)

    def _say(self, words: str) -> None:
        say(f"{time.monotonic() - self.began:4.0f} s: {words}")

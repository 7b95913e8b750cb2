"""Two of three brokers on one spot node, as small teams have it, and that node is taken away without a word.

Two Sentinels watch. The probe topic of one is as it should be: three copies, of which two must be in sync. That of the
other has two copies, for one partition both on that node, and one in sync is enough: what that partition acknowledged
is lost for good if the node returns with empty disks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.conftest import FULL
from tests.kafka import truth
from tests.kafka.conftest import describe
from tests.kafka.sentinel import Key
from tests.kubernetes import phases
from tests.kubernetes.deploy.calm import is_calm
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.tapped import TappedSentinel
from tests.kubernetes.deploy.waiting import say, wait_for
from tests.kubernetes.figures import Figures, explained, take, watching
from tests.kubernetes.phases import PLACED, PROBE, Others

NODE, BROKERS, THIRD = "n1", (0, 1), 2
DISKS = ("d1", "d2")
SAFE, THIN = "three-copies", "two-copies"
MIN_ISR = {SAFE: 2, THIN: 1}
THIN_PLACES = [[0, 1], [THIRD, 0]]
THIN_SECTIONS = {**phases.SECTIONS, "probe": {**phases.SECTIONS["probe"], "records_per_interval": 10}}
WRITTEN = 150  # records of each Sentinel verified before the node goes
OWN_TOPIC = "__consumer_offsets"
SECONDS = 60.0  # for what takes moments
NAMED = 150.0  # seconds until both pods wait for the node; Kubernetes takes 40 to 60 to clear the old ones away
CLOSED = 180.0  # seconds from the node's return; why a node went is final a minute after it did
REPORTED = 2.0  # seconds: what is shown of the pods is at most that old


@dataclass(frozen=True, slots=True)
class Seen:
    """One Sentinel before, while the pods waited for their node, and after; with what its client had acknowledged and
    read, by partition, and what the partitions held in the end.
    """

    before: Figures
    waiting: Figures
    after: Figures
    acked: tuple[set[Key], ...]
    read: tuple[set[Key], ...]
    logs: tuple[truth.LogCopy, ...]

    def missing(self, partition: int) -> set[Key]:
        """Return what was acknowledged and is not there."""
        return self.acked[partition] - truth.present(self.logs[partition].records)


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, by the test's own clock (wall clock) and by others than Sentinel.

    `killed`: not before the first, certainly at the second. `scheduler`: what it said of each broker's pod.
    `would_fall`: partitions that hold too few copies elsewhere. `led`: leaders of the safe topic as its log was read.
    """

    others: Others
    killed: tuple[float, float]
    returned: float
    would_fall: int
    scheduler: dict[int, str]
    on_disk: tuple[int, ...]  # files on the node's disks as it returned
    led: tuple[int, ...]
    safe: Seen
    thin: Seen


def play(kafka: Kafka, *, wiped: bool) -> Story:
    """Let it happen, and return once everything has settled. `wiped`: the node returns with empty disks."""
    kafka.create_topic(SAFE, PLACED, min_insync_replicas=str(MIN_ISR[SAFE]))
    kafka.create_topic(THIN, THIN_PLACES, min_insync_replicas=str(MIN_ISR[THIN]))
    safe = TappedSentinel(kafka, topic=SAFE, wanted=watching, **phases.SECTIONS)
    thin = TappedSentinel(kafka, topic=THIN, wanted=watching, **THIN_SECTIONS)
    with safe, thin, explained(safe, thin), phases.watched(kafka, SAFE) as others:
        return _Play(kafka, others, safe, thin).run(wiped=wiped)


class _Play:
    def __init__(self, kafka: Kafka, others: Others, safe: TappedSentinel, thin: TappedSentinel) -> None:
        self.kafka, self.lab, self.others = kafka, kafka.cluster, others
        self.safe, self.thin = safe, thin
        self.began = time.monotonic()

    @property
    def both(self) -> tuple[TappedSentinel, TappedSentinel]:
        return self.safe, self.thin

    def run(self, *, wiped: bool) -> Story:
        would_fall = self._ready()
        before = [take(each) for each in self.both]
        killed = self._take_node_away()
        self._wait(_all_wait, "both pods to be said to wait for their node", NAMED)
        time.sleep(REPORTED)
        waiting = [take(each) for each in self.both]
        scheduler = {broker: self._scheduler_says(broker) for broker in BROKERS}
        if wiped:
            for disk in DISKS:
                self.lab.wipe_disk(NODE, disk)
        on_disk = tuple(sum(1 for _ in self.lab.disk(NODE, disk).rglob("*")) for disk in DISKS)
        self._say("both pods wait for the node, which returns now")
        returned = time.time()
        self.lab.start_node(NODE)
        self.kafka.wait_ready()
        helped = {topic: self.kafka.lead_again(topic) for topic in MIN_ISR}
        self._say(f"all brokers are back; partitions that an operator had to give a leader: {helped}")
        self._wait(is_calm, "the incident to be closed", CLOSED)
        self._say("everything has settled")
        after = [take(each) for each in self.both]
        self.kafka.lead_preferred(SAFE)  # the brokers that were gone, so that their disks are read
        led = tuple(self.kafka.leader(SAFE, number) for number in range(len(PLACED)))
        safe, thin = (
            self._seen(each, *figures) for each, *figures in zip(self.both, before, waiting, after, strict=True)
        )
        return Story(self.others, killed, returned, would_fall, scheduler, on_disk, led, safe, thin)

    def _ready(self) -> int:
        """Wait until everybody watches, and return how many partitions would fall below min ISR with the node."""
        for each in self.both:
            each.wait_verified(WRITTEN)
        writing, reading = self.others.writer, self.others.reader
        for one in (writing, reading):
            wait_for(lambda one=one: len({seen.partition for seen in one.passed}) == len(PLACED), "observers", SECONDS)
        wait_for(lambda: OWN_TOPIC in describe(self.kafka.bootstrap), "groups of consumers", SECONDS)
        would_fall = self._would_fall()
        self._wait(is_calm, "a slow start to be over", SECONDS)
        self._wait(
            lambda status: _exposed(status) == would_fall, f"{would_fall} partitions to be said to be exposed", SECONDS
        )
        return would_fall

    def _would_fall(self) -> int:
        parts = [
            (MIN_ISR.get(name, 2), set(part.replicas) - set(BROKERS))
            for name, topic in describe(self.kafka.bootstrap).items()
            for part in topic.partitions.values()
        ]
        return sum(len(left) < least for least, left in parts)

    def _take_node_away(self) -> tuple[float, float]:
        first = time.time()
        self.lab.kill_node(NODE)
        killed = (first, time.time())
        self._say(f"the power of {NODE} went")
        time.sleep(2 * PROBE)  # a cloud takes a moment to notice
        self.lab.delete_node(NODE)
        if not FULL:
            self.kafka.clear_away(BROKERS)
        return killed

    def _scheduler_says(self, broker: int) -> str:
        pod = self.kafka.pod(broker)
        assert pod is not None, f"broker {broker} has no pod"
        assert pod["status"]["phase"] == "Pending", pod["status"]
        assert "nodeName" not in pod["spec"], pod["spec"]
        [scheduled] = [one for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"]
        return f"{scheduled['status']} {scheduled['reason']}: {scheduled['message']}"

    def _seen(self, sentinel: TappedSentinel, before: Figures, waiting: Figures, after: Figures) -> Seen:
        partitions = range(len(PLACED if sentinel is self.safe else THIN_PLACES))
        acked = tuple(sentinel.acked(number) for number in partitions)  # first: what comes later is not missed
        logs = tuple(truth.read_log(self.kafka.bootstrap, sentinel.topic, number) for number in partitions)
        read = tuple(sentinel.read(number) for number in partitions)
        return Seen(before, waiting, after, acked, read, logs)

    def _wait(self, fits: Callable[[dict], object], what: str, seconds: float) -> None:
        for each in self.both:
            each.wait_for(fits, what, seconds)

    def _say(self, words: str) -> None:
        say(f"{time.monotonic() - self.began:4.0f} s: {words}")


def _exposed(status: dict) -> int | None:
    found = status["kubernetes"]["exposure"]
    return None if found is None or found["unplaced"] else found["partitions"]["node"]


def _all_wait(status: dict) -> bool:
    return len(status["kubernetes"]["stuck"]) == len(BROKERS)

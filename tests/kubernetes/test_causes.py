"""f: what people, operators and the kernel do to brokers: each is its own cause, none a reclaim or an experiment.

All of it is done once, one after the other; each test looks at a part of what was made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.kubernetes import phases
from tests.kubernetes.deploy.calm import is_calm
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Sentinel
from tests.kubernetes.deploy.shared import SMALL_TEAM, SharedKafka
from tests.kubernetes.deploy.waiting import say, wait_for
from tests.kubernetes.figures import Figures, assert_accounts_whole, explained, take, watching

pytestmark = pytest.mark.timeout(900)  # the first of them waits until all of it has happened
NODE, ON_IT = "n2", 2  # a node with one broker: of two, the disruption budget lets only one go
BROKERS = {"oom": {1}, "pod_deleted": {0}, "rollout": {1, 2}, "drain": {ON_IT}}
MOMENTS = 120.0  # seconds for a broker to come back, and for an incident to close
COUNTED = 120.0  # seconds until a restart is counted: only after a minute its cause is final
SECTIONS = {**phases.SECTIONS, "probe": {"partitions": 3, "delivery_timeout": 60}}


@dataclass
class Story:
    """`incidents` that were made of each, by its cause; `last_end`: how the kernel's victim ended; `drained`: what was
    shown while the node was closed; `after`: when all was counted.
    """

    incidents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last_end: dict[str, Any] = field(default_factory=dict)
    drained: Figures | None = None
    after: Figures | None = None


class _Play:
    def __init__(self, kafka: Kafka, sentinel: Sentinel) -> None:
        self.kafka, self.sentinel = kafka, sentinel
        self.story = Story()

    def run(self) -> Story:
        for cause, do in {
            "oom": self._exhaust,
            "drain": self._drain,
            "rollout": self._roll,  # soon after, and of the same broker among others
            "pod_deleted": self._delete,
        }.items():
            self._do(cause, do)

        def counts() -> dict[str, float]:
            return take(self.sentinel).of("broker_restarts_total")

        many = sum(map(len, BROKERS.values()))
        wait_for(lambda: sum(counts().values()) >= many, f"{many} restarts to be counted", COUNTED, counts)
        self.story.after = take(self.sentinel)
        return self.story

    def _do(self, cause: str, do: Callable[[], None]) -> None:
        """Do it, and return once the brokers are back and the incidents that were made of it are closed."""
        brokers = BROKERS[cause]
        self.sentinel.wait_for(is_calm, "nothing to be open", MOMENTS)
        known = {one["id"] for one in self.sentinel.incidents()}
        lives = {broker: self._life(broker) for broker in brokers}

        def news() -> list[dict[str, Any]]:
            return [one for one in self.sentinel.incidents() if one["id"] not in known]

        def is_over() -> bool:
            hit = {broker for one in news() for broker in one["brokers"]}
            return hit >= brokers and is_calm(self.sentinel.status())

        do()
        wait_for(lambda: all(self._life(one) != lives[one] for one in brokers), f"{brokers} to restart", MOMENTS)
        self.kafka.wait_ready(MOMENTS)
        wait_for(
            is_over, f"the incidents of {brokers} to be closed", MOMENTS, lambda: [one["reasons"] for one in news()]
        )
        self.story.incidents[cause] = news()
        for one in news():
            say(f"brokers {one['brokers']}: {one['cause']}, {one['verdict']}: {one['reasons'][:1]}")

    def _exhaust(self) -> None:
        [broker] = BROKERS["oom"]
        before = self._life(broker)
        self.kafka.exhaust_memory(broker)
        wait_for(lambda: self._life(broker) != before, "the kernel to kill it", MOMENTS)
        # A kubelet may count the restart a moment before it says how the container ended.
        self.story.last_end = wait_for(lambda: self._last_end(broker), "its kubelet to say how it ended", MOMENTS)

    def _last_end(self, broker: int) -> dict[str, Any]:
        """Return how a broker's container ended the last time, {} if that is not told."""
        pod = self.kafka.pod(broker) or {"status": {}}
        return next((one["lastState"].get("terminated", {}) for one in pod["status"].get("containerStatuses", [])), {})

    def _delete(self) -> None:
        [broker] = BROKERS["pod_deleted"]
        self._kubectl("delete", "pod", self.kafka.member(broker).pod, "-n", self.kafka.namespace)

    def _roll(self) -> None:
        for broker in BROKERS["rollout"]:
            self.kafka.roll(broker)

    def _drain(self) -> None:
        self._kubectl("drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        try:
            self.sentinel.wait_for(lambda status: status["kubernetes"]["stuck"], "a pod to be said to wait", MOMENTS)
            wait_for(lambda: take(self.sentinel).of("broker_pods_stuck"), "the gauge to say so", MOMENTS)
            self.story.drained = take(self.sentinel)
        finally:
            self._kubectl("uncordon", NODE)

    def _life(self, broker: int) -> tuple[str, int]:
        """Return what changes when a broker's pod is replaced or its container is started again."""
        pod = self.kafka.pod(broker)
        if pod is None:
            return "", 0
        return pod["metadata"]["uid"], sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))

    def _kubectl(self, *words: str) -> None:
        self.kafka.cluster.kubectl(*words)


@pytest.fixture(scope="module")
def story(_shared_kafka: SharedKafka) -> Story:
    kafka = _shared_kafka.get(SMALL_TEAM)
    with Sentinel(kafka, topic="causes", wanted=watching, **SECTIONS) as sentinel, explained(sentinel):
        sentinel.wait_verified(50)
        return _Play(kafka, sentinel).run()


@pytest.mark.parametrize("cause", BROKERS)
def test_f_each_is_told_by_its_own_cause_and_by_no_other(story: Story, cause: str):
    found = story.incidents[cause]
    assert {(one["cause"], one["cause_revised"], one["experiment_run"]) for one in found} == {(cause, None, None)}, (
        found
    )
    assert {broker for one in found for broker in one["brokers"]} == BROKERS[cause], found
    assert {(one["verdict"], one["lost"], one["duplicated"]) for one in found} == {("passed", 0, 0)}, found
    assert {node for one in found for node in one["nodes"]} == ({NODE} if cause == "drain" else set())


def test_f_out_of_memory_is_what_the_kernel_really_killed_for_it(story: Story):
    assert (story.last_end["reason"], story.last_end["exitCode"]) == ("OOMKilled", 137)
    [incident] = story.incidents["oom"]
    assert "ended with code 137 (OOMKilled): it used more memory than it may" in " ".join(incident["reasons"])


def test_f_a_pod_that_waits_for_its_drained_node_is_named_until_that_is_open_again(story: Story):
    assert story.drained is not None
    [stuck] = story.drained.status["kubernetes"]["stuck"]
    assert (stuck["pod"], stuck["reason"]) == (f"orders-broker-{ON_IT}", "volume_node_lost")
    assert f"is on node {NODE}, which is closed to new pods" in stuck["text"]
    assert story.drained.of("broker_pods_stuck") == {"volume_node_lost": 1}
    [still] = [one for one in story.drained.incidents if one["closed_at"] is None]
    assert f"pod {stuck['pod']} cannot come back: {stuck['text']}" in still["reasons"]
    [incident] = story.incidents["drain"]
    assert [one for one in incident["reasons"] if one.startswith(f"pod {stuck['pod']} could not come back for ")]


def test_f_every_restart_is_counted_once_under_its_cause(story: Story):
    assert story.after is not None
    counted = story.after.of("broker_restarts_total")
    say(f"counted: {counted}")
    assert counted == {cause: len(brokers) for cause, brokers in BROKERS.items()}
    incidents = Counter(f"{cause} passed" for cause, found in story.incidents.items() for _ in found)
    assert story.after.of("incidents_total") == dict(incidents)
    assert story.after.of("node_disruptions_total") == {"true drain": 1}


def test_f_nothing_was_lost_and_the_accounts_are_whole(story: Story):
    assert story.after is not None
    assert_accounts_whole(story.after)
    assert story.after.records()["lost"] == 0
    assert story.after.of("records_lost_total") == story.after.of("last_loss_timestamp_seconds") == {}

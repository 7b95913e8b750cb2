"""How things stood a moment ago. t0 of an incident lies in the past when it is noticed, so the recent past is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from kafka_sentinel.core.cluster import Change, probe_partitions
from kafka_sentinel.core.events import ClusterObserved
from kafka_sentinel.core.recovery import Baseline, Recovery
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

MAX_RECENT = 64  # metadata answers (their probe topics only), lags, and counts of what was sent that are remembered
JUST_NOW = 2.0  # seconds; at the default rate as many records are sent in them as make no difference to a lag


class Backdrop:
    """`session_timeout` and `lag_tolerance` are those of `Recovery`."""

    def __init__(self, *, session_timeout: float, lag_tolerance: int) -> None:
        self.session_timeout = session_timeout
        self.lag_tolerance = lag_tolerance
        self.probed: tuple[ProbePartition, ...] = ()
        self._answers: deque[ClusterObserved] = deque(maxlen=MAX_RECENT)
        self._lags: deque[tuple[float, int]] = deque(maxlen=MAX_RECENT)
        self._sent: deque[tuple[float, int]] = deque(maxlen=MAX_RECENT)
        self._sent_since = 0  # records, since the newest of these

    @property
    def brokers(self) -> Mapping[int, str]:
        """The live brokers of the newest answer; none before the first."""
        return self._answers[-1].view.brokers if self._answers else {}

    def replicas(self, partition: ProbePartition) -> set[int]:
        part = probe_partitions(self._answers[-1].view).get(partition) if self._answers else None
        return set(part.replicas) if part is not None else set()

    def starves(self, partition: ProbePartition, brokers: set[int], at: Instant) -> bool:
        """Tell whether a partition, as it stood at `at`, is left below min.insync.replicas without these brokers."""
        answer = next((event for event in reversed(self._answers) if event.asked.mono <= at.mono), None)
        topic = answer.view.probe_topic(partition.acks) if answer is not None else None
        if topic is None or topic.min_isr is None or partition.acks is not Acks.ALL:
            return False
        parts = (part for part in topic.partitions if part.partition == partition.partition)
        return any(brokers & set(part.isr) and len(set(part.isr) - brokers) < topic.min_isr for part in parts)

    def led_elsewhere(self, leaders: Mapping[ProbePartition, int]) -> list[Change]:
        """Return which of `leaders` lead no longer, though they run, and who leads instead, by the newest answer."""
        view = self._answers[-1].view if self._answers else None
        parts = probe_partitions(view) if view is not None else {}
        changes = [Change(part, leader, parts[part].leader) for part, leader in leaders.items() if part in parts]
        return sorted(one for one in changes if one.before != one.after >= 0 and one.before in self.brokers)

    def observe(self, event: ClusterObserved) -> None:
        view = event.view
        names = set(view.probe_topics.values())
        topics = {name: topic for name, topic in view.topics.items() if name in names}
        self._answers.append(replace(event, view=replace(view, topics=topics)))

    def sent(self, records: int) -> None:
        self._sent_since += records

    def lag(self, records: int, at: Instant) -> int:
        """Note how far the verifier is behind. Returns how many records were sent just now."""
        self._lags.append((at.mono, records))
        self._sent.append((at.mono, self._sent_since))
        self._sent_since = 0
        return sum(count for when, count in self._sent if when > at.mono - JUST_NOW)

    def recovery(self, started: Instant, brokers: set[int]) -> Recovery:
        """Begin to follow the recovery from `started`, and judge the answers since. `brokers`: that failed."""
        before = [event for event in self._answers if event.at.mono < started.mono] or list(self._answers)[:1]
        parts = probe_partitions(before[-1].view) if before else {}
        lags = [records for at, records in self._lags if at <= started.mono]
        baseline = Baseline(
            {part: view.leader for part, view in parts.items()},
            {part: len(view.isr) for part, view in parts.items()},
            lags[-1] if lags else 0,
        )
        recovery = Recovery(started, baseline, set(self.probed), self.session_timeout, self.lag_tolerance)
        for event in self._answers:
            recovery.on_cluster(event.asked, event.at, event.view, brokers)
        return recovery

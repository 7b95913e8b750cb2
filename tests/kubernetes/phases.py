"""What an outage looked like to others, and whether Sentinel's phases agree with it.

The others are a writer on a topic of its own that is placed as the probe topic is, a reader of the probe topic, both
looking every 50 ms, and the controller's own log of who led and who was in sync. All of them use this machine's clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.kafka import observer
from tests.kafka.observer import Passed, Reader, Standing, Writer, first_through
from tests.kubernetes.deploy.kafka import Kafka

PLACED = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]  # every broker leads one partition
PROBE = 0.5  # seconds: the probe interval to be set; a client waits that long for a leader that was not ready
SNAPSHOT = 0.5  # seconds: the snapshot interval to be set
TWO_PROBES, TWO_SNAPSHOTS = 2 * PROBE, 2 * SNAPSHOT
OBJECTIVE = 2.0  # seconds: the objective of writes to be set
# To be given to a Sentinel whose phases are compared: objectives are wide, so that a slow machine fails no incident.
SECTIONS: dict[str, dict] = {
    "probe": {"manage_topic": False, "interval": PROBE, "delivery_timeout": 240, "socket_timeout": 1},
    "slo": {
        "produce": OBJECTIVE,
        "consume": 3,
        "recovery": dict.fromkeys(("detected", "leader", "produce", "consume", "pod", "isr", "lag", "full"), 600),
    },
    "incidents": {"settle": 3, "recheck_margin": 50},
    "cluster": {"session_timeout": 3, "snapshot_interval": SNAPSHOT, "quorum_interval": 0.5},
    "kubernetes": {"late_signals": 15},
}


@dataclass(slots=True)
class Others:
    """Those who watch beside Sentinel. `ended_at`: when they ceased to; other tests may break the same brokers then."""

    kafka: Kafka
    topic: str
    writer: Writer
    reader: Reader
    ended_at: float = float("inf")

    @property
    def own_share(self) -> float:
        """What they add to a difference: their resolution, and how late a busy machine let them look."""
        return observer.RESOLUTION + max(self.writer.lateness, self.reader.lateness)


@contextmanager
def watched(kafka: Kafka, topic: str) -> Iterator[Others]:
    """Watch the probe topic, which exists and is placed as `PLACED` says, from now until the block ends."""
    own = f"{topic}-beside"
    kafka.create_topic(own, PLACED, min_insync_replicas="2")
    with (
        Reader(kafka.bootstrap, topic, len(PLACED)) as reader,
        Writer(kafka.bootstrap, own, len(PLACED)) as writer,
    ):
        others = Others(kafka, topic, writer, reader)
        yield others
        others.ended_at = time.time()


def check_traffic(
    incident: dict,
    others: Others,
    before: float,
    after: float,
    *,
    may_go_on: bool = False,
    until: float = float("inf"),
) -> None:
    """Compare t0, `produce` and `consume`. The fault was not yet in effect at `before`, certainly at `after`.

    `may_go_on`: the victims were told to end, and may have served until they did, or have been replaced without a gap.
    `until`: when all was well again; what a busy machine holds up after that is not the fault's.
    Writes go on in a partition as soon as the writer's are acknowledged, or the reader has what Sentinel wrote.
    """
    started, phases = incident["started_at"], incident["phases"]
    earliest = before - PROBE - others.own_share  # the last record that was sent before and not acknowledged yet
    assert earliest <= started <= after + TWO_PROBES, ("t0 is when it happened", earliest, started, after)
    writes, reads = others.writer.passed, others.reader.passed
    if may_go_on:  # what was held up for less than an objective may be an outage or none
        earliest_writes, earliest_reads = (recovered(one, after, until, OBJECTIVE) for one in (writes, reads))
        latest_writes, latest_reads = (recovered(one, after, until, PROBE) for one in (writes, reads))
    else:
        earliest_writes = latest_writes = first_through(writes, after)
        earliest_reads = latest_reads = first_through(reads, after)
    for phase, through in (("produce", earliest_writes), ("consume", earliest_reads)):
        assert len(through) == len(PLACED), f"{phase}: only partitions {sorted(through)} came back"
    written = max(min(earliest_writes[partition], earliest_reads[partition]) for partition in earliest_writes)
    read = max(latest_reads.values())
    most = TWO_PROBES + others.own_share
    # The writer is two quick clients. What Sentinel itself wrote may be held up longer, and the reader sees how long.
    _agree("produce", incident, written, most, max(*latest_writes.values(), read))
    _agree("consume", incident, max(earliest_reads.values()), most, read)
    assert may_go_on or phases["detected"] <= phases["produce"]  # what never stopped goes on before anybody notices


def check_phases(
    incident: dict, others: Others, before: float, after: float, victims: set[int], *, may_go_on: bool = False
) -> None:
    """Compare all phases of a closed incident in which every partition that a victim led got another leader."""
    phases = incident["phases"]
    history = [one for one in others.kafka.history(others.topic) if one.at <= others.ended_at]
    in_sync = restored(history, before, lambda one: all(len(isr) == len(PLACED) for isr in one.isr.values()))
    check_traffic(incident, others, before, after, may_go_on=may_go_on, until=in_sync)
    _agree("isr", incident, in_sync, TWO_SNAPSHOTS + others.own_share)
    _agree("leader", incident, _elected(history, before, victims), TWO_SNAPSHOTS + others.own_share)
    assert phases["full"] >= max(phases["produce"], phases["consume"], phases["isr"])


def recovered(records: list[Passed], after: float, until: float, slow: float) -> dict[int, float]:
    """Return by partition when the first record that was sent after `after` got through, or the last slow one.

    `slow`: seconds. One that was sent after `until` does not count as slow.
    """
    found = first_through(records, after)
    for record in records:
        if after < record.sent <= until and record.through - record.sent > slow:
            found[record.partition] = max(found[record.partition], record.through)
    return found


def restored(history: list[Standing], since: float, well: Callable[[Standing], bool]) -> float:
    """Return the instant from which `well` held until the end, or `since` if it always did."""
    later = [one for one in history if one.at >= since]
    wrong = [index for index, one in enumerate(later) if not well(one)]
    if not wrong:
        return since
    assert wrong[-1] + 1 < len(later), "it never came right"
    return later[wrong[-1] + 1].at


def _elected(history: list[Standing], before: float, victims: set[int]) -> float:
    """Return when every partition that a victim led had another leader."""
    last = [one for one in history if one.at < before][-1]
    struck = [partition for partition, leader in last.leaders.items() if leader in victims]
    without = victims | {-1}
    later = (one.at for one in history if one.at >= before and not without & {one.leaders[each] for each in struck})
    return next(later) if struck else before


def _agree(phase: str, incident: dict, earliest: float, most: float, latest: float | None = None) -> None:
    """Compare a phase with the instant, or the two, between which it ended for others."""
    started, phases = incident["started_at"], incident["phases"]
    claimed, last = started + phases[phase], max(earliest, latest or earliest)
    difference = claimed - min(max(claimed, earliest), last)
    assert abs(difference) <= most, (
        f"{phase} is {difference:+.2f} s off, {most:.2f} are allowed: {phases}; "
        f"others saw it end {earliest - started:.2f} to {last - started:.2f} s after t0"
    )

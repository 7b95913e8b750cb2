"""What the probe costs the cluster: an estimate, from what is sent and how often it is read.

The figures of a record's way are those of Kafka's record format and of a measurement (benchmarks/observer.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BATCH = 61  # bytes: the header of a record batch, https://kafka.apache.org/documentation/#recordbatch
RECORD = 19  # bytes of a record beside its value: lengths, deltas, attributes, and our key of 8 bytes
EXCHANGE = 480  # bytes of a request and its answer beside the record: their frames, and the headers of TCP and IP


@dataclass(frozen=True, slots=True)
class ProbeLoad:
    """`rate`: records a second to each partition; `copies`: replicas of each partition of all probe topics.

    `size`: bytes of a value. `together`: records of a batch. `readers`: who reads each record once. `reread`: records a
    second that the background recheck reads at most. `retention`: seconds a record stays in the log.
    """

    rate: float
    copies: Sequence[int]
    size: int
    together: int
    readers: int
    reread: float
    retention: float


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """`records`: a second, to all partitions. `traffic`: bytes a second to, between and from brokers; `rechecks`: those
    of the background recheck, at most. `stored`: bytes in the logs of all replicas, once the first records are gone.
    """

    records: float
    traffic: float
    rechecks: float
    stored: float


def probe_cost(load: ProbeLoad) -> ProbeCost:
    in_log = load.size + RECORD + BATCH / load.together
    ways = sum(copies + load.readers for copies in load.copies)  # to the leader, to each follower, to each reader
    return ProbeCost(
        records=load.rate * len(load.copies),
        traffic=load.rate * ways * (in_log + EXCHANGE / load.together),
        rechecks=load.reread * in_log,
        stored=load.rate * sum(load.copies) * in_log * load.retention,
    )


def told(cost: ProbeCost) -> str:
    """Say it in a sentence."""
    records = f"{cost.records:,.0f}" if cost.records >= 10 else f"{cost.records:.2g}"  # noqa: PLR2004 - two digits
    return (
        f"{records} records/s: about {_bytes(cost.traffic)}/s to, between and from the brokers and "
        f"{_bytes(cost.stored)} in their logs; rechecks read up to {_bytes(cost.rechecks)}/s more"
    )


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # noqa: PLR2004 - more is a thousand in three digits
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"

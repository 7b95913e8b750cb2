"""What a ledger has to say to the rest of the engine: facts and suspicions, never verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kafka_sentinel.core.types import Instant, ProbePartition

UNKNOWN_EPOCH = -1


@dataclass(frozen=True, slots=True)
class Regressed:
    """The log went backwards.

    `proved`: a send that started after `divergence` was acknowledged came to stand there or below. Otherwise a reader
    was told that the log ends there, which a leader that has been replaced may say as well. `confirms`: what is proved
    now, a reader was told before.
    """

    partition: ProbePartition
    divergence: int
    last_ack_at: Instant | None
    at: Instant
    proved: bool = True
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class Suspected:
    """Acknowledged sequences that should stand in the log at or above offset `low`, and may not."""

    partition: ProbePartition
    run: int
    first: int
    count: int
    low: int
    placed: bool  # whether `low` is the very offset of `first`, and the others follow it
    leader_epoch: int  # of the record when it was last seen there; UNKNOWN_EPOCH: not seen, or not known
    reason: str
    bound: int = 0  # of unplaced ones: they cannot have stood below it


@dataclass(frozen=True, slots=True)
class CopySighted:
    """A sequence seems to stand twice, somewhere in [low, high)."""

    partition: ProbePartition
    low: int
    high: int


class Copy(NamedTuple):
    """One extra copy, for a human: the record stands at `offset`, and stood in the same re-read at `other` before."""

    run: int
    sequence: int
    offset: int
    other: int

    def describe(self) -> str:
        return f"run {self.run:016x} sequence {self.sequence} at offsets {self.other} and {self.offset}"


@dataclass(frozen=True, slots=True)
class Reposition:
    """The verifier has to go on reading at `offset`."""

    partition: ProbePartition
    offset: int


Effect = Regressed | Suspected | CopySighted | Reposition


class GiveUp(NamedTuple):
    """The client gave up on these sequences at that instant."""

    run: int
    first: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody calls
    at: Instant

"""Delivery reports of the client, grouped into runs of consecutive sequences and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, groupby
from operator import sub
from typing import NamedTuple

from confluent_kafka import Message

from kafka_sentinel.adapters.kafka_client import error_name
from kafka_sentinel.core.record import KEY
from kafka_sentinel.core.types import Span

MAX_LATENCIES = 20


class Delivered(NamedTuple):
    spans: tuple[Span, ...]
    latencies: tuple[float, ...]  # seconds from produce() to the report, at most MAX_LATENCIES


class Failed(NamedTuple):
    partition: int
    first: int
    length: int
    code: str


def delivered(messages: Sequence[Message]) -> dict[int, Delivered]:
    """Group reports without an error by partition, in the order they came."""
    spans: dict[int, list[Span]] = {}
    samples: dict[int, list[Message]] = {}
    partitions = [message.partition() or 0 for message in messages]
    sequences = _sequences(messages)
    offsets = [-1 if (offset := message.offset()) is None else offset for message in messages]
    steps = zip(partitions, map(sub, sequences, count()), map(sub, offsets, count()), strict=False)
    index = 0
    for (partition, _, _), members in groupby(steps):
        length = len(list(members))
        spans.setdefault(partition, []).append(_span(sequences[index], length, offsets[index]))
        samples.setdefault(partition, []).extend(messages[index : index + length : max(length // MAX_LATENCIES, 1)])
        index += length
    return {partition: Delivered(tuple(own), _latencies(samples[partition])) for partition, own in spans.items()}


def failed(messages: Sequence[Message]) -> list[Failed]:
    """Group reports with an error by partition, sequence and error code, in the order they came."""
    groups: list[Failed] = []
    for message, sequence in zip(messages, _sequences(messages), strict=True):
        error = message.error()
        partition, code = message.partition() or 0, error_name(error.code()) if error is not None else "UNKNOWN"
        last = groups[-1] if groups else None
        if last and (last.partition, last.first + last.length, last.code) == (partition, sequence, code):
            groups[-1] = last._replace(length=last.length + 1)
        else:
            groups.append(Failed(partition, sequence, 1, code))
    return groups


def _sequences(messages: Sequence[Message]) -> list[int]:
    return [KEY.unpack(message.key() or b"")[0] for message in messages]


def _span(first: int, length: int, offset: int) -> Span:
    # A whole batch acknowledged as a duplicate is numbered from -1 upwards: none of these offsets means anything.
    return Span(first, length, offset if offset >= 0 else None)


def _latencies(messages: Sequence[Message]) -> tuple[float, ...]:
    sample = messages[:: max(-(-len(messages) // MAX_LATENCIES), 1)]
    return tuple(latency for message in sample if (latency := message.latency()) is not None)

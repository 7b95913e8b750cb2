"""Delivery reports into spans."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.adapters.spans import MAX_LATENCIES, Failed, delivered, failed
from kafka_sentinel.core.record import KEY
from kafka_sentinel.core.types import Span


def report(partition: int, sequence: int, offset: int | None, error: int | None = None) -> Message:
    place = {} if offset is None else {"offset": offset}
    found = KafkaError(error) if error is not None else None
    return Message(topic="probe", partition=partition, key=KEY.pack(sequence), error=found, latency=0.25, **place)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 40)), max_size=40))
def test_spans_say_where_each_record_stands(reports):
    spans = delivered([report(*one) for one in reports])
    found = [
        (partition, span.first + index, (span.offset or 0) + index)
        for partition, group in spans.items()
        for span in group.spans
        for index in range(span.count)
    ]
    assert sorted(found) == sorted(reports)


def test_consecutive_reports_are_one_span_for_each_partition():
    reports = [report(0, 5 + index, 100 + index) for index in range(50)]
    reports += [report(1, index, 7 + index) for index in range(3)]
    reports += [report(0, 55, 155), report(0, 57, 156)]
    found = delivered(reports)
    assert found[0].spans == (Span(5, 50, 100), Span(55, 1, 155), Span(57, 1, 156))
    assert found[1].spans == (Span(0, 3, 7),)
    assert 0 < len(found[0].latencies) <= MAX_LATENCIES
    assert found[1].latencies == (0.25, 0.25, 0.25)


def test_an_acknowledgement_without_an_offset_names_none():
    assert delivered([report(0, 3, None)])[0].spans == (Span(3, 1, None),)


def test_a_batch_numbered_from_minus_one_upwards_stands_nowhere_known():
    reports = [report(0, 3 + index, -1 + index) for index in range(4)]
    assert delivered(reports)[0].spans == (Span(3, 4, None),)
    reports = [report(0, 3 + index, index) for index in range(4)]
    assert delivered(reports)[0].spans == (Span(3, 4, 0),)


def test_failures_are_grouped_by_code():
    timed_out, purged = KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE
    reports = [report(0, 1, None, timed_out), report(0, 2, None, timed_out), report(0, 3, None, purged)]
    reports += [report(1, 4, None, purged), report(1, 6, None, purged)]
    assert failed(reports) == [
        Failed(0, 1, 2, "_MSG_TIMED_OUT"),
        Failed(0, 3, 1, "_PURGE_QUEUE"),
        Failed(1, 4, 1, "_PURGE_QUEUE"),
        Failed(1, 6, 1, "_PURGE_QUEUE"),
    ]
    assert failed([]) == []

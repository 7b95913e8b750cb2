from __future__ import annotations

import pytest

from kafka_sentinel.core.coordinators import java_hash, partition_for

# As a Java 17 runtime prints them: String.hashCode, and Utils.abs of it modulo 50 and 7.
PRINTED = [
    ("kafka-sentinel", -19374357, 7, 2),
    ("kafka-sentinel-group", -392344291, 41, 3),
    ("orders", -1008770331, 31, 2),
    ("", 0, 0, 0),
    ("a", 97, 47, 6),
    ("payments-7", 1612905879, 29, 4),
    ("polygenelubricants", -2147483648, 0, 0),
    ("äöü-gruppe", 1334608318, 18, 1),
    ("gr😀up", 462876329, 29, 6),
    ("connect-cluster", 1440343063, 13, 5),
]


@pytest.mark.parametrize(("text", "hashed", "of_fifty", "of_seven"), PRINTED)
def test_the_partition_of_an_id_is_the_one_that_kafka_computes(text, hashed, of_fifty, of_seven):
    assert java_hash(text) == hashed
    assert partition_for(text, 50) == of_fifty
    assert partition_for(text, 7) == of_seven

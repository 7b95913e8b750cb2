"""Every version that users run, in every way that they secure it: probed for real, a broker killed, each record proved.

`make verify` runs each pair and writes down what it proved; elsewhere a sample has each version and each way in once.
"""

from __future__ import annotations

import pytest
from tests.conftest import FULL
from tests.kafka.clusters import results
from tests.kafka.clusters.cluster import SecuredCluster
from tests.kafka.clusters.listeners import Security
from tests.kafka.clusters.run import prove
from tests.kafka.clusters.versions import VERSIONS, Version

EVERY = [list(Security)[at : at + 2] for at in range(0, len(Security), 2)]  # two at a time, for small machines


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_version_is_proved_in_each_way_in_while_a_broker_dies(kafka_ready, version: Version):
    if FULL:
        results.forget(version)
    with SecuredCluster(version) as cluster:
        for victim, ways in enumerate(EVERY if FULL else results.SAMPLE[version]):
            prove(cluster, ways, victim % 3 + 1)
            if FULL:
                results.note(version, ways)


def test_the_sample_has_each_version_and_each_way_in_once():
    assert sorted(way for groups in results.SAMPLE.values() for ways in groups for way in ways) == sorted(Security)
    assert sorted(way for ways in EVERY for way in ways) == sorted(Security)

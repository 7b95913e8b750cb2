"""The documentation's table of versions and ways in is that of the last full run, in which each pair was proved."""

from __future__ import annotations

from tests.kafka.clusters import results
from tests.kafka.clusters.listeners import Security
from tests.kafka.clusters.versions import VERSIONS


def test_the_table_says_what_the_last_full_run_proved_and_that_is_everything():
    assert results.documented() == results.table()
    assert results.load() == {str(version): [one.value for one in Security] for version in VERSIONS}

"""What is saved at once, and what waits for the next checkpoint."""

from __future__ import annotations

import pytest
from tests.core.engine_world import INTERVAL, ZERO, Sentinel

from kafka_sentinel.core.commands import SaveState
from kafka_sentinel.core.events import ReaderLost

WHILE = 10 * INTERVAL  # seconds; well below the interval of checkpoints


@pytest.fixture
def sentinel():
    """One that has 20 records acknowledged and read; then nothing was written any more, and that has been saved."""
    sentinel = Sentinel(state={"file": "state.json", "checkpoint_interval": "60s"})
    sentinel.live(20 * INTERVAL)
    sentinel.suffer(10 * INTERVAL)
    assert sentinel.engine.incidents.open
    sentinel.engine.save()
    sentinel.wait(INTERVAL)
    sentinel.commands.clear()
    return sentinel


def saves(sentinel):
    return [one for one in sentinel.commands if isinstance(one, SaveState)]


def ends_below(sentinel):
    """A reader is told that the log ends at 10."""
    sentinel.step(ReaderLost(sentinel.now(), ZERO, 20, 0, 10, "the log ends below"))
    sentinel.wait(WHILE)


def test_while_nothing_new_happens_nothing_is_saved(sentinel):
    sentinel.wait(WHILE)
    assert saves(sentinel) == []


def test_a_truncation_that_is_only_alleged_waits(sentinel):
    """A leader that has been replaced says it as well."""
    ends_below(sentinel)
    assert saves(sentinel) == []


@pytest.mark.parametrize("alleged", [False, True])
def test_a_truncation_that_is_proved_is_saved_at_once(sentinel, alleged):
    """In what was saved before, the records that are gone are verified, and a next life would believe that."""
    if alleged:
        ends_below(sentinel)
    first = sentinel.sent()
    sentinel.end[ZERO] = 10
    sentinel.acked(first)
    sentinel.wait(INTERVAL)
    assert len(saves(sentinel)) == 1

"""A few minutes of the soak (tests/soak): a plan of a fixed seed against real brokers, and all of it compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("kill_leader", "unclean_election", "strangers", "delete_records", "kill_sentinel", "kill_all", "pause_long")


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_a_short_soak_finds_nothing_that_is_not_as_it_must_be(kafka_ready):
    command = [sys.executable, "-m", "tests.soak", "--decks", "2", "--seed", "4", "--faults", ",".join(SHORT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert "all of it is as it must be" in done.stdout
    for name in SHORT:
        assert re.search(rf"^  {name} +[1-9]", done.stdout, re.MULTILINE), (
            f"{name} was never done: {done.stdout[-3_000:]}"
        )
    assert re.search(r"exact counts, acks=all [1-9]", done.stdout), "the counts were never compared"

"""A short run of each harness, by number of executions; what was found once; and that a harness can find anything.

`make fuzz SECONDS=n` runs them for as long as you like.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from tests.fuzz import record
from tests.fuzz.__main__ import NO_ATHERIS, campaign
from tests.fuzz.harness import NAMES, load, regressions

from kafka_sentinel.core.record import HEADER, ProbeRecord

RUNS = {"record": 1_000, "state": 150, "objects": 300, "configuration": 100}


@pytest.fixture
def atheris():
    """It is there: else skip, or fail in CI, where what is missing is a failure."""
    if find_spec("atheris") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_ATHERIS)


@pytest.mark.usefixtures("atheris")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_a_short_run(name, tmp_path):
    outcome = campaign(name, tmp_path, runs=RUNS[name], seed=1)
    assert outcome.findings == []
    assert outcome.runs >= RUNS[name]
    assert outcome.edges > 100, "nothing was instrumented"


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_is_taken_or_refused(name):
    for data in load(name).seeds():
        load(name).check(data)


@pytest.mark.parametrize("file", [file for name in NAMES for file in regressions(name)], ids=lambda file: file.name)
def test_what_was_found_once_is_not_found_again(file):
    load(file.parent.name).check(file.read_bytes())


def believing(value):
    """Take a record for sound without looking at its checksum."""
    return ProbeRecord._make(HEADER.unpack_from(value)[4:])


def failing(*_given, **_named):
    raise TypeError("not caught")


@pytest.mark.parametrize(
    ("name", "place", "flaw"),
    [
        ("record", "tests.fuzz.record.decode", believing),
        ("state", "tests.fuzz.state.checked", dict),
        ("objects", "tests.fuzz.objects.parse", failing),
        ("configuration", "tests.fuzz.configuration.load", failing),
    ],
)
def test_a_harness_notices_a_flaw_of_its_kind(monkeypatch, name, place, flaw):
    monkeypatch.setattr(place, flaw)
    inputs = [*load(name).seeds(), *(file.read_bytes() for file in regressions(name))]
    inputs.append(b"\x00" + record.of_ours(3)[:-1] + b"?")
    found = 0
    for data in inputs:
        try:
            load(name).check(data)
        except Exception:  # noqa: BLE001 - whatever it is, it was noticed
            found += 1
    assert found

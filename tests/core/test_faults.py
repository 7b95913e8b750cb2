"""The table of faults is the one that settings, fleets and documentation go by."""

from pathlib import Path

import pytest

from kafka_sentinel.core.faults import FAULTS, FaultKind, Reach, fault_named, fault_table, of_reach

DOCS = Path(__file__).parents[2] / "docs" / "experiments.md"


def test_every_fault_is_in_the_table_once_and_found_by_its_name():
    assert list(FAULTS) == list(FaultKind)
    assert [fault_named(kind.value).kind for kind in FaultKind] == list(FaultKind)


def test_a_fault_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="node-explode"):
        fault_named("node-explode")


def test_every_fault_is_done_to_one_sort_of_thing():
    assert sorted(kind for reach in Reach for kind in of_reach(reach)) == sorted(FaultKind)
    assert of_reach(Reach.COMMAND, Reach.PROVIDER) == (FaultKind.COMMAND, FaultKind.MSK_REBOOT)
    assert of_reach(Reach.PODS) == (FaultKind.POD_DELETE, FaultKind.POD_CRASH, FaultKind.POD_EVICT)


def test_only_faults_that_leave_a_pod_to_its_owner_have_nothing_to_undo():
    assert {kind for kind, fault in FAULTS.items() if not fault.undoes} == set(of_reach(Reach.PODS))


def test_only_faults_that_others_do_for_us_have_to_be_shown_by_kafka():
    confirmed = {kind for kind, fault in FAULTS.items() if fault.confirm}
    assert confirmed == set(of_reach(Reach.COMMAND, Reach.PROVIDER))


def test_the_document_shows_exactly_this_table():
    table = fault_table()
    assert table in DOCS.read_text()
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == [kind.value for kind in FaultKind]

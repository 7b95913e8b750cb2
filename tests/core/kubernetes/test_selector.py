"""Selectors mean what Kubernetes means by them, also for labels that are not there."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.kubernetes.selector import Requirement, Selector

LABELS = {"app": "kafka", "zone": "a"}


@pytest.mark.parametrize(
    ("requirement", "matches"),
    [
        (Requirement("zone", "In", ("a", "b")), True),
        (Requirement("zone", "In", ("b",)), False),
        (Requirement("rack", "In", ("a",)), False),
        (Requirement("zone", "NotIn", ("a", "b")), False),
        (Requirement("zone", "NotIn", ("b",)), True),
        (Requirement("rack", "NotIn", ("a",)), True),
        (Requirement("zone", "Exists"), True),
        (Requirement("rack", "Exists"), False),
        (Requirement("zone", "DoesNotExist"), False),
        (Requirement("rack", "DoesNotExist"), True),
    ],
)
def test_a_requirement(requirement, matches):
    assert requirement.matches(LABELS) is matches
    assert Selector({}, (requirement,)).matches(LABELS) is matches


def test_all_of_it_must_match_and_nothing_matches_everything():
    here, absent = Requirement("zone", "Exists"), Requirement("rack", "Exists")
    assert Selector({}).matches({})
    assert Selector({"app": "kafka", "zone": "a"}, (here,)).matches(LABELS)
    assert not Selector({"app": "kafka", "zone": "b"}).matches(LABELS)
    assert not Selector({"app": "kafka"}, (here, absent)).matches(LABELS)

"""What `check` concludes: the sentences are tried in tests/cli/test_checks.py, with all that is asked."""

import pytest

from kafka_sentinel.core.check import (
    Finding,
    Outcome,
    Right,
    Wanted,
    of_arming,
    of_clock,
    of_cluster,
    of_group,
    of_state_file,
    of_unseen_quorum,
    trouble_of,
    why_not_created,
)
from kafka_sentinel.core.connection import Reason, Trouble


@pytest.mark.parametrize(
    ("outcome", "reason", "is_trouble"),
    [
        (Outcome.FAIL, Reason.UNUSABLE, True),
        (Outcome.FAIL, Reason.ACL, True),
        (Outcome.WARN, Reason.ACL, True),
        (Outcome.WARN, Reason.UNUSABLE, False),
        (Outcome.OK, Reason.UNUSABLE, False),
        (Outcome.FAIL, Reason.NO_ANSWER, False),
    ],
)
def test_what_the_daemon_takes_for_trouble(outcome, reason, is_trouble):
    found = trouble_of(Finding(outcome, "topic t", "it is so", reason=reason))
    assert found == (Trouble(reason, "topic t: it is so") if is_trouble else None)


def test_a_right_that_the_broker_does_not_tell_is_neither_missing_nor_there():
    assert of_group("g", None).outcome is Outcome.WARN
    assert of_cluster(None) is None
    assert of_group("g", frozenset({Right.READ})).outcome is Outcome.OK
    assert of_group("g", frozenset({Right.DESCRIBE})).outcome is Outcome.FAIL


@pytest.mark.parametrize(("brokers", "manages", "hindered"), [(3, True, False), (2, True, True), (3, False, True)])
def test_why_a_topic_cannot_be_made(brokers, manages, hindered):
    wanted = Wanted(3, 2, 3600.0, 200, manage_topic=manages)
    assert (why_not_created(wanted, range(brokers)) is not None) is hindered


@pytest.mark.parametrize(("ahead", "outcome"), [(None, None), (0.1, None), (-3600.0, Outcome.FAIL)])
def test_the_clock(ahead, outcome):
    found = of_clock(ahead)
    assert (found and found.outcome) == outcome


@pytest.mark.parametrize(("armed_for", "said"), [(None, False), ("abc", False), ("xyz", True)])
def test_experiments_that_are_armed_for_another_cluster(armed_for, said):
    assert (of_arming(armed_for, "abc") is not None) is said


@pytest.mark.parametrize(("experiments", "effect"), [(True, "will be denied"), (False, "will not be shown")])
def test_what_follows_if_the_quorum_is_not_seen(experiments, effect):
    found = of_unseen_quorum("it did not answer", Reason.NO_ANSWER, experiments=experiments)
    assert (found.outcome, found.reason) == (Outcome.WARN, Reason.NO_ANSWER)
    assert effect in found.sentence


@pytest.mark.parametrize(
    ("writable", "there", "outcome", "said"),
    [
        (None, False, Outcome.FAIL, "no folder /var/x"),
        (False, True, Outcome.FAIL, "the folder /var/x of state.file cannot be written"),
        (True, False, Outcome.OK, "can be created"),
        (True, True, Outcome.OK, "is there"),
    ],
)
def test_where_the_state_is_to_be_kept(writable, there, outcome, said):
    found = of_state_file("/var/x/state", "/var/x", writable=writable, there=there)
    assert (found.outcome, said in found.sentence) == (outcome, True)

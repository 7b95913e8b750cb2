"""What is asked of a consumer group's coordinator, against answers as kafka-python gives them."""

from __future__ import annotations

import pytest
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    GroupIdNotFoundError,
    KafkaTimeoutError,
)

from kafka_sentinel.adapters.check_groups import FORBIDDEN, Described, describe

GROUP = "payments"


class Coordinator:
    """Gives one answer after the other, the last for ever."""

    def __init__(self, *answers: Exception | dict) -> None:
        self.answers = list(answers)
        self.asked = 0

    def describe_groups(self, group_ids):
        assert group_ids == [GROUP]
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {GROUP: answer}


def said(*answers: Exception | dict, seconds: float = 60.0) -> Described:
    return describe(Coordinator(*answers), GROUP, seconds, sleep=lambda _: None)


def test_what_we_may_do_is_what_the_coordinator_says():
    found = said({"error": None, "authorized_operations": ["READ", "DESCRIBE", "DELETE"]})
    assert found == Described(frozenset({"READ", "DESCRIBE", "DELETE"}))


@pytest.mark.parametrize("answer", [{"error": None}, {"error": str(GroupIdNotFoundError("payments"))}])
def test_a_coordinator_that_does_not_say_is_no_error(answer):
    assert said(answer) == Described()


def test_a_coordinator_that_is_only_coming_up_is_asked_again():
    ready = {"error": None, "authorized_operations": ["READ"]}
    assert said(CoordinatorNotAvailableError(), CoordinatorNotAvailableError(), ready).operations == {"READ"}


def test_one_that_does_not_come_up_is_not_asked_for_ever():
    coordinator = Coordinator(CoordinatorNotAvailableError("not yet"))
    found = describe(coordinator, GROUP, -1.0, sleep=lambda _: None)
    assert (found.operations, coordinator.asked) == (None, 1)
    assert found.error is not None
    assert found.error[0] == "CoordinatorNotAvailableError"


@pytest.mark.parametrize(
    "refusal", [GroupAuthorizationFailedError("no"), {"error": str(GroupAuthorizationFailedError("no"))}]
)
def test_a_refusal_is_told_whoever_it_comes_from(refusal):
    found = said(refusal)
    assert found.error is not None
    assert found.error[0] == FORBIDDEN


def test_a_coordinator_that_does_not_answer_is_an_error_and_no_more():
    found = said(KafkaTimeoutError("in 8 s"))
    assert found.error is not None
    assert found.error[0] == "KafkaTimeoutError"

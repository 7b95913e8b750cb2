"""What `check` and the daemon's diagnosis ask of a consumer group's coordinator.

They ask by kafka-python: where a coordinator does not answer in time, a librdkafka client that asked it ends its whole
process by a failed assertion (librdkafka issue 4605, seen with 2.15 and 2.16). That is just when the daemon looks what
is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

POLL = 0.1  # seconds between two questions
# A coordinator that has only just been asked for, as in a cluster without any group yet.
COMING_UP = ("CoordinatorNotAvailableError", "CoordinatorLoadInProgressError", "NotCoordinatorError")
UNKNOWN = "GroupIdNotFoundError"
LAST_VERSION = 5  # of DescribeGroups; since the next (KIP-1043) nothing is said of our rights to a group yet to be made
FORBIDDEN = "GroupAuthorizationFailedError"


class GroupsClient(Protocol):
    """Kafka-python's admin client."""

    def describe_groups(self, group_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return what the coordinators say, by group."""


class Described(NamedTuple):
    """`operations`: what we may do, as Kafka names it (READ), None if the broker does not say.

    `error`: the name of the library's error and its text.
    """

    operations: frozenset[str] | None = None
    error: tuple[str, str] | None = None


def admin_client(config: Mapping[str, object]) -> Any:  # noqa: ANN401 - the library is not annotated
    """Return kafka-python's admin client, which is told what may be done with a group that does not exist yet."""
    from kafka.protocol.admin import DescribeGroupsRequest  # noqa: PLC0415 - half a second that few need to pay

    from kafka import KafkaAdminClient  # noqa: PLC0415 - as above

    class Client(KafkaAdminClient):  # type: ignore[misc]  # the library is not annotated
        def _describe_groups_request(self, group_ids: Sequence[str]) -> object:
            """Replace the library's own; without that, `check` can only say that it does not know."""
            asked = {"groups": list(group_ids), "include_authorized_operations": True}
            return DescribeGroupsRequest(max_version=LAST_VERSION, **asked)

    return Client(**config)


def describe(
    client: GroupsClient, group: str, seconds: float, *, sleep: Callable[[float], None] = time.sleep
) -> Described:
    """Ask until there is a coordinator, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    while True:
        said = _once(client, group)
        if said.error is None or said.error[0] not in COMING_UP or time.monotonic() > deadline:
            return said
        sleep(POLL)


def _once(client: GroupsClient, group: str) -> Described:
    from kafka.errors import KafkaError  # noqa: PLC0415 - as above

    try:
        answer = client.describe_groups([group])[group]
    except (KafkaError, OSError, ValueError, LookupError, TypeError) as error:
        return Described(error=(type(error).__name__, str(error)))
    if answer["error"]:  # as "[Error 30] GroupAuthorizationFailedError: ..."
        text = str(answer["error"])
        name = text.partition("] ")[2].partition(":")[0]
        return Described() if name == UNKNOWN else Described(error=(name, text))
    operations = answer.get("authorized_operations")
    return Described(frozenset(operations) if operations else None)

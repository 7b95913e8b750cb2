"""What Amazon MSK is asked, by boto3, and its refusals in a sentence each. Nothing is ever asked twice on our behalf.

boto3 is an extra of its own: whoever runs no MSK need not carry it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 10.0  # seconds
MAX_PAGES = 20  # of the list of nodes, a hundred each
MAX_WORDS = 300  # characters of what AWS says that are repeated
SERVER_ERRORS = 500  # and above: nobody knows whether it was done
# The request may have arrived and only its answer is missing.
UNANSWERED = frozenset({"ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError"})
NOT_SENT = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"})
DENIED = frozenset({"AccessDeniedException", "ForbiddenException", "UnauthorizedException"})
SENTENCES = {
    "AccessDeniedException": "the role Sentinel runs with may not",
    "ForbiddenException": "the role Sentinel runs with may not",
    "UnauthorizedException": "AWS does not know who asks",
    "TooManyRequestsException": "AWS answers fewer requests than it gets (throttled)",
    "ThrottlingException": "AWS answers fewer requests than it gets (throttled)",
    "BadRequestException": "the cluster does not allow it now",
    "NotFoundException": "there is no such cluster",
    "ServiceUnavailableException": "MSK is not available",
    "InternalServerErrorException": "MSK failed by itself",
}


class MissingExtraError(RuntimeError):
    """boto3 is not installed."""

    def __init__(self) -> None:
        super().__init__("experiments.fleet msk needs boto3, which is not installed: install kafka-sentinel[msk]")


class MskError(RuntimeError):
    """What was asked for was not answered. `may_be_done`: it may have been done all the same; `denied`: for want of a
    right, so that asking again is of no use.
    """

    def __init__(self, sentence: str, *, may_be_done: bool = False, denied: bool = False) -> None:
        super().__init__(sentence)
        self.may_be_done = may_be_done
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Cluster:
    """`state`: MSK's own word, as ACTIVE. `hosts`: the endpoints of each broker, by its id."""

    state: str
    hosts: Mapping[int, tuple[str, ...]]


class MskApi:
    """`endpoint_url`: where MSK's API is, None: that of the region. Raises MissingExtraError. Asks nothing yet."""

    def __init__(self, cluster_arn: str, region: str, endpoint_url: str | None = None) -> None:
        try:
            from boto3.session import Session  # noqa: PLC0415 - an extra
            from botocore.config import Config  # noqa: PLC0415 - as above
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above
        except ImportError:
            raise MissingExtraError from None
        self._arn = cluster_arn
        self._session, self._region, self._url = Session(), region, endpoint_url
        # A reboot that is sent again because its answer was lost would be a second one.
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT, retries={"total_max_attempts": 1}
        )
        self._refused: type[Exception] = ClientError
        self._failed: type[Exception] = BotoCoreError
        self._client: Any = None

    def cluster(self) -> Cluster:
        """Return how the cluster stands. Raises MskError."""
        info = self._ask("describe the cluster", "describe_cluster_v2", ClusterArn=self._arn)["ClusterInfo"]
        hosts: dict[int, tuple[str, ...]] = {}
        more: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = self._ask("list the brokers", "list_nodes", ClusterArn=self._arn, **more)
            for node in page.get("NodeInfoList", ()):
                broker = node.get("BrokerNodeInfo") or {}
                if "BrokerId" in broker:
                    hosts[int(broker["BrokerId"])] = tuple(map(str, broker.get("Endpoints") or ()))
            if not page.get("NextToken"):
                break
            more = {"NextToken": page["NextToken"]}
        return Cluster(str(info.get("State", "")), hosts)

    def reboot(self, broker: int) -> str:
        """Ask for the reboot of one broker, once. Returns the ARN of the operation. Raises MskError."""
        answer = self._ask(f"reboot broker {broker}", "reboot_broker", ClusterArn=self._arn, BrokerIds=[str(broker)])
        return str(answer.get("ClusterOperationArn", ""))

    def is_over(self, operation: str) -> bool:
        """Tell whether an operation has come to a good end. Raises MskError if it failed, or does not say."""
        answer = self._ask("describe the operation", "describe_cluster_operation", ClusterOperationArn=operation)
        info = answer.get("ClusterOperationInfo") or {}
        state = str(info.get("OperationState", ""))
        if "FAILED" in state:
            error = info.get("ErrorInfo") or {}
            raise OperationFailedError(f"MSK says that the reboot failed: {_words(error.get('ErrorString') or state)}")
        return state.endswith("COMPLETE")

    def _ask(self, what: str, method: str, **parameters: object) -> dict[str, Any]:
        try:
            if self._client is None:
                self._client = self._session.client(
                    "kafka", region_name=self._region, endpoint_url=self._url, config=self._config
                )
            call: Callable[..., dict[str, Any]] = getattr(self._client, method)
            return call(**parameters)
        except self._refused as error:
            raise _refusal(what, getattr(error, "response", {})) from None
        except self._failed as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            unanswered = bool(kinds & UNANSWERED) and not kinds & NOT_SENT
            self._client = None
            raise MskError(f"MSK could not be asked to {what}: {_words(error)}", may_be_done=unanswered) from None


class OperationFailedError(MskError):
    """An operation came to a bad end."""


def _refusal(what: str, response: Mapping[str, Any]) -> MskError:
    error, meta = response.get("Error") or {}, response.get("ResponseMetadata") or {}
    code, status = str(error.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    said = SENTENCES.get(code, "it refused")
    return MskError(
        f"MSK was asked to {what}: {said} ({code or status}): {_words(error.get('Message', ''))}",
        may_be_done=status >= SERVER_ERRORS,
        denied=code in DENIED,
    )


def _words(said: object) -> str:
    text = " ".join(str(said).split())
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"

"""One exception for everything that can go wrong between Sentinel and the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka_sentinel.core.text import one_line

# Codes where no usable answer came; otherwise the code is the HTTP status.
UNREACHABLE = "unreachable"  # no connection: the request was certainly not sent
TLS = "tls"
TIMEOUT = "timeout"  # sent, and then silence
BROKEN = "broken"  # the connection ended in the middle
ANSWER = "answer"  # not what the API server answers: no JSON, too large, too slow
CREDENTIALS = "credentials"  # ours cannot be read

FORBIDDEN = frozenset({"401", "403"})  # we are not who may do that, or not known at all

MAX_MESSAGE = 500  # characters kept of what the server says
MAX_WORD = 100  # characters kept of its code and of its reason
MAX_RETRY_AFTER = 300.0  # seconds

ADVICE = {
    "400": "the request is wrong for this server: please report it",
    "401": "the credentials are not accepted: check the service account's token or the kubeconfig",
    "403": "grant the permission (docs/permissions.md), or leave the feature off",
    "404": "it does not exist, or this cluster does not know the resource",
    "409": "somebody else changed it first",
    "410": "the version asked for is gone: list again",
    "413": "it is too large for this server",
    "422": "the server found the object invalid",
    "429": "the server refuses for now, or a disruption budget does",
    UNREACHABLE: "check that the API server is up and that a network policy lets Sentinel reach it",
    TLS: "check the certificate authority that is configured",
    TIMEOUT: "the API server did not answer in time",
    BROKEN: "the API server or something on the way ended the connection",
    ANSWER: "what answered is not a Kubernetes API server, or its answer is beyond our bounds",
    CREDENTIALS: "check the service account's files or the kubeconfig",
}


class ApiError(Exception):
    """`code`: HTTP status as text, or one of the words above: a bounded set. `reason`: the server's word for it.

    `retry_after`: seconds the server asked us to wait, at most MAX_RETRY_AFTER, or None. `causes`: what the server
    gives as reasons of the reason, as `DisruptionBudget`.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        causes: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(code, reason, message)
        self.causes = causes
        self.code = one_line(code, MAX_WORD)
        self.reason = one_line(reason, MAX_WORD)
        self.message = one_line(message[:MAX_MESSAGE])
        self.retry_after = retry_after

    @property
    def advice(self) -> str:
        """What to do, as half a sentence."""
        if self.code in ADVICE:
            return ADVICE[self.code]
        return "the API server has a problem of its own" if self.code.startswith("5") else "please report it"

    @property
    def may_have_happened(self) -> bool:
        """Whether a change that was asked for may have been made all the same."""
        return self.code in {TIMEOUT, BROKEN, ANSWER} or self.code.startswith("5")

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.message} ({self.advice})"


class ChangedError(ApiError):
    """Something is not as it was when it was decided on, and was left alone. `message` says it all."""

    def __init__(self, message: str) -> None:
        super().__init__("409", "Changed", message)

    def __str__(self) -> str:
        return self.message


def from_answer(status: int, headers: Mapping[str, str], body: Mapping[str, Any] | None, text: str) -> ApiError:
    """Read a refusal. `body` is the server's Status object if it sent one, else `text` is what it sent."""
    given = body if body is not None and body.get("kind") == "Status" else {}
    return ApiError(
        str(status),
        str(given.get("reason") or "no reason given"),
        str(given.get("message") or text or "no message"),
        retry_after=_retry_after(headers.get("Retry-After")),
        causes=_causes(given.get("details")),
    )


def _causes(details: object) -> frozenset[str]:
    causes = details.get("causes") if isinstance(details, dict) else None
    listed = causes if isinstance(causes, list) else ()
    return frozenset(str(one.get("reason")) for one in listed if isinstance(one, dict))


def _retry_after(value: str | None) -> float | None:
    """Read the header's seconds; its other form, a date, is not used by the API server."""
    return min(float(value), MAX_RETRY_AFTER) if value is not None and value.isascii() and value.isdigit() else None

"""Bearer tokens: from a file, from a token endpoint, or signed for Amazon MSK."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kafka_sentinel.settings.kafka import SecuritySettings

PATIENCE = 5.0  # seconds until a token endpoint is given up
MOST = 1_000_000  # bytes of a token or an answer
CLIENT_ERRORS = range(400, 500)  # HTTP statuses by which it is the asker who is wrong
UNSAID = 300.0  # seconds after which a token that does not say how long it is good is asked for again


class TokenError(Exception):
    """There is no token. The text says why, and nothing secret."""


class MissingSignerError(Exception):
    """The extra `msk` is not installed."""


class Token(NamedTuple):
    """`until`: seconds since 1970."""

    value: str
    until: float


class TokenKeeper:
    """Gives the same token to all clients for the first half of its life. May be called from any thread.

    A client asks again when a fifth of a token's life is left, and every connection is signed in anew before it ends.
    Where no other can be had, the one there is serves to its end.
    """

    def __init__(self, source: Callable[[], Token], *, keep: bool, wall: Callable[[], float] = time.time) -> None:
        self._source = source
        self._keep = keep
        self._wall = wall
        self._lock = threading.Lock()
        self._kept: tuple[Token, float] | None = None  # with when to ask for the next, seconds since 1970

    def __call__(self) -> Token:
        """Return a token. Raises TokenError."""
        with self._lock:
            now = self._wall()
            if self._kept is not None and self._keep and now < self._kept[1]:
                return self._kept[0]
            try:
                token = self._fresh(now)
            except TokenError:
                if self._kept is None or self._kept[0].until <= now:
                    raise
                return self._kept[0]
            self._kept = token, (now + token.until) / 2
            return token

    def _fresh(self, now: float) -> Token:
        token = self._source()
        if token.until <= now:
            raise TokenError(f"the token ran out {now - token.until:.0f} s ago")
        return token


def token_keeper(security: SecuritySettings) -> TokenKeeper | None:
    """Return what gives the tokens of these settings; None: they use none. Raises MissingSignerError."""
    if security.mechanism == "AWS_MSK_IAM":
        assert security.aws_region is not None, "the settings see to it"
        return TokenKeeper(_signer(security.aws_region), keep=True)
    if security.mechanism != "OAUTHBEARER":
        return None
    if security.token_file is not None:
        path = security.token_file
        return TokenKeeper(lambda: _from_file(path), keep=False)  # one that was changed counts at once
    return TokenKeeper(lambda: _from_endpoint(security), keep=True)


def _from_file(path: Path) -> Token:
    try:
        with path.open(encoding="utf-8") as file:
            value = file.read(MOST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path} cannot be read: {getattr(error, 'strerror', 'it is not text')}") from None
    if not value or any(one.isspace() for one in value):
        raise TokenError(f"{path} does not hold one token")
    return Token(value, _good_until(value))


def _from_endpoint(security: SecuritySettings) -> Token:
    """Ask for a token by the client credentials of OAuth 2.0 (RFC 6749, 4.4)."""
    import urllib3  # noqa: PLC0415 - only who uses a token endpoint needs it

    assert security.token_url is not None, "the settings see to it"
    where = urlsplit(security.token_url).netloc
    try:
        secret = security.read_client_secret()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "it is not text")
        raise TokenError(f"{security.client_secret_file} cannot be read: {why}") from None
    try:
        ca = str(security.token_ca_file) if security.token_ca_file else None
        pool = urllib3.PoolManager(ca_certs=ca, timeout=urllib3.Timeout(total=PATIENCE), retries=False)
        fields = {"grant_type": "client_credentials"} | ({"scope": security.scope} if security.scope else {})
        headers = urllib3.make_headers(basic_auth=f"{security.client_id}:{secret}")
        answer = pool.request(
            "POST", security.token_url, fields=fields, encode_multipart=False, headers=headers, preload_content=False
        )
        with answer:
            text = answer.read(MOST)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TokenError(f"the token endpoint {where} does not answer: {type(error).__name__}") from None
    if answer.status != 200:  # noqa: PLR2004 - OK
        refused = f"refuses {security.client_id}" if answer.status in CLIENT_ERRORS else "fails"
        raise TokenError(f"the token endpoint {where} {refused}: HTTP status {answer.status}")
    try:
        said: dict[str, Any] = json.loads(text)
        value, good = str(said["access_token"]), said.get("expires_in")
        return Token(value, time.time() + float(good) if good is not None else _good_until(value))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TokenError(f"the answer of the token endpoint {where} holds no token") from None


def _good_until(token: str) -> float:
    """Return what a JWT says of itself; of others, nothing is known."""
    try:
        part = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return float(said["exp"])
    except (IndexError, ValueError, KeyError, TypeError, binascii.Error):
        return time.time() + UNSAID


def _signer(region: str) -> Callable[[], Token]:
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingSignerError(
            "mechanism AWS_MSK_IAM needs aws-msk-iam-sasl-signer-python, which is not installed: "
            'pip install "kafka-sentinel[msk]"'
        ) from None

    def sign() -> Token:
        try:
            value, milliseconds = MSKAuthTokenProvider.generate_auth_token(region)
        except Exception as error:  # noqa: BLE001 - whatever boto3 meets, its text may hold what was answered
            raise TokenError(f"no credentials of AWS to sign with: {type(error).__name__}") from None
        return Token(value, milliseconds / 1000)

    return sign

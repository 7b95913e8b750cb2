"""Bearer tokens: taken from a file, a token endpoint or MSK's signer, kept for half of their life, and never shown."""

from __future__ import annotations

import builtins
import subprocess
import time
from pathlib import Path

import pytest
from tests.kafka.clusters.tokens import Endpoint

from kafka_sentinel.adapters.connection import Connection
from kafka_sentinel.adapters.tokens import MissingSignerError, Token, TokenError, TokenKeeper, token_keeper
from kafka_sentinel.settings import KafkaSettings

SECRET = "canary-of-the-client"
REGION = {"protocol": "SASL_SSL", "mechanism": "AWS_MSK_IAM", "aws_region": "eu-north-1"}


@pytest.fixture
def endpoint(tmp_path):
    key = tmp_path / "tokens.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    with Endpoint(key, {"sentinel": SECRET}, ("key", "secret"), seconds=40.0) as found:
        yield found


def kafka(**security: str) -> KafkaSettings:
    both = {"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER", **security}
    return KafkaSettings.model_validate({"bootstrap_servers": "a:1", "security": both})


def asking(endpoint: Endpoint, **more: str) -> TokenKeeper:
    asked = {"token_url": endpoint.token_url, "client_id": "sentinel", "client_secret": SECRET, **more}
    return token_keeper(kafka(**asked).security)


def test_a_token_is_kept_for_half_its_life_and_then_renewed():
    clock = [1_000.0]
    made = iter(Token(f"token-{number}", until) for number, until in enumerate((1_100.0, 1_200.0)))
    keeper = TokenKeeper(lambda: next(made), keep=True, wall=lambda: clock[0])
    assert keeper().value == keeper().value == "token-0"
    clock[0] = 1_049.0
    assert keeper().value == "token-0"
    clock[0] = 1_050.0
    assert keeper() == Token("token-1", 1_200.0)


def test_a_token_that_has_run_out_is_no_token():
    with pytest.raises(TokenError, match="ran out 5 s ago"):
        TokenKeeper(lambda: Token("x", 95.0), keep=True, wall=lambda: 100.0)()


def test_the_endpoint_is_asked_once_for_all_clients(endpoint):
    keeper = asking(endpoint)
    first = keeper()
    assert keeper() is first
    assert 30 < first.until - time.time() <= 40
    assert endpoint.given == {"/token": 1}


def test_a_secret_file_that_changes_counts_for_the_next_token(endpoint, tmp_path):
    file = tmp_path / "secret"
    file.write_text("another\n")
    config = kafka(token_url=endpoint.token_url, client_id="sentinel", client_secret_file=str(file))
    keeper = token_keeper(config.security)
    with pytest.raises(TokenError, match="refuses sentinel: HTTP status 401"):
        keeper()
    file.write_text(f"{SECRET}\n")
    assert keeper().value.count(".") == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:1/token", "does not answer: NewConnectionError"), ("", "refuses sentinel: HTTP status 401")],
)
def test_what_goes_wrong_is_said_without_the_secret(endpoint, url, words):
    keeper = asking(endpoint, client_secret="canary-that-is-wrong", **({"token_url": url} if url else {}))
    with pytest.raises(TokenError, match=words) as caught:
        keeper()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "two words", "\xff"])
def test_a_file_without_a_token_is_named(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(TokenError, match=str(file)):
        token_keeper(kafka(token_file=str(file)).security)()


def test_a_token_file_is_read_again_each_time_and_its_own_end_is_told(endpoint, tmp_path):
    file = tmp_path / "token"
    file.write_text(endpoint.token("a", seconds=600) + "\n")
    keeper = token_keeper(kafka(token_file=str(file)).security)
    assert 590 < keeper().until - time.time() <= 600
    file.write_text("opaque")
    assert keeper().value == "opaque"


def test_msk_signs_with_what_aws_gives_and_says_seconds_where_its_library_says_milliseconds(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.credentials_url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    token = token_keeper(kafka(**REGION).security)()
    assert 800 < token.until - time.time() <= 900
    assert endpoint.given == {"/credentials": 1}


def test_without_credentials_of_aws_a_sentence_says_so(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(TokenError, match="no credentials of AWS to sign with"):
        token_keeper(kafka(**REGION).security)()


def test_without_the_signer_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name: str, *args, **kwargs):
        if name == "aws_msk_iam_sasl_signer":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingSignerError, match=r"kafka-sentinel\[msk\]"):
        Connection(kafka(**REGION))


def test_both_libraries_are_given_the_token_by_callback(endpoint):
    asked = {"token_url": endpoint.token_url, "client_id": "sentinel", "client_secret": SECRET}
    connection = Connection(kafka(**asked))
    value, until = connection.librdkafka()["oauth_cb"]("")
    assert connection.kafka_python()["sasl_oauth_token_provider"].token() == value
    assert until > time.time()
    assert SECRET not in str(connection.librdkafka())


def test_who_signs_in_by_password_needs_no_tokens(tmp_path: Path):
    config = kafka(mechanism="PLAIN", username="a", password="b")
    assert token_keeper(config.security) is None
    assert "oauth_cb" not in Connection(config).librdkafka()

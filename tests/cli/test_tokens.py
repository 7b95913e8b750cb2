"""Bearer tokens: taken from a file, a token endpoint or MSK's signer, kept for half of their life, and never shown."""

from __future__ import annotations

import builtins
import subprocess
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from tests.kafka.clusters.tokens import Endpoint

from kafka_sentinel.adapters.check_client import KafkaAnswers, Unanswered
from kafka_sentinel.adapters.connection import PLACEHOLDER, Connection
from kafka_sentinel.adapters.kafka_client import client_config
from kafka_sentinel.adapters.tokens import MissingSignerError, Token, TokenError, TokenKeeper, token_keeper
from kafka_sentinel.core.connection import Reason
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


def test_where_no_other_can_be_had_a_token_serves_to_its_end():
    clock = [1_000.0]
    made = iter([Token("first", 1_100.0)])

    def source() -> Token:
        for token in made:
            return token
        raise TokenError("down")

    keeper = TokenKeeper(source, keep=True, wall=lambda: clock[0])
    assert keeper().value == "first"
    clock[0] = 1_099.0
    assert keeper().value == "first"
    clock[0] = 1_100.0
    with pytest.raises(TokenError, match="down"):
        keeper()


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
    [
        ("http://127.0.0.1:1/token", "endpoint 127.0.0.1:1 does not answer: NewConnectionError"),
        ("http://127.0.0.1:1/token?canary", "endpoint 127.0.0.1:1 does not answer"),
        ("", r"endpoint 127.0.0.1:\d+ refuses sentinel: HTTP status 401"),
    ],
)
def test_what_goes_wrong_is_said_without_the_secret(endpoint, url, words):
    keeper = asking(endpoint, client_secret="canary-that-is-wrong", **({"token_url": url} if url else {}))
    with pytest.raises(TokenError, match=words) as caught:
        keeper()
    assert "canary" not in str(caught.value)


def test_an_endpoint_that_fails_is_not_said_to_refuse_us(endpoint):
    endpoint.works = False
    with pytest.raises(TokenError, match=r"endpoint 127.0.0.1:\d+ fails: HTTP status 503"):
        asking(endpoint)()


def test_a_secret_file_that_cannot_be_read_is_named(endpoint, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    keeper = token_keeper(
        kafka(token_url=endpoint.token_url, client_id="sentinel", client_secret_file=str(file)).security
    )
    file.write_bytes(b"\xff")
    with pytest.raises(TokenError, match=f"{file} cannot be read: it is not text"):
        keeper()
    file.unlink()
    with pytest.raises(TokenError, match=f"{file} cannot be read: No such file"):
        keeper()


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


def test_without_a_token_check_says_so_and_why(endpoint):
    endpoint.works = False
    asked = {"token_url": endpoint.token_url, "client_id": "sentinel", "client_secret": SECRET}
    with pytest.raises(Unanswered, match=r"there is no token to sign in with: the token endpoint .* fails") as caught:
        KafkaAnswers(kafka(**asked), timeout=1.0)
    assert caught.value.reason is Reason.NO_TOKEN


def test_clients_are_made_without_a_token_and_ask_for_one_again(endpoint):
    endpoint.works = False
    asked = {"token_url": endpoint.token_url, "client_id": "sentinel", "client_secret": SECRET}
    connection = Connection(kafka(**asked))
    properties = connection.librdkafka()
    assert properties["oauth_cb"]("")[0] == PLACEHOLDER
    admin = AdminClient(client_config(properties))  # nobody listens there: it only has to be made
    endpoint.works = True
    deadline = time.monotonic() + 60
    while not endpoint.given["/token"]:
        admin.poll(0.1)
        assert time.monotonic() < deadline, "no token was asked for"
    assert connection.why_no_token() is None


def test_who_signs_in_by_password_needs_no_tokens(tmp_path: Path):
    config = kafka(mechanism="PLAIN", username="a", password="b")
    assert token_keeper(config.security) is None
    assert "oauth_cb" not in Connection(config).librdkafka()

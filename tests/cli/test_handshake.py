"""How far a connection of our own comes, against real sockets and real TLS, with certificates made on the spot."""

import contextlib
import os
import socket
import ssl
import struct
import threading
import time

import pytest
from tests.certificates import DAY, Authority

from kafka_sentinel.adapters import handshake
from kafka_sentinel.adapters.check_client import KafkaAnswers, Unanswered
from kafka_sentinel.core.connection import Reason
from kafka_sentinel.settings import KafkaSettings

SECONDS = 10.0
NOW = time.time()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "ca")
    made.sign("good", begins=NOW - DAY, ends=NOW + DAY)
    made.sign("expired", begins=NOW - 9 * DAY, ends=NOW - 3 * DAY)
    made.sign("future", begins=NOW + 3_600, ends=NOW + DAY)
    made.sign("elsewhere", ["DNS:kafka.example"], begins=NOW - DAY, ends=NOW + DAY)
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "other", "others")
    made.sign("client", begins=NOW - DAY, ends=NOW + DAY)
    return made


def like_kafka(connection):
    """Answer a request for versions as a broker does."""
    asked = connection.recv(4_096)
    size = struct.unpack(">i", asked[:4])[0] if len(asked) >= 8 else 0
    if not 0 < size < 100_000:
        return  # a broker hangs up on what is not its protocol
    connection.sendall(struct.pack(">i", 10) + asked[8:12] + bytes(6))


def like_the_web(connection):
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def silent(connection):
    connection.recv(4_096)
    time.sleep(SECONDS)


@pytest.fixture
def serve():
    """`serve(how, context)` gives the address of a server that behaves so, by TLS if there is a context."""
    listening = []

    def serve(how=like_kafka, context=None):
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                stack.enter_context(connection)
                if context is not None:
                    connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
                how(connection)

        threading.Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for listener in listening:
        listener.close()


def server_side(authority, name, *, clients=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.path(f"{name}.crt"), authority.path(f"{name}.key"))
    if clients is not None:
        context.load_verify_locations(clients.path("ca.crt"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def settings(server="a:1", authority=None, client=None, **properties):
    security = {"protocol": "PLAINTEXT" if authority is None else "SSL"}
    if authority is not None:
        security["ca_file"] = authority.path("ca.crt")
    if client is not None:
        security |= {"cert_file": f"{client}.crt", "key_file": f"{client}.key"}
    given = {"bootstrap_servers": server, "security": security, "properties": properties}
    return KafkaSettings.model_validate(given)


def attempt(server, *given, seconds=SECONDS, **properties):
    return handshake.attempt(server, handshake.encryption(settings(server, *given, **properties)), seconds)


# --- all is well


def test_a_broker_in_plain_text_answers(serve):
    assert attempt(serve()).reason is None


def test_a_broker_behind_tls_answers(serve, authority):
    assert attempt(serve(context=server_side(authority, "good")), authority).reason is None


def test_a_broker_that_knows_our_certificate_answers(serve, authority):
    server = serve(context=server_side(authority, "good", clients=authority))
    assert attempt(server, authority, authority.path("good")).reason is None


@pytest.mark.parametrize(
    "properties",
    [{"ssl.endpoint.identification.algorithm": "none"}, {"enable.ssl.certificate.verification": "false"}],
)
def test_what_the_kafka_client_is_told_to_overlook_is_overlooked(serve, authority, properties):
    assert attempt(serve(context=server_side(authority, "elsewhere")), authority, **properties).reason is None


# --- the way in


def test_a_port_where_nobody_listens(serve):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert attempt(f"127.0.0.1:{nobody.getsockname()[1]}").reason is Reason.REFUSED


@pytest.mark.parametrize("name", ["no-such-host.invalid", f"{'a' * 99}.invalid"])
def test_a_name_that_is_not_known(name):
    assert attempt(f"{name}:9092").reason is Reason.NO_NAME


def test_a_name_service_that_does_not_answer_ends_the_attempt_all_the_same(monkeypatch):
    asked = threading.Event()

    def hang(*_, **__):
        asked.wait(SECONDS)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    look = handshake.attempts(["a:1"], None, 0.1)
    while (found := look()) is None:
        time.sleep(0.01)
    asked.set()
    assert [(one.server, one.reason) for one in found] == [("a:1", Reason.NO_NAME)]


def test_somebody_who_says_nothing_is_given_up(serve):
    assert attempt(serve(silent), seconds=0.2).reason is Reason.SILENT


def test_another_protocol_is_no_kafka(serve):
    assert attempt(serve(like_the_web)).reason is Reason.NOT_KAFKA


def test_another_protocol_is_no_kafka_by_tls_either(serve, authority):
    assert attempt(serve(like_the_web), authority).reason is Reason.NOT_KAFKA


def test_tls_is_told_where_plain_text_was_asked_for(serve, authority):
    assert attempt(serve(context=server_side(authority, "good"))).reason is Reason.SPEAKS_TLS


def test_tls_that_wants_a_client_certificate_is_told_where_plain_text_was_asked_for(serve, authority):
    server = serve(context=server_side(authority, "good", clients=authority))
    assert attempt(server).reason is Reason.SPEAKS_TLS


def test_plain_text_is_told_where_tls_was_asked_for(serve, authority):
    assert attempt(serve(), authority).reason is Reason.SPEAKS_PLAIN


# --- certificates


def test_a_certificate_of_another_authority(serve, authority, stranger):
    found = attempt(serve(context=server_side(authority, "good")), stranger)
    assert found.reason is Reason.WRONG_CA
    assert "issuer" in found.detail or "self-signed" in found.detail


def test_an_expired_certificate_with_its_date(serve, authority):
    found = attempt(serve(context=server_side(authority, "expired")), authority)
    assert found.reason is Reason.EXPIRED
    assert found.ends == int(NOW - 3 * DAY)


def test_a_certificate_that_is_not_yet_valid_with_its_date(serve, authority):
    found = attempt(serve(context=server_side(authority, "future")), authority)
    assert found.reason is Reason.NOT_YET_VALID
    assert found.begins == int(NOW + 3_600)


def test_a_certificate_for_another_name(serve, authority):
    assert attempt(serve(context=server_side(authority, "elsewhere")), authority).reason is Reason.OTHER_NAME


def test_a_client_certificate_that_is_asked_for_and_not_there(serve, authority):
    server = serve(context=server_side(authority, "good", clients=authority))
    assert attempt(server, authority).reason is Reason.OUR_CERTIFICATE


def test_a_client_certificate_of_a_stranger(serve, authority, stranger):
    server = serve(context=server_side(authority, "good", clients=authority))
    assert attempt(server, authority, stranger.path("client")).reason is Reason.OUR_CERTIFICATE


def test_nothing_is_said_of_client_certificates_that_only_the_kafka_client_can_read(serve, authority):
    server = serve(context=server_side(authority, "good", clients=authority))
    assert attempt(server, authority, **{"ssl.keystore.location": os.devnull}).reason is None


# --- and in the question that `check` asks first


def test_the_reason_is_the_answer_of_check_within_its_time(serve, authority, stranger):
    server = serve(context=server_side(authority, "good"))
    with pytest.raises(Unanswered) as caught:
        KafkaAnswers(settings(server, stranger), timeout=8.0).cluster()
    assert caught.value.reason is Reason.WRONG_CA
    assert f"the certificate of {server} is signed by no authority in kafka.security.ca_file" in str(caught.value)


def test_a_file_that_holds_no_certificate_is_a_sentence(authority, tmp_path):
    (tmp_path / "ca.crt").write_text("nonsense")
    given = settings("a:1", authority)
    wrong = given.security.model_copy(update={"ca_file": tmp_path / "ca.crt"})
    with pytest.raises(Unanswered, match=r"ca\.crt|does not take its configuration"):
        KafkaAnswers(given.model_copy(update={"security": wrong}), timeout=2.0)

"""What is concluded from what was seen of a connection: each reason, in a sentence that says what to do."""

import pytest

from kafka_sentinel.core.connection import (
    Attempt,
    Complaint,
    Reason,
    Way,
    advertised,
    ahead_of,
    clock,
    unanswered,
)

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
HOUR, DAY = 3_600.0, 86_400.0
PLAIN = Way("PLAINTEXT", NOW)
TLS = Way("SSL", NOW, ca_file="/ca.pem")
SCRAM = Way("SASL_SSL", NOW, "SCRAM-SHA-512", "anna", "/ca.pem")
WELL = Attempt("b:9092", None)
WRONG_PASSWORD = Complaint("_AUTHENTICATION", "Authentication failed: invalid credentials")


def of(reason, detail="", **dates):
    return Attempt("a:9092", reason, detail, **dates)


@pytest.mark.parametrize(
    ("attempt", "way", "words"),
    [
        (of(Reason.NO_NAME, "Name or service not known"), PLAIN, ["a:9092", "correct it or the name service"]),
        (of(Reason.SILENT, "timed out"), PLAIN, ["a:9092 cannot be reached", "firewalls"]),
        (of(Reason.REFUSED), PLAIN, ["nothing listens at a:9092", "start the broker"]),
        (of(Reason.NOT_KAFKA, "HTTP"), PLAIN, ["no Kafka broker", "correct the port"]),
        (of(Reason.SPEAKS_TLS), PLAIN, ["speaks TLS and kafka.security.protocol is PLAINTEXT", "set SSL or SASL_SSL"]),
        (of(Reason.SPEAKS_TLS), Way("SASL_PLAINTEXT", NOW), ["set SASL_SSL,"]),
        (of(Reason.SPEAKS_PLAIN), TLS, ["speaks no TLS and kafka.security.protocol is SSL", "set PLAINTEXT"]),
        (of(Reason.SPEAKS_PLAIN), SCRAM, ["set SASL_PLAINTEXT"]),
        (of(Reason.WRONG_CA, "self-signed"), TLS, ["no authority in kafka.security.ca_file /ca.pem", "self-signed"]),
        (of(Reason.WRONG_CA), Way("SSL", NOW), ["the system's list (kafka.security.ca_file is not set)"]),
        (of(Reason.OTHER_NAME, "IP mismatch"), TLS, ["for other names", "IP mismatch"]),
        (of(Reason.EXPIRED, ends=NOW - 40 * DAY), TLS, ["expired on 2026-12-06 08:00 UTC: renew it"]),
        (of(Reason.EXPIRED, ends=NOW - HOUR), TLS, ["renew it, or set the clock if it is not 2027-01-15 08:00 UTC"]),
        (of(Reason.EXPIRED, ends=NOW + HOUR), TLS, ["or its authority's, has expired"]),
        (of(Reason.EXPIRED), TLS, ["or its authority's, has expired"]),
        (of(Reason.EXPIRED, ends=NOW), TLS, ["expired on 2027-01-15 08:00 UTC: renew it, or set the clock"]),
        (of(Reason.NOT_YET_VALID), TLS, ["becomes valid later, and this"]),
        (
            of(Reason.NOT_YET_VALID, begins=NOW + HOUR),
            TLS,
            ["valid only on 2027-01-15 09:00 UTC", "clock says 2027-01-15 08:00 UTC", "clocks is wrong"],
        ),
        (of(Reason.OUR_CERTIFICATE, "required"), TLS, ["asks for a client certificate: set kafka.security.cert_file"]),
        (of(Reason.OUR_CERTIFICATE), TLS._replace(cert_file="/c"), ["refuses our certificate", "cert_file /c"]),
    ],
)
def test_each_step_that_fails_is_one_sentence_that_says_what_to_do(attempt, way, words):
    trouble = unanswered([attempt], [], way)
    assert trouble.reason is attempt.reason
    for word in words:
        assert word in trouble.sentence
    assert "\n" not in trouble.sentence


def test_an_expiry_long_ago_says_nothing_of_the_clock():
    for days in (1, 2):
        assert "clock" not in unanswered([of(Reason.EXPIRED, ends=NOW - days * DAY)], [], TLS).sentence


def test_of_several_servers_the_one_that_was_come_furthest_with_is_named():
    attempts = [of(Reason.REFUSED), Attempt("c:1", Reason.WRONG_CA), Attempt("d:1", Reason.NO_NAME)]
    assert unanswered(attempts, [], TLS).reason is Reason.WRONG_CA


def test_a_wrong_password_names_the_user():
    trouble = unanswered([WELL], [WRONG_PASSWORD], SCRAM)
    assert trouble.reason is Reason.SIGN_IN
    assert "refuse user anna: the password is wrong or they do not know the user" in trouble.sentence


def test_a_refusal_to_sign_in_came_further_than_a_server_that_is_down():
    assert unanswered([of(Reason.REFUSED), WELL], [WRONG_PASSWORD], SCRAM).reason is Reason.SIGN_IN


def test_a_refused_token_may_be_the_clock():
    trouble = unanswered([WELL], [WRONG_PASSWORD], Way("SASL_SSL", NOW, "OAUTHBEARER"))
    assert (trouble.reason, "this machine's clock" in trouble.sentence) == (Reason.SIGN_IN, True)


def test_a_mechanism_that_is_not_offered_is_not_a_wrong_password():
    said = "SASL handshake failed: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN"
    trouble = unanswered([WELL], [Complaint("_AUTHENTICATION", said)], SCRAM)
    assert trouble.reason is Reason.MECHANISM
    assert "do not offer SCRAM-SHA-512" in trouble.sentence


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("The SASL mechanism is not enabled", Reason.MECHANISM),
        ("the mechanism ended too early", Reason.SIGN_IN),
        ("Unsupported version", Reason.SIGN_IN),
        ("this user is not enabled", Reason.SIGN_IN),
    ],
)
def test_only_what_says_that_a_mechanism_is_not_offered_means_that(said, reason):
    assert unanswered([WELL], [Complaint("_AUTHENTICATION", said)], SCRAM).reason is reason


def test_where_one_server_answers_or_none_was_tried_the_way_in_is_not_blamed():
    assert unanswered([WELL, of(Reason.REFUSED)], [], TLS) == (Reason.NO_ANSWER, "no answer from b:9092, a:9092")
    assert unanswered([], [], TLS).reason is Reason.NO_ANSWER


@pytest.mark.parametrize(("number", "names"), [(3, "s0, s1, s2"), (4, "s0, s1, s2 and 1 more")])
def test_no_more_servers_are_named_than_can_be_read(number, names):
    attempts = [Attempt(f"s{one}", None) for one in range(number)]
    assert unanswered(attempts, [], TLS).sentence == f"no answer from {names}"


def test_silence_of_a_server_that_took_our_connection_is_no_fault_of_the_way_in():
    trouble = unanswered(
        [WELL], [Complaint("_TRANSPORT", "Disconnected"), Complaint("_TRANSPORT", "Disconnected")], TLS
    )
    assert trouble == (Reason.NO_ANSWER, "no answer from b:9092: Disconnected")


def test_brokers_that_advertise_an_address_that_cannot_be_used_are_named():
    failed = Attempt("kafka.invalid:9092", Reason.NO_NAME, "not known")
    trouble = advertised([(1, WELL), (2, failed)], PLAIN)
    assert trouble is not None
    assert trouble.reason is Reason.ADVERTISED
    assert trouble.sentence.startswith("broker 2 advertises kafka.invalid:9092, and that cannot be used from here")
    assert "advertised.listeners" in trouble.sentence


def test_many_brokers_that_cannot_be_reached_stay_one_sentence():
    trouble = advertised([(number, of(Reason.REFUSED)) for number in range(9)], PLAIN)
    assert trouble is not None
    assert "broker 2 advertises a:9092 and 6 more" in trouble.sentence
    assert "broker 3" not in trouble.sentence


def test_brokers_that_all_answer_where_they_say_are_no_trouble():
    assert advertised([(1, WELL), (2, WELL)], PLAIN) is None


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(HOUR, "1 h ahead of"), (-HOUR, "1 h behind"), (75.4, "1 min 15 s ahead"), (10.0, "10 s ahead")],
)
def test_a_clock_that_is_off_is_told_with_its_direction(ahead, words):
    trouble = clock(ahead)
    assert trouble is not None
    assert (trouble.reason, words in trouble.sentence) == (Reason.CLOCK, True)


@pytest.mark.parametrize("ahead", [0.0, 9.9, -9.9])
def test_clocks_that_agree_are_no_trouble(ahead):
    assert clock(ahead) is None


@pytest.mark.parametrize(("theirs", "ahead"), [(None, None), (100.0, 0.0), (103.0, 0.0), (90.0, 10.0), (113.0, -10.0)])
def test_a_slow_answer_is_not_taken_for_a_wrong_clock(theirs, ahead):
    assert ahead_of(theirs, asked=100.0, answered=103.0) == ahead

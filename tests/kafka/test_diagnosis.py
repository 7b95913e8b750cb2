"""Six ways in which Kafka cannot be used, on real brokers: `check` says which, and `run` goes on until it is mended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sentinel import Sentinel, SentinelProcess, configuration, trouble, wait_for
from tests.certificates import Authority
from tests.kafka.clusters.acls import Grant
from ways_in import (
    ALL_RIGHTS,
    GROUP,
    NOWHERE,
    PASSWORD,
    TOPIC,
    USER,
    WaysIn,
    authority_of_brokers,
    build_clock,
    check,
    on,
    wrong_clock,
)

READERS, CLUSTER = "kafka-sentinel-", "kafka-cluster"
IMPLIED = (
    Grant("topic", TOPIC, False, "Describe"),
    Grant("topic", TOPIC, False, "DescribeConfigs"),
    Grant("group", GROUP, False, "Describe"),
    Grant("group", READERS, True, "Describe"),
    Grant("group", READERS, True, "Read"),
)
NEEDED = (
    (on("topic", TOPIC, "Write"), "topic probe: sentinel may not Write: add an ACL"),
    (on("topic", TOPIC, "Read"), "topic probe: sentinel may not Read: add an ACL"),
    (on("group", GROUP, "Read"), "group sentinel-group: we may not Read: add an ACL"),
    (
        on("group", GROUP, "Describe", "Read"),
        "group sentinel-group: we may not Describe: allow Describe and Read on this group by ACLs",
    ),
)
WANTED = (
    (
        on("group", READERS, "Describe", "Read"),
        "groups kafka-sentinel-*: we may not Describe: add an ACL that allows it on groups with the prefix",
    ),
    (on("topic", TOPIC, "Create"), "topic probe: sentinel may not Create: add an ACL"),
    (on("topic", TOPIC, "Alter"), "topic probe: sentinel may not Alter: add an ACL"),
    (on("cluster", CLUSTER, "Describe"), "quorum: we may not ask the KRaft quorum: add an ACL that allows Describe"),
    (on("cluster", CLUSTER, "DescribeConfigs"), "cluster: we may not DescribeConfigs: add an ACL that allows it"),
    (on("topic", "*", "Describe"), "other topics: we may not Describe, DescribeConfigs: add an ACL"),
    (on("topic", "*", "DescribeConfigs"), "other topics: we may not DescribeConfigs: add an ACL"),
)
ANSWER = 30.0  # seconds for each answer, `--timeout`: by default 8, which a machine full of brokers may not keep
IN_TIME = 2 * ANSWER + 60.0  # for one answer that does not come, the others, and the start of Python
HOUR = 3_600


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return authority_of_brokers(tmp_path_factory.mktemp("tls") / "brokers")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "others", "others")


@pytest.fixture(scope="module")
def cluster(kafka_ready, authority):
    with WaysIn(authority) as cluster:
        cluster.set_password(PASSWORD)
        cluster.make_topic()
        cluster.have_coordinators()
        yield cluster


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Path:
    built = build_clock(tmp_path_factory.mktemp("clock"))
    if built is None:
        if os.environ.get("CI") == "true":
            pytest.fail("a wrong clock is made by a C compiler, and there is no cc", pytrace=False)
        pytest.skip("a wrong clock is made by a C compiler, and there is no cc")
    return built


@pytest.fixture
def well(cluster):
    """The user has its password and its rights."""
    cluster.set_password(PASSWORD)
    cluster.allow(ALL_RIGHTS)
    return cluster


def settings(cluster, authority, listener="SECURE", *, password=PASSWORD) -> dict:
    group = {"enabled": True, "group_id": GROUP}
    config = configuration(cluster.servers(listener), TOPIC, group_consumer=group)
    if listener != "ELSEWHERE":
        config["kafka"]["security"] = {
            "protocol": "SASL_SSL",
            "mechanism": "SCRAM-SHA-512",
            "username": USER,
            "password": password,
            "ca_file": authority.path("ca.crt"),
        }
    return config


@pytest.fixture
def fails(tmp_path):
    """Run `check`; it fails, in time, with one sentence that has these words and no secret."""

    def fails(config, *words, **options):
        said = check(tmp_path, config, ANSWER, IN_TIME, **options)
        assert said.code == 1, said
        (failure,) = said.failures()
        for word in words:
            assert word in failure
        assert config["kafka"].get("security", {}).get("password", "no password") not in said.out + said.err
        assert "Traceback" not in said.err

    return fails


# --- check


def test_where_nothing_is_wrong_nothing_is_said(well, authority, tmp_path):
    config = settings(well, authority) | {"state": {"file": str(tmp_path / "state")}}
    said = check(tmp_path, config, ANSWER, IN_TIME)
    assert (said.code, said.failures(), "WARN" in said.out) == (0, [], False), said


def test_check_tells_a_wrong_ca(well, stranger, fails):
    config = settings(well, stranger)
    fails(config, "is signed by no authority in kafka.security.ca_file", stranger.path("ca.crt"))


def test_check_tells_an_expired_certificate(well, authority, fails):
    fails(settings(well, authority, "EXPIRED"), "the certificate of 127.0.0.1:", "expired on 20", "renew it")


def test_check_tells_a_wrong_password(well, authority, fails):
    fails(settings(well, authority, password="not-the-right-one"), "refuse user sentinel: the password is wrong")


def test_check_tells_a_clock_that_is_an_hour_ahead(well, authority, clock, fails):
    fails(settings(well, authority), "clock: this machine's clock is ", "ahead of", extra=wrong_clock(clock, HOUR))


def test_check_tells_a_clock_that_is_an_hour_behind(well, authority, clock, fails):
    """The brokers' certificate is minutes old."""
    words = ("becomes valid only on", "one of the two clocks is wrong")
    fails(settings(well, authority), *words, extra=wrong_clock(clock, -HOUR))


@pytest.mark.parametrize(("missing", "words"), NEEDED)
def test_check_tells_a_missing_acl(well, authority, fails, missing, words):
    well.allow(ALL_RIGHTS - missing)
    fails(settings(well, authority), words)


@pytest.mark.parametrize(
    ("missing", "words"), [*WANTED[:2], *(pytest.param(*one, marks=pytest.mark.full) for one in WANTED[2:])]
)
def test_check_warns_of_a_missing_acl_that_sentinel_can_do_without(well, authority, tmp_path, missing, words):
    well.allow(ALL_RIGHTS - missing)
    said = check(tmp_path, settings(well, authority), ANSWER, IN_TIME)
    assert said.code == 0, said
    assert f"WARN  {words}" in said.out


def test_every_right_of_the_documentation_is_left_out_once():
    assert {grant for missing, _ in (*NEEDED, *WANTED) for grant in missing} | set(IMPLIED) == ALL_RIGHTS


@pytest.mark.full
@pytest.mark.parametrize("implied", IMPLIED, ids=str)
def test_what_another_right_implies_is_not_missed(well, authority, tmp_path, implied):
    """Kafka's authorizer lets whoever may Read or Write Describe, too; and the rights on all topics are on ours."""
    well.allow(ALL_RIGHTS - {implied})
    config = settings(well, authority) | {"state": {"file": str(tmp_path / "state")}}
    said = check(tmp_path, config, ANSWER, IN_TIME)
    assert (said.code, "WARN" in said.out) == (0, False), said


def test_check_tells_of_brokers_that_advertise_an_address_that_cannot_be_reached(well, authority, fails):
    config = settings(well, authority, "ELSEWHERE")
    fails(config, f"broker 1 advertises {NOWHERE}:9093", "correct advertised.listeners")


# --- run


def test_run_says_that_the_password_is_wrong_and_goes_on_once_it_is_right(well, authority):
    with Sentinel(settings(well, authority, password="a-new-one")) as sentinel:
        wait_for(lambda: trouble(sentinel).get("reason") == "sign-in-refused", 60, lambda: trouble(sentinel))
        assert "refuse user sentinel: the password is wrong" in trouble(sentinel)["sentence"]
        assert len(sentinel.said("Kafka cannot be used as it should")) == 1
        assert "a-new-one" not in str(sentinel.status)
        well.set_password("a-new-one")
        sentinel.wait_verified(10)
        wait_for(lambda: not trouble(sentinel), 60, lambda: trouble(sentinel))
        assert set(sentinel.status["kafka"]["certificates"]) == {"ca_file"}


def test_run_says_which_acl_is_missing_and_goes_on_once_it_is_there(well, authority):
    well.allow(ALL_RIGHTS - on("topic", TOPIC, "Write"))
    with Sentinel(settings(well, authority)) as sentinel:
        wait_for(lambda: trouble(sentinel).get("reason") == "acl-missing", 60, lambda: trouble(sentinel))
        assert "topic probe: sentinel may not Write" in trouble(sentinel)["sentence"]
        well.allow(ALL_RIGHTS)
        sentinel.wait_verified(10)
        wait_for(lambda: not trouble(sentinel), 90, lambda: trouble(sentinel))


@pytest.mark.full
@pytest.mark.parametrize(
    ("listener", "trusted", "reason"),
    [
        ("SECURE", "stranger", "wrong-ca"),
        ("EXPIRED", "authority", "certificate-expired"),
        ("ELSEWHERE", "authority", "advertised-address"),
    ],
)
def test_run_goes_on_trying_with_the_reason_in_its_status(well, request, listener, trusted, reason):
    with Sentinel(settings(well, request.getfixturevalue(trusted), listener)) as sentinel:
        wait_for(lambda: trouble(sentinel).get("reason") == reason, 60, lambda: trouble(sentinel))
        assert sentinel.exit_code is None
        assert sentinel.status["health"] in {"starting", "incident"}


@pytest.mark.full
def test_run_on_a_clock_that_is_an_hour_ahead_says_so_and_proves_records(well, authority, clock, tmp_path):
    ahead = wrong_clock(clock, HOUR)
    with SentinelProcess(tmp_path / "ahead", settings(well, authority), environment=ahead) as sentinel:
        wait_for(lambda: trouble(sentinel).get("reason") == "clock", 60, lambda: trouble(sentinel))
        assert "ahead of that of the cluster's controller" in trouble(sentinel)["sentence"]
        verified = sentinel.records()["verified"]
        wait_for(lambda: sentinel.records()["verified"] > verified + 10, 60, sentinel.records)
        assert sentinel.records()["lost"] == 0


@pytest.mark.full
def test_run_on_a_clock_that_is_an_hour_behind_goes_on_trying_with_the_reason(well, authority, clock, tmp_path):
    behind = wrong_clock(clock, -HOUR)
    with SentinelProcess(tmp_path / "behind", settings(well, authority), environment=behind) as sentinel:
        wait_for(lambda: trouble(sentinel).get("reason") == "certificate-not-yet-valid", 60, lambda: trouble(sentinel))
        assert "one of the two clocks is wrong" in trouble(sentinel)["sentence"]
        assert sentinel.get("/healthz") is not None

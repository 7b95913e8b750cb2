"""The chart beside a Kafka that is secured by Strimzi: users, Secrets and ACLs as its operator makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.chart import helm as programs
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_ID, HOST_PORT, SCRAM_PORT, TLS_PORT
from tests.kubernetes.deploy.release import RELEASE, SECONDS, installed
from tests.kubernetes.deploy.secured import topic_operator, user_operator
from tests.kubernetes.deploy.sentinel import sample
from tests.kubernetes.deploy.waiting import wait_for

FIRST_RECORD = 60.0  # seconds from when its user is there
MANY = 300  # records
PROBE_TOPIC = "kafka-sentinel-probe"
# What its user may not do, as it answers in the daemon's own container by the daemon's own files.
OTHER_TOPIC = """
import os
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_sentinel.settings.load import load
admin = AdminClient(load(None, os.environ).kafka.client_config())
for future in admin.create_topics([NewTopic("another", 1)]).values():
    print(future.exception().args[0].name())
"""


def turned_away(kafka: Kafka, **properties: object) -> bool:
    """Tell whether a client with these properties, which knows the brokers, is not let in by the TLS listener."""
    own = {
        "bootstrap.servers": kafka.bootstrap.replace(f":{HOST_PORT}", f":{TLS_PORT}"),
        "security.protocol": "SSL",
        "ssl.ca.pem": kafka.security.cluster.text("ca.crt"),
        "ssl.endpoint.identification.algorithm": "none",  # asked by address
        "log_level": 0,
        **properties,
    }
    try:
        AdminClient(own).list_topics(timeout=5)
    except KafkaException:
        return True
    return False


@pytest.mark.full
@pytest.mark.parametrize(("kind", "partitions"), [("tls", 6), ("scram-sha-512", 2)])
def test_signed_in_as_a_kafka_user_that_may_do_no_more_than_it_needs_it_proves_records(
    secured_kafka: Kafka, tmp_path: Path, kind: str, partitions: int
):
    """A KafkaTopic of two partitions leaves one of three brokers unprobed: that is told, and the topic left alone."""
    kafka = secured_kafka
    security = kafka.security
    security.clients.sign("known", "/CN=known")
    certificate, key = (security.clients.text(f"known.{suffix}") for suffix in ("crt", "key"))
    assert not turned_away(kafka, **{"ssl.certificate.pem": certificate, "ssl.key.pem": key})
    assert turned_away(kafka)
    beside = {} if kind == "tls" else {"tls": {"enabled": True}, "bootstrapServers": kafka.listening(SCRAM_PORT)}
    strimzi = {"kafkaUser": {"create": True}, "kafkaTopic": {"create": True, "partitions": partitions}}
    values = {"kafka": {"clusterName": kafka.name, "auth": {"type": kind}, **beside}, "strimzi": strimzi}
    with (
        installed(kafka, programs.MAJORS[0], tmp_path, forgetting=True, **values) as release,
        user_operator(kafka, release.name_of("KafkaUser")),
    ):
        assert topic_operator(kafka) == [PROBE_TOPIC]
        wait_for(lambda: release.verified() > 0, "the first verified record", FIRST_RECORD)
        assert "Phase:          Succeeded" in release.helm("test", RELEASE)
        status = release.wait_for(lambda found: found["records"]["all"]["verified"] > MANY, f"{MANY} records", SECONDS)
        figures = status["records"]["all"]
        assert_identities(figures)
        assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)
        assert status["kafka"]["controller"] == CONTROLLER_ID  # which another library asks for
        wait_for(lambda: sample(release.metrics(), "commit_latency_seconds_count") > 0, "the group to commit", SECONDS)
        assert sample(release.metrics(), "brokers_unprobed") == max(0, len(kafka.brokers) - partitions)
        there = kafka.admin().list_topics(PROBE_TOPIC, timeout=10).topics[PROBE_TOPIC].partitions
        assert len(there) == partitions
        refused = release.exec("python3", "-c", OTHER_TOPIC)
        assert refused.stdout.strip() == "TOPIC_AUTHORIZATION_FAILED", refused.stdout + refused.stderr

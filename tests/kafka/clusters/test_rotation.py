"""Passwords and certificates are replaced on disk while Sentinel runs, and the old ones revoked."""

from __future__ import annotations

import secrets
import time

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.kafka.clusters.cluster import SecuredCluster
from tests.kafka.clusters.listeners import USER, Keys, Security
from tests.kafka.clusters.run import SECONDS, go_on, judge, running, topic_of
from tests.kafka.sentinel import Sentinel, wait_for
from tests.kubernetes.lab.authority import Authority

from kafka_sentinel.core.events import ProducerRestarted
from kafka_sentinel.lab.ports import HOST
from kafka_sentinel.settings import Settings


def turned_away(properties: dict[str, str]) -> bool:
    try:
        AdminClient({**properties, "log_level": 0}).list_topics(timeout=5)
    except KafkaException:
        return True
    return False


def taken_up(sentinel: Sentinel) -> bool:
    connection = sentinel.runtime._adapters._credentials._connection
    return connection.seen == connection.look()


def replaced_since(sentinel: Sentinel, mono: float) -> bool:
    return any(event.at.mono > mono for event in sentinel.heard(ProducerRestarted))


def bounce(cluster: SecuredCluster, sentinels: dict[Security, Sentinel]) -> None:
    """Kill every broker and have it back, so that every connection is made anew."""
    for broker in cluster.brokers:
        cluster.kill(broker)
        cluster.start(broker)
        cluster.wait_ready([broker])
        for sentinel in sentinels.values():
            wait_for(lambda one=sentinel: one.isr(0) == [1, 2, 3], SECONDS, "all in sync again")


def change_quietly(keys: Keys, files: dict, sentinels: dict[Security, Sentinel]) -> None:
    """Replace files; every Sentinel takes them up and goes on without an incident."""
    before = {way: [one["id"] for one in sentinel.incidents()] for way, sentinel in sentinels.items()}
    for place, text in files.items():
        keys.replace(place, text)
    for sentinel in sentinels.values():
        wait_for(lambda one=sentinel: taken_up(one), SECONDS, "the new files to be taken up")
    known = time.monotonic()
    for sentinel in sentinels.values():
        wait_for(lambda one=sentinel: replaced_since(one, known), SECONDS, "a producer that has them")
    go_on(sentinels)
    assert {way: [one["id"] for one in sentinel.incidents()] for way, sentinel in sentinels.items()} == before


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_credentials_that_are_replaced_and_revoked_are_taken_up_without_a_restart(kafka_ready, tmp_path):
    ways = [Security.MTLS, Security.SCRAM]
    with SecuredCluster() as cluster, running(cluster, ways) as sentinels:
        keys, password = cluster.keys, secrets.token_hex(12)
        old = {way: Settings.model_validate({"kafka": cluster.settings(way)}).kafka.client_config() for way in ways}
        new_ca, new_users = Authority(tmp_path / "brokers", "/CN=new"), Authority(tmp_path / "clients", "/CN=new")
        new_ca.sign("broker", "/CN=broker", [f"IP:{HOST}"])
        new_users.sign(USER, f"/CN={USER}")
        trusted, users = keys.brokers.folder / "ca.crt", keys.folder / "clients-ca.pem"
        for name in ("crt", "key"):  # the old ones stay, for the proof that they are of no use in the end
            (tmp_path / f"old.{name}").write_text(keys.clients.text(f"{USER}.{name}"))
        cluster.set_scram(USER, password)
        change_quietly(
            keys,
            {keys.folder / "password": password, trusted: trusted.read_text() + new_ca.text("ca.crt")},
            sentinels,
        )
        keys.replace(users, users.read_text() + new_users.text("ca.crt"))
        keys.show("broker", new_ca)
        bounce(cluster, sentinels)
        own = keys.clients.folder
        files = {own / f"{USER}.{name}": new_users.text(f"{USER}.{name}") for name in ("key", "crt")}
        change_quietly(keys, {**files, trusted: new_ca.text("ca.crt")}, sentinels)
        keys.replace(users, new_users.text("ca.crt"))
        bounce(cluster, sentinels)
        go_on(sentinels)
        for way in ways:
            now = Settings.model_validate({"kafka": cluster.settings(way)}).kafka.client_config()
            assert not turned_away(now), f"{way}: the new ones are good"
            stale = {key: old[way][key] for key in old[way] if key == "sasl.password"}
            if way is Security.MTLS:
                stale = {
                    f"ssl.{name}.location": str(tmp_path / f"old.{end}")
                    for name, end in (("certificate", "crt"), ("key", "key"))
                }
            assert turned_away({**now, **stale}), f"{way}: the old ones are good still"
        for way, sentinel in sentinels.items():
            judge(cluster, topic_of(way), sentinel)

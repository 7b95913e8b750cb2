"""Values that cannot work are refused when they are rendered, by a sentence that names the key; others are not."""

from __future__ import annotations

import pytest
from tests.chart.rendering import STRIMZI_V1, THREE

DEEP = {"settings": {"experiments": {"items": [{"name": "a", "fault": "pod-crash", "every": "1h"}]}}}


@pytest.mark.parametrize(
    ("values", "place", "key"),
    [
        ({"experimentz": {}}, "", "experimentz"),
        ({"kafka": {"bootstrap": "a:1"}}, "/kafka", "bootstrap"),
        ({"rbac": {"optional": {"node": True}}}, "/rbac/optional", "node"),
        ({"settings": {"prob": {}}}, "/settings", "prob"),
        ({"settings": {"probe": {"intervall": "1s"}}}, "/settings/probe", "intervall"),
        ({"settings": {"experiments": {"items": [{"nam": "a"}]}}}, "/settings/experiments/items/0", "nam"),
        ({"livenessProbe": {"exec": {}}}, "/livenessProbe", "exec"),
    ],
)
def test_an_unknown_key_is_refused_by_name(helm, values, place, key):
    said = helm.refused(THREE, values)
    assert f"'{place}'" in said
    assert f"'{key}'" in said
    assert "additional properties" in said


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"kafka": {"clusterName": 3}}, "/kafka/clusterName"),
        ({"kafka": {"bootstrapServers": "broker-1"}}, "/kafka/bootstrapServers"),
        ({"kafka": {"auth": {"type": "gssapi"}}}, "/kafka/auth/type"),
        ({"strimzi": {"enabled": "yes"}}, "/strimzi/enabled"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"service": {"port": 0}}, "/service/port"),
        ({"nodeLostSeconds": "30s"}, "/nodeLostSeconds"),
        ({"extraEnv": {"A": "1"}}, "/extraEnv"),
        ({"podLabels": {"a": 1}}, "/podLabels/a"),
        ({"rbac": {"experiments": "no"}}, "/rbac/experiments"),
        ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "/networkPolicy/apiServer/cidrs/0"),
        ({"podMonitor": {"interval": "fifteen"}}, "/podMonitor/interval"),
        ({"runbooks": "docs/runbooks"}, "/runbooks"),
        ({"prometheusRule": {"without": "A"}}, "/prometheusRule/without"),
        ({"settings": {"probe": {"record_size": "big"}}}, "/settings/probe/record_size"),
        ({"settings": {"probe": {"record_size": 70_000}}}, "/settings/probe/record_size"),
        ({"settings": {"probe": {"interval": "1 week"}}}, "/settings/probe/interval"),
        ({"settings": {"experiments": {"dry_run": "off"}}}, "/settings/experiments/dry_run"),
        ({"settings": {"kubernetes": {"flavour": "cp"}}}, "/settings/kubernetes/flavour"),
        (
            {"settings": {"experiments": {"items": [{"name": "a", "fault": "fire"}]}}},
            "/settings/experiments/items/0/fault",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_the_name_of_its_key(helm, values, place):
    assert f"'{place}'" in helm.refused(THREE, values)


IMPOSSIBLE = {
    "no cluster name": ({"kafka": {"clusterName": ""}}, "kafka.clusterName is missing"),
    "no brokers": ({"kafka": {"bootstrapServers": ""}}, "kafka.bootstrapServers is missing"),
    "armed without rights": (
        {"rbac": {"experiments": False}, "settings": {"experiments": {"armed_for": "id"}}},
        "settings.experiments.armed_for is set while rbac.experiments is false",
    ),
    "no account": ({"serviceAccount": {"create": False}}, "serviceAccount.name is missing"),
    "scraped twice": (
        {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}},
        "podMonitor.enabled and serviceMonitor.enabled exclude each other",
    ),
    "an alert that is not there": (
        {"prometheusRule": {"enabled": True, "without": ["KafkaSentinelDown"]}},
        "prometheusRule.without: there is no alert KafkaSentinelDown; there are KafkaSentinelAuditCritical, ",
    ),
    "any port": ({"settings": {"http": {"port": 0}}}, "settings.http.port cannot be 0"),
    "user of no kind": (
        {"strimzi": {"kafkaUser": {"create": True}}},
        "kafka.auth.type is none, and strimzi.kafkaUser.create needs tls or scram-sha-512",
    ),
    "two keepers of a topic": (
        {"strimzi": {"kafkaTopic": {"create": True}}, "settings": {"probe": {"manage_topic": True}}},
        "settings.probe.manage_topic is true while strimzi.kafkaTopic.create is",
    ),
    "a password for all to read": (
        {"settings": {"kafka": {"security": {"password": "hunter2"}}}},
        "settings.kafka.security.password would stand in a ConfigMap",
    ),
    "a token endpoint's secret for all to read": (
        {"settings": {"kafka": {"security": {"client_secret": "hunter2"}}}},
        "settings.kafka.security.client_secret would stand in a ConfigMap",
    ),
    "a key's password for all to read": (
        {"settings": {"kafka": {"security": {"key_password": "hunter2"}}}},
        "settings.kafka.security.key_password would stand in a ConfigMap",
    ),
    "a secret property": (
        {"settings": {"kafka": {"properties": {"ssl.keystore.password": "hunter2"}}}},
        "settings.kafka.properties: ssl.keystore.password would stand in a ConfigMap",
    ),
    "no secret to sign in with": (
        {"kafka": {"auth": {"type": "plain", "username": "me"}}},
        "kafka.auth.existingSecret is missing",
    ),
    "no user name": (
        {"kafka": {"auth": {"type": "plain", "existingSecret": "s"}}},
        "kafka.auth.username is missing",
    ),
}


@pytest.mark.parametrize(("values", "sentence"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_combination_that_cannot_work_is_refused_by_a_sentence(helm, values, sentence):
    said = helm.refused(THREE, values)
    assert sentence in said
    assert "hunter2" not in said


POSSIBLE = {
    "no brokers, but in the settings": {
        "kafka": {"bootstrapServers": ""},
        "settings": {"kafka": {"bootstrap_servers": "a:1"}},
    },
    "armed with rights": {"settings": {"experiments": {"armed_for": "id"}}},
    "unarmed without rights": {"rbac": {"experiments": False}, **DEEP},
    "armed, rights from somebody else": {
        "rbac": {"create": False, "experiments": False},
        "settings": {"experiments": {"armed_for": "id"}},
    },
    "an account of somebody else's": {"serviceAccount": {"create": False, "name": "theirs"}},
    "no account, and none needed": {
        "serviceAccount": {"create": False},
        "settings": {"kubernetes": {"enabled": False}},
    },
    "scraped once": {"serviceMonitor": {"enabled": True}},
    "a topic kept by Strimzi": {
        "strimzi": {"kafkaTopic": {"create": True}},
        "settings": {"probe": {"manage_topic": False}},
    },
    "a harmless property": {"settings": {"kafka": {"properties": {"ssl.ca.pem": "x", "client.id": "y"}}}},
}


@pytest.mark.parametrize("values", POSSIBLE.values(), ids=POSSIBLE)
def test_a_combination_that_can_work_is_not_refused(helm, values):
    assert helm.template(THREE, values).deployment


TLS_USER = {"kafka": {"clusterName": "c", "auth": {"type": "tls"}}, "strimzi": {"kafkaUser": {"create": True}}}


def test_secrets_of_strimzi_cannot_cross_namespaces(helm):
    elsewhere = {"kafka": {"namespace": "kafka"}}
    said = helm.refused(TLS_USER, elsewhere, serves=STRIMZI_V1)
    assert "Secrets cannot cross namespaces, and the one that Strimzi makes is in kafka" in said
    assert "set kafka.auth.existingSecret to a copy of it in monitoring" in said
    copied = {"kafka": {"auth": {"existingSecret": "user"}}}
    assert "set kafka.tls.existingSecret to a copy of it in monitoring" in helm.refused(
        TLS_USER, elsewhere, copied, serves=STRIMZI_V1
    )
    both = {"kafka": {"tls": {"existingSecret": "ca"}}}
    volumes = helm.template(TLS_USER, elsewhere, copied, both, serves=STRIMZI_V1).pod["volumes"]
    assert {each["secret"]["secretName"] for each in volumes if "secret" in each} == {"user", "ca"}
    assert helm.template(TLS_USER, namespace="kafka", serves=STRIMZI_V1).deployment
    assert helm.template(TLS_USER, elsewhere, namespace="kafka", serves=STRIMZI_V1).deployment


def test_the_password_of_another_namespaces_user_is_refused_too(helm):
    scram = {"kafka": {"namespace": "kafka", "auth": {"type": "scram-sha-512"}}}
    said = helm.refused(TLS_USER, scram, serves=STRIMZI_V1)
    assert "set kafka.auth.existingSecret to a copy of it in monitoring" in said

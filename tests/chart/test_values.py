"""No value is dead: each, set to something else, changes what is rendered, where what it is about is switched on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.chart.rendering import CHART, STRIMZI_V1, merged

# With this, each value but those below is about something that is made.
CONTEXT = {
    "kafka": {"clusterName": "c", "bootstrapServers": "b:9093", "tls": {"enabled": True, "existingSecret": "ca"}},
    "networkPolicy": {"enabled": True, "apiServer": {"cidrs": ["10.0.0.1/32"]}},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "settings": {
        "kubernetes": {"operator_namespace": "operator"},
        "experiments": {"armed_for": "id", "items": [{"name": "a", "fault": "pod-delete", "every": "1h"}]},
    },
}
SCRAM = {"kafka": {"auth": {"type": "scram-sha-512", "username": "me", "existingSecret": "s"}}}
CERTIFICATE = {"kafka": {"auth": {"type": "tls", "existingSecret": "s"}}}
STRIMZI = {"kafka": {"auth": {"type": "scram-sha-512"}}, "strimzi": {"kafkaUser": {"create": True}}}
SERVICE_MONITOR = {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}
SWITCHES = ("networkPolicy", "podMonitor", "prometheusRule", "dashboards")
# What besides is needed for a value to matter; the first key that begins its name counts.
BESIDE = {
    "kafka.tls.enabled": {"kafka": {"tls": {"enabled": False}}},
    "kafka.bootstrapServers": {"kafka": {"bootstrapServers": "b:9092"}},
    "kafka.auth.type": {"kafka": {"auth": {"existingSecret": "s"}}},
    "kafka.auth.certKey": CERTIFICATE,
    "kafka.auth.keyKey": CERTIFICATE,
    "kafka.auth": SCRAM,
    "strimzi.kafkaUser.create": {"kafka": {"auth": {"type": "tls", "existingSecret": "s"}}},
    "strimzi.kafkaUser": STRIMZI,
    "strimzi.kafkaTopic.partitions": {"strimzi": {"kafkaTopic": {"create": True}}},
    "serviceMonitor.enabled": {"podMonitor": {"enabled": False}},
    "serviceMonitor": SERVICE_MONITOR,
    **{f"{section}.enabled": {section: {"enabled": False}} for section in SWITCHES},
}
# What else a value may be, where that does not follow from what it is.
OTHER: dict[str, Any] = {
    "kafka.bootstrapServers": "elsewhere:9092",
    "kafka.auth.type": "tls",
    "strimzi.enabled": True,
    "settings": {"probe": {"interval": "2s"}},
    "image.digest": "sha256:" + "0" * 64,
    "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "service.type": "NodePort",
    "affinity": {"nodeAffinity": {}},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "securityContext.capabilities.drop": ["NET_RAW"],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "tmp", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    "networkPolicy.ingressFrom": [{"podSelector": {}}],
    "networkPolicy.kafka.to": [{"podSelector": {}}],
    "networkPolicy.kafka.ports": [9094],
    "networkPolicy.apiServer.cidrs": ["10.0.0.2/32"],
    "networkPolicy.apiServer.ports": [8443],
    "networkPolicy.extraEgress": [{"ports": [{"port": 8080}]}],
    "podMonitor.interval": "30s",
    "podMonitor.scrapeTimeout": "5s",
    "serviceMonitor.interval": "30s",
    "serviceMonitor.scrapeTimeout": "5s",
    "prometheusRule.without": ["KafkaSentinelGone"],
    **{
        f"{kind}.{key}": [{"action": "labeldrop", "regex": "pod"}]
        for kind in ("podMonitor", "serviceMonitor")
        for key in ("relabelings", "metricRelabelings")
    },
    "serviceAccount.create": False,
}


def leaves(values: dict, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


LEAVES = dict(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))


def other(key: str, value: Any) -> Any:
    """Return something else that the value may be."""
    match OTHER.get(key, value):
        case found if key in OTHER:
            return found
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case dict():
            return {"a": "b"}
    raise AssertionError(f"what else may {key} be? say so in OTHER")


def at(key: str, value: Any) -> dict:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize("key", LEAVES)
def test_each_value_changes_what_is_made(helm, key):
    beside = next((more for prefix, more in BESIDE.items() if key.startswith(prefix)), {})
    values = merged(CONTEXT, beside, {"serviceAccount": {"name": "sa"}} if key == "serviceAccount.create" else {})
    changed = merged(values, at(key, other(key, LEAVES[key])))
    if key == "rbac.experiments":  # there to be contradicted: who takes these rights away must not arm
        helm.template(values, namespace="kafka", serves=STRIMZI_V1)
        assert key in helm.refused(changed, namespace="kafka", serves=STRIMZI_V1)
        return
    usual, found = (helm.template(each, namespace="kafka", serves=STRIMZI_V1).text for each in (values, changed))
    assert found != usual


def test_what_is_said_here_is_of_values_that_there_are():
    assert set(OTHER) <= set(LEAVES)
    assert all(any(key.startswith(prefix) for key in LEAVES) for prefix in BESIDE)

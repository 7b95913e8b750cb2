"""What is rendered is valid by the OpenAPI document of Kubernetes itself, where no key may be unknown.

Resources that Kubernetes does not define are another matter: those of Strimzi are in test_strimzi.py, and those of the
Prometheus operator in test_prometheus_operator.py.
"""

from __future__ import annotations

import json
from functools import cache

import pytest
from jsonschema import Draft202012Validator
from tests.chart import helm as programs
from tests.chart.rendering import STRIMZI_V1, THREE

FOREIGN = {"KafkaUser", "KafkaTopic", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
QUANTITY, INT_OR_STRING = (
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
)

FULL = {
    "kafka": {"clusterName": "c", "auth": {"type": "tls"}},
    "strimzi": {"kafkaUser": {"create": True}, "kafkaTopic": {"create": True}},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"pool": "tools"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "priorityClassName": "high",
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}}],
    "extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    "podAnnotations": {"a": "b"},
    "commonLabels": {"team": "streams"},
    "networkPolicy": {"enabled": True, "apiServer": {"cidrs": ["10.0.0.1/32"]}},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "settings": {
        "kubernetes": {"operator_namespace": "operator"},
        "experiments": {
            "armed_for": "id",
            "dry_run": False,
            "items": [
                {"name": "a", "fault": "node-reclaim", "every": "1h"},
                {"name": "b", "fault": "pod-evict", "every": "1h"},
                {"name": "c", "fault": "rolling-restart", "target": "all", "every": "1h"},
            ],
        },
    },
}


@cache
def document() -> dict:
    """Return the definitions of the document, closed."""
    definitions = json.loads(programs.openapi().read_text())["definitions"]
    for each in definitions.values():
        if "properties" in each:
            each["additionalProperties"] = False
    definitions[QUANTITY] = definitions[INT_OR_STRING] = {"type": ["string", "integer"]}
    return definitions


@cache
def kinds() -> dict[tuple[str, str], str]:
    """Return apiVersion and kind → the name of the definition."""
    found = {}
    for name, each in document().items():
        for one in each.get("x-kubernetes-group-version-kind", []):
            found["/".join(filter(None, (one["group"], one["version"]))), one["kind"]] = name
    return found


def faults(one: dict) -> list[str]:
    schema = {"$ref": f"#/definitions/{kinds()[one['apiVersion'], one['kind']]}", "definitions": document()}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(one)]


@pytest.mark.parametrize("values", [THREE, FULL], ids=["three values", "everything"])
def test_objects_are_valid(helm, values):
    objects = helm.template(values, namespace="kafka", serves=STRIMZI_V1)
    own = [each for each in objects.all if each["kind"] not in FOREIGN]
    assert {each["kind"] for each in own} >= {
        "Deployment",
        "Service",
        "ServiceAccount",
        "ConfigMap",
        "Role",
        "ClusterRole",
        "Pod",
    }
    for each in own:
        assert faults(each) == [], each["kind"]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"resources": {"limit": {}}}, "'limit' was unexpected"),
        ({"extraVolumes": [{"name": "x", "emptydir": {}}]}, "'emptydir' was unexpected"),
        ({"tolerations": [{"key": 1}]}, "1 is not of type 'string'"),
    ],
)
def test_what_kubernetes_would_not_take_is_noticed(helm, values, fault):
    found = [each for pod in ("Deployment", "Pod") for each in faults(helm.template(THREE, values).one(pod))]
    assert any(fault in each for each in found), found

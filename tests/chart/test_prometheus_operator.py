"""The Prometheus operator's own definitions of a PodMonitor, a ServiceMonitor and a PrometheusRule."""

from __future__ import annotations

from functools import cache

import pytest
import yaml
from tests.chart.definitions import faults, schema
from tests.chart.rendering import THREE, Helm, merged
from tests.kubernetes.deploy import prometheus_operator

RULES = "PrometheusRule"
MONITORS = {"podMonitor": "PodMonitor", "serviceMonitor": "ServiceMonitor"}  # kinds by the section of the values
RELABELING = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}
FULL = {
    "scrapeTimeout": "5s",
    "labels": {"release": "monitoring"},
    "relabelings": [RELABELING],
    "metricRelabelings": [{"action": "keep"}],
}


@cache
def closed(kind: str) -> dict:
    file = prometheus_operator.source(f"{prometheus_operator.DEFINITIONS}/monitoring.coreos.com_{kind.lower()}s.yaml")
    return schema(yaml.safe_load(file.read_text()), "v1")


def resources(helm: Helm, section: str, **monitor: object) -> list[dict]:
    values = {section: {"enabled": True, **monitor}, "prometheusRule": {"enabled": True}}
    objects = helm.template(merged(THREE, values), namespace="kafka")
    found = [objects.one(MONITORS[section]), objects.one(RULES)]
    assert {each["apiVersion"] for each in found} == {"monitoring.coreos.com/v1"}
    return found


@pytest.mark.parametrize("section", MONITORS)
@pytest.mark.parametrize("monitor", [{}, FULL], ids=["as it is", "everything"])
def test_its_resources_are_what_the_operator_takes(helm, section, monitor):
    assert [faults(closed(one["kind"]), one) for one in resources(helm, section, **monitor)] == [[], []]


@pytest.mark.parametrize("section", MONITORS)
def test_what_the_operator_would_not_take_is_noticed(helm, section):
    monitor, rules = resources(helm, section)
    [endpoint] = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    endpoint["interval"] = "often"
    monitor["spec"]["selectors"] = {}
    rules["spec"]["groups"][0]["rules"][0]["for"] = "a while"
    said = " ".join([*faults(closed(monitor["kind"]), monitor), *faults(closed(RULES), rules)])
    for word in ("'often'", "'selectors'", "'a while'"):
        assert word in said

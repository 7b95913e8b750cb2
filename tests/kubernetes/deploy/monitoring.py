"""Prometheus and Alertmanager as a platform team runs them: by the Prometheus operator, which finds what to scrape."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import yaml
from tests.alerts import binaries
from tests.alerts.client import Client
from tests.kubernetes.deploy import objects, prometheus_operator
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.receiver import Receiver
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.lab.errors import LabError

NAMESPACE = "monitoring"
NAME = "main"  # of the Prometheus and of the Alertmanager
SELECTED = {"release": "monitoring"}  # labels of what this Prometheus looks at, in any namespace
EVALUATION = "2s"
READY_SECONDS = 180.0
LOG_LINES = 10
SERVERS = {"prometheus": 9090, "alertmanager": 9093}  # ports by kind
_API = "monitoring.coreos.com/v1"
_RBAC = "rbac.authorization.k8s.io"
_OPERATOR, _PROMETHEUS = "prometheus-operator", "prometheus"  # accounts, and the roles that the module brings for them
_OF_MODULE = (prometheus_operator.DEFINITIONS, prometheus_operator.OPERATOR_ROLE, prometheus_operator.PROMETHEUS_ROLE)
_KINDS = {f"{plural}.monitoring.coreos.com" for plural in ("prometheuses", "alertmanagers", "podmonitors")}
_CONFIGURATION = "alertmanager-configuration"


class Monitoring:
    """All of it on the node nobody touches. What fires is delivered to `receiver`, on this host, alert by alert."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.receiver = Receiver(cluster.plan.host)

    def __enter__(self) -> Self:
        prometheus_operator.ensure()
        self.receiver.__enter__()
        try:
            self._up()
        except BaseException:
            self._down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._down()

    @property
    def prometheus(self) -> Client:
        return Client(f"http://{self._address('prometheus')}:{SERVERS['prometheus']}")

    def standing(self) -> str:
        """Return how its pods are, and the last lines of what does not come up: for who waits in vain."""
        pods = self._cluster.kubectl("get", "pods", "-n", NAMESPACE, "--no-headers")
        late = [pod["metadata"]["name"] for kind in SERVERS for pod in self._pods(kind) if not objects.is_ready(pod)]
        return "\n".join([pods, *(self._lines(f"pod/{name}") for name in late), self.operator_lines()])

    def operator_lines(self) -> str:
        """Return what the operator wrote to its log, for who wonders; nothing while it has none."""
        return self._lines(f"deployment/{_OPERATOR}")

    def _lines(self, what: str) -> str:
        try:
            return self._cluster.kubectl("logs", what, "-n", NAMESPACE, f"--tail={LOG_LINES}")
        except LabError:
            return ""

    def _up(self) -> None:
        prometheus_operator.image().load(self._cluster, (CONTROLLER_NODE,))
        for path in _OF_MODULE:
            self._kubectl_module("apply", path, "--server-side", "--force-conflicts")
        wait_for(self._served, "the operator's resources to be served", READY_SECONDS)
        head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        accounts = [each for name in (_OPERATOR, _PROMETHEUS) for each in _account(name)]
        objects.apply(self._cluster, [head, *accounts, _operator()])
        objects.apply(self._cluster, [self._delivery(), _prometheus(), _alertmanager()])
        for kind in SERVERS:
            wait_for(lambda kind=kind: self._is_ready(kind), f"{kind} to be ready", READY_SECONDS, self.standing)

    def _down(self) -> None:
        self._cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        for path in reversed(_OF_MODULE):
            self._kubectl_module("delete", path, "--ignore-not-found", "--wait=false")
        bindings = [f"clusterrolebinding/{name}" for name in (_OPERATOR, _PROMETHEUS)]
        self._cluster.kubectl("delete", *bindings, "--ignore-not-found")
        self.receiver.__exit__(None, None, None)

    def _kubectl_module(self, verb: str, path: str, *options: str) -> None:
        self._cluster.kubectl(verb, "-f", str(prometheus_operator.source(path)), *options)

    def _served(self) -> bool:
        return set(self._cluster.kubectl("api-resources", "--no-headers", "-o", "name").split()) >= _KINDS

    def _pods(self, kind: str) -> list[dict]:
        return self._cluster.api.list(objects.pods_path(NAMESPACE), labelSelector=f"app.kubernetes.io/name={kind}")

    def _is_ready(self, kind: str) -> bool:
        found = self._pods(kind)
        return bool(found) and all(objects.is_ready(pod) for pod in found)

    def _address(self, kind: str) -> str:
        [pod] = self._pods(kind)
        return pod["status"]["podIP"]

    def _delivery(self) -> dict:
        """Return Alertmanager's configuration: each alert by itself and at once, also when it is over."""
        hook = {"url": self.receiver.url, "send_resolved": True}
        route = {"receiver": "test", "group_by": ["..."], "group_wait": "1s", "group_interval": "1s"}
        text = yaml.safe_dump({"route": route, "receivers": [{"name": "test", "webhook_configs": [hook]}]})
        return {**_head("v1", "Secret", _CONFIGURATION), "stringData": {"alertmanager.yaml": text}}


def _account(name: str) -> list[dict]:
    """Return an account and its binding to the role of its name."""
    return [
        _head("v1", "ServiceAccount", name),
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
        },
    ]


def _operator() -> dict:
    labels = {"app.kubernetes.io/name": _OPERATOR}
    image = prometheus_operator.image().name
    container = {
        "name": _OPERATOR,
        "image": image,
        "command": ["prometheus-operator"],
        "args": [f"--prometheus-config-reloader={image}", "--kubelet-endpoints=false"],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
    }
    pod = {"serviceAccountName": _OPERATOR, **_place(), "containers": [container]}
    return {
        **_head("apps/v1", "Deployment", _OPERATOR),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _prometheus() -> dict:
    selectors = {
        name: value
        for kind in ("podMonitor", "serviceMonitor", "rule")
        for name, value in ((f"{kind}Selector", {"matchLabels": SELECTED}), (f"{kind}NamespaceSelector", {}))
    }
    alertmanager = {"namespace": NAMESPACE, "name": "alertmanager-operated", "port": "web"}
    return {
        **_head(_API, "Prometheus", NAME),
        "spec": {
            **_server("prometheus", prometheus_operator.PROMETHEUS_VERSION, "prometheus"),
            **selectors,
            "serviceAccountName": _PROMETHEUS,
            "evaluationInterval": EVALUATION,
            "alerting": {"alertmanagers": [alertmanager]},
        },
    }


def _alertmanager() -> dict:
    version = binaries.version(binaries.alertmanager())
    return {
        **_head(_API, "Alertmanager", NAME),
        "spec": {
            **_server("alertmanager", version, "prometheus-alertmanager"),
            "configSecret": _CONFIGURATION,
        },
    }


def _server(container: str, version: str, program: str) -> dict:
    """Return what both have. The operator goes by their version, and expects images that start the program itself."""
    return {
        **_place(),
        "replicas": 1,
        "image": prometheus_operator.image().name,
        "version": f"v{version}",
        "containers": [{"name": container, "command": [program]}],
        "resources": {"requests": {"cpu": "10m", "memory": "100Mi"}},
    }


def _place() -> dict:
    return {
        "nodeSelector": {"kubernetes.io/hostname": CONTROLLER_NODE},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 2000},
    }


def _head(version: str, kind: str, name: str) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}

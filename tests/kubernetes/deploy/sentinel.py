"""Kafka Sentinel in a pod, under its own service account, as it runs beside users' clusters; and what it says."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Self

import yaml
from tests.kafka.sentinel import configuration
from tests.kubernetes.deploy import images, objects, rbac
from tests.kubernetes.deploy.calm import still_open
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.pods import tolerations
from tests.kubernetes.deploy.waiting import wait_for

from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.permissions import Permission
from kafka_sentinel.lab.errors import LabError

NAME = "kafka-sentinel"
PORT = 9464
LABELS = {"app.kubernetes.io/name": NAME}
READY_SECONDS = 180.0
HOSTNAME = "kubernetes.io/hostname"
REFUSED = 2  # exit code: usage or configuration
GET_SECONDS = 3.0
ATTEMPTS = 3
STEADY = 2.0  # seconds without an open incident
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode(), end='')"
TOLERATED = 3
LOG_LINES = 40  # shown of a failed test
_NUMBERS = itertools.count(1)  # each has a namespace of its own: none waits until another is gone
FILE = "/etc/kafka-sentinel/config.yaml"


class Sentinel:
    """One deployment of Sentinel. `wanted` leaves permissions out; `sections` are those of its configuration file.

    `node`: where its pods run; None: anywhere but beside Kafka's controller. `tolerated`: seconds on a node that is
    lost, before its pod is replaced.
    """

    def __init__(
        self,
        kafka: Kafka,
        *,
        namespace: str | None = None,
        node: str | None = CONTROLLER_NODE,
        replicas: int = 1,
        wanted: Callable[[Permission], bool] = lambda _: True,
        environment: Mapping[str, str] | None = None,
        topic: str = "kafka-sentinel-probe",
        tolerated: int = TOLERATED,
        **sections: dict,
    ) -> None:
        self.kafka = kafka
        self.cluster = kafka.cluster
        self.namespace = namespace or f"sentinel-{next(_NUMBERS)}"
        self.topic = topic
        self._tolerated = tolerated
        self._node, self._replicas, self._environment = (
            node,
            replicas,
            {"KAFKA_SENTINEL_CONFIG": FILE, **(environment or {})},
        )
        self._wanted = wanted
        self.made = time.time()  # nothing that was done before was done by it
        self._seen: dict[str | None, dict] = {}  # pods, by the name they were asked for
        kubernetes = {"enabled": True, "namespace": kafka.namespace, **kafka.settings, **sections.pop("kubernetes", {})}
        self.config = configuration(
            kafka.inside, topic, kubernetes=kubernetes, **{"http": {"host": "0.0.0.0", "port": PORT}, **sections}
        )
        # Its state and its Lease are named after it, unless the configuration names them.
        state = self.config.get("state", {}).get("config_map") or f"{self.config['name']}-state"
        self._places = Places(kafka=kafka.namespace, own=self.namespace, state=state)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self, *, ready: bool = True) -> None:
        """Deploy it, and wait until it is ready unless told not to."""
        nodes = self.cluster.nodes if self._node is None else (self._node,)
        images.sentinel_image().load(self.cluster, nodes)
        objects.apply(self.cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}])
        objects.apply(self.cluster, rbac.manifests(NAME, self._places, self._wanted))
        objects.apply(self.cluster, [self._config_map(), self._deployment()])
        if ready:
            self.wait_ready()

    def down(self) -> None:
        """Remove it at once, with its state and its rights; its topics stay."""
        pods = ("pods", "--all", "-n", self.namespace)
        self.cluster.kubectl("delete", "deployment", "--all", "-n", self.namespace)
        self.cluster.kubectl("delete", *pods, "--grace-period=0", "--force", "--ignore-not-found")
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        rbac.remove(self.cluster, self.namespace)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        wait_for(self._has_come_up, "Sentinel to be ready", seconds, self._standing)
        for pod in self.pods():
            wait_for(lambda pod=pod: self.get("/readyz", pod), "Sentinel to know its cluster", seconds, self.last_lines)

    def _has_come_up(self) -> bool:
        """Tell whether all pods are ready. Fails if one of them refuses its configuration: that helps no waiting."""
        for pod in self._all_pods():
            for container in pod["status"].get("containerStatuses", []):
                ended = container.get("lastState", {}).get("terminated", {})
                assert ended.get("exitCode") != REFUSED, f"Sentinel refuses its configuration: {self.last_lines()}"
        return len(self.pods()) == self._replicas

    # --- which pods

    def pods(self) -> list[str]:
        """Return the names of its ready pods, oldest first."""
        found = [pod for pod in self._all_pods() if objects.is_ready(pod)]
        found.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        return [pod["metadata"]["name"] for pod in found]

    def pod(self) -> dict:
        """Return its oldest pod that is not on its way out."""
        found = [pod for pod in self._all_pods() if "deletionTimestamp" not in pod["metadata"]]
        assert found, "Sentinel has no pod"
        return min(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def _all_pods(self) -> list[dict]:
        return self.cluster.api.list(objects.pods_path(self.namespace), labelSelector=_selector())

    def _named(self, name: str | None) -> dict:
        """Return a pod as it is, or as it was last seen while the API server is away."""
        try:
            found = self.pod() if name is None else self._get(name)
        except LabError:
            found = self._seen.get(name)
            if found is None:
                raise
        self._seen[name] = found
        return found

    def _get(self, name: str) -> dict:
        return self.cluster.api.get(f"{objects.pods_path(self.namespace)}/{name}")

    # --- what it says; `pod`: the name of one of several

    def get(self, path: str, pod: str | None = None) -> str | None:
        """Return what it answers on its port; None if it cannot be reached or is not well."""
        found = self._named(pod)
        url = f"http://{found['status'].get('podIP')}:{PORT}{path}"
        try:
            with urllib.request.urlopen(url, timeout=GET_SECONDS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError:
            return None
        except OSError:
            return self._get_on_node(found["spec"]["nodeName"], url)

    def _get_on_node(self, node: str, url: str) -> str | None:
        """Ask from its own node, which still reaches it when that is cut off."""
        try:
            return self.cluster.exec_node(node, sys.executable, "-c", ASK, url)
        except LabError:
            return None

    def status(self, pod: str | None = None) -> dict:
        return json.loads(self.get("/api/v1/status", pod) or "{}")

    def incidents(self, pod: str | None = None) -> list[dict]:
        return json.loads(self.get("/api/v1/incidents", pod) or '{"incidents": []}')["incidents"]

    def experiments(self, pod: str | None = None) -> dict:
        return json.loads(self.get("/api/v1/experiments", pod) or "{}")

    def metrics(self, pod: str | None = None) -> str:
        """Return its metrics; "" if it does not answer, asked a few times: a node that is cut off may be slow to."""
        answers = (self.get("/metrics", pod) for _ in range(ATTEMPTS))
        return next((answer for answer in answers if answer), "")

    def metric(self, name: str, pod: str | None = None, **labels: str) -> float:
        return sample(self.metrics(pod), name, **labels)

    def records(self, acks: str = "all", pod: str | None = None) -> dict[str, int]:
        return self.status(pod).get("records", {}).get(acks, {})

    def logs(self, pod: str | None = None, *, previous: bool = False) -> list[str]:
        name = self._named(pod)["metadata"]["name"]
        more = ("--previous",) if previous else ()
        return self.cluster.kubectl("logs", name, "-n", self.namespace, *more).splitlines()

    def restarts(self) -> int:
        """Return how often its container was started again."""
        return sum(one["restartCount"] for one in self._containers())

    def ended(self) -> int | None:
        """Return the exit code of its container's latest end; None if it never ended."""
        for one in self._containers():
            for state in (one["state"], one["lastState"]):
                if "terminated" in state:
                    return state["terminated"]["exitCode"]
        return None

    def _containers(self) -> list[dict]:
        return self.pod()["status"].get("containerStatuses", [])

    def last_lines(self) -> str:
        return "\n".join(self.logs()[-LOG_LINES:])

    def wait_for(self, predicate: Callable[[dict], object], what: str, seconds: float, pod: str | None = None) -> dict:
        """Wait until a status fits, and return it."""

        def fitting() -> dict | None:
            status = self.status(pod)
            return status if status and predicate(status) else None

        found = wait_for(fitting, what, seconds, lambda: self._open_still(pod))
        assert found is not None
        return found

    def _open_still(self, pod: str | None) -> str:
        status = self.status(pod)
        return f"open: {', '.join(still_open(status)) or 'nothing'}; {status['records']}" if status else "no answer"

    def wait_verified(self, count: int, seconds: float = 180) -> dict:
        return self.wait_for(
            lambda status: status["records"].get("all", {}).get("verified", 0) >= count, f"{count} verified", seconds
        )

    def wait_steady(self, seconds: float = 180) -> None:
        """Wait until records are verified, and no incident has been open for a while."""
        self.wait_verified(30, seconds)
        since: list[float] = []

        def well() -> bool:
            if any(incident["closed_at"] is None for incident in self.incidents()):
                since.clear()
            since.append(time.monotonic())
            return since[-1] - since[0] > STEADY

        wait_for(well, "no open incident", seconds, self.incidents)

    def wait_closed(self, since: float, seconds: float = 240) -> dict:
        """Wait until what began after `since` is over. Returns the incident; fails if there is more than one."""

        def found() -> list[dict]:
            return [incident for incident in self.incidents() if incident["opened_at"] >= since]

        def over() -> bool:
            return bool(found()) and all(incident["closed_at"] for incident in found())

        wait_for(over, "the incident to be closed", seconds, lambda: [each["reasons"] for each in found()])
        assert len(found()) == 1, found()
        return found()[0]

    # --- what is done to it

    def exec(self, *command: str, pod: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in its container, as a person would."""
        name = self._named(pod)["metadata"]["name"]
        return objects.run_in_pod(self.cluster, self.namespace, name, *command)

    def kill(self, pod: str | None = None) -> None:
        """SIGKILL to the process in its container. Kubernetes starts it again in the same pod."""
        objects.kill_container(self.cluster, self._named(pod))

    def delete(self, pod: str | None = None, grace: int = 0) -> None:
        """Delete its pod; at once without grace. Its deployment makes another."""
        name = self._named(pod)["metadata"]["name"]
        forced = ("--force",) if grace == 0 else ()
        self.cluster.kubectl(
            "delete", "pod", name, "-n", self.namespace, f"--grace-period={grace}", "--wait=false", *forced
        )

    # --- how it is deployed

    def _standing(self) -> str:
        return ", ".join(f"{pod['metadata']['name']} {pod['status'].get('phase')}" for pod in self._all_pods())

    def _config_map(self) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{NAME}-config", "namespace": self.namespace},
            "data": {"config.yaml": yaml.safe_dump(self.config)},
        }

    def _deployment(self) -> dict:
        container = {
            "name": "sentinel",
            "image": images.sentinel_image().name,
            "imagePullPolicy": "IfNotPresent",
            "command": ["kafka-sentinel", "run"],
            "env": [{"name": name, "value": value} for name, value in self._environment.items()],
            "ports": [{"name": "http", "containerPort": PORT}],
            "resources": {"requests": {"cpu": "10m", "memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/kafka-sentinel"}],
        }
        pod: dict = {
            "serviceAccountName": NAME,
            "terminationGracePeriodSeconds": 10,
            "enableServiceLinks": False,
            "tolerations": tolerations(self._tolerated),
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": f"{NAME}-config"}}],
        }
        if self._node is not None:
            pod["nodeSelector"] = {HOSTNAME: self._node}
        else:
            elsewhere = {"key": HOSTNAME, "operator": "NotIn", "values": [CONTROLLER_NODE]}
            terms = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
            pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": self.namespace},
            "spec": {
                "replicas": self._replicas,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": pod},
            },
        }


def sample(metrics: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric (named without its prefix) that have these labels.

    Fails if none has: series that are known in advance are there from the start, and one that is not there is not 0.
    """
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    found: list[float] = []
    for line in metrics.splitlines():
        series, _, value = line.rpartition(" ")
        full, _, pairs = series.rstrip("}").partition("{")
        if full == f"kafka_sentinel_{name}" and wanted <= set(pairs.split(",")):
            found.append(float(value))
    assert found, f"there is no series {name} with {labels}"
    return sum(found)


def _selector() -> str:
    return ",".join(f"{key}={value}" for key, value in LABELS.items())


class Deployer:
    """Puts Sentinels up for a test, and all of them down after it."""

    def __init__(self) -> None:
        self.sentinels: list[Sentinel] = []

    def __call__(self, kafka: Kafka, *, ready: bool = True, **options) -> Sentinel:
        """Return a Sentinel that is up; `options` are its arguments. It may be left unready, as one without rights."""
        sentinel = Sentinel(kafka, **options)
        self.sentinels.append(sentinel)
        sentinel.up(ready=ready)
        return sentinel

    def close(self) -> None:
        while self.sentinels:
            self.sentinels.pop().down()

"""Each fault against a real API server, by an account that has the rights of that fault and no others."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kube_api.server import Mailbox
from tests.kubernetes.deploy import objects, rbac
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import of_node
from tests.kubernetes.lab import images
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.adapters.kubernetes.access import from_kubeconfig
from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.adapters.kubernetes.permissions import Permission
from kafka_sentinel.adapters.kubernetes.resources import NODES
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import FaultAnnounced, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.types import NodeRef, PodRef
from kafka_sentinel.runtime import now

pytestmark = pytest.mark.full

NODE = "n2"
KEY = "kafka-sentinel.io/reclaim"
RUN = "drill-20261114T130500.123"
SECONDS = 90.0
NUMBERS = itertools.count(1)  # each test has a namespace of its own


class Brokers:
    """Two pods of a StatefulSet, which cannot leave their node, as on a node-local volume."""

    def __init__(self, lab: Cluster) -> None:
        self.lab, self.namespace = lab, f"faults-{next(NUMBERS)}"
        container = {"name": "kafka", "image": images.BUSYBOX, "imagePullPolicy": "IfNotPresent"}
        container |= {"command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]}
        pod = {"nodeSelector": {"kubernetes.io/hostname": NODE}, "terminationGracePeriodSeconds": 20}
        labels = {"app": "k"}
        template = {"metadata": {"labels": labels}, "spec": {**pod, "containers": [container]}}
        spec = {"serviceName": "k", "replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        objects.apply(
            lab,
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
                {
                    "apiVersion": "apps/v1",
                    "kind": "StatefulSet",
                    "metadata": {"name": "k", "namespace": self.namespace},
                    "spec": {**spec, "podManagementPolicy": "Parallel"},
                },
            ],
        )
        self.wait_ready()

    def down(self) -> None:
        self.lab.kubectl("delete", "statefulset", "k", "-n", self.namespace)
        self.lab.kubectl("delete", "pods", "--all", "-n", self.namespace, "--grace-period=0", "--force")
        self.lab.kubectl("delete", "namespace", self.namespace, "--wait=false")
        rbac.remove(self.lab, self.namespace)

    def pod(self, number: int) -> dict | None:
        return objects.get(self.lab, f"{objects.pods_path(self.namespace)}/k-{number}")

    @property
    def refs(self) -> tuple[PodRef, ...]:
        found = [(number, self.pod(number)) for number in (0, 1)]
        return tuple(
            PodRef(self.namespace, f"k-{number}", pod["metadata"]["uid"], number)
            for number, pod in found
            if pod is not None
        )

    def wait_ready(self) -> None:
        def ready() -> bool:
            return all(objects.is_ready(self.pod(number)) for number in (0, 1))

        wait_for(ready, "both pods ready", SECONDS)

    def wait_replaced(self, before: tuple[PodRef, ...]) -> None:
        def replaced() -> bool:
            return len(self.refs) == len(before) and not {pod.uid for pod in self.refs} & {pod.uid for pod in before}

        wait_for(replaced, "other pods of those names", SECONDS)

    def pending_because(self, number: int) -> str:
        pod = self.pod(number) or {}
        told = [one for one in pod.get("status", {}).get("conditions", []) if one["type"] == "PodScheduled"]
        return told[0].get("message", "") if told else ""

    @property
    def node(self) -> dict:
        return self.lab.api.get(f"/api/v1/nodes/{NODE}")

    @property
    def node_ref(self) -> NodeRef:
        return NodeRef(NODE, self.node["metadata"]["uid"])


@pytest.fixture
def brokers(lab: Cluster) -> Iterator[Brokers]:
    found = Brokers(lab)
    yield found
    found.down()


Start = Callable[..., "Fleet"]


class Fleet:
    def __init__(self, api: Api, **options: float) -> None:
        self.mailbox, self.deaths = Mailbox(), list[str]()
        self.fleet = PodFleet(
            api,
            owner="here/sentinel",
            objection=lambda: "",
            post=self.mailbox.post,
            now=now,
            on_death=lambda name, error: self.deaths.append(f"{name}: {error}"),
            **options,
        )
        self.fleet.start()

    def do(self, command: Announce | Inject | Heal, *kinds: type) -> object:
        before = len(self.mailbox.of(kinds))
        self.fleet.submit(command)
        return self.mailbox.wait(kinds, before + 1, SECONDS)[-1]

    def end(self) -> None:
        assert self.fleet.stop(SECONDS)
        assert self.deaths == []


@pytest.fixture
def start(brokers: Brokers, tmp_path: Path) -> Iterator[Start]:
    fleets: list[Fleet] = []

    def begin(fault: FaultKind, **options: float) -> Fleet:
        fleets.append(Fleet(account(brokers, fault, tmp_path), **options))
        return fleets[-1]

    yield begin
    for fleet in fleets:
        fleet.end()


def account(brokers: Brokers, fault: FaultKind, folder: Path) -> Api:
    """Return a client that may do what the rows of that fault say, and see nodes."""

    def wanted(permission: Permission) -> bool:
        return fault in permission.faults or (permission.resource == NODES and not permission.faults)

    places = Places(kafka=brokers.namespace, own=brokers.namespace)
    objects.apply(brokers.lab, rbac.manifests("sentinel", places, wanted))
    path = f"/api/v1/namespaces/{brokers.namespace}/serviceaccounts/sentinel/token"
    token = brokers.lab.api.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    printed = json.loads(brokers.lab.kubectl("config", "view", "--raw", "--flatten", "--output=json"))
    printed["users"] = [{"name": one["name"], "user": {"token": token["status"]["token"]}} for one in printed["users"]]
    file = folder / "kubeconfig"
    file.write_text(json.dumps(printed))
    return Api(from_kubeconfig(file))


# --- node-reclaim


def test_a_reclaim_is_rehearsed_on_a_real_node_and_leaves_no_trace(brokers: Brokers, start: Start):
    fleet, before, pods, node = start(FaultKind.NODE_RECLAIM), of_node(brokers.node), brokers.refs, brokers.node_ref
    whom = {"targets": (0, 1), "pods": pods, "node": node}
    fleet.do(Announce(RUN, FaultKind.NODE_RECLAIM, notice=120.0, **whom), FaultAnnounced)
    marked = of_node(brokers.node)
    assert [one["key"] for one in marked["taints"] if one not in before["taints"]] == [KEY]
    assert marked["labels"][KEY].endswith(RUN)
    assert brokers.refs == pods
    asked = time.monotonic()
    injected = fleet.do(Inject(RUN, FaultKind.NODE_RECLAIM, duration=600.0, **whom), FaultInjected, FaultFailed)
    assert isinstance(injected, FaultInjected), injected
    brokers.wait_replaced(pods)
    assert time.monotonic() - asked < 20.0  # they would have had 20 s to end
    # Which taint it is, the scheduler no longer says since Kubernetes 1.34.
    wait_for(lambda: "untolerated taint" in brokers.pending_because(0), "a taint as the reason why it pends", SECONDS)
    fleet.do(Heal(RUN, (0, 1), FaultKind.NODE_RECLAIM, node, pods), FaultHealed)
    assert of_node(brokers.node) == before
    brokers.wait_ready()


def test_what_dies_over_a_reclaim_is_healed_by_its_next_life_and_by_no_other(brokers: Brokers, start: Start):
    before = of_node(brokers.node)
    fleet = start(FaultKind.NODE_RECLAIM, sweep_after=SECONDS)
    admin = Api(from_kubeconfig(brokers.lab.kubeconfig))
    NodeMarks(admin, "other/sentinel").put(brokers.node_ref, RUN)
    of_another = of_node(brokers.node)
    failed = fleet.do(
        Announce(RUN, FaultKind.NODE_RECLAIM, (0, 1), 120.0, brokers.refs, brokers.node_ref),
        FaultAnnounced,
        FaultFailed,
    )
    assert "under another rehearsed reclaim" in failed.reason
    start(FaultKind.NODE_RECLAIM, sweep_after=0.0).do(Heal("r", (), FaultKind.POD_CRASH), FaultHealed)
    assert of_node(brokers.node) == of_another
    NodeMarks(admin, "other/sentinel").remove(brokers.node_ref, RUN)
    NodeMarks(admin, "here/sentinel").put(brokers.node_ref, RUN)
    start(FaultKind.NODE_RECLAIM, sweep_after=0.0).mailbox.wait(FaultHealed, 1, SECONDS)
    assert of_node(brokers.node) == before


# --- pods


@pytest.mark.parametrize("fault", [FaultKind.POD_DELETE, FaultKind.POD_CRASH, FaultKind.POD_EVICT])
def test_the_pod_that_was_judged_goes_and_its_replacement_is_left_alone(
    brokers: Brokers, start: Start, fault: FaultKind
):
    fleet, (first, second) = start(fault), brokers.refs
    injected = fleet.do(Inject("r-1", fault, (0,), 1.0, (first,)), FaultInjected, FaultFailed)
    assert isinstance(injected, FaultInjected), injected
    wait_for(lambda: {first.uid} - {pod.uid for pod in brokers.refs} and len(brokers.refs) == 2, "another one", SECONDS)
    replacement = brokers.refs[0]
    again = fleet.do(Inject("r-2", fault, (0,), 1.0, (first,)), FaultInjected, FaultFailed)
    assert "another pod of that name" in again.reason
    assert brokers.refs == (replacement, second)


def test_a_budget_that_is_used_up_and_two_budgets_are_told_apart(brokers: Brokers, start: Start):
    fleet, (first, _) = start(FaultKind.POD_EVICT), brokers.refs
    path = f"/apis/policy/v1/namespaces/{brokers.namespace}/poddisruptionbudgets"
    for number, words in enumerate(("the disruption budget does not allow", "under several disruption budgets")):
        spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "k"}}}
        brokers.lab.api.create(path, {"metadata": {"name": f"b{number}"}, "spec": spec})
        wait_for(
            lambda number=number: "observedGeneration" in brokers.lab.api.get(f"{path}/b{number}").get("status", {}),
            "a budget that was looked at",
            SECONDS,
        )
        command = Inject(f"r-{number}", FaultKind.POD_EVICT, (0,), 1.0, (first,))
        assert words in fleet.do(command, FaultInjected, FaultFailed).reason
    assert brokers.refs[0] == first


# --- rolling-restart


def test_a_stateful_set_restarts_all_its_pods(brokers: Brokers, start: Start):
    fleet, pods = start(FaultKind.ROLLING_RESTART), brokers.refs
    injected = fleet.do(Inject("r-1", FaultKind.ROLLING_RESTART, (0, 1), 600.0, pods), FaultInjected, FaultFailed)
    assert isinstance(injected, FaultInjected), injected
    brokers.wait_replaced(pods)
    brokers.wait_ready()


def test_strimzi_is_asked_on_the_pods_and_asked_no_longer_when_it_is_healed(brokers: Brokers, start: Start):
    for pod in brokers.refs:
        path = f"{objects.pods_path(pod.namespace)}/{pod.name}"
        brokers.lab.api.patch(path, {"metadata": {"labels": {"strimzi.io/cluster": "k"}}})
    fleet, pods = start(FaultKind.ROLLING_RESTART), brokers.refs

    def annotations() -> list[dict]:
        return [(brokers.pod(number) or {})["metadata"].get("annotations", {}) for number in (0, 1)]

    before = annotations()
    fleet.do(Inject("r-1", FaultKind.ROLLING_RESTART, (0, 1), 600.0, pods), FaultInjected)
    assert all(one["strimzi.io/manual-rolling-update"] == "true" for one in annotations())
    fleet.do(Heal("r-1", (0, 1), FaultKind.ROLLING_RESTART, None, pods), FaultHealed)
    assert annotations() == before
    assert brokers.refs == pods

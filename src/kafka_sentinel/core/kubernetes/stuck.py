"""Broker pods that cannot come back, and why: the reason that an open incident names.

Strings of kube-scheduler: kubernetes pkg/scheduler/framework/plugins (volumebinding/binder.go, tainttoleration,
noderesources/fit.go, interpodaffinity, nodeaffinity); of kubelet: pkg/kubelet/images/types.go, pkg/kubelet/events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.core.kubernetes.views import NodeView, PodView, VolumeView

PATIENCE = 15.0  # seconds: a pod that was just made is not stuck yet
NOT_READY_AFTER = 300.0  # seconds after which a running broker that is not ready counts as stuck
ENDING_AFTER = 120.0  # seconds after which a pod that was deleted and is still there counts as stuck


class Reason(StrEnum):
    """A closed set: it labels a metric."""

    VOLUME_NODE_LOST = "volume_node_lost"  # its volume is on a node that is gone, silent or closed
    VOLUME = "volume"  # its volume is elsewhere, unbound, or cannot be attached
    NO_ROOM = "no_room"
    TAINT = "taint"
    PLACEMENT = "placement"  # its own selector or affinity leaves no node
    IMAGE = "image"
    CONFIGURATION = "configuration"
    CRASH_LOOP = "crash_loop"
    TERMINATING = "terminating"  # deleted, and its node does not confirm the end
    NOT_READY = "not_ready"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StuckPod:
    pod: str
    reason: Reason
    text: str
    since: float  # wall-clock seconds


# Parts of the scheduler's message, the most telling first.
_UNSCHEDULABLE = (
    ("volume node affinity conflict", Reason.VOLUME),
    ("unbound immediate PersistentVolumeClaims", Reason.VOLUME),
    ("available persistent volumes to bind", Reason.VOLUME),
    ("persistentvolumeclaim", Reason.VOLUME),
    ("Insufficient ", Reason.NO_ROOM),
    ("Too many pods", Reason.NO_ROOM),
    ("exceed max volume count", Reason.NO_ROOM),
    ("untolerated taint", Reason.TAINT),
    ("unschedulable", Reason.TAINT),
    ("affinity", Reason.PLACEMENT),
    ("node selector", Reason.PLACEMENT),
    ("topology spread constraints", Reason.PLACEMENT),
)
_WAITING = {
    "ErrImagePull": Reason.IMAGE,
    "ImagePullBackOff": Reason.IMAGE,
    "InvalidImageName": Reason.IMAGE,
    "ErrImageNeverPull": Reason.IMAGE,
    "CreateContainerConfigError": Reason.CONFIGURATION,
    "CreateContainerError": Reason.CONFIGURATION,
    "RunContainerError": Reason.CONFIGURATION,
    "CrashLoopBackOff": Reason.CRASH_LOOP,
}
_VOLUME_EVENTS = frozenset({"FailedAttachVolume", "FailedMount", "FailedMapVolume"})


def stuck(pod: PodView, inventory: Inventory, now: float) -> StuckPod | None:
    """Tell whether a broker's pod cannot come back by itself just now. `now`: wall-clock seconds."""
    if pod.meta.deleted is not None:
        return _ending(pod, inventory, now)
    scheduled = pod.condition("PodScheduled")
    if pod.node is None and scheduled is not None and scheduled.status == "False":
        since = scheduled.since or pod.meta.created or now
        if now - since < PATIENCE:
            return None
        lost = _volume_on_lost_node(pod, inventory)
        if lost is not None:
            return StuckPod(pod.meta.name, Reason.VOLUME_NODE_LOST, lost, since)
        reasons = (reason for part, reason in _UNSCHEDULABLE if part.lower() in scheduled.message.lower())
        return StuckPod(pod.meta.name, next(reasons, Reason.OTHER), scheduled.message, since)
    return None if pod.ready or pod.has_ended else _not_starting(pod, inventory, now)


def _ending(pod: PodView, inventory: Inventory, now: float) -> StuckPod | None:
    asked = pod.meta.deleted
    if asked is None or now - asked < ENDING_AFTER:
        return None
    node = inventory.node(pod.node)
    where = "is silent" if node is not None and not node.ready else "has not confirmed its end"
    return StuckPod(pod.meta.name, Reason.TERMINATING, f"it was deleted, and node {pod.node} {where}", asked)


def _not_starting(pod: PodView, inventory: Inventory, now: float) -> StuckPod | None:
    ready = pod.condition("Ready")
    since = (ready.since if ready is not None else None) or pod.meta.created or now
    if now - since < PATIENCE:
        return None
    for container in pod.containers:
        if container.waiting in _WAITING:
            text = f"container {container.name} waits: {container.waiting}"
            return StuckPod(pod.meta.name, _WAITING[container.waiting], text, since)
    started = any(not container.waiting for container in pod.containers)
    told = [event for event in inventory.events_about(pod.meta.name) if event.about_uid == pod.meta.uid]
    failed = [event for event in told if event.reason in _VOLUME_EVENTS]
    if failed and not started:
        return StuckPod(pod.meta.name, Reason.VOLUME, failed[-1].message, since)
    if now - since < NOT_READY_AFTER:
        return None
    node = inventory.node(pod.node)
    silent = node is not None and not node.ready
    text = f"node {pod.node} is not ready" if silent else f"it has not been ready for {now - since:.0f} s"
    return StuckPod(pod.meta.name, Reason.NOT_READY, text, since)


def _volume_on_lost_node(pod: PodView, inventory: Inventory) -> str | None:
    """Say on which lost node a volume of the pod is, if on any."""
    nodes = {node.hostname: node for node in inventory.nodes.values()}
    for volume in _volumes(pod, inventory):
        found = [nodes.get(hostname) for hostname in volume.hostnames]
        if found and not any(_is_usable(node) for node in found):
            name = ", ".join(volume.hostnames)
            node = found[0]
            return f"its volume {volume.meta.name} is on node {name}, which {_why_not(node)}"
    return None


def _is_usable(node: NodeView | None) -> bool:
    return node is not None and node.ready and not node.unschedulable and not _is_rehearsed(node)


def _why_not(node: NodeView | None) -> str:
    if node is None:
        return "does not exist"
    if not node.ready:
        return "is not ready"
    return "is closed while its reclaim is rehearsed" if _is_rehearsed(node) else "is closed to new pods"


def _is_rehearsed(node: NodeView) -> bool:
    return any(taint.key == RECLAIM for taint in node.taints)


def _volumes(pod: PodView, inventory: Inventory) -> list[VolumeView]:
    found = (inventory.volume_of(use.claim, pod.meta.namespace) for use in pod.volumes if use.claim is not None)
    return [volume for volume in found if volume is not None]

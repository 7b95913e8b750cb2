"""From changes of the inventory to disruptions: which nodes to look at again, and with which evidence.

Only nodes that run a pod of the fleet, or did until a moment ago, are followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from kafka_sentinel.core.kubernetes.capacity import capacity
from kafka_sentinel.core.kubernetes.disruptions import Disruptions
from kafka_sentinel.core.kubernetes.inventory import Change, Inventory
from kafka_sentinel.core.kubernetes.signal_types import Signal
from kafka_sentinel.core.kubernetes.signals import evidence_on
from kafka_sentinel.core.kubernetes.views import EventView, Kind, NodeClaimView, NodeView
from kafka_sentinel.core.types import Instant

LOOK_AGAIN = 10.0  # seconds between two looks at nodes in trouble: what events said ends with time alone
HOSTED = 600.0  # seconds for which a node still counts as one of ours after its last pod left
MAX_GONE = 100  # deleted nodes, and NodeClaims, of which late signals are still taken

Gone = TypeVar("Gone")


class NodeWatch:
    """`spot_labels`: labels that mean spot besides those that are known."""

    def __init__(
        self, inventory: Inventory, disruptions: Disruptions, spot_labels: Mapping[str, str] | None = None
    ) -> None:
        self._inventory = inventory
        self._disruptions = disruptions
        self._spot_labels = dict(spot_labels or {})
        self._hosted: dict[str, tuple[frozenset[int], Instant]] = {}  # node uid → brokers, and when that was so
        self._gone: dict[str, NodeView] = {}  # deleted nodes by uid, oldest first
        self._gone_claims: dict[str, NodeClaimView] = {}  # deleted NodeClaims by name: their nodes go, too
        self._next_look = 0.0

    def hosts(self, at: Instant, hosts: Mapping[str, frozenset[int]]) -> None:
        """Take which nodes (by uid) run pods of the fleet, and the ids of the brokers among these."""
        for uid, brokers in hosts.items():
            is_new = uid not in self._hosted
            self._hosted[uid] = (brokers, at)
            node = self._inventory.nodes.get(uid)
            if is_new and node is not None:
                self._observe(at, node)
        self._hosted = {uid: known for uid, known in self._hosted.items() if at.mono - known[1].mono <= HOSTED}

    def take(self, changes: Iterable[Change]) -> None:
        """Look again at every node that something changed about."""
        for change in changes:
            view = change.view
            if isinstance(view, NodeView):
                self._node_changed(change.at, view, gone=change.after is None)
            elif isinstance(view, EventView):
                self._look_at(change.at, self._node_named_by(view))
            elif isinstance(view, NodeClaimView):
                if change.after is None:
                    _keep(self._gone_claims, view.meta.name, view)
                self._look_at(change.at, view.node)

    def listed(self, at: Instant) -> None:
        """Note that all nodes were listed: those of restored disruptions that are not among them are gone."""
        self._disruptions.missing(at, set(self._inventory.nodes))

    def tick(self, now: Instant) -> None:
        if now.mono < self._next_look:
            return
        self._next_look = now.mono + LOOK_AGAIN
        for record in self._disruptions.open:
            node = self._inventory.nodes.get(record.node_uid)
            if node is not None:
                self._observe(now, node)

    def _node_changed(self, at: Instant, node: NodeView, *, gone: bool) -> None:
        uid = node.meta.uid
        if not gone:
            self._observe(at, node)
            return
        if not self._is_ours(uid):
            return
        _keep(self._gone, uid, node)
        evidence = self._evidence(at, node)
        self._disruptions.gone(at, node, evidence, capacity(node, self._spot_labels), self._brokers(uid))

    def _look_at(self, at: Instant, name: str | None) -> None:
        node = self._inventory.node(name)
        if node is not None:
            self._observe(at, node)
        for uid, gone in self._gone.items():
            if gone.meta.name == name:
                self._disruptions.heard_late(at, uid, self._evidence(at, gone))

    def _observe(self, at: Instant, node: NodeView) -> None:
        uid = node.meta.uid
        if self._is_ours(uid):
            evidence = self._evidence(at, node)
            self._disruptions.observe(at, node, evidence, capacity(node, self._spot_labels), self._brokers(uid))

    def _evidence(self, at: Instant, node: NodeView) -> tuple[Signal, ...]:
        return evidence_on(node, self._inventory, at.wall, self._gone_claims.values())

    def _node_named_by(self, event: EventView) -> str | None:
        if event.about_kind == "Node":
            return event.about_name
        if event.about_kind == "NodeClaim":
            claim = self._inventory.named(Kind.NODE_CLAIM, event.about_name) or self._gone_claims.get(event.about_name)
            return claim.node if isinstance(claim, NodeClaimView) else None
        return None

    def _is_ours(self, uid: str) -> bool:
        return uid in self._hosted or self._disruptions.on(uid) is not None

    def _brokers(self, uid: str) -> frozenset[int]:
        return self._hosted[uid][0] if uid in self._hosted else frozenset()


def _keep(gone: dict[str, Gone], key: str, view: Gone) -> None:
    """Remember what was deleted, and no more of it than there is room for."""
    gone.pop(key, None)
    gone[key] = view
    while len(gone) > MAX_GONE:
        gone.pop(next(iter(gone)))

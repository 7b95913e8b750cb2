"""Makes docs/disruptions.md from the tables of signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kafka_sentinel.core.kubernetes.capacity import ON_DEMAND_LABELS, SPOT_LABELS
from kafka_sentinel.core.kubernetes.signal_table import (
    CLAIM_CONDITIONS,
    CLAIM_DEADLINE,
    CLAIM_DEADLINE_SET,
    CLAIM_DELETED,
    CONDITIONS,
    DISRUPTION_TARGETS,
    EVENTS,
    LABELS,
    NODE_DELETED,
    NOT_READY,
    POD_EVENTS,
    STRIMZI_RESTART,
    TAINTS,
    WITHDRAWALS,
    Rule,
)
from kafka_sentinel.core.kubernetes.signal_types import Hint
from kafka_sentinel.core.kubernetes.signals import MANUAL_ROLL, STRIMZI_ACTION

HEAD = """# Disruptions of nodes and pods

Generated from `src/kafka_sentinel/core/kubernetes/signal_table.py` and `capacity.py`; do not edit.

What Sentinel recognises in the Kubernetes API, to the letter. Each sign has a **class**:

| class | means | opens an incident |
|---|---|---|
| `notice` | whoever owns the machine says that it will go | yes, if a broker runs there |
| `risk` | it may go | no |
| `drain` | something is removing its pods; why is not said | when a broker leaves it |
| `gone` | it is down already | when the loss is certain, and brokers were on it |

and a **hint** at the cause:

| hint | cause of the incident |
|---|---|
| {hints} |

The first of these that was said decides, in that order; signs that followed from the loss do not count. If nothing was
said, a spot node whose object is deleted is `spot` (a reclaim without notice: `announced="false"`), and any other loss
is `node_failure`. A node that falls silent and returns within two minutes was not lost, nor is one whose watch has
told nothing since it fell silent: it may have returned. A node that is not ready within a minute from its birth is
starting, unless its kubelet was heard before (`NodeStatusUnknown`): then it fell silent as any other.

All signs of one node (by UID) make one incident: it opens with the first that may, and later ones upgrade its cause.
A sign may come late, twice or not at all. The lead time (`disruption_lead_seconds`) runs from when the first notice
(else the first sign of a drain) was said to when the brokers on the node fell silent or the node was lost, whichever
came first. It is not measured where either instant is not known. A broker that led no probe partition falls silent for
us only when metadata names it no more: then the lead time is too long by up to the brokers' session time-out.

Nodes, their conditions, taints and deletion are the first source. Most termination handlers neither taint nor tell
events unless they are told to (in aws-node-termination-handler `taintNode` and `emitKubernetesEvents` are off by
default), events expire, and Karpenter drops repeated ones. Without the right to watch a resource its rows are off
(docs/permissions.md).
"""

HINTS = (
    (Hint.SPOT, "`spot`"),
    (Hint.VOLUNTARY, "`drain`"),
    (Hint.IF_SPOT, "`spot` on a spot node, else `drain`"),
    (Hint.REMOVAL, "`drain`"),
    (Hint.CORDON, "`spot` if a spot node is deleted after it (so do managed groups reclaim), else `drain`"),
    (Hint.FAILURE, "`node_failure`"),
)

UNSEEN = """## Not in the Kubernetes API

These exist and are not read, for they need rights outside the cluster or an agent on every node:

- **The instance metadata of EC2, GCE and Azure** (`spot/instance-action`, `instance/preempted`, scheduled events). It
  tells only of the machine it is asked on. What the termination handlers make of it is in the tables above.
- **The queues behind EventBridge** (`EC2 Spot Instance Interruption Warning` and the like): a message that Sentinel
  took from the queue of a handler would be missed by that handler.
- **Metrics of Karpenter** (`karpenter_interruption_received_messages_total`): its events and NodeClaims say the same of
  the node in question.
- **Managed node groups of EKS without a handler** give no notice that can be seen: there is a cordon, a drain, and then
  no node. GKE without a handler gives the shutdown by the kubelet, 30 s at most.
- The upstream node-problem-detector has no monitor for spot capacity. That of AKS has, and is in the tables.
"""

STANDING = """A notice that spot capacity is taken back is never taken back by an event. What stands on the node (a
taint, a condition, a cordon) counts until it is removed; what an event said, for 15 minutes.
"""

# Strings that look like signs and are none, or are read elsewhere.
IGNORED: Mapping[str, str] = {
    "DisruptionBlocked": "event of Karpenter: it would remove the node and does not",
    "NodeRepairBlocked": "the same, of its repair",
    "ScaleDownFailed": "event of the cluster autoscaler: the node stays",
    "DeletingNodeFailed": "event of the cloud controller: the node is tried again",
    "NodeNotReady": "event: the node's own condition Ready says it, and since when",
    "NodeReady": "event: as above",
    "MonitorError": "event of the termination handler about itself",
    "CancelDrainError": "event of the termination handler: what was said stands",
    "UncordonError": "the same",
    "NodeUncordonStart": "event of AKS: what was said stands until NodeUncordonEnd",
    "kubernetes.azure.com/scalesetpriority": "taint: it is on every spot node of AKS, always",
}


def render_docs() -> str:
    hints = " |\n| ".join(f"`{hint.value}` | {cause}" for hint, cause in HINTS)
    return "\n".join([HEAD.format(hints=hints), _capacity(), *_tables(), _withdrawals(), _ignored(), UNSEEN])


def _capacity() -> str:
    rows = [f"| `{key}={value}` | spot |" for key, value in SPOT_LABELS]
    rows += [f"| `{key}={value}` | on demand |" for key, value in ON_DEMAND_LABELS]
    more = (
        "Others (as of OKE or of Spot Ocean) can be named in `kubernetes.spot_labels`. Without a label it is unknown.\n"
    )
    return "\n".join(
        ["## Is a node spot capacity?\n", "| label of the node | capacity |", "|---|---|", *rows, "", more]
    )


def _tables() -> list[str]:
    return [
        _table("Taints of a node", "taint", ((_valued(key, rule), rule) for key, rule in TAINTS.items())),
        _table("Labels of a node", "label", ((_valued(key, rule), rule) for key, rule in LABELS.items())),
        _table("The node itself", "what", [("`spec.unschedulable`", _cordon()), ("deletion asked for", NODE_DELETED)]),
        _table("Conditions of a node", "condition", _conditions()),
        _table("NodeClaims of Karpenter", "what", _claims()),
        _table(
            "Events about a node or its NodeClaim",
            "reason",
            ((_event(key, rule), rule) for key, rule in EVENTS.items()),
        ),
        _table("Events about a pod", "reason", _pod_events()),
        _table(
            "Condition `DisruptionTarget` of a pod",
            "reason",
            ((f"`{key}`", rule) for key, rule in DISRUPTION_TARGETS.items()),
        ),
        _table(
            "Other signs on a pod",
            "what",
            [
                (f"annotation `{MANUAL_ROLL}=true` (set by a person or by Strimzi's drain cleaner)", STRIMZI_RESTART),
                ("`status.reason` `Terminated` or `NodeShutdown`", NOT_READY[0]),
            ],
        ),
    ]


def _cordon() -> Rule:
    return TAINTS["node.kubernetes.io/unschedulable"]


def _conditions() -> list[tuple[str, Rule]]:
    named = [
        (f"`{kind}` is True" + (f", message with `{rule.needs}`" if rule.needs else ""), rule)
        for kind, rules in CONDITIONS.items()
        for rule in rules
    ]
    return [
        *named,
        *(
            ("`Ready` is not True" + (f", message with `{rule.needs}`" if rule.needs else ""), rule)
            for rule in NOT_READY
        ),
    ]


def _claims() -> list[tuple[str, Rule]]:
    found = [(f"condition `{kind}` is True", rule) for kind, rule in CLAIM_CONDITIONS.items()]
    return [*found, (f"annotation `{CLAIM_DEADLINE}`", CLAIM_DEADLINE_SET), ("deletion asked for", CLAIM_DELETED)]


def _pod_events() -> list[tuple[str, Rule]]:
    found = [(_event(key, rule), rule) for key, rule in POD_EVENTS.items()]
    return [*found, (f"any, with action `{STRIMZI_ACTION}`", STRIMZI_RESTART)]


def _valued(key: str, rule: Rule) -> str:
    return f"`{key}`" if rule.value is None else f"`{key}={rule.value}`"


def _event(reason: str, rule: Rule) -> str:
    return f"`{reason}`" + (f", message with `{rule.needs}`" if rule.needs else "")


def _table(title: str, what: str, rows: Iterable[tuple[str, Rule]]) -> str:
    lines = [
        f"| {shown} | {rule.source.value} | `{rule.kind.value}` | {_hint(rule)} | {rule.says} |" for shown, rule in rows
    ]
    return "\n".join(
        [f"## {title}\n", f"| {what} | source | class | hint | says |", "|---|---|---|---|---|", *lines, ""]
    )


def _hint(rule: Rule) -> str:
    return "" if rule.hint is Hint.NONE else f"`{rule.hint.value}`"


def _withdrawals() -> str:
    lines = [
        f"| `{one.reason}`"
        + (f", message with `{one.needs}`" if one.needs else "")
        + f" | {', '.join(f'`{reason}`' for reason in sorted(one.voids))} |"
        for one in WITHDRAWALS
    ]
    head = ["## Events that take back what was said\n", "| event | takes back |", "|---|---|"]
    return "\n".join([*head, *lines, "", STANDING])


def _ignored() -> str:
    rows = [f"| `{key}` | {why} |" for key, why in IGNORED.items()]
    return "\n".join(["## Not taken for a sign\n", "| string | why |", "|---|---|", *rows, ""])

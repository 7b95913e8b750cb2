"""The same story told by watches that lag behind each other, repeat themselves and break: always the same verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.kubernetes.raw import Watches, at, condition, event, node, node_claim

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.events import ObjectsListed, WatchBroken
from kafka_sentinel.core.kubernetes.disruptions import LOST_AFTER, SETTLE, SETTLE_SILENT, Disruptions
from kafka_sentinel.core.kubernetes.node_watch import NodeWatch
from kafka_sentinel.core.kubernetes.objects import Kind, parse

SPOT = {"karpenter.sh/capacity-type": "spot"}
TAINT = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
NOTICE = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}
SILENT = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


def gone(raw):
    return Kind.NODE, raw, True


def there(kind, raw):
    return kind, raw, False


def silent_node(since, labels, *taints):
    return there(Kind.NODE, node(labels=labels, ready="Unknown", since=since, taints=[*taints, SILENT]))


def story_reclaimed(labels=SPOT):
    return [
        (10, there(Kind.EVENT, event("SpotInterrupted", first=10))),
        (11, there(Kind.NODE_CLAIM, node_claim(deleted=11))),
        (12, there(Kind.NODE, node(labels=labels, taints=[TAINT]))),
        (100, silent_node(100, labels, TAINT)),
        (120, gone(node(labels=labels, taints=[TAINT]))),
    ]


def story_reclaimed_as_its_claim_says(labels=SPOT):
    """Only the NodeClaim tells of the reclaim, and of its end a watch may tell before that of the node does."""
    about = node_claim()["metadata"]
    return [
        (
            10,
            there(
                Kind.EVENT, event("SpotInterrupted", about["name"], kind="NodeClaim", about_uid=about["uid"], first=10)
            ),
        ),
        (11, there(Kind.NODE_CLAIM, node_claim(deleted=11))),
        (12, there(Kind.NODE, node(labels=labels, taints=[TAINT]))),
        (120, gone(node(labels=labels, taints=[TAINT]))),
        (121, (Kind.NODE_CLAIM, node_claim(deleted=11), True)),
    ]


def story_noticed(labels=SPOT):
    return [
        (10, there(Kind.NODE, node(labels=labels, taints=[NOTICE], cordoned=True))),
        (11, there(Kind.EVENT, event("CordonAndDrain", first=11))),
        (100, silent_node(100, labels, NOTICE)),
        (130, there(Kind.EVENT, event("RemovingNode", first=130))),
        (131, gone(node(labels=labels, taints=[NOTICE]))),
    ]


def story_consolidated(labels=SPOT):
    chosen = condition("DisruptionReason", reason="Underutilized", since=10)
    return [
        (10, there(Kind.NODE_CLAIM, node_claim(conditions=[chosen]))),
        (11, there(Kind.EVENT, event("DisruptionTerminating", first=11))),
        (12, there(Kind.NODE, node(labels=labels, taints=[TAINT]))),
        (60, there(Kind.EVENT, event("InstanceTerminating", first=60))),
        (70, gone(node(labels=labels, taints=[TAINT]))),
    ]


def story_lost(labels=SPOT):
    return [
        (50, silent_node(50, labels)),
        (80, there(Kind.EVENT, event("DeletingNode", first=80))),
        (81, there(Kind.NODE_CLAIM, node_claim(deleted=81))),
        (82, gone(node(labels=labels))),
    ]


def story_interrupted_for_a_moment(labels=SPOT):
    return [
        (50, silent_node(50, labels)),
        (51, there(Kind.EVENT, event("NodeNotReady", first=51))),
        (80, there(Kind.NODE, node(labels=labels, since=80))),
        (81, there(Kind.EVENT, event("NodeReady", first=81))),
    ]


STORIES = [
    (story_reclaimed, SPOT, [("spot", "true")]),
    (story_reclaimed_as_its_claim_says, SPOT, [("spot", "true")]),
    (story_noticed, SPOT, [("spot", "true")]),
    (story_noticed, {}, [("spot", "true")]),
    (story_consolidated, SPOT, [("drain", "true")]),
    (story_lost, SPOT, [("spot", "false")]),
    (story_lost, {}, [("node_failure", "false")]),
    (story_interrupted_for_a_moment, SPOT, []),
]


def tell(story, labels, lags, repeats=frozenset(), relists=frozenset()):
    """Tell a story with each watch lagging, some of it twice, and some watches broken and listed anew."""
    watches = Watches((Kind.NODE, node(labels=labels)), (Kind.NODE_CLAIM, node_claim()))
    disruptions = Disruptions()
    watch = NodeWatch(watches.inventory, disruptions)
    watch.hosts(at(-60), {"uid-n1": frozenset({0})})
    order = [(second + lags[kind], number, kind, raw, last) for number, (second, (kind, raw, last)) in enumerate(story)]
    counted = []
    pending = sorted(order, key=lambda one: (one[0], one[1]))
    now = dict.fromkeys((Kind.NODE, Kind.EVENT, Kind.NODE_CLAIM), ())
    now[Kind.NODE] = (parse(Kind.NODE, node(labels=labels)),)
    now[Kind.NODE_CLAIM] = (parse(Kind.NODE_CLAIM, node_claim()),)
    for second in range(int(300 + LOST_AFTER + SETTLE + SETTLE_SILENT)):
        while pending and pending[0][0] <= second:
            _, number, kind, raw, last = pending.pop(0)
            view = parse(kind, raw)
            others = tuple(one for one in now[kind] if one.meta.uid != view.meta.uid)
            now[kind] = others if last else (*others, view)
            if number in relists:
                watches.inventory.take(WatchBroken(at(second), kind, "410", "too old"))
                watch.take(watches.inventory.take(ObjectsListed(at(second), kind, now[kind])))
                continue
            for _ in range(2 if number in repeats else 1):
                watch.take((watches.drop if last else watches.put)(second, kind, raw))
        if second % 5 == 0:
            watch.tick(at(second))
            counted += [one for one in disruptions.tick(at(second), at(second)).commands if isinstance(one, Count)]
    found = [dict(one.labels) for one in counted if one.metric == "node_disruptions_total"]
    return [(labels["cause"], labels["announced"]) for labels in found], disruptions


LAGS = st.fixed_dictionaries({kind: st.integers(0, 40) for kind in (Kind.NODE, Kind.EVENT, Kind.NODE_CLAIM)})
SOME = st.frozensets(st.integers(0, 4))


@pytest.mark.parametrize("told", STORIES)
@given(lags=LAGS, repeats=SOME, relists=SOME)
def test_lagging_repeating_and_broken_watches_end_in_the_same_verdict(told, lags, repeats, relists):
    story, labels, verdict = told
    counted, disruptions = tell(story(labels), labels, lags, repeats, relists)
    assert counted == verdict
    assert disruptions.open == ()
    assert len(disruptions.status()) == 1


@pytest.mark.parametrize(
    ("story", "enough", "verdicts"),
    [
        (story_reclaimed, {0}, {("spot", "true")}),  # the notice
        (story_reclaimed, set(), {("spot", "true"), ("spot", "false"), ("drain", "true")}),
        (story_noticed, {0}, {("spot", "true")}),
        (story_noticed, {1}, {("spot", "true")}),
        (story_noticed, set(), {("spot", "true"), ("spot", "false")}),
        (story_consolidated, {0}, {("drain", "true")}),
        (story_consolidated, {1}, {("drain", "true")}),
        (story_consolidated, {2}, {("drain", "true")}),
    ],
)
@given(missing=SOME, lags=LAGS)
def test_signals_that_never_come_cost_certainty_and_make_nothing_up(story, enough, verdicts, missing, lags):
    """`enough`: which signal is told in any case, besides that the node is gone at last."""
    whole = story()
    kept = [one for number, one in enumerate(whole) if number not in missing - enough or number == len(whole) - 1]
    counted, disruptions = tell(kept, SPOT, lags)
    assert len(counted) == 1
    assert set(counted) <= verdicts
    assert disruptions.open == ()

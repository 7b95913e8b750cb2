"""A reclaim that is rehearsed: our mark on one life of one node, its pods, and the mark taken off whatever happens."""

import json

import pytest
from tests.kube_api.reclaims import (
    KEY,
    MARK,
    NODE,
    NODES,
    OTHER,
    OWNER,
    POD,
    RUN,
    Life,
    Nodes,
    announce,
    heal,
    inject,
    node,
    same,
)
from tests.kube_api.server import drop, refuse

from kafka_sentinel.adapters.kubernetes.edit import ATTEMPTS
from kafka_sentinel.adapters.kubernetes.node_mark import KEEP_OFF, NodeMarks
from kafka_sentinel.core.commands import Heal, Sweep
from kafka_sentinel.core.events import AdapterError, FaultAnnounced, FaultFailed, FaultHealed
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.types import NodeRef


@pytest.fixture
def nodes(script):
    script.world = Nodes()
    script.world.put(NODE, node())
    return script.world


@pytest.fixture
def start(api):
    lives = []

    def make(*args, **options):
        lives.append(Life(api, *args, **options))
        return lives[-1]

    yield make
    for life in lives:
        life.end()


@pytest.fixture
def fleet(start):
    return start()


# --- the notice


def test_the_notice_closes_the_node_to_new_pods_keeps_autoscalers_off_and_can_be_found(fleet, nodes):
    before = node()
    assert isinstance(fleet.notice(), FaultAnnounced)
    raw = nodes.node
    assert nodes.taints == [{"key": KEY, "value": MARK, "effect": "NoSchedule"}]
    assert raw["metadata"]["labels"] == {**before["metadata"]["labels"], KEY: MARK}
    annotations = raw["metadata"]["annotations"]
    assert json.loads(annotations.pop(KEY)) == {"mark": MARK, "run": RUN, "added": list(KEEP_OFF)}
    assert annotations == {**before["metadata"]["annotations"], **KEEP_OFF}
    assert "unschedulable" not in raw["spec"]
    assert nodes.deleted == []


@pytest.mark.parametrize("run", [RUN, "a-20261114T130500.123", "x" * 63 + "-20261114T130500.123"])
def test_the_mark_is_a_value_that_labels_and_taints_may_have(run):
    value = NodeMarks(None, OWNER).value(run)
    assert len(value) <= 63
    assert value[0].isalnum()
    assert value[-1].isalnum()
    assert value != NodeMarks(None, OTHER).value(run)
    assert value.endswith("T130500.123")
    assert NodeMarks(None, OWNER).value(value) == value


def test_what_others_wrote_on_the_node_meanwhile_stays(fleet, nodes):
    theirs = {"key": "theirs", "effect": "NoExecute"}

    def others():
        nodes.change(lambda raw: raw["spec"].update(taints=[theirs], unschedulable=True))

    nodes.before["PUT"] = [others]
    assert isinstance(fleet.notice(), FaultAnnounced)
    assert [one["key"] for one in nodes.taints] == ["theirs", KEY]
    assert nodes.node["spec"]["unschedulable"]


def test_a_notice_whose_answer_was_lost_but_that_was_given_is_one(fleet, nodes, script):
    def done_and_not_answered(handler, asked):
        nodes(asked)
        handler.drop()

    script.on("PUT", NODE, done_and_not_answered)
    assert isinstance(fleet.notice(), FaultAnnounced)
    assert len(nodes.taints) == 1
    assert len([one for one in script.asked if one.method == "PUT"]) == 1


def test_a_notice_whose_request_was_lost_is_given_again(fleet, nodes, script):
    script.on("PUT", NODE, drop(), lambda handler, asked: nodes(asked)(handler, asked))
    assert isinstance(fleet.notice(), FaultAnnounced)
    assert len(nodes.taints) == 1


@pytest.mark.parametrize(
    ("answer", "reason"), [(refuse(403, "Forbidden", "no"), "grant the permission"), (refuse(409, "Conflict"), "409")]
)
def test_a_notice_that_cannot_be_given_is_a_failure_and_leaves_nothing(fleet, nodes, script, answer, reason):
    script.on("PUT", NODE, answer)
    assert reason in fleet.notice().reason
    assert len([one for one in script.asked if one.method == "PUT"]) <= ATTEMPTS
    assert same(nodes.node) == node()
    assert "was injected before" in fleet.do(inject(), FaultFailed, 2).reason
    assert nodes.deleted == []


@pytest.mark.parametrize("gone", [True, False])
def test_another_machine_of_that_name_is_not_marked(fleet, nodes, gone):
    if gone:
        nodes.objects.pop(NODE)
    else:
        nodes.change(lambda raw: raw["metadata"].update(uid="uid-new"))
    assert "another machine of that name" in fleet.notice().reason
    assert gone or nodes.taints == []


def test_a_node_under_the_rehearsal_of_another_sentinel_is_left_to_it(fleet, start, nodes):
    start(OTHER).notice()
    before = nodes.node
    assert "under another rehearsed reclaim" in fleet.notice().reason
    assert nodes.node == before


def test_without_the_lease_no_notice_is_given(fleet, nodes, script):
    fleet.objection = "this Sentinel does not hold the lease"
    assert "does not hold the lease" in fleet.notice().reason
    assert script.asked == []


# --- the strike


def test_the_pods_go_with_one_second_to_end_bound_to_their_uids(fleet, nodes):
    fleet.notice()
    assert fleet.strike().targets == (0, 1)
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 1}
    assert nodes.deleted == [
        (POD.format(number), {**options, "preconditions": {"uid": f"uid-{number}"}}) for number in (0, 1)
    ]
    assert len(nodes.taints) == 1


def test_a_drain_gives_the_pods_its_time_to_end(fleet, nodes):
    fleet.notice()
    fleet.strike(drain=30.0)
    assert [body["gracePeriodSeconds"] for _, body in nodes.deleted] == [30, 30]


def test_without_a_notice_nothing_is_hit(fleet, nodes, script):
    assert fleet.strike().reason == "no notice was given of it"
    assert script.asked == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw["spec"].pop("taints"), "took the notice off"),
        (lambda raw: raw["metadata"].update(uid="uid-new"), "another machine"),
    ],
    ids=["taken off by hand", "another machine"],
)
def test_a_notice_that_no_longer_stands_hits_nothing_and_is_taken_back(fleet, nodes, change, reason):
    fleet.notice()
    nodes.change(change)
    assert reason in fleet.strike().reason
    fleet.mailbox.wait(FaultHealed)
    assert nodes.deleted == []
    assert (KEY in nodes.node["metadata"]["labels"]) == (nodes.node["metadata"]["uid"] == "uid-new")


def test_a_strike_that_hits_nobody_is_a_failure_and_opens_the_node_again(fleet, nodes, script):
    script.on("DELETE", POD.format(0), refuse(409, "Conflict"))
    fleet.notice()
    assert "another pod of that name" in fleet.strike().reason
    fleet.mailbox.wait(FaultHealed)
    assert same(nodes.node) == node()
    assert nodes.deleted == []


def test_without_the_lease_the_strike_does_not_come_and_the_notice_is_taken_back(fleet, nodes):
    fleet.notice()
    fleet.objection = "lost it"
    assert fleet.strike().reason == "lost it"
    fleet.mailbox.wait(FaultHealed)
    assert nodes.deleted == []
    assert same(nodes.node) == node()


def test_a_strike_comes_once(fleet, nodes):
    fleet.notice()
    fleet.strike()
    assert "was injected before" in fleet.do(inject(), FaultFailed).reason
    assert len(nodes.deleted) == 2
    assert len(nodes.taints) == 1  # the first one is still in effect


# --- healing


def others_things(raw):
    """What somebody else put on the node, before or meanwhile."""
    raw["spec"].update(unschedulable=True)
    raw["spec"].setdefault("taints", []).insert(0, {"key": "theirs", "value": MARK, "effect": "NoSchedule"})
    raw["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] = "true"
    raw["metadata"]["labels"]["theirs"] = "x"


def test_healing_takes_off_exactly_what_is_ours(fleet, nodes):
    nodes.change(others_things)
    before = same(nodes.node)
    fleet.notice()
    fleet.strike()
    fleet.do(heal(), FaultHealed)
    assert same(nodes.node) == before


def test_what_others_added_meanwhile_stays_when_it_is_healed(fleet, nodes):
    fleet.notice()
    nodes.change(lambda raw: raw["spec"].update(unschedulable=True))
    nodes.change(lambda raw: raw["spec"]["taints"].append({"key": "theirs", "effect": "NoExecute"}))
    nodes.change(lambda raw: raw["metadata"]["annotations"].update({"karpenter.sh/do-not-disrupt": "false"}))
    fleet.do(heal(), FaultHealed)
    assert nodes.node["spec"]["unschedulable"]
    assert nodes.taints == [{"key": "theirs", "effect": "NoExecute"}]
    assert nodes.node["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "false"
    assert KEY not in nodes.node["metadata"]["annotations"]


def test_it_is_healed_by_itself_when_its_time_is_over(fleet, nodes):
    fleet.notice()
    fleet.strike(duration=0.05)
    fleet.mailbox.wait(FaultHealed)
    assert same(nodes.node) == node()


def test_a_notice_that_nothing_follows_is_taken_back(fleet, nodes, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.fleet.INJECT_LIMIT", 0.05)
    fleet.do(announce(notice=0.05), FaultAnnounced)
    fleet.mailbox.wait(FaultHealed)
    assert same(nodes.node) == node()
    assert nodes.deleted == []


def test_it_is_healed_when_sentinel_ends(fleet, nodes):
    fleet.notice()
    fleet.strike()
    fleet.end()
    assert same(nodes.node) == node()


def test_healing_twice_is_the_same_as_once(fleet, nodes, script):
    fleet.notice()
    fleet.do(heal(), FaultHealed)
    asked = len(script.asked)
    fleet.fleet.submit(heal())
    fleet.do(Heal("another", (), FaultKind.NODE_RECLAIM, NodeRef("n1", "uid-n1")), FaultHealed, 2)
    assert [one.method for one in script.asked[asked:]] == ["GET"]  # that of the other
    assert same(nodes.node) == node()


def test_another_machine_of_that_name_is_not_healed(fleet, nodes):
    fleet.notice()
    nodes.change(lambda raw: raw["metadata"].update(uid="uid-new"))
    before = nodes.node
    fleet.do(heal(), FaultHealed)
    assert nodes.node == before


def test_a_node_that_is_gone_has_nothing_to_heal(fleet, nodes):
    fleet.notice()
    nodes.objects.pop(NODE)
    fleet.do(heal(), FaultHealed)


@pytest.mark.parametrize("answers", [[drop()], [refuse(503)], [refuse(409, "Conflict")] * (ATTEMPTS + 1)])
def test_healing_goes_on_until_the_api_server_takes_it(fleet, nodes, script, answers):
    fleet.notice()
    script.on("PUT", NODE, *answers, lambda handler, asked: nodes(asked)(handler, asked))
    fleet.do(heal(), FaultHealed)
    assert same(nodes.node) == node()


def test_an_api_server_that_is_away_is_waited_for_and_said_once(fleet, nodes, script):
    fleet.notice()
    asked = len(script.asked)
    nodes.away = True
    fleet.fleet.submit(heal())
    script.wait_asked(asked + 5)
    nodes.away = False
    fleet.mailbox.wait(FaultHealed)
    assert same(nodes.node) == node()
    [error] = fleet.mailbox.of(AdapterError)
    assert "is not undone yet" in error.message


# --- after our own death


def crashed(start, nodes, *, struck=True):
    """A life that ends over a reclaim, without a word."""
    life = start()
    life.notice()
    if struck:
        life.strike()
    nodes.away = True
    life.end()
    nodes.away = False
    assert len(nodes.taints) == 1


@pytest.mark.parametrize("struck", [True, False])
def test_what_the_state_tells_of_an_earlier_life_is_healed(start, nodes, struck):
    crashed(start, nodes, struck=struck)
    start().do(heal(), FaultHealed)
    assert same(nodes.node) == node()


def test_a_mark_of_ours_that_no_state_tells_of_is_taken_off_at_the_start(start, nodes):
    crashed(start, nodes)
    life = start(sweep_after=0.0)
    life.mailbox.wait(FaultHealed)
    assert same(nodes.node) == node()
    [error] = life.mailbox.of(AdapterError)
    assert (error.code, MARK in error.message) == ("leftover", True)


def test_the_mark_of_another_sentinel_is_not_taken_off(start, nodes, script):
    start(OTHER).notice()
    before, asked = nodes.node, len(script.asked)
    life = start(sweep_after=0.0)
    script.wait_asked(asked + 1)
    life.end()
    assert nodes.node == before
    assert life.mailbox.events == []


def test_the_mark_of_a_reclaim_under_way_is_not_taken_for_one_left_behind(fleet, nodes, script, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.kubernetes.fleet_pods.SWEEP_EVERY", 0.02)
    fleet.notice()
    asked = len(script.asked)
    fleet.strike()
    script.wait_asked(asked + 6)
    assert len(nodes.taints) == 1
    assert fleet.mailbox.of(FaultHealed) == []


def test_a_notice_that_is_given_after_it_was_given_up_is_taken_off_too(fleet, nodes, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.kubernetes.fleet_pods.SWEEP_EVERY", 0.02)
    fleet.notice()
    late = json.loads(json.dumps(nodes.node))
    fleet.do(heal(), FaultHealed)
    nodes.put(NODE, late)
    fleet.mailbox.wait(FaultHealed, 2)
    assert same(nodes.node) == node()


def test_without_the_lease_no_mark_is_looked_for(start, nodes, script, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.kubernetes.fleet_pods.WITHOUT_LEASE", 0.02)
    crashed(start, nodes)
    asked = len(script.asked)
    life = start(sweep_after=0.0, objection="another one holds the lease")
    life.do(Heal("r", (), FaultKind.POD_CRASH), FaultHealed)
    assert len(script.asked) == asked
    assert len(nodes.taints) == 1
    life.objection = ""
    life.mailbox.wait(FaultHealed, 2)
    assert nodes.taints == []


def test_a_sweep_that_is_asked_for_looks_at_once(start, nodes):
    crashed(start, nodes)
    life = start(sweep_after=3_600.0)
    life.do(Heal("r", (), FaultKind.POD_CRASH), FaultHealed)
    assert len(nodes.taints) == 1
    life.do(Sweep(), FaultHealed, 2)
    assert same(nodes.node) == node()


BLIND = "nodes may not be listed: marks that an earlier life left on them are not found, and stay: 403 Forbidden"


def test_who_may_not_see_nodes_says_once_that_no_mark_is_found_and_asks_no_more(start, nodes, script):
    script.on("GET", NODES, refuse(403, "Forbidden"))
    life = start(sweep_after=0.0)
    script.wait_asked(1)
    life.do(Heal("r", (), FaultKind.POD_CRASH), FaultHealed)
    life.do(Heal("s", (), FaultKind.POD_CRASH), FaultHealed, 2)
    assert len(script.asked) == 1
    [error] = life.mailbox.of(AdapterError)
    assert (error.subject, error.code) == ("fleet", "marks")
    assert error.message.startswith(BLIND)


def test_it_is_said_again_when_somebody_asks_for_it(start, nodes, script):
    script.on("GET", NODES, refuse(403, "Forbidden"))
    life = start(sweep_after=0.0)
    life.mailbox.wait(AdapterError)
    life.do(Sweep(), AdapterError, 2)


def test_in_a_life_that_marked_a_node_it_looks_again_and_says_it_once_until_it_may(start, nodes, script, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.kubernetes.fleet_pods.SWEEP_EVERY", 0.02)
    script.on("GET", NODES, *[refuse(403, "Forbidden")] * 3, lambda handler, asked: nodes(asked)(handler, asked))
    life = start()
    life.notice()
    script.wait_asked(len(script.asked) + 8)
    assert len(life.mailbox.of(AdapterError)) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_look_for_marks_that_only_fails_is_repeated_and_not_said(start, nodes, script, status):
    crashed(start, nodes)
    script.on("GET", NODES, refuse(status), lambda handler, asked: nodes(asked)(handler, asked))
    life = start(sweep_after=0.0)
    life.mailbox.wait(FaultHealed)
    assert [one.code for one in life.mailbox.of(AdapterError)] == ["leftover"]

"""A rolling restart is asked of whoever owns the pods, for these very pods, and only what is ours is taken back."""

import json
from functools import partial

import pytest
from tests.kube_api.server import Mailbox, drop, obj, refuse
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.core.commands import Heal, Inject
from kafka_sentinel.core.events import FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.types import PodRef
from kafka_sentinel.runtime import now

PODS = tuple(PodRef("kafka", f"k-{number}", f"uid-{number}", number) for number in (0, 1, 2))
POD = "/api/v1/namespaces/kafka/pods/k-{}"
SET = "/apis/apps/v1/namespaces/kafka/statefulsets/k"
ROLL, OURS = "strimzi.io/manual-rolling-update", "kafka-sentinel.io/rolling-restart"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
KEPT = {"strimzi.io/revision": "abc"}

inject = partial(Inject, "r-1", FaultKind.ROLLING_RESTART, (0, 1, 2), duration=600.0, pods=PODS)
heal = partial(Heal, "r-1", (0, 1, 2), FaultKind.ROLLING_RESTART, None, PODS)


class Pods(Store):
    def fill(self, **metadata):
        for pod in PODS:
            raw = obj(pod.name, uid=pod.uid, spec={"nodeName": "n1"})
            raw["metadata"] |= {"annotations": dict(KEPT), **metadata}
            self.put(POD.format(pod.broker), raw)

    def annotations(self, number):
        return self.objects[POD.format(number)]["metadata"].get("annotations")

    def change(self, path, change):
        raw = json.loads(json.dumps(self.objects[path]))
        change(raw)
        self.put(path, raw)


@pytest.fixture
def pods(script):
    script.world = Pods()
    return script.world


@pytest.fixture
def strimzi(pods):
    pods.fill(labels={"strimzi.io/cluster": "k"})
    return pods


@pytest.fixture
def stateful(pods):
    pods.fill(ownerReferences=[{"kind": "StatefulSet", "name": "k", "uid": "uid-set"}])
    template = {"metadata": {"labels": {"app": "k"}}, "spec": {"containers": []}}
    pods.put(SET, obj("k", uid="uid-set", spec={"replicas": 3, "template": template}))
    return pods


class Life:
    def __init__(self, api):
        self.mailbox, self.deaths = Mailbox(), []
        self.fleet = PodFleet(
            api,
            owner="own/sentinel",
            objection=lambda: "",
            post=self.mailbox.post,
            now=now,
            on_death=lambda name, error: self.deaths.append((name, str(error))),
            pauses=(0.01, 0.05),
        )
        self.fleet.start()

    def do(self, command, kind=(FaultInjected, FaultFailed)):
        self.fleet.submit(command)
        return self.mailbox.wait(kind)[-1]

    def end(self):
        assert self.fleet.stop(10.0)
        assert self.deaths == []


@pytest.fixture
def fleet(api):
    life = Life(api)
    yield life
    life.end()


def writes(script):
    return [one for one in script.asked if one.method != "GET"]


# --- Strimzi


def test_strimzi_is_asked_to_restart_the_pods_that_the_guards_judged(fleet, strimzi):
    assert fleet.do(inject()).targets == (0, 1, 2)
    for number in (0, 1, 2):
        assert strimzi.annotations(number) == {**KEPT, ROLL: "true", OURS: "r-1"}


def test_what_was_not_begun_is_taken_back_and_nothing_else(fleet, strimzi):
    fleet.do(inject())
    successor = obj("k-1", uid="uid-new")
    successor["metadata"]["annotations"] = {ROLL: "true"}  # somebody asks for the next one
    strimzi.put(POD.format(1), successor)
    strimzi.objects.pop(POD.format(2))
    fleet.do(heal(), FaultHealed)
    assert strimzi.annotations(0) == KEPT
    assert strimzi.annotations(1) == {ROLL: "true"}


def test_what_somebody_else_asked_for_is_neither_ours_nor_taken_back(fleet, strimzi):
    strimzi.change(POD.format(1), lambda raw: raw["metadata"]["annotations"].update({ROLL: "true"}))
    assert "to be restarted already" in fleet.do(inject()).reason
    fleet.mailbox.wait(FaultHealed)
    assert [strimzi.annotations(number) for number in (0, 1, 2)] == [KEPT, {**KEPT, ROLL: "true"}, KEPT]


def test_a_pod_that_was_replaced_since_the_guards_looked_ends_it_before_it_begins(fleet, strimzi, script):
    strimzi.change(POD.format(2), lambda raw: raw["metadata"].update(uid="uid-new"))
    assert "another pod of that name" in fleet.do(inject()).reason
    assert writes(script) == []


def test_a_pod_that_is_replaced_in_the_middle_of_it_ends_it_and_it_is_taken_back(fleet, strimzi):
    strimzi.before["PUT"] = [
        lambda: strimzi.change(POD.format(1), lambda raw: raw["metadata"].update(uid="uid-new")),
    ]
    assert "another pod of that name" in fleet.do(inject()).reason
    fleet.mailbox.wait(FaultHealed)
    assert [strimzi.annotations(number) for number in (0, 1, 2)] == [KEPT] * 3


def test_it_is_taken_back_when_its_time_is_over_and_when_sentinel_ends(api, strimzi):
    for duration, end in ((0.05, False), (600.0, True)):
        life = Life(api)
        life.do(inject(duration=duration))
        if not end:
            life.mailbox.wait(FaultHealed)
        life.end()
        assert [strimzi.annotations(number) for number in (0, 1, 2)] == [KEPT] * 3


def test_what_an_earlier_life_asked_for_is_taken_back(api, fleet, strimzi):
    fleet.do(inject())
    again = Life(api)
    again.do(heal(), FaultHealed)
    again.end()
    assert [strimzi.annotations(number) for number in (0, 1, 2)] == [KEPT] * 3


@pytest.mark.parametrize("answer", [drop(), refuse(503), refuse(409, "Conflict")])
def test_an_answer_that_is_lost_or_a_conflict_is_made_up_for(fleet, strimzi, script, answer):
    script.on("PUT", POD.format(1), answer, lambda handler, asked: strimzi(asked)(handler, asked))
    assert isinstance(fleet.do(inject()), FaultInjected)
    assert strimzi.annotations(1)[OURS] == "r-1"


def test_who_may_not_update_pods_is_told_so(fleet, strimzi, script):
    script.on("PUT", POD.format(0), refuse(403, "Forbidden"))
    assert "grant the permission" in fleet.do(inject()).reason


# --- a StatefulSet


def test_a_stateful_set_is_asked_as_kubectl_does_it_and_nothing_else_of_it_changes(fleet, stateful):
    before = json.loads(json.dumps(stateful.objects[SET]))
    assert fleet.do(inject()).targets == (0, 1, 2)
    after = json.loads(json.dumps(stateful.objects[SET]))
    time = after["spec"]["template"]["metadata"].pop("annotations")[RESTARTED]
    assert time.endswith("Z")
    assert after["spec"] == before["spec"]
    assert stateful.annotations(0) == KEPT


def test_a_restart_that_began_is_not_undone_by_a_second_one(fleet, stateful, script):
    fleet.do(inject())
    asked = len(writes(script))
    fleet.do(heal(), FaultHealed)
    assert len(writes(script)) == asked == 1


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ({"type": "OnDelete"}, "restarts no pod"),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, "not all"),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}, "more than one pod at a time"),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}, "more than one pod at a time"),
    ],
)
def test_a_stateful_set_that_would_not_restart_all_one_by_one_is_not_asked(fleet, stateful, script, strategy, reason):
    stateful.change(SET, lambda raw: raw["spec"].update(updateStrategy=strategy))
    assert reason in fleet.do(inject()).reason
    assert writes(script) == []


@pytest.mark.parametrize("rolling", [{"partition": 0}, {"maxUnavailable": 1}, {}])
def test_a_stateful_set_that_restarts_one_by_one_is_asked(fleet, stateful, rolling):
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    stateful.change(SET, lambda raw: raw["spec"].update(updateStrategy=strategy))
    assert isinstance(fleet.do(inject()), FaultInjected)


def test_several_stateful_sets_would_restart_side_by_side_and_are_not_asked(fleet, stateful, script):
    other = [{"kind": "StatefulSet", "name": "other", "uid": "uid-other"}]
    stateful.change(POD.format(2), lambda raw: raw["metadata"].update(ownerReferences=other))
    assert "side by side: k, other" in fleet.do(inject()).reason
    assert writes(script) == []


def test_pods_that_nobody_makes_again_are_not_restarted(fleet, pods, script):
    pods.fill()
    assert "owned neither by Strimzi nor by a StatefulSet" in fleet.do(inject()).reason
    assert writes(script) == []


def test_another_stateful_set_of_that_name_is_not_asked(fleet, stateful, script):
    stateful.change(SET, lambda raw: raw["metadata"].update(uid="uid-new"))
    assert "another one has its name" in fleet.do(inject()).reason
    assert writes(script) == []

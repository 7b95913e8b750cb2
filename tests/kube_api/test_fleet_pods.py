"""A fault hits the pod the guards saw or none, once, and says which."""

import threading

import pytest
from tests.kube_api.server import Mailbox, drop, obj, refuse, say, status_object

from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.core.commands import Heal, Inject
from kafka_sentinel.core.events import AdapterError, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import Reach, of_reach
from kafka_sentinel.core.types import PodRef
from kafka_sentinel.runtime import now

DELETE, CRASH, EVICT = FAULTS = of_reach(Reach.PODS)
PATH = "/api/v1/namespaces/kafka/pods/k-{}"
LOOK_PAUSE = 0.01
PODS = [PodRef("kafka", f"k-{broker}", f"uid-{broker}", broker) for broker in range(3)]


def injection(fault, *targets, run="r-1"):
    return Inject(run, fault, targets, 30.0, tuple(PODS[broker] for broker in targets))


class Fleet:
    def __init__(self, api, objection=""):
        self.mailbox = Mailbox()
        self.deaths = []
        self.fleet = PodFleet(
            api,
            owner="own/sentinel",
            objection=lambda: objection,
            post=self.mailbox.post,
            now=now,
            on_death=lambda name, error: self.deaths.append((name, str(error))),
            look_pause=LOOK_PAUSE,
        )
        self.fleet.start()

    def inject(self, fault, *targets, run="r-1"):
        self.fleet.submit(injection(fault, *(targets or (0,)), run=run))
        [answer] = self.mailbox.wait((FaultInjected, FaultFailed))[-1:]
        return answer

    def failure(self, fault, *targets):
        answer = self.inject(fault, *targets)
        assert isinstance(answer, FaultFailed), answer
        return answer.reason


@pytest.fixture
def fleet(api):
    made = Fleet(api)
    yield made
    assert made.fleet.stop(10.0)
    assert made.deaths == []


def ways(fault):
    return ("POST", PATH.format(0) + "/eviction") if fault == EVICT else ("DELETE", PATH.format(0))


def acts(script):
    return [one for one in script.asked if one.method != "GET"]


# --- what is asked


def test_delete_is_graceful_and_bound_to_the_uid(fleet, script):
    script.on("DELETE", PATH.format(0), say(obj("k-0")))
    assert isinstance(fleet.inject(DELETE), FaultInjected)
    [asked] = script.asked
    assert asked.body == {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "uid-0"}}


def test_crash_gives_one_second_and_never_none(fleet, script):
    script.on("DELETE", PATH.format(0), say(obj("k-0")))
    fleet.inject(CRASH)
    assert script.asked[0].body["gracePeriodSeconds"] == 1
    assert script.asked[0].body["preconditions"] == {"uid": "uid-0"}


def test_evict_asks_the_budget_and_is_bound_to_the_uid(fleet, script):
    script.on("POST", PATH.format(0) + "/eviction", say({"kind": "Status"}, 201))
    assert isinstance(fleet.inject(EVICT), FaultInjected)
    assert script.asked[0].body == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "k-0", "namespace": "kafka"},
        "deleteOptions": {"preconditions": {"uid": "uid-0"}},
    }


def test_all_targets_are_hit_and_healing_is_left_to_their_owner(fleet, script):
    for broker in (0, 2):
        script.on("DELETE", PATH.format(broker), say(obj(f"k-{broker}")))
    assert fleet.inject(CRASH, 0, 2).targets == (0, 2)
    fleet.mailbox.wait(FaultHealed)
    assert [type(one) for one in fleet.mailbox.events] == [FaultInjected, FaultHealed]


# --- what is refused before anything is asked


def test_what_is_not_done_to_pods_is_not_begun(fleet, script):
    assert "pod-delete, pod-crash, pod-evict" in fleet.failure("process-kill")
    assert script.asked == []


def test_a_target_whose_pods_the_guards_did_not_judge_is_not_hit(fleet, script):
    fleet.fleet.submit(Inject("r-1", CRASH, (0,), 30.0))
    [failed] = fleet.mailbox.wait(FaultFailed)
    assert failed.reason == "no pod was named"
    assert script.asked == []


def test_a_pod_that_is_no_kafka_node_can_be_hit_too(fleet, script):
    script.on("DELETE", "/api/v1/namespaces/kafka/pods/k-entity-operator", say(obj("k-entity-operator")))
    fleet.fleet.submit(Inject("r-1", CRASH, (), 30.0, (PodRef("kafka", "k-entity-operator", "uid-e"),)))
    [injected] = fleet.mailbox.wait(FaultInjected)
    assert injected.targets == ()
    assert script.asked[0].body["preconditions"] == {"uid": "uid-e"}


def test_without_the_lease_nothing_is_asked(api, script):
    fleet = Fleet(api, objection="this Sentinel does not hold the lease")
    assert "does not hold the lease" in fleet.failure(CRASH)
    assert script.asked == []
    assert fleet.fleet.stop(10.0)


@pytest.mark.parametrize("answer", [say(obj("k-0")), refuse(409)])
def test_a_run_is_injected_once(fleet, script, answer):
    script.on("DELETE", PATH.format(0), answer)
    fleet.inject(CRASH)
    fleet.fleet.submit(injection(CRASH, 0))
    fleet.mailbox.wait((FaultInjected, FaultFailed), 2)
    assert "r-1 was injected before" in fleet.mailbox.of(FaultFailed)[-1].reason
    assert len(acts(script)) == 1


# --- refusals, told apart


def budget():
    body = status_object(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
    return say({**body, "details": {"causes": [{"reason": "DisruptionBudget", "message": "needs 2"}]}}, 429)


WEBHOOK = (
    'admission webhook "strimzi-drain-cleaner.strimzi.io" denied the request: '
    "The pod will be rolled by the Strimzi Cluster Operator"
)
TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@pytest.mark.parametrize(
    ("fault", "answer", "reason"),
    [
        (CRASH, refuse(409, "Conflict", "UID in precondition: a, UID in object meta: b"), "another pod of that name"),
        (CRASH, refuse(404, "NotFound"), "is gone already, not by us"),
        (CRASH, refuse(403, "Forbidden"), "grant the permission"),
        (CRASH, refuse(429, "TooManyRequests"), "too busy"),
        (EVICT, budget(), "the disruption budget does not allow"),
        (EVICT, refuse(429, "TooManyRequests", headers={"Retry-After": "1"}), "too busy"),
        (EVICT, refuse(500, "InternalError", TWO), "several disruption budgets"),
        (EVICT, refuse(500, "", WEBHOOK), "Drain Cleaner"),
        (EVICT, refuse(403, "Forbidden", WEBHOOK), "Drain Cleaner"),
        (EVICT, refuse(409, "Conflict"), "another pod of that name"),
    ],
)
def test_refusals_are_told_apart_and_asked_once(fleet, script, fault, answer, reason):
    script.on(*ways(fault), answer)
    assert reason in fleet.failure(fault)
    assert len(script.asked) == 1


# --- lost answers


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("lost", [drop(), refuse(504, "Timeout"), refuse(500, "InternalError", "boom")])
@pytest.mark.parametrize(
    "found",
    [
        refuse(404, "NotFound"),
        say(obj("k-0", uid="another")),
        say({"metadata": {"uid": "uid-0", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    ],
    ids=["gone", "replaced", "going"],
)
def test_a_lost_answer_to_what_was_done_is_an_injection(fleet, script, fault, lost, found):
    script.on(*ways(fault), lost)
    script.on("GET", PATH.format(0), refuse(503), found)
    assert isinstance(fleet.inject(fault), FaultInjected)
    assert len(acts(script)) == 1


@pytest.mark.parametrize(
    ("found", "reason"),
    [(say({"metadata": {"uid": "uid-0"}}), "it is still there"), (refuse(503), "is not known"), (drop(), "not known")],
)
def test_a_lost_answer_to_what_was_not_done_is_a_failure_and_never_a_second_try(fleet, script, found, reason):
    script.on("DELETE", PATH.format(0), drop())
    script.on("GET", PATH.format(0), found)
    assert reason in fleet.failure(CRASH)
    assert len(acts(script)) == 1


def test_a_pod_that_goes_a_moment_later_is_seen_going(fleet, script):
    script.on("DELETE", PATH.format(0), drop())
    script.on("GET", PATH.format(0), *[say({"metadata": {"uid": "uid-0"}})] * 3, refuse(404))
    assert isinstance(fleet.inject(CRASH), FaultInjected)


def test_a_fault_whose_answer_was_lost_struck_when_it_was_asked_for(fleet, script):
    """That is its t0: with a later one, what it did would have begun before it, and recovered sooner."""
    script.on("DELETE", PATH.format(0), drop())
    script.on("GET", PATH.format(0), *[say({"metadata": {"uid": "uid-0"}})] * 3, refuse(404))
    injected = fleet.inject(CRASH)
    assert injected.confirmed.mono - injected.at.mono >= 3 * LOOK_PAUSE


# --- several targets


def test_a_fault_struck_when_the_first_of_its_targets_went_however_long_the_others_take(fleet, script):
    script.on("DELETE", PATH.format(0), say(obj("k-0")))
    script.on("DELETE", PATH.format(1), drop())
    script.on("GET", PATH.format(1), say({"metadata": {"uid": "uid-1"}}))
    injected = fleet.inject(CRASH, 0, 1)
    assert injected.targets == (0,)
    assert injected.confirmed.mono - injected.at.mono >= 4 * LOOK_PAUSE


def test_after_a_failure_the_others_are_left_alone(fleet, script):
    script.on("DELETE", PATH.format(0), say(obj("k-0")))
    script.on("DELETE", PATH.format(1), refuse(409))
    assert fleet.inject(CRASH, 0, 1, 2).targets == (0,)
    fleet.mailbox.wait(FaultHealed)
    [error] = fleet.mailbox.of(AdapterError)
    assert error.code == "partial"
    assert "only k-0 of 3 pods were hit" in error.message
    assert "pod kafka/k-1 is another pod" in error.message
    assert len(acts(script)) == 2


def test_if_the_first_fails_nothing_was_injected(fleet, script):
    script.on("DELETE", PATH.format(0), refuse(409))
    assert "k-0" in fleet.failure(CRASH, 0, 1)
    assert len(script.asked) == 1


# --- healing and the end


def test_healing_is_confirmed_also_for_a_run_of_an_earlier_life(fleet):
    fleet.fleet.submit(Heal("r-0", (1,)))
    [healed] = fleet.mailbox.wait(FaultHealed)
    assert healed.experiment_run == "r-0"


def test_a_fleet_that_is_ending_injects_nothing_more(api, script):
    fleet = Fleet(api)
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler, asked):
        begun.set()
        go_on.wait(10.0)
        say(obj("k-0"))(handler, asked)

    script.on("DELETE", PATH.format(0), slow)
    fleet.fleet.submit(injection(CRASH, 0))
    fleet.fleet.submit(injection(CRASH, 0, run="r-2"))
    assert begun.wait(10.0)
    fleet.fleet.stop(0.0)
    go_on.set()
    assert fleet.fleet.stop(10.0)
    assert len(script.asked) == 1


def test_commands_are_bounded(api, script):
    deaths = []
    fleet = PodFleet(
        api,
        owner="own/sentinel",
        objection=lambda: "",
        post=Mailbox().post,
        now=now,
        on_death=lambda name, _error: deaths.append(name),
    )
    for _ in range(65):
        fleet.submit(Heal("r"))
    assert deaths == ["fleet"]
    assert fleet.stop(1.0)

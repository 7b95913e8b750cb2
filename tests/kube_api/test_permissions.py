"""The table of permissions is what the adapters ask for, all of it and nothing more."""

import re
from collections import Counter

import pytest
from tests.kube_api.server import Mailbox, bookmark, drop, obj, page, refuse, say, stream
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.access_review import Places, ask
from kafka_sentinel.adapters.kubernetes.audit_survey import survey
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.events import EventEmitter
from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.adapters.kubernetes.lease import Lease
from kafka_sentinel.adapters.kubernetes.order_reader import OrderReader
from kafka_sentinel.adapters.kubernetes.orders import order_value
from kafka_sentinel.adapters.kubernetes.permission_docs import render_docs
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Need, Scope
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.adapters.kubernetes.watched import WatchOptions
from kafka_sentinel.adapters.kubernetes.watches import Surroundings, Watches, watched
from kafka_sentinel.core.commands import Announce, Heal, Inject, LeaveEvent
from kafka_sentinel.core.events import FaultFailed, FaultHealed, FaultInjected, ObjectsListed, WatchAlive
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import NodeRef, ObjectRef, PodRef
from kafka_sentinel.runtime import now

FAULTS = of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)
POD_PATH = "/api/v1/namespaces/kafka/pods/k-0"
OWNER = {"kind": "StatefulSet", "name": "k", "uid": "uid-set"}
POD = PodRef("kafka", "k-0", "uid-k-0", 0)
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
PLACES = Places(kafka="kafka", own="own", operator="strimzi", state="sentinel")
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/strimzi-drain-cleaner"
GROUPS = ("kafka.strimzi.io", "core.strimzi.io", "karpenter.sh")  # whose versions are asked for
GRANTED = {("create", REVIEWS), *(("get", f"/apis/{group}") for group in GROUPS)}  # to every account
URL = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?"
)


def verb(asked):
    match asked.method:
        case "GET" if asked.watch:
            return "watch"
        case "GET":
            return "get" if URL.fullmatch(asked.path)["name"] else "list"
        case method:
            return {"POST": "create", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}[method]


def calls(script):
    """Return (resource, verb, namespace) of all that was asked, as RBAC sees it."""
    found = set()
    for asked in script.asked:
        if (asked.method == "GET" and asked.path.count("/") == 2) or asked.path == REVIEWS:
            name = "create" if asked.method == "POST" else "get"
            assert (name, asked.path) in GRANTED, asked
            continue
        parts = URL.fullmatch(asked.path)
        plural = parts["plural"] + (f"/{parts['sub']}" if parts["sub"] else "")
        title = f"{plural}.{parts['group']}" if parts["group"] else plural
        found.add((title, verb(asked), parts["namespace"] or ""))
    return found


def table(places):
    return {
        (one.title, verb, namespace)
        for one in PERMISSIONS
        for namespace in places.namespaces(one.scope)
        for verb in one.verbs
    }


def nothing_died(name, error):
    raise AssertionError(f"{name}: {error}")


def everything_watches(api, script, mailbox):
    for group in GROUPS:
        script.on("GET", f"/apis/{group}", say({"versions": [{"version": "v1"}]}))
    where = Surroundings("kafka", "strimzi")
    watches = Watches(api, where, post=mailbox.post, now=now, on_death=nothing_died, options=WatchOptions(silence=0.0))
    count = len(watched(where))
    script.world = lambda asked: stream(bookmark(11), b"") if asked.watch else say(page(version=10))
    watches.start()
    alive = set()
    for number in range(1, 100 * count):
        alive = {(one.kind, one.scope) for one in mailbox.wait(WatchAlive, number)}
        if len(alive) == count:
            break
    assert len(alive) == count
    assert {(one.kind, one.scope) for one in mailbox.of(ObjectsListed)} == alive
    assert watches.stop(10.0)
    return watches


def inject_and_heal(fleet, fault, script, store):
    """Twice: an answer is lost the first time, or Strimzi owns the pods; then it is not, or a StatefulSet does."""
    for lost in (True, False):
        script.on("DELETE", POD_PATH, drop() if lost else say(obj("k-0")))
        script.on("POST", f"{POD_PATH}/eviction", drop() if lost else say({}, 201))
        owned = {"labels": {"strimzi.io/cluster": "k"}} if lost else {"ownerReferences": [OWNER]}
        rolls = fault is FaultKind.ROLLING_RESTART
        store.objects.pop(POD_PATH, None)
        if rolls:
            store.put(POD_PATH, {"metadata": {**obj("k-0")["metadata"], **owned}})
        store.put(f"/apis/apps/v1/namespaces/kafka/statefulsets/{OWNER['name']}", obj("k", uid=OWNER["uid"]))
        store.put("/api/v1/nodes/n1", obj("n1"))
        run, node = f"{fault}-{lost}", NodeRef("n1", "uid-n1") if fault is FaultKind.NODE_RECLAIM else None
        if node is not None:
            fleet._give_notice(Announce(run, fault, (0,), 1.0, (POD,), node))
        fleet._inject(Inject(run, fault, (0,), 1.0, (POD,), node))
        fleet._heal(Heal(run, (0,), fault, node, (POD,)))


def everything_else(api, script, mailbox):
    common = {"now": now, "on_death": nothing_died}
    script.world = store = Store()
    lease = Lease(api, "own", "sentinel", "me", post=mailbox.post, **common)
    for _ in range(2):
        lease._turn()
    lease._release()
    state = StateConfigMap(api, "own", "sentinel", writer="me", holds=lambda: True)
    state.load()
    for number in range(2):
        state.save({"n": number})
    state.set_aside()
    path = "/api/v1/namespaces/own/configmaps/sentinel"
    store.annotate(path, run_now=order_value(now().wall, "n", "x"), pause="x")
    OrderReader(state, post=mailbox.post, **common).look()
    emitter = EventEmitter(api, post=mailbox.post, instance="me", **common)
    for kind in ("Pod", "Kafka", "StatefulSet"):
        emitter._make(LeaveEvent(now(), ObjectRef("v1", kind, "kafka", "k-0", "u"), "Reason", "message"))
    fleet = PodFleet(api, owner="own/sentinel", objection=lambda: "", post=mailbox.post, look_pause=0.0, **common)
    for fault in FAULTS:
        inject_and_heal(fleet, fault, script, store)
    assert len(mailbox.of(FaultInjected)) == len(mailbox.of(FaultHealed)) == 2 * len(FAULTS)
    assert mailbox.of(FaultFailed) == []
    script.on("POST", REVIEWS, say({"status": {"allowed": True}}, 201))
    list(ask(api, PLACES))


def a_fleet_starts(api, script, mailbox):
    """And looks for marks that an earlier life left."""
    script.on("GET", "/api/v1/nodes", say(page()))
    asked = len(script.asked)
    common = {"post": mailbox.post, "now": now, "on_death": nothing_died}
    fleet = PodFleet(api, owner="own/sentinel", objection=lambda: "", sweep_after=0.0, **common)
    fleet.start()
    script.wait_asked(asked + 1)
    assert fleet.stop(10.0)


def the_audit_looks(api, script):
    for group in GROUPS:
        script.on("GET", f"/apis/{group}", say({"versions": [{"version": "v1"}]}))
    script.world = lambda asked: refuse(404, "NotFound", "no") if asked.path == WEBHOOK else say(page(version=10))
    found = survey(api, Surroundings("kafka", "strimzi"), now)
    assert (found.refused, found.cleaner) == ({}, False)


def test_every_call_is_in_the_table_and_every_row_is_called(api, script, mailbox):
    the_audit_looks(api, script)
    everything_watches(api, script, mailbox)
    everything_else(api, script, mailbox)
    a_fleet_starts(api, script, mailbox)
    assert calls(script) == table(PLACES)


def test_a_fleet_that_starts_asks_for_what_the_table_says_of_marks_left_on_nodes(api, script, mailbox):
    script.world = Store()
    a_fleet_starts(api, script, mailbox)
    rows = [one for one in PERMISSIONS if one.need is not Need.EXPERIMENTS and "marks" in one.why]
    assert calls(script) == {(one.title, "list", "") for one in rows}
    assert ["list" in one.verbs and "marks stay" in one.without for one in rows] == [True]
    assert mailbox.events == []


def test_the_audit_lists_what_the_watches_list_and_gets_one_object_by_name(api, script):
    the_audit_looks(api, script)
    lists = {(title, verb, namespace) for title, verb, namespace in table(PLACES) if verb == "list"}
    asked = calls(script)
    assert {one for one in asked if one[1] == "list"} <= lists
    assert not {title for title, _, _ in asked} & {"events", "nodeclaims.karpenter.sh"}, "they may be many"
    webhooks = "validatingwebhookconfigurations.admissionregistration.k8s.io"
    assert {one for one in asked if one[1] != "list"} == {(webhooks, "get", "")}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_asks_for_what_its_rows_say_and_nothing_else(api, script, mailbox, fault):
    script.world = store = Store()
    common = {"post": mailbox.post, "now": now, "on_death": nothing_died}
    fleet = PodFleet(api, owner="own/sentinel", objection=lambda: "", look_pause=0.0, **common)
    inject_and_heal(fleet, fault, script, store)
    assert len(mailbox.of(FaultInjected)) == 2
    rows = {
        (one.title, verb, namespace)
        for one in PERMISSIONS
        if fault in one.faults
        for namespace in PLACES.namespaces(one.scope)
        for verb in one.verbs
    }
    assert calls(script) == rows


@pytest.mark.parametrize(
    ("where", "places"),
    [
        (Surroundings("default"), Places("default", "own")),
        (Surroundings("kafka", "kafka"), Places("kafka", "kafka", "kafka")),
        (Surroundings("kafka", None), Places("kafka", "own")),
    ],
)
def test_watches_and_table_agree_wherever_things_are(where, places):
    asked = {(one.resource.title, one.scope) for one in watched(where)}
    assert asked == {(title, namespace) for title, verb, namespace in table(places) if verb == "watch"}


@pytest.mark.parametrize("where", [Surroundings("default"), Surroundings("kafka", "kafka"), Surroundings("kafka", "s")])
def test_no_two_watches_claim_the_truth_of_one_scope(where):
    assert max(Counter((one.kind, one.scope) for one in watched(where)).values()) == 1


def test_events_about_nodes_and_about_their_node_claims_are_watched():
    (events,) = [one for one in watched(Surroundings("kafka")) if (one.kind, one.scope) == (Kind.EVENT, "default")]
    key, unwanted = events.selectors["fieldSelector"].split("!=")
    assert key == "involvedObject.kind"
    assert unwanted not in {"Node", "NodeClaim"}


@pytest.mark.parametrize(
    ("kind", "versions"),
    [
        (Kind.KAFKA, ("v1", "v1beta2")),
        (Kind.POD_SET, ("v1", "v1beta2")),
        (Kind.NODE_CLAIM, ("v1", "v1beta1")),
        (Kind.POD, ()),
    ],
)
def test_every_version_that_our_users_have_is_found(kind, versions):
    (one,) = [one for one in watched(Surroundings("kafka")) if one.kind is kind]
    assert one.versions == versions


def test_every_kind_the_core_knows_is_watched():
    assert {one.kind for one in watched(Surroundings("kafka"))} == set(Kind)


def test_what_is_optional_to_the_watches_is_optional_in_the_table():
    need = {(one.resource.title, one.scope): one.need for one in PERMISSIONS if "watch" in one.verbs}
    scopes = {"kafka": Scope.KAFKA, "strimzi": Scope.OPERATOR, "default": Scope.DEFAULT, "": Scope.CLUSTER}
    for one in watched(Surroundings("kafka", "strimzi")):
        row = need[one.resource.title, scopes[one.scope]]
        assert row is (Need.OPTIONAL if one.optional else Need.ALWAYS), one


def test_nothing_can_be_broken_without_the_rows_for_experiments():
    harmless = [one for one in PERMISSIONS if one.need is not Need.EXPERIMENTS]
    verbs = {verb for one in harmless for verb in one.verbs if one.resource.plural not in {"configmaps", "leases"}}
    assert verbs == {"list", "watch", "create", "get"}
    assert [(one.title, one.only) for one in harmless if "get" in one.verbs and one.only] == [
        ("validatingwebhookconfigurations.admissionregistration.k8s.io", "strimzi-drain-cleaner")
    ]
    assert [one.title for one in harmless if "get" in one.verbs and not one.named] == []
    assert [one.title for one in harmless if "create" in one.verbs] == [
        "configmaps",
        "leases.coordination.k8s.io",
        "events",
    ]
    elsewhere = [one for one in PERMISSIONS if one.need is Need.EXPERIMENTS and one.scope is not Scope.KAFKA]
    assert [(one.title, one.verbs) for one in elsewhere] == [("nodes", ("get", "update"))]


def test_every_row_says_why_and_what_is_off():
    text = render_docs()
    for one in PERMISSIONS:
        assert one.why
        assert one.without
        assert f"| {one.why} | {one.without} |" in text


# --- asking


def test_each_verb_is_asked_with_scope_and_name(api, script):
    script.on("POST", REVIEWS, say({"status": {"allowed": True}}, 201))
    answers = list(ask(api, PLACES))
    assert all(one.allowed for one in answers)
    asked = [one.body["spec"]["resourceAttributes"] for one in script.asked]
    assert {"verb": "watch", "resource": "nodes"} in asked
    assert {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "kafka"} in asked
    assert {"verb": "update", "resource": "configmaps", "name": "sentinel", "namespace": "own"} in asked
    assert {"verb": "create", "resource": "configmaps", "namespace": "own"} in asked
    assert {
        "verb": "list",
        "group": "policy",
        "resource": "poddisruptionbudgets",
        "namespace": "kafka",
    } in asked


@pytest.mark.parametrize("status", [{"allowed": False, "reason": "no"}, {}, None, {"allowed": "true"}])
def test_what_is_not_clearly_allowed_is_not(api, script, status):
    script.on("POST", REVIEWS, say({"status": status}, 201))
    assert not any(one.allowed for one in ask(api, PLACES))


def test_a_server_that_does_not_answer_is_an_error(api, script):
    script.on("POST", REVIEWS, refuse(500))
    with pytest.raises(ApiError):
        list(ask(api, PLACES))


# --- all watches together


def test_a_missing_permission_turns_off_one_watch_and_no_other(api, script):
    mailbox = Mailbox()
    for group in GROUPS:
        script.on("GET", f"/apis/{group}", refuse(404))
    script.world = lambda asked: (
        refuse(403, "Forbidden")
        if asked.path == "/api/v1/nodes"
        else stream(bookmark(11), b"")
        if asked.watch
        else say(page(version=10))
    )
    options = WatchOptions(silence=0.0, first_wait=0.01)
    watches = Watches(api, Surroundings("kafka"), post=mailbox.post, now=now, on_death=nothing_died, options=options)
    watches.start()
    mailbox.wait(WatchAlive, 7)
    states = {}
    for _ in range(1000):
        states = {one.watched.kind.value: one.state.value for one in watches.statuses()}
        if list(states.values()).count("off") == 4:
            break
        script.ended.wait(0.01)
    assert watches.stop(10.0)
    assert {kind for kind, state in states.items() if state == "off"} == {"node", "kafka", "pod_set", "node_claim"}

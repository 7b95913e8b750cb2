"""The roles that are rendered are the table of permissions: no row less, no verb more, in every mode."""

from __future__ import annotations

import itertools

import pytest
from tests.chart.rendering import THREE, Helm, Objects

from kafka_sentinel.adapters.kubernetes import resources
from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, WATCH, Need, Permission, Scope
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach

FAULTS = of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)
Right = tuple[str, str, str, str, str]  # namespace, group, resource, verb, name

# Which row of the table each switch is for.
SWITCHES = {
    "statefulSets": (resources.STATEFUL_SETS, WATCH, Scope.KAFKA),
    "strimziKafkas": (resources.KAFKAS, WATCH, Scope.KAFKA),
    "strimziPodSets": (resources.POD_SETS, WATCH, Scope.KAFKA),
    "events": (resources.EVENTS, WATCH, Scope.KAFKA),
    "nodeEvents": (resources.EVENTS, WATCH, Scope.DEFAULT),
    "createEvents": (resources.EVENTS, ("create",), Scope.KAFKA),
    "nodes": (resources.NODES, WATCH, Scope.CLUSTER),
    "persistentVolumes": (resources.VOLUMES, WATCH, Scope.CLUSTER),
    "nodeClaims": (resources.NODE_CLAIMS, WATCH, Scope.CLUSTER),
    "drainCleaner": (resources.WEBHOOKS, ("get",), Scope.CLUSTER),
    "operatorPods": (resources.PODS, WATCH, Scope.OPERATOR),
}


def row_of(switch: str) -> Permission:
    resource, verbs, scope = SWITCHES[switch]
    (row,) = (
        each
        for each in PERMISSIONS
        if (each.resource, each.verbs, each.scope, each.need) == (resource, verbs, scope, Need.OPTIONAL)
    )
    return row


def wanted(places: Places, *, without: set[Permission], faults: set[FaultKind], keeps_state: bool = True) -> set[Right]:
    """Return what the table gives: all rows but some, and of those for faults the ones that these faults need."""
    found = set()
    for row in PERMISSIONS:
        if row in without or (row.need is Need.EXPERIMENTS and not row.faults & faults):
            continue
        if row.scope is Scope.OWN and not keeps_state:
            continue
        plural = row.resource.plural + (f"/{row.subresource}" if row.subresource else "")
        for namespace in places.namespaces(row.scope):
            found |= {(namespace, row.resource.group, plural, verb, places.name(row)) for verb in row.verbs}
    return found


def given(objects: Objects, account: str, namespace: str) -> set[Right]:
    """Return what the account may do by the roles that are bound to it. Every role is bound, and to it alone."""
    roles = {_id(each): each for each in (*objects.of("Role"), *objects.of("ClusterRole"))}
    found, bound = set(), set()
    for binding in (*objects.of("RoleBinding"), *objects.of("ClusterRoleBinding")):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        place = binding["metadata"].get("namespace", "")
        assert binding["kind"] == f"{binding['roleRef']['kind']}Binding"
        role = roles[(binding["roleRef"]["kind"], place, binding["roleRef"]["name"])]
        bound.add(_id(role))
        for rule in role["rules"]:
            assert set(rule) <= {"apiGroups", "resources", "verbs", "resourceNames"}
            found |= {
                (place, *right)
                for right in itertools.product(
                    rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""])
                )
            }
    assert bound == set(roles)
    return found


def _id(role: dict) -> tuple[str, str, str]:
    return role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"]


def rights(helm: Helm, *layers: dict, **options) -> set[Right]:
    return given(helm.template(THREE, *layers, **options), "sentinel-kafka-sentinel", "monitoring")


def armed(*faults: FaultKind, dry_run: bool = False) -> dict:
    items = [{"name": fault.value, "fault": fault.value, "every": "1h", **_target(fault)} for fault in faults]
    return {"settings": {"experiments": {"armed_for": "lkc-1", "dry_run": dry_run, "items": items}}}


def _target(fault: FaultKind) -> dict:
    return {"target": "all"} if fault is FaultKind.ROLLING_RESTART else {}


PLACES = Places(kafka="kafka", own="monitoring", state="sentinel-kafka-sentinel-state")


def test_unarmed_it_has_the_rights_of_the_table_and_none_for_faults(helm):
    found = rights(helm)
    assert found == wanted(PLACES, without=set(), faults=set())
    killing = {"delete", "deletecollection", "patch", "*"}
    assert not {right for right in found if right[3] in killing or "eviction" in right[2]}
    assert {right[2] for right in found if right[3] == "update"} == {"configmaps", "leases"}


def test_experiments_that_are_configured_and_not_armed_give_no_right(helm):
    unarmed = armed(*FAULTS)
    unarmed["settings"]["experiments"]["armed_for"] = None
    assert rights(helm, unarmed) == wanted(PLACES, without=set(), faults=set())
    del unarmed["settings"]["experiments"]["armed_for"]
    assert rights(helm, unarmed) == wanted(PLACES, without=set(), faults=set())


@pytest.mark.parametrize(
    "faults", [*([fault] for fault in FAULTS), list(FAULTS), []], ids=lambda each: "+".join(each) or "none"
)
@pytest.mark.parametrize("dry_run", [True, False], ids=["rehearsal", "armed"])
def test_armed_it_has_the_rights_for_its_faults_and_for_no_other(helm, faults, dry_run):
    assert rights(helm, armed(*faults, dry_run=dry_run)) == wanted(PLACES, without=set(), faults=set(faults))


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_optional_right_has_a_switch_of_its_own(helm, switch):
    operator = {"settings": {"kubernetes": {"operator_namespace": "strimzi"}}}
    places = Places(kafka="kafka", own="monitoring", operator="strimzi", state=PLACES.state)
    assert rights(helm, operator) == wanted(places, without=set(), faults=set())
    found = rights(helm, operator, {"rbac": {"optional": {switch: False}}})
    assert found == wanted(places, without={row_of(switch)}, faults=set())


def test_there_is_a_switch_for_every_optional_row():
    assert {row_of(switch) for switch in SWITCHES} == {row for row in PERMISSIONS if row.need is Need.OPTIONAL}


def test_without_all_optional_rights_there_is_no_role_for_the_cluster(helm):
    none = {"rbac": {"optional": dict.fromkeys(SWITCHES, False)}}
    optional = {row for row in PERMISSIONS if row.need is Need.OPTIONAL}
    objects = helm.template(THREE, none)
    assert given(objects, "sentinel-kafka-sentinel", "monitoring") == wanted(PLACES, without=optional, faults=set())
    assert objects.of("ClusterRole") == []
    reclaims = {FaultKind.NODE_RECLAIM}
    assert rights(helm, none, armed(*reclaims)) == wanted(PLACES, without=optional, faults=reclaims)


@pytest.mark.parametrize(
    ("kafka", "own", "operator"),
    [
        ("kafka", "kafka", None),
        ("default", "monitoring", None),
        ("default", "default", "default"),
        ("kafka", "default", "kafka"),
        ("kafka", "strimzi", "strimzi"),
        ("kafka", "monitoring", "default"),
    ],
)
def test_namespaces_may_be_the_same_or_not(helm, kafka, own, operator):
    values = {"kafka": {"namespace": kafka}, "settings": {"kubernetes": {"operator_namespace": operator}}}
    objects = helm.template(THREE, values, armed(*FAULTS), namespace=own)
    places = Places(kafka=kafka, own=own, operator=operator, state=PLACES.state)
    assert given(objects, "sentinel-kafka-sentinel", own) == wanted(places, without=set(), faults=set(FAULTS))


def test_where_kafka_is_in_the_namespace_default_its_events_are_those_of_nodes_too(helm):
    values = {"kafka": {"namespace": "default"}, "rbac": {"optional": {"events": False}}}
    places = Places(kafka="default", own="monitoring", state=PLACES.state)
    assert rights(helm, values) == wanted(places, without={row_of("events")}, faults=set())


def test_the_state_may_have_another_name_and_namespace(helm):
    state = {"settings": {"state": {"config_map": "ours", "namespace": "states"}}}
    places = Places(kafka="kafka", own="states", state="ours")
    assert rights(helm, state) == wanted(places, without=set(), faults=set())


def test_with_a_state_file_there_are_no_rights_for_a_config_map(helm):
    file = {"settings": {"state": {"file": "/state/state.json"}}}
    assert rights(helm, file) == wanted(PLACES, without=set(), faults=set(), keeps_state=False)


def test_without_kubernetes_there_are_no_rights_and_no_token(helm):
    objects = helm.template(THREE, {"settings": {"kubernetes": {"enabled": False}}})
    assert given(objects, "sentinel-kafka-sentinel", "monitoring") == set()
    assert objects.pod["automountServiceAccountToken"] is False
    assert helm.template(THREE).pod["automountServiceAccountToken"] is True


def test_roles_can_be_left_to_somebody_else(helm):
    objects = helm.template(THREE, {"rbac": {"create": False}}, armed(*FAULTS))
    assert given(objects, "sentinel-kafka-sentinel", "monitoring") == set()


def test_an_account_of_somebody_elses_gets_the_rights(helm):
    objects = helm.template(THREE, {"serviceAccount": {"create": False, "name": "theirs"}})
    assert objects.of("ServiceAccount") == []
    assert objects.pod["serviceAccountName"] == "theirs"
    assert given(objects, "theirs", "monitoring") == wanted(PLACES, without=set(), faults=set())


def test_the_account_has_the_annotations_it_is_given_and_no_others(helm):
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/kafka-sentinel"}
    objects = helm.template(THREE, {"serviceAccount": {"annotations": role}})
    assert objects.one("ServiceAccount")["metadata"]["annotations"] == role
    assert "annotations" not in helm.template(THREE).one("ServiceAccount")["metadata"]


def test_the_account_may_have_a_name_of_its_own(helm):
    objects = helm.template(THREE, {"serviceAccount": {"name": "ours"}})
    assert objects.one("ServiceAccount")["metadata"]["name"] == objects.pod["serviceAccountName"] == "ours"
    assert given(objects, "ours", "monitoring") == wanted(PLACES, without=set(), faults=set())

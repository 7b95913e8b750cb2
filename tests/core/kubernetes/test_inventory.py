from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import at, event, meta, node, pod

from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes import inventory as module
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.objects import Kind, parse


def nodes(*raw):
    return tuple(parse(Kind.NODE, one) for one in raw)


def listed(seconds, *raw):
    return ObjectsListed(at(seconds), Kind.NODE, nodes(*raw))


def changed(seconds, raw, kind=Kind.NODE):
    return ObjectChanged(at(seconds), kind, parse(kind, raw))


def names(changes):
    return [(change.before and change.before.meta.uid, change.after and change.after.meta.uid) for change in changes]


@pytest.fixture
def there():
    inventory = Inventory()
    inventory.take(listed(0, node("n1"), node("n2")))
    return inventory


def test_the_first_list_is_all_new(there):
    assert names(Inventory().take(listed(0, node("n1")))) == [(None, "uid-n1")]
    assert there.node("n1").meta.uid == "uid-n1"
    assert there.node("n3") is None
    assert there.node(None) is None


def test_changes_are_told_once(there):
    assert names(there.take(changed(1, node("n1", cordoned=True)))) == [("uid-n1", "uid-n1")]
    assert there.take(changed(2, node("n1", cordoned=True))) == ()
    assert there.node("n1").unschedulable


def test_a_deletion_tells_the_last_that_was_seen(there):
    last = parse(Kind.NODE, node("n1", cordoned=True))
    [change] = there.take(ObjectDeleted(at(1), Kind.NODE, last))
    assert (change.before, change.after, change.at) == (last, None, at(1))
    assert there.node("n1") is None
    assert there.take(ObjectDeleted(at(2), Kind.NODE, last)) == ()


def test_a_new_list_tells_what_was_missed(there):
    changes = there.take(listed(9, node("n2", cordoned=True), node("n3")))
    assert names(changes) == [("uid-n1", None), ("uid-n2", "uid-n2"), (None, "uid-n3")]
    assert there.take(listed(10, node("n2", cordoned=True), node("n3"))) == ()


def test_a_namesake_with_another_uid_means_the_older_one_is_gone(there):
    assert names(there.take(changed(1, node("n1", uid="new")))) == [("uid-n1", None), (None, "new")]
    assert there.node("n1").meta.uid == "new"
    late = ObjectDeleted(at(2), Kind.NODE, parse(Kind.NODE, node("n1")))
    assert there.take(late) == ()
    assert there.node("n1").meta.uid == "new"


def test_a_list_with_a_replaced_object_tells_the_loss_first(there):
    assert names(there.take(listed(1, node("n1", uid="new"), node("n2")))) == [("uid-n1", None), (None, "new")]


def test_scopes_of_one_kind_do_not_undo_each_other():
    inventory = Inventory()

    def in_scope(seconds, namespace, *reasons):
        views = tuple(parse(Kind.EVENT, event(reason, namespace=namespace)) for reason in reasons)
        return ObjectsListed(at(seconds), Kind.EVENT, views, scope=namespace)

    inventory.take(in_scope(1, "default", "a"))
    inventory.take(in_scope(5, "kafka", "b"))
    assert [one.reason for one in inventory.events_about("n1")] == ["a", "b"]
    assert inventory.as_of(Kind.EVENT) == at(1)
    inventory.take(in_scope(7, "default"))
    assert [one.reason for one in inventory.events_about("n1")] == ["b"]
    assert inventory.as_of(Kind.EVENT) == at(5)


def test_nothing_is_known_before_the_first_list():
    inventory = Inventory()
    assert inventory.take(changed(1, node("n1"))) == ()
    assert inventory.take(WatchAlive(at(1), Kind.NODE)) == ()
    assert inventory.as_of(Kind.NODE) is None
    assert inventory.node("n1") is None


def test_every_word_of_a_watch_makes_its_kind_as_of_now(there):
    assert there.as_of(Kind.NODE) == at(0)
    there.take(WatchAlive(at(5), Kind.NODE))
    assert there.as_of(Kind.NODE) == at(5)
    there.take(changed(6, node("n1")))
    assert there.as_of(Kind.NODE) == at(6)
    assert there.as_of(Kind.POD) is None


def test_a_broken_watch_ages_and_says_since_when(there):
    there.take(WatchBroken(at(5), Kind.NODE, "timeout", "no answer"))
    there.take(WatchBroken(at(9), Kind.NODE, "500", "etcd"))
    assert there.as_of(Kind.NODE) == at(0)
    [standing] = there.standings()
    assert (standing.problem.at, standing.problem.code) == (at(5), "500")
    assert there.node("n1") is not None
    there.take(listed(12, node("n1")))
    assert [one.problem for one in there.standings()] == [None]


def test_a_kind_that_may_not_be_seen_is_not_known():
    inventory = Inventory()
    inventory.take(WatchBroken(at(1), Kind.NODE, "403", "nodes is forbidden"))
    assert inventory.as_of(Kind.NODE) is None
    assert [(one.as_of, one.problem.code) for one in inventory.standings()] == [(None, "403")]


def test_one_scope_that_never_answered_keeps_the_kind_unknown():
    inventory = Inventory()
    inventory.take(ObjectsListed(at(1), Kind.EVENT, (), scope="kafka"))
    inventory.take(WatchBroken(at(2), Kind.EVENT, "403", "forbidden", scope="default"))
    assert inventory.as_of(Kind.EVENT) is None


def test_events_are_found_by_what_they_are_about():
    inventory = Inventory()
    inventory.take(ObjectsListed(at(0), Kind.EVENT, ()))
    inventory.take(changed(1, event("late", first=9), Kind.EVENT))
    inventory.take(changed(2, event("early", first=3), Kind.EVENT))
    inventory.take(changed(2, event("other", about="n2"), Kind.EVENT))
    assert [one.reason for one in inventory.events_about("n1")] == ["early", "late"]
    inventory.take(ObjectDeleted(at(3), Kind.EVENT, parse(Kind.EVENT, event("early", first=3))))
    assert [one.reason for one in inventory.events_about("n1")] == ["late"]
    assert inventory.events_about("n9") == []


def test_of_too_many_events_the_oldest_go(monkeypatch):
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    inventory = Inventory()
    inventory.take(ObjectsListed(at(0), Kind.EVENT, ()))
    for number in range(5):
        inventory.take(changed(number, event(f"r{number}"), Kind.EVENT))
    assert [one.reason for one in inventory.events_about("n1")] == ["r2", "r3", "r4"]
    assert inventory.as_of(Kind.EVENT) == at(4)


def test_events_about_other_things_take_no_room(monkeypatch):
    monkeypatch.setattr(module, "MAX_EVENTS", 2)
    inventory = Inventory()
    inventory.take(ObjectsListed(at(0), Kind.EVENT, ()))
    for number, kind in enumerate(("Node", "NodeClaim", "Deployment", "HorizontalPodAutoscaler")):
        assert len(inventory.take(changed(number, event(kind, kind=kind), Kind.EVENT))) == (number < 2)
    assert [one.reason for one in inventory.events_about("n1")] == ["Node", "NodeClaim"]


def test_a_kind_with_too_many_objects_is_not_known(monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 2)
    inventory = Inventory()
    pods = tuple(parse(Kind.POD, pod(f"p{number}")) for number in range(3))
    inventory.take(ObjectsListed(at(0), Kind.POD, pods))
    assert len(inventory.pods) == 2
    assert inventory.as_of(Kind.POD) is None
    inventory.take(ObjectsListed(at(1), Kind.POD, pods[:2]))
    assert inventory.as_of(Kind.POD) == at(1)


def pods_in(seconds, namespace, *names):
    views = tuple(parse(Kind.POD, pod(name, namespace)) for name in names)
    return ObjectsListed(at(seconds), Kind.POD, views, scope=namespace)


def test_what_was_not_taken_of_one_scope_is_not_known_by_the_list_of_another(monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 2)
    inventory = Inventory()
    inventory.take(pods_in(0, "strimzi", "operator"))
    inventory.take(pods_in(1, "kafka", "kafka-0", "kafka-1"))
    assert inventory.as_of(Kind.POD) is None
    inventory.take(pods_in(2, "strimzi", "operator"))
    assert inventory.as_of(Kind.POD) is None
    assert [one.as_of for one in inventory.standings()] == [None, None]
    inventory.take(pods_in(3, "kafka", "kafka-0"))
    assert inventory.as_of(Kind.POD) == at(2)
    assert [one.as_of for one in inventory.standings()] == [at(2), at(3)]


def test_what_was_not_taken_of_one_kind_says_nothing_of_another(there, monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 2)
    there.take(pods_in(1, "kafka", "a", "b", "c"))
    assert there.as_of(Kind.NODE) == at(0)


def test_what_lies_in_a_namespace_is_known_by_the_watches_of_it_and_those_of_all():
    inventory = Inventory()
    inventory.take(pods_in(1, "strimzi"))
    inventory.take(pods_in(2, "kafka"))
    inventory.take(ObjectsListed(at(0), Kind.NODE, ()))
    assert (inventory.as_of(Kind.POD), inventory.as_of(Kind.POD, "kafka")) == (at(1), at(2))
    assert (inventory.as_of(Kind.POD, "other"), inventory.as_of(Kind.NODE, "kafka")) == (None, at(0))


def test_an_object_that_is_gone_was_seen_to_go_or_not(there):
    [seen] = there.take(ObjectDeleted(at(1), Kind.NODE, parse(Kind.NODE, node("n1"))))
    [unseen] = there.take(listed(2))
    assert (seen.unseen, unseen.unseen) == (False, True)


def test_objects_are_found_by_their_names():
    inventory = Inventory()
    inventory.take(pods_in(0, "kafka", "kafka-0"))
    assert inventory.pod("kafka-0", "kafka").meta.uid == "uid-kafka-0"
    assert inventory.pod("kafka-0", "other") is None
    assert [one.meta.name for one in inventory.all(Kind.POD)] == ["kafka-0"]


def test_the_volume_of_a_claim_is_known_once_it_is_bound():
    def claim(name, **spec):
        return parse(Kind.CLAIM, {"metadata": meta(name, "kafka"), "spec": spec})

    inventory = Inventory()
    inventory.take(ObjectsListed(at(0), Kind.CLAIM, (claim("bound", volumeName="pv-0"), claim("waiting"))))
    assert inventory.volume_of("bound", "kafka") is None  # volumes are not seen yet
    inventory.take(ObjectsListed(at(1), Kind.VOLUME, (parse(Kind.VOLUME, {"metadata": meta("pv-0")}),)))
    assert inventory.volume_of("bound", "kafka").meta.name == "pv-0"
    assert [inventory.volume_of(name, "kafka") for name in ("waiting", "unknown")] == [None, None]


def test_events_are_told_oldest_first_and_first_of_all_those_that_bear_no_instant():
    def undated(name):
        return {
            "metadata": {"name": name, "uid": name},
            "involvedObject": {"kind": "Node", "name": "n1"},
            "reason": name,
        }

    inventory = Inventory()
    inventory.take(ObjectsListed(at(0), Kind.EVENT, ()))
    for raw in (event("a", first=9), event("b", first=3), undated("y"), undated("x")):
        inventory.take(changed(1, raw, Kind.EVENT))
    assert [one.reason for one in inventory.events_about("n1")] == ["x", "y", "b", "a"]


def test_no_name_is_remembered_of_which_no_event_tells(there):
    there.take(ObjectsListed(at(0), Kind.EVENT, tuple(parse(Kind.EVENT, event(one)) for one in "ab")))
    there.take(ObjectsListed(at(1), Kind.EVENT, (parse(Kind.EVENT, event("a")),)))
    assert len(there.events_about("n1")) == 1
    there.take(ObjectsListed(at(2), Kind.EVENT, ()))
    assert there._events_about == {}

"""The state in a ConfigMap: no annotation is lost, no state overwritten unread, nothing written without the Lease."""

import base64
import gzip
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kube_api.server import drop, refuse, say
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes import state_configmap
from kafka_sentinel.adapters.kubernetes.orders import Order, order_value
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap, StateConfigMapError
from kafka_sentinel.adapters.state_file import Loaded, StateFileError, StateTakenOverError
from kafka_sentinel.core.types import OrderKind

COLLECTION = "/api/v1/namespaces/own/configmaps"
PATH = f"{COLLECTION}/sentinel"
OLD, NEW = {"run": "old"}, {"run": "new", "ranges": [[0, 10]], "name": "ü"}


@pytest.fixture
def store(script):
    script.world = Store()
    return script.world


@pytest.fixture
def make(api):
    def made(writer="a", holds=lambda: True):
        return StateConfigMap(api, "own", "sentinel", writer=writer, holds=holds, wall=lambda: 0.0)

    return made


def state_of(store, make):
    return make("reader").load().state


# --- the ordinary course


def test_no_configmap_is_no_state_and_the_first_save_makes_it(store, make):
    state = make()
    state.open()
    assert state.load() == Loaded(None)
    state.save(NEW)
    assert state_of(store, make) == NEW
    state.close()


@pytest.mark.parametrize("empty", [{}, {"data": {}}, {"data": {"somebody": "else"}}, {"data": None}])
def test_a_configmap_without_state_is_filled_and_the_rest_of_it_kept(store, make, empty):
    store.put(PATH, {"metadata": {"name": "sentinel", "labels": {"chart": "1"}}, **empty})
    state = make()
    assert state.load() == Loaded(None)
    state.save(NEW)
    assert state_of(store, make) == NEW
    assert store.objects[PATH]["metadata"]["labels"] == {"chart": "1"}
    assert ("somebody" in store.objects[PATH]["data"]) == ("somebody" in (empty.get("data") or {}))


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_any_json_comes_back(state):
    class Memory:
        raw = None

        def create(self, _resource, raw):
            self.raw = raw
            return raw

        def get(self, *_):
            return self.raw

    memory = Memory()
    StateConfigMap(memory, "own", "s", writer="a", holds=lambda: True).save(state)
    assert StateConfigMap(memory, "own", "s", writer="b", holds=lambda: True).load().state == state


def test_people_can_read_it_with_kubectl_and_gunzip(store, make):
    make().save(NEW)
    raw = store.objects[PATH]
    assert gzip.decompress(base64.b64decode(raw["binaryData"]["state.json.gz"])).startswith(b'{"run":"new"')
    assert '"magic": "kafka-sentinel-state"' in raw["data"]["header"]


def test_one_save_is_one_request(store, make, script):
    state = make()
    state.save(OLD)
    before = len(script.asked)
    for number in range(3):
        state.save({"n": number})
    assert [one.method for one in script.asked[before:]] == ["PUT"] * 3


def test_a_save_that_changes_nothing_else_is_still_written_for_its_header_counts(store, make):
    state = make()
    state.save(OLD)
    first = store.objects[PATH]["data"]["header"]
    state.save(OLD)
    assert store.objects[PATH]["data"]["header"] != first


# --- others write too


def test_an_annotation_in_between_does_no_harm_and_stays(store, make):
    state = make()
    state.save(OLD)
    store.annotate(PATH, pause="by anna")
    store.before["PUT"] = [lambda: None, lambda: store.annotate(PATH, other="x")]
    state.save(NEW)
    assert state_of(store, make) == NEW
    assert store.objects[PATH]["metadata"]["annotations"] == {
        "kafka-sentinel.io/pause": "by anna",
        "kafka-sentinel.io/other": "x",
    }


def test_somebody_who_annotates_without_end_is_an_error_in_the_end(store, make):
    state = make()
    state.save(OLD)
    store.before["PUT"] = [lambda: store.annotate(PATH, other="x")] * 100
    with pytest.raises(StateConfigMapError, match="5 times in a row"):
        state.save(NEW)
    assert state_of(store, make) == OLD


def test_a_state_written_by_another_since_we_read_is_not_overwritten(store, make):
    ours, theirs = make("a"), make("b")
    ours.save(OLD)
    theirs.load()
    theirs.save(NEW)
    with pytest.raises(StateTakenOverError, match="another Kafka Sentinel wrote it"):
        ours.save(OLD)
    assert state_of(store, make) == NEW


def test_a_state_that_was_read_is_overwritten(store, make):
    make("a").save(OLD)
    state = make("b")
    assert state.load().state == OLD
    state.save(NEW)
    assert state_of(store, make) == NEW


def test_one_that_never_read_does_not_overwrite(store, make):
    make("a").save(OLD)
    with pytest.raises(StateTakenOverError):
        make("b").save(NEW)


def test_a_configmap_deleted_under_us_is_made_again(store, make):
    state = make()
    state.save(OLD)
    del store.objects[PATH]
    state.save(NEW)
    assert state_of(store, make) == NEW


def test_a_configmap_emptied_under_us_is_filled_again(store, make):
    state = make()
    state.save(OLD)
    store.put(PATH, {"metadata": {"name": "sentinel"}})
    state.save(NEW)
    assert state_of(store, make) == NEW


def test_a_write_whose_answer_was_lost_is_no_stranger_to_us(store, make, script):
    state = make()
    state.save(OLD)

    def lost(handler, asked):
        store(asked)
        drop()(handler, asked)

    script.on("PUT", PATH, lost)
    with pytest.raises(StateConfigMapError, match="cannot be written"):
        state.save({"run": "lost answer"})
    script.on("PUT", PATH)
    assert state_of(store, make) == {"run": "lost answer"}
    state.save(NEW)
    assert state_of(store, make) == NEW


# --- the lease


def test_without_the_lease_nothing_is_written(store, make):
    make().save(OLD)
    before = dict(store.objects[PATH])
    state = make("b", holds=lambda: False)
    assert state.load().state == OLD
    for write in (lambda: state.save(NEW), state.set_aside, lambda: state.consume(Order(OrderKind.RUN_NOW, "x"))):
        with pytest.raises(StateConfigMapError, match="does not hold the Lease"):
            write()
    assert store.objects[PATH] == before


def test_a_conflict_is_not_tried_again_once_the_lease_is_gone(store, make, script):
    held = [True, True, False]
    state = make(holds=lambda: held.pop(0))
    state.save(OLD)
    store.annotate(PATH, pause="x")
    with pytest.raises(StateConfigMapError, match="does not hold the Lease"):
        state.save(NEW)
    assert [one.method for one in script.asked].count("PUT") == 1


# --- what cannot be read


def spoil(store, change):
    raw = store.objects[PATH]
    change(raw)
    store.put(PATH, raw)
    return raw


DAMAGE = {
    "header is no JSON": (lambda raw: raw["data"].update(header="hello"), "not written by Kafka Sentinel"),
    "header is a list": (lambda raw: raw["data"].update(header="[1]"), "not written by Kafka Sentinel"),
    "header is deep": (lambda raw: raw["data"].update(header="[" * 50_000), "not written by Kafka Sentinel"),
    "header is gone": (lambda raw: raw["data"].pop("header"), "not written by Kafka Sentinel"),
    "state is gone": (lambda raw: raw["binaryData"].pop("state.json.gz"), "damaged"),
    "state is no base64": (lambda raw: raw["binaryData"].update({"state.json.gz": "?"}), "damaged"),
    "state is no gzip": (lambda raw: raw["binaryData"].update({"state.json.gz": "aGVsbG8="}), "damaged"),
    "state is another": (
        lambda raw: raw["binaryData"].update({"state.json.gz": base64.b64encode(gzip.compress(b"{}")).decode()}),
        "damaged",
    ),
    "state is cut": (
        lambda raw: raw["binaryData"].update({"state.json.gz": raw["binaryData"]["state.json.gz"][:20]}),
        "damaged",
    ),
    "another version": (
        lambda raw: raw["data"].update(header=raw["data"]["header"].replace('"version": 1', '"version": 2')),
        "version is 2",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_state_that_cannot_be_used_is_set_aside_with_its_content(store, make, name):
    change, reason = DAMAGE[name]
    make().save(OLD)
    spoiled = spoil(store, change)
    state = make("b")
    loaded = state.load()
    assert loaded.state is None
    assert reason in loaded.reason
    assert "state ConfigMap own/sentinel" in str(loaded.set_aside)
    kept = {**store.objects[PATH]["data"], **store.objects[PATH]["binaryData"]}
    for key, value in {**spoiled["data"], **spoiled["binaryData"]}.items():
        assert kept[f"unreadable-19700101T000000Z.{key}"] == value
    assert state.load() == Loaded(None)
    state.save(NEW)
    assert state_of(store, make) == NEW


def test_one_set_aside_never_takes_the_place_of_another_and_they_are_bounded(store, make):
    state = make()
    state.save(OLD)
    for number in range(3):
        spoil(store, lambda raw, number=number: raw["data"].update(header=f"foreign {number}"))
        assert state.load().state is None
        state.save(OLD)
    kept = [value for key, value in store.objects[PATH]["data"].items() if key.startswith("unreadable")]
    assert sorted(kept) == ["foreign 0", "foreign 1", "foreign 2"]
    spoil(store, lambda raw: raw["data"].update(header="foreign 3"))
    with pytest.raises(StateConfigMapError, match="3 states set aside already"):
        state.load()
    assert store.objects[PATH]["data"]["header"] == "foreign 3"


def test_a_sound_state_of_another_name_can_be_set_aside(store, make):
    state = make()
    state.save(OLD)
    state.load()
    assert "unreadable-" in state.set_aside()
    assert state.load() == Loaded(None)


def test_a_packed_state_that_would_fill_the_memory_is_not_unpacked(store, make, monkeypatch):
    make().save({"x": "y" * 100_000})
    monkeypatch.setattr(state_configmap, "MAX_PLAIN", 1000)
    assert "damaged" in make("b").load().reason


# --- bounds and errors


def test_a_state_that_is_too_big_is_refused_and_the_old_one_stays(store, make):
    state = make()
    state.save(OLD)
    noise = random.Random(1).randbytes(2_000_000).hex()
    with pytest.raises(StateConfigMapError, match=r"more than the 1048576 allowed"):
        state.save({"x": noise})
    assert state_of(store, make) == OLD
    state.save(NEW)


def test_a_large_state_that_packs_well_is_fine(store, make):
    state = {"ranges": [[number, number + 10] for number in range(100_000)]}
    make().save(state)
    assert state_of(store, make) == state


def test_what_was_set_aside_counts_and_is_named(store, make):
    state = make()
    state.save({"x": random.Random(1).randbytes(350_000).hex()})
    state.load()
    state.set_aside()
    state.save({"x": random.Random(2).randbytes(350_000).hex()})
    state.load()
    state.set_aside()
    with pytest.raises(StateConfigMapError, match="remove its keys unreadable"):
        state.save({"x": random.Random(3).randbytes(500_000).hex()})


@pytest.mark.parametrize("answer", [refuse(403, "Forbidden"), refuse(500), drop()])
def test_errors_are_sentences(make, script, answer):
    script.on("GET", PATH, answer)
    script.on("POST", COLLECTION, answer)
    with pytest.raises(StateFileError, match="state ConfigMap own/sentinel cannot be read"):
        make().load()
    with pytest.raises(StateFileError, match="state ConfigMap own/sentinel cannot be written"):
        make().save(NEW)


def test_a_first_save_that_meets_another_first_save(store, make):
    store.before["POST"] = [lambda: make("b").save(OLD)]
    with pytest.raises(StateTakenOverError):
        make("a").save(NEW)
    assert state_of(store, make) == OLD


# --- orders


def value(at=0.0, subject="kill-leader"):
    return order_value(at, "n1", subject)


def test_orders_are_read_and_consumed_once(store, make):
    state = make()
    state.save(OLD)
    store.annotate(PATH, pause="by anna", run_now=value(), other="stays")
    found = state.orders()
    assert found.paused == "by anna"
    [order] = found.orders
    assert (order.kind, order.subject, order.nonce, order.problem) == (OrderKind.RUN_NOW, "kill-leader", "n1", "")
    assert state.consume(order)
    assert not state.consume(order)
    assert state.orders().orders == ()
    assert store.objects[PATH]["metadata"]["annotations"] == {
        "kafka-sentinel.io/pause": "by anna",
        "kafka-sentinel.io/other": "stays",
    }
    assert state_of(store, make) == OLD


def test_of_two_that_see_an_order_one_has_it(store, make, script):
    make().save(OLD)
    one, other = make("a"), make("b")
    for state in (one, other):
        state.load()
    store.annotate(PATH, run_now=value())
    [order] = one.orders().orders
    assert other.orders().orders == (order,)
    assert [one.consume(order), other.consume(order)] == [True, False]


def test_an_order_replaced_by_a_newer_one_is_not_consumed(store, make):
    state = make()
    state.save(OLD)
    store.annotate(PATH, run_now=value())
    [order] = state.orders().orders
    store.before["PUT"] = [lambda: store.annotate(PATH, run_now=value(1.0))]
    assert not state.consume(order)
    assert [one.value for one in state.orders().orders] == [value(1.0)]


def test_an_order_whose_taking_off_was_not_answered_is_not_obeyed(store, make, script):
    state = make()
    state.save(OLD)
    store.annotate(PATH, run_now=value())
    [order] = state.orders().orders
    script.on("PUT", PATH, drop())
    with pytest.raises(StateConfigMapError):
        state.consume(order)


def test_no_configmap_means_no_orders(store, make):
    assert make().orders().paused is None


def test_orders_and_saves_do_not_get_in_each_others_way(store, make, script):
    state = make()
    state.save(OLD)
    store.annotate(PATH, run_now=value())
    [order] = state.orders().orders
    state.consume(order)
    state.save(NEW)
    assert [one.method for one in script.asked if one.method != "GET"] == ["POST", "PUT", "PUT"]
    assert state_of(store, make) == NEW


def test_annotations_of_a_strange_shape_are_no_orders(store, make, script):
    script.on("GET", PATH, say({"metadata": {"annotations": ["pause"]}}), say({"metadata": None}))
    assert make().orders().orders == ()
    assert make().orders().paused is None

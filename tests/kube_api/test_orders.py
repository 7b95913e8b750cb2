"""Orders by annotation: obeyed once, while they are fresh, and refused aloud otherwise."""

import pytest
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.order_reader import OrderReader
from kafka_sentinel.adapters.kubernetes.orders import Order, Orders, order_value, read_orders
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.core.events import AdapterError, OrderGiven, PauseSeen
from kafka_sentinel.core.types import OrderKind
from kafka_sentinel.runtime import now

RUN, RESUME = "kafka-sentinel.io/run-now", "kafka-sentinel.io/resume"
PATH = "/api/v1/namespaces/own/configmaps/sentinel"
AT = 1_800_000_000.0


def only(annotations, wall=AT):
    [order] = read_orders(annotations, wall).orders
    return order


@pytest.mark.parametrize(
    ("value", "paused"),
    [("", ""), ("true", "true"), ("by anna", "by anna"), ("false", None), ("False", None), ("0", "0"), (None, None)],
)
def test_pause(value, paused):
    annotations = {} if value is None else {"kafka-sentinel.io/pause": value}
    assert read_orders(annotations, AT) == Orders(paused)


@pytest.mark.parametrize("age", [0, 59, 60, -60])
def test_a_fresh_order_is_obeyed(age):
    order = only({RUN: order_value(AT - age, "n1", "kill-leader")})
    assert order == Order(OrderKind.RUN_NOW, order.value, "kill-leader", "n1", "")


@pytest.mark.parametrize("age", [61, 3600, -61, -1e6])
def test_an_old_order_and_one_from_the_future_are_not(age):
    assert "60 s are allowed" in only({RUN: order_value(AT - age, "n1", "kill-leader")}).problem


def test_a_subject_may_hold_slashes():
    assert only({RUN: order_value(AT, "n", "a/b")}).subject == "a/b"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "TIME/NONCE"),
        ("kill-leader", "TIME/NONCE"),
        ("yesterday/n/x", "TIME/NONCE"),
        ("2027-01-15T08:00:00/n/x", "TIME/NONCE"),
        ("2027-01-15T08:00:00Z", "TIME/NONCE"),
        ("2027-01-15T08:00:00Z//x", "TIME/NONCE"),
        ("2027-01-15T08:00:00Z/n", "names no experiment"),
        ("x" * 301, "longer than 300"),
    ],
)
def test_what_is_no_order_is_refused_with_the_reason(value, problem):
    assert problem in only({RUN: value}).problem


def test_the_others_take_no_subject():
    assert only({RESUME: order_value(AT, "n")}).problem == ""
    assert "no subject" in only({RESUME: order_value(AT, "n", "x")}).problem


def test_annotations_of_others_are_not_orders():
    assert read_orders({"kubectl.kubernetes.io/run-now": "x", "kafka-sentinel.io/other": "y"}, AT) == Orders()


# --- the reader


class Reading:
    def __init__(self, api, mailbox, holds=lambda: True):
        self.mailbox = mailbox
        state = StateConfigMap(api, "own", "sentinel", writer="a", holds=holds, wall=lambda: AT)
        self.reader = OrderReader(
            state,
            post=mailbox.post,
            now=now,
            on_death=lambda name, error: mailbox.post([(name, error)]),
            every=0.01,
        )

    def look(self):
        self.reader.look()

    @property
    def told(self):
        """A pause as its words (None: its end), an order as its kind, subject, nonce and problem."""
        return [
            one.by if isinstance(one, PauseSeen) else (one.kind, one.subject, one.nonce, one.problem)
            for one in self.mailbox.events
        ]


@pytest.fixture
def store(script):
    script.world = Store()
    script.world.put(PATH, {"metadata": {"name": "sentinel"}})
    return script.world


def test_a_pause_is_told_when_it_begins_and_when_it_ends(api, store, mailbox):
    reading = Reading(api, mailbox)
    for pause in ("by anna", "by anna", "by bert", None):
        store.annotate(PATH, pause=pause)
        reading.look()
    assert reading.told == ["by anna", "by bert", None]


def test_that_there_is_no_pause_is_told_at_the_first_look_and_not_again(api, store, mailbox):
    reading = Reading(api, mailbox)
    reading.look()
    reading.look()
    assert reading.told == [None]


def test_an_order_is_told_once_after_it_was_taken_off(api, store, mailbox):
    reading = Reading(api, mailbox)
    store.annotate(PATH, run_now=order_value(AT, "n1", "kill-leader"), pause="")
    for _ in range(3):
        reading.look()
    assert reading.told == ["", (OrderKind.RUN_NOW, "kill-leader", "n1", "")]
    assert store.objects[PATH]["metadata"]["annotations"] == {"kafka-sentinel.io/pause": ""}


def test_an_old_order_is_taken_off_and_told_with_its_problem(api, store, mailbox):
    reading = Reading(api, mailbox)
    store.annotate(PATH, run_now=order_value(AT - 100, "n1", "kill-leader"))
    reading.look()
    [order] = mailbox.of(OrderGiven)
    assert "60 s are allowed" in order.problem
    assert store.objects[PATH]["metadata"]["annotations"] == {}


def test_who_does_not_hold_the_lease_leaves_orders_to_who_does(api, store, mailbox):
    reading = Reading(api, mailbox, holds=lambda: False)
    store.annotate(PATH, run_now=order_value(AT, "n1", "kill-leader"), pause="x")
    reading.look()
    assert reading.told == ["x"]
    assert len(store.objects[PATH]["metadata"]["annotations"]) == 2


def test_the_thread_says_a_problem_once_and_goes_on(api, store, script, mailbox):
    reading = Reading(api, mailbox)
    world, script.world = script.world, lambda _asked: None
    script.on("GET", PATH, lambda handler, _asked: handler.send(500, {}, {}))
    reading.reader.start()
    script.wait_asked(5)
    [said] = mailbox.of(AdapterError)
    assert (said.subject, said.code) == ("orders", "state")
    script.world = world
    script.on("GET", PATH)
    store.annotate(PATH, pause="x")
    script.wait_asked(len(script.asked) + 3)
    assert reading.reader.stop(10.0)
    assert [one.by for one in mailbox.of(PauseSeen)] == ["x"]
    assert len(mailbox.events) == 2

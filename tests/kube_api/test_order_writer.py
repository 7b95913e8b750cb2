"""What the commands write is what a running Sentinel reads, and its state is left as it is."""

import pytest
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.order_writer import OrderWriter
from kafka_sentinel.adapters.kubernetes.orders import Orders
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.core.types import OrderKind

PATH = "/api/v1/namespaces/own/configmaps/sentinel"
AT = 1_800_000_000.0


@pytest.fixture
def store(script):
    script.world = Store()
    return script.world


@pytest.fixture
def state(api, store):
    made = StateConfigMap(api, "own", "sentinel", writer="a", holds=lambda: True, wall=lambda: AT + 30)
    made.save({"n": 0})
    return made


@pytest.fixture
def writer(api):
    return OrderWriter(api, "own", "sentinel", wall=lambda: AT)


def test_pause_and_unpause(state, writer):
    writer.pause("by anna")
    assert state.orders() == Orders("by anna")
    writer.unpause()
    writer.unpause()
    assert state.orders() == Orders()


@pytest.mark.parametrize(
    ("kind", "subject"), [(OrderKind.RUN_NOW, "kill-leader"), (OrderKind.RESUME, ""), (OrderKind.HEAL, "")]
)
def test_an_order_arrives_and_is_consumed(state, writer, kind, subject):
    nonce = writer.give(kind, subject)
    [order] = state.orders().orders
    assert (order.kind, order.subject, order.nonce, order.problem) == (kind, subject, nonce, "")
    assert state.consume(order)


def test_two_orders_are_never_the_same(writer, state):
    assert writer.give(OrderKind.HEAL) != writer.give(OrderKind.HEAL)


def test_a_state_saved_in_between_is_kept(state, writer, store):
    store.before["PUT"] = [lambda: state.save({"n": 1})]
    writer.pause("x")
    assert state.orders().paused == "x"
    assert state.load().state == {"n": 1}


def test_somebody_who_writes_without_end_is_an_error(state, writer, store):
    store.before["PUT"] = [lambda: store.annotate(PATH, other="x")] * 10
    with pytest.raises(ApiError) as caught:
        writer.pause("x")
    assert caught.value.code == "409"


def test_without_a_running_sentinel_there_is_nobody_to_tell(writer, store):
    with pytest.raises(ApiError) as caught:
        writer.pause("x")
    assert caught.value.code == "404"

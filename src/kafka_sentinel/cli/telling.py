"""Tells a running Sentinel, by its state ConfigMap, and waits for what becomes of it, which is in its state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka_sentinel.cli.common import FAILED_CHECK, RUNTIME_FAILURE, USAGE, Trouble, say
from kafka_sentinel.core.types import OrderKind
from kafka_sentinel.settings import Settings

if TYPE_CHECKING:
    from kafka_sentinel.adapters.kubernetes.api import Api

TAKEN_WITHIN = 30.0  # seconds until a Sentinel that runs has taken note: it looks every few, then saves its state
GRACE = 60.0  # seconds an experiment waits for its guards, where its own grace is not known
LOOK_EVERY = 1.0  # seconds


class Unheard(Trouble):
    """Nobody took an order."""


@contextmanager
def told(settings: Settings) -> Iterator[Telling]:
    """Yield what tells the Sentinel whose state is in the cluster. Every failure ends the command, in a sentence."""
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - loads the Kubernetes client
    from kafka_sentinel.adapters.state_file import StateFileError  # noqa: PLC0415 - as above
    from kafka_sentinel.kubernetes_wiring import connect, place  # noqa: PLC0415 - as above

    try:
        api = connect(settings.kubernetes)
        namespace, name = place(settings)
    except ApiError as error:
        raise Trouble(f"kubernetes: {error}", code=USAGE) from None
    try:
        yield Telling(api, namespace, name)
    except ApiError as error:
        missing = f"there is no ConfigMap {namespace}/{name}: has a Kafka Sentinel ever run with it?"
        raise Trouble(missing if error.code == "404" else f"kubernetes: {error}", code=RUNTIME_FAILURE) from None
    except StateFileError as error:
        raise Trouble(str(error), code=RUNTIME_FAILURE) from None
    finally:
        api.close()


class Telling:
    """Methods raise ApiError and StateFileError, and Trouble where nobody listens or the answer is no."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        from kafka_sentinel.adapters.kubernetes.order_writer import OrderWriter  # noqa: PLC0415 - as above
        from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap  # noqa: PLC0415 - as above

        self.api = api
        self.place = f"{namespace}/{name}"
        self.title = f"ConfigMap {self.place}"
        self._writer = OrderWriter(api, namespace, name)
        self._state = StateConfigMap(api, namespace, name, writer="", holds=lambda: False)

    def pause(self, by: str) -> None:
        self._writer.pause(by)
        say(f"the pause stands on {self.title}; waiting until a running Sentinel takes note")
        if not self._wait(lambda state: state["experiments"]["paused"] == by, TAKEN_WITHIN):
            raise Trouble(f"nobody took note within {TAKEN_WITHIN:g} s: one that is started will", code=RUNTIME_FAILURE)
        say(f"paused: {by}")

    def hold(self, why: str) -> bool:
        """Pause, unless somebody has done so. Returns whether a running Sentinel took note, and says which it is."""
        from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - as above

        try:
            stands = self._writer.hold(why)
        except ApiError as error:
            if error.code != "404":
                raise
            say(f"there is no {self.title}: no Kafka Sentinel ever ran with it")
            return False
        say(f"the pause stands on {self.title}: {stands}; waiting until a running Sentinel takes note")
        heard = self._wait(lambda state: state["experiments"]["paused"] == stands, TAKEN_WITHIN)
        say(f"paused: {stands}" if heard else f"nobody took note within {TAKEN_WITHIN:g} s")
        return heard

    def resume(self) -> None:
        self._writer.unpause()
        self.order(OrderKind.RESUME)

    def heal(self) -> None:
        try:
            self.order(OrderKind.HEAL)
        except Unheard as unheard:
            say(f"{unheard.sentences[0]} Looking for our marks on nodes from here")
            self._unmark()

    def _unmark(self) -> None:
        """Take the marks of this Sentinel off nodes. It does so itself whenever it is up."""
        from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks  # noqa: PLC0415 - as above

        marks = NodeMarks(self.api, self.place)
        found = marks.found()
        for node, value in found:
            marks.remove(node, value)
            say(f"node {node.name} is open again: our mark {value} was taken off")
        if not found:
            say("no node bears a mark of this Kafka Sentinel: nothing to undo")

    def order(self, kind: OrderKind, subject: str = "", *, patience: float | None = 0.0) -> None:
        """Give an order and say what becomes of it. `patience`: seconds it may take from when it was taken."""
        nonce = self._writer.give(kind, subject)
        say(f"the order {kind} stands on {self.title}; waiting until a running Sentinel takes it")
        said = ""

        def answered(state: dict[str, Any]) -> bool:
            nonlocal said
            orders = (state.get("control") or {}).get("orders") or ()
            mine = next((order for order in orders if order["nonce"] == nonce), None)
            if mine is not None and mine["answer"] != said:
                said = mine["answer"]
                say(said)
            return mine is not None and mine["done"]

        limit = TAKEN_WITHIN + (GRACE if patience is None else patience)
        if not self._wait(answered, limit):
            self._unanswered(kind, said, limit)
        if said.startswith("refused"):
            raise Trouble(f"{kind} was refused", code=USAGE)
        if said.startswith("it did not run"):
            raise Trouble(f"{subject} did not run", code=FAILED_CHECK)

    def _unanswered(self, kind: OrderKind, said: str, limit: float) -> None:
        if said:
            raise Trouble(f"no last word on it within {limit:g} s: see /api/v1/experiments", code=RUNTIME_FAILURE)
        raise Unheard(f"no Kafka Sentinel took {kind} within {limit:g} s.", code=RUNTIME_FAILURE)

    def _wait(self, arrived: Callable[[dict[str, Any]], bool], seconds: float) -> bool:
        """Look at the state until something is so. Returns False if it was not within `seconds`."""
        end = time.monotonic() + seconds
        while True:
            state = self._state.load().state
            if state is not None and arrived(state):
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK_EVERY)

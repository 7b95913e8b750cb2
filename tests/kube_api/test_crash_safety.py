"""Sentinel dies at any of its requests to the API server, before or after it had its effect: never a second deletion.

The production engine with the real ConfigMap and the real fleet of pods against a scripted API server; only Kafka and
the watches are told. Each world is killed once, at another request, and goes on with the state that the server has.
"""

from __future__ import annotations

import json

import pytest
from tests.core.control_world import Armed
from tests.core.engine_world import RUN
from tests.kube_api.server import Mailbox, obj, refuse, say
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.adapters.state_file import StateFileError, StateTakenOverError
from kafka_sentinel.core.commands import Announce, Heal, Inject, SaveState, StandDown, Sweep
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import StateSaved, StateSaveFailed
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import OrderKind

STATE = "/api/v1/namespaces/own/configmaps/sentinel"
POD = "/api/v1/namespaces/kafka/pods/orders-broker-1"
SECONDS = 12  # in which a run that was ordered is intended, injected and saved


class KilledError(BaseException):
    """The process is no more. Nothing catches it."""


class Mortal:
    """The client of one life. It dies at its `last` request: before the server has it, or with the answer unread."""

    def __init__(self, api, last, *, answered):
        self._api, self._last, self._answered = api, last, answered
        self.asked = 0

    def __getattr__(self, name):
        method = getattr(self._api, name)

        def ask(*given, **more):
            self.asked += 1
            if self.asked == self._last and not self._answered:
                raise KilledError
            try:
                return method(*given, **more)
            finally:
                if self.asked == self._last:
                    raise KilledError

        return ask


class Life(Armed):
    """The engine with hands: each command is carried out at once, and its answer given to the engine."""

    def __init__(self, api, *, writer, after=0.0):
        """`after`: seconds that have passed since the first life began."""
        self.mailbox, self.down = Mailbox(), []
        self.store = None  # no hands yet: this engine is replaced by one with the state
        super().__init__()
        self.mono, self.wall = self.mono + after, self.wall + after
        self.commands.clear()
        self.store = StateConfigMap(api, "own", "sentinel", writer=writer, holds=lambda: True)
        self.fleet = PodFleet(
            api,
            owner="own/sentinel",
            objection=lambda: "",
            post=self.mailbox.post,
            now=self.now,
            on_death=lambda _name, error: self.down.append(error),
            look_pause=0.0,
        )
        self.engine = Engine(self.engine.config, run=RUN, started=self.now(), state=self.store.load().state)
        self.look()
        self.list_all()
        self.be_well_run()

    def step(self, event):
        commands = super().step(event)
        for command in commands if self.store is not None else ():
            match command:
                case SaveState():
                    self.commands.remove(command)
                    self.step(self._save(command))
                case Announce() | Inject() | Heal() | Sweep():
                    self.commands.remove(command)
                    self.fleet._obey(command)
                    told, self.mailbox.events = self.mailbox.events, []
                    for one in told:
                        self.step(one)
                case StandDown():
                    self.down.append(command.reason)
        return commands

    def _save(self, command):
        try:
            self.store.save(json.loads(json.dumps(command.state)))
        except StateFileError as error:
            taken = isinstance(error, StateTakenOverError)
            return StateSaveFailed(self.now(), command.generation, str(error), taken)
        return StateSaved(self.now(), command.generation)

    @property
    def item(self):
        [item] = self.engine.experiments.status(self.engine.world())["items"]
        return item


@pytest.fixture
def store(script):
    script.world = Store()
    script.on("DELETE", POD, say(obj("orders-broker-1")))
    script.on("GET", POD, refuse(404, "NotFound", "gone"))
    return script.world


def deletions(script):
    return [one.body["preconditions"]["uid"] for one in script.asked if one.method == "DELETE"]


def live(life):
    life.pass_by(8)
    life.order(OrderKind.RUN_NOW, "kill")
    life.pass_by(SECONDS)


def test_without_a_death_the_pod_is_deleted_once_with_its_uid(api, store, script):
    life = Life(api, writer="first")
    live(life)
    [uid] = deletions(script)
    assert uid == life.get(Kind.POD, "orders-broker-1")["metadata"]["uid"]
    assert life.engine.experiments.to_state()["injections"]


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_never_deletes_twice(api, store, script, answered):
    counted = Mortal(api, 10**9, answered=True)
    live(Life(counted, writer="whole"))
    assert counted.asked >= 5
    fates = []
    for last in range(1, counted.asked + 1):
        store.objects.clear()
        script.asked.clear()
        try:
            live(Life(Mortal(api, last, answered=answered), writer=f"first-{last}"))
        except KilledError:
            pass
        else:
            pytest.fail(f"it was to die at request {last}")
        before = deletions(script)
        second = Life(api, writer=f"second-{last}", after=60.0)
        second.pass_by(120)
        assert deletions(script) == before, last
        assert len(before) <= 1
        assert second.down == []
        remembered = second.engine.experiments.to_state()
        assert remembered["run"] is None or remembered["run"]["state"] != "intended"
        if before:  # what was done counts against the budget, whatever became of the one who did it
            assert len(remembered["injections"]) == 1, last
        fates.append((len(before), second.item["last_result"]))
    assert {done for done, _ in fates} == {0, 1}
    assert "aborted" in {result for _, result in fates}


def test_a_state_restored_between_intent_and_deletion_is_healed_and_debited_and_not_injected(api, store, script):
    """The narrowest place: the intent stands, and nobody knows whether the deletion was asked for."""
    intents = []

    class Watched(Life):
        def _save(self, command):
            answer = super()._save(command)
            run = command.state["experiments"]["run"]
            if run is not None and run["state"] == "intended":
                intents.append(run["id"])
                raise KilledError
            return answer

    with pytest.raises(KilledError):
        live(Watched(api, writer="first"))
    assert deletions(script) == []
    second = Life(api, writer="second", after=60.0)
    second.pass_by(120)
    assert deletions(script) == []
    assert second.item["last_result"] == "aborted"
    assert len(second.engine.experiments.to_state()["injections"]) == 1
    assert len(intents) == 1


def test_somebody_who_wrote_the_state_in_between_ends_us_before_anything_is_injected(api, store, script):
    life = Life(api, writer="first")
    life.pass_by(8)
    other = StateConfigMap(api, "own", "sentinel", writer="other", holds=lambda: True)
    other.save(other.load().state)
    life.order(OrderKind.RUN_NOW, "kill")
    life.pass_by(SECONDS)
    assert deletions(script) == []
    assert any("another Kafka Sentinel wrote it" in reason for reason in life.down)


def test_annotations_in_between_hold_nothing_up(api, store, script):
    life = Life(api, writer="first")
    life.pass_by(8)
    life.order(OrderKind.RUN_NOW, "kill")
    for number in range(SECONDS):
        store.annotate(STATE, other=str(number))
        life.pass_by(1)
    assert len(deletions(script)) == 1
    assert life.down == []

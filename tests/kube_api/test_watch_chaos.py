"""Whatever happens to lists and watches on the way, the inventory is in the end what the server has."""

import json
import threading
from random import Random

import pytest
from tests.conftest import FULL
from tests.kube_api.server import bookmark, drop, event, obj, page, refuse, say, status_object, stream
from tests.kube_api.test_watch import BREAK, PODS, QUICK, Running

from kafka_sentinel.core.events import AdapterError, WatchBroken
from kafka_sentinel.core.kubernetes.inventory import Inventory

SEEDS = range(200 if FULL else 12)
CHANGES = 60
NAMES = [f"k-{number}" for number in range(6)]


class World:
    """A server with a history, which objects come and go in, and which answers badly until it is told to be kind."""

    def __init__(self, random):
        self.random = random
        self.lock = threading.Lock()
        self.version = 10
        self.oldest = 10  # versions before are gone
        self.pods = {}  # name → object
        self.history = []  # (version, event)
        self.kind = False

    def change(self):
        with self.lock:
            self.version += 1
            name = self.random.choice(NAMES)
            old = self.pods.pop(name, None)
            if old is not None and self.random.random() < 0.4:
                gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
                self.history.append((self.version, event("DELETED", gone)))
                return
            uid = old["metadata"]["uid"] if old else f"{name}-{self.version}"
            self.pods[name] = obj(name, self.version, uid=uid)
            self.history.append((self.version, event("MODIFIED" if old else "ADDED", self.pods[name])))

    def forget(self):
        with self.lock:
            self.oldest = self.version

    def __call__(self, asked):
        with self.lock:
            if not self.kind and self.random.random() < 0.25:
                return self.random.choice([drop(), refuse(500), refuse(429), refuse(503), refuse(410), say(b"?")])
            return self._watch(int(asked.query["resourceVersion"])) if asked.watch else self._list()

    def _list(self):
        return say(page(*self.pods.values(), version=self.version))

    def _watch(self, since):
        if since < self.oldest:
            expired = event("ERROR", status_object(410, "Expired"))
            return self.random.choice([refuse(410, "Expired"), stream(expired)])
        steps = [one for version, one in self.history if version > since]
        newest = bookmark(self.version)
        if self.kind:
            return stream(*steps, newest)
        steps = [
            again
            for one in steps
            for again in [one] * self.random.choice([1, 1, 2]) + [b"\n"] * self.random.choice([0, 1])
        ]
        cut = steps[: self.random.randint(0, len(steps))]
        half = [json.dumps(steps[len(cut)]).encode()[:20]] if len(cut) < len(steps) else []
        return self.random.choice(
            [stream(*steps, newest), stream(*cut, BREAK), stream(*cut, *half, BREAK), stream(*cut, *half), stream(*cut)]
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_end_the_inventory_is_what_the_server_has(api, script, seed):
    random = Random(seed)
    script.world = world = World(random)
    inventory, lock = Inventory(), threading.Lock()

    def post(events):
        running.mailbox.post(events)
        with lock:
            for one in events:
                if not isinstance(one, AdapterError):
                    inventory.take(one)

    def well():
        return [one.problem for one in inventory.standings()] == [None]

    running = Running(api, PODS, QUICK, post=post)
    with running:
        for _ in range(CHANGES):
            world.change()
            if random.random() < 0.1:
                world.forget()
            if random.random() < 0.3:
                script.wait_asked(len(script.asked) + 1)
        world.kind = True
        for _ in range(2000):
            with lock:
                seen = {uid: view.meta.resource_version for uid, view in inventory.pods.items()}
            true = {pod["metadata"]["uid"]: pod["metadata"]["resourceVersion"] for pod in world.pods.values()}
            if seen == true and well():
                break
            script.ended.wait(0.01)
    assert seen == true
    assert well()
    assert running.deaths == []
    assert running.mailbox.of(WatchBroken)

"""The Lease that makes one Sentinel of several the one that writes the state and may break brokers.

As client-go does it: whoever does not hold it watches for changes by its own monotonic clock, and takes it over when
nothing changed for as long as the holder said it would last. The times written in it are for people; no clock is
compared with another's. The holder considers itself one only until the renew deadline after the start of its last
successful renewal, which ends before anybody else may take over. A clock that stood still, with the machine it runs on,
cannot tell; so the API server is asked once more before anything is broken.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import LEASES
from kafka_sentinel.core.events import LeaseObserved
from kafka_sentinel.core.types import Instant

MAX_DURATION = 3_600  # seconds that another's lease is believed to last


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """Times in seconds, client-go's defaults. The client of the lease needs time-outs well below `renew_deadline`."""

    duration: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration <= MAX_DURATION:
            raise ValueError(f"needs retry < renew_deadline < duration <= {MAX_DURATION}, found {self}")


class Lease:
    """Tells at each turn how the lease stands."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        post: Post,
        now: Now,
        on_death: OnDeath,
        options: LeaseOptions | None = None,
        random: Random | None = None,
    ) -> None:
        """`identity`: who we are, of this process alone: an earlier life of ours must run out like anybody else."""
        # Replaced, never changed: any thread may read it.
        self.status = LeaseObserved(now(), None, problem="it was not asked for yet", answered=False)
        self._api = api
        self._resource = LEASES.within(namespace)
        self._name = name
        self._identity = identity
        self._now = now
        self._post = post
        self._options = options or LeaseOptions()
        self._random = random or Random()  # noqa: S311 - spreads load, guards nothing
        self._worker = Worker("lease", self._run, on_death)
        self._observed: str | None = None  # the version last seen: any renewal makes another, whatever the clocks say
        self._observed_at = 0.0  # when it was first seen, monotonic
        self._was_ours = False

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Release the lease if it is ours, and end. Call it after the last write that needs it."""
        return self._worker.stop(timeout)

    def holds(self, now: Instant) -> bool:
        """Tell whether nobody else can hold the lease at `now`, as far as we know."""
        return self.status.held(now)

    def objection(self) -> str:
        """Ask the API server, and say why nothing may be done that only the holder may do; "" if it may.

        Our clock does not tell: it stands still while the machine is suspended, and another may have taken over since.
        """
        if not self.holds(self._now()):
            return "the Lease is not held"
        try:
            holder = _holder(self._api.get(self._resource, self._name))
        except ApiError as error:
            return f"it could not be asked whether the Lease is still held: {error}"
        return "" if holder == self._identity else f"the Lease is held by {holder or 'nobody'}"

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            self._turn()
            self._worker.stopping.wait(self._random.uniform(0.8, 1.0) * self._options.retry)
        self._release()

    def _turn(self) -> None:
        begun = self._now().mono
        try:
            holder = self._acquire_or_renew()
        except ApiError as error:
            at, before = self._now(), self.status
            until = before.held_until if before.held(at) else None
            self.status = LeaseObserved(at, until, before.holder, str(error), answered=error.code.isdigit())
        else:
            ours = holder == self._identity
            self._was_ours |= ours
            self.status = LeaseObserved(self._now(), begun + self._options.renew_deadline if ours else None, holder)
        self._post([self.status])

    def _acquire_or_renew(self) -> str:
        """Try once. Returns who holds the lease afterwards. Raises ApiError; another's write in between is one, 409."""
        try:
            raw = self._api.get(self._resource, self._name)
        except ApiError as error:
            if error.code != "404":
                raise
            self._observe(self._api.create(self._resource, self._written(None)))
            return self._identity
        if _version(raw) != self._observed:
            self._observe(raw)
        spec, holder = _spec(raw), _holder(raw)
        if holder not in {"", self._identity} and self._now().mono < self._observed_at + self._lasts(spec):
            return holder
        self._observe(self._api.replace(self._resource, self._name, self._written(raw)))
        return self._identity

    def _observe(self, raw: Json) -> None:
        self._observed, self._observed_at = _version(raw), self._now().mono

    def _lasts(self, spec: Json) -> float:
        seconds = spec.get("leaseDurationSeconds")
        return float(min(seconds, MAX_DURATION) if isinstance(seconds, int) else self._options.duration)

    def _written(self, raw: Json | None) -> Json:
        time = _micro_time(self._now().wall)
        if raw is None:
            metadata = {"name": self._name, "namespace": self._resource.namespace}
            body: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        else:
            body = copy.deepcopy(raw)
        spec = _spec(body)
        transitions = spec.get("leaseTransitions")
        count = transitions if isinstance(transitions, int) else 0
        renewed = spec.get("holderIdentity") == self._identity
        body["spec"] = {
            **spec,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._options.duration,
            "acquireTime": spec.get("acquireTime") if renewed else time,
            "renewTime": time,
            "leaseTransitions": count if renewed or raw is None else count + 1,
        }
        return body

    def _release(self) -> None:
        """Let go, so that another need not wait. Where that fails the lease runs out by itself."""
        if not self._was_ours:
            return
        self.status = LeaseObserved(self._now(), None)
        try:
            body = copy.deepcopy(self._api.get(self._resource, self._name))
            spec = _spec(body)
            if spec.pop("holderIdentity", None) == self._identity:
                body["spec"] = {**spec, "leaseDurationSeconds": 1, "renewTime": _micro_time(self._now().wall)}
                self._api.replace(self._resource, self._name, body)
        except ApiError as error:
            self.status = LeaseObserved(self._now(), None, problem=str(error))


def _spec(raw: Json) -> Json:
    found = raw.get("spec")
    return dict(found) if isinstance(found, dict) else {}


def _holder(raw: Json) -> str:
    return str(_spec(raw).get("holderIdentity") or "")


def _version(raw: Json) -> str:
    metadata = raw.get("metadata")
    return str(metadata.get("resourceVersion")) if isinstance(metadata, dict) else ""


def _micro_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

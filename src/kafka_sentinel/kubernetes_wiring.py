"""Builds the Kubernetes adapters from the settings. Imported only where that is configured: its client is large."""

from __future__ import annotations

import secrets
import socket

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.kubernetes.access import from_kubeconfig, in_cluster, own_namespace
from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.api import Api, Timeouts
from kafka_sentinel.adapters.kubernetes.audit_survey import Progress, list_extras, survey
from kafka_sentinel.adapters.kubernetes.events import EventEmitter
from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.adapters.kubernetes.lease import Lease
from kafka_sentinel.adapters.kubernetes.order_reader import OrderReader
from kafka_sentinel.adapters.kubernetes.rights import Rights
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.adapters.kubernetes.survey import KubernetesAnswers
from kafka_sentinel.adapters.kubernetes.watches import Surroundings, Watches
from kafka_sentinel.core.audit.placed import Listed
from kafka_sentinel.settings import KubernetesSettings, Settings

LEASE_TIMEOUTS = Timeouts(connect=2.0, read=3.0, total=4.0)  # seconds; well below the renew deadline


class Shared:
    """What several Sentinels share: the Lease that decides between them, the state, the orders people give."""

    def __init__(self, settings: Settings, api: Api, *, post: Post, now: Now, on_death: OnDeath) -> None:
        namespace, name = place(settings)
        self.place = f"{namespace}/{name}"
        identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"  # in a pod, the host's name is the pod's
        self._api = connect(settings.kubernetes, LEASE_TIMEOUTS)
        self.lease = Lease(self._api, namespace, name, identity, post=post, now=now, on_death=on_death)
        self.state = StateConfigMap(api, namespace, name, writer=identity, holds=lambda: self.lease.holds(now()))
        self.orders = OrderReader(self.state, post=post, now=now, on_death=on_death)

    def objection(self) -> str:
        """Say why nothing may be injected at this moment, "" if it may."""
        return self.lease.objection()

    def close(self, timeout: float) -> None:
        """Give the Lease back. To be called after the last write of the state."""
        self.lease.stop(timeout)
        self._api.close()


class KubernetesAdapters:
    """Raises ApiError, code `credentials`, where the service account or the kubeconfig cannot be used."""

    def __init__(self, settings: Settings, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self.api = connect(settings.kubernetes)
        self.shared: Shared | None = None  # None: the state is kept elsewhere, or not at all
        if settings.config_map is not None:
            self.shared = Shared(settings, self.api, post=post, now=now, on_death=on_death)
        owner = self.shared.place if self.shared is not None else f"{settings.kubernetes.namespace}/{settings.name}"
        objection = self.shared.objection if self.shared is not None else lambda: ""
        self.fleet = PodFleet(self.api, owner=owner, objection=objection, post=post, now=now, on_death=on_death)
        self.events = EventEmitter(self.api, post=post, now=now, on_death=on_death, instance=socket.gethostname())
        self._watches = Watches(self.api, surroundings(settings.kubernetes), post=post, now=now, on_death=on_death)
        faults = {item.fault for item in settings.experiments.items}
        self._rights: Rights | None = None  # None: there is no fault that would need any
        if faults:
            self._rights = Rights(self.api, places(settings), faults, post=post, now=now, on_death=on_death)

    def stand_by(self) -> None:
        """Begin to ask for the Lease, if there is one."""
        if self.shared is not None:
            self.shared.lease.start()

    def start(self) -> None:
        """Begin with all else. A pause is told at once, before anything is decided."""
        if self.shared is not None:
            self.shared.orders.look()
            self.shared.orders.start()
        self.events.start()
        self._watches.start()
        if self._rights is not None:
            self._rights.start()

    def stop(self, timeout: float) -> bool:
        """End all but the Lease, within about `timeout` seconds. Returns whether that was done."""
        orders = self.shared is None or self.shared.orders.stop(timeout)
        rights = self._rights is None or self._rights.stop(timeout)
        return self._watches.stop(timeout) and orders and rights

    def close(self, timeout: float) -> None:
        """End what is left. To be called after the last write of the state."""
        self.events.stop(timeout)
        if self.shared is not None:
            self.shared.close(timeout)
        self.api.close()


def connect(settings: KubernetesSettings, timeouts: Timeouts | None = None) -> Api:
    """Return a client. Asks nothing yet. Raises ApiError if there are no credentials that can be used."""
    file = settings.kubeconfig
    load = from_kubeconfig(file, settings.context) if file is not None else in_cluster()
    return Api(load, timeouts=timeouts)


def surroundings(settings: KubernetesSettings) -> Surroundings:
    assert settings.namespace is not None
    return Surroundings(settings.namespace, settings.operator_namespace)


def place(settings: Settings) -> tuple[str, str]:
    """Return namespace and name of the state ConfigMap, and of its Lease. Raises ApiError outside of a pod."""
    assert settings.config_map is not None
    return settings.state.namespace or own_namespace(), settings.config_map


def places(settings: Settings) -> Places:
    """Return the namespaces in which rights are needed. Raises ApiError as `place` does."""
    where = surroundings(settings.kubernetes)
    own, state = place(settings) if settings.config_map is not None else (where.kafka, "")
    return Places(kafka=where.kafka, own=own, operator=where.operator, state=state)


def answers(settings: Settings, now: Now) -> KubernetesAnswers:
    """Return what `check` asks. Raises ApiError as `connect` and `place` do."""
    return KubernetesAnswers(connect(settings.kubernetes), surroundings(settings.kubernetes), places(settings), now=now)


def list_for_audit(settings: Settings, now: Now, progress: Progress, *, everything: bool) -> Listed:
    """List what the audit looks at. `everything`: for the inventory, too. Raises ApiError as `connect` does."""
    api = connect(settings.kubernetes)
    try:
        where = surroundings(settings.kubernetes)
        found = survey(api, where, now, progress)
        if everything:
            list_extras(api, where.kafka, found, progress)
        return found
    finally:
        api.close()

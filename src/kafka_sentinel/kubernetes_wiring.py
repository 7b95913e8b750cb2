"""Builds the Kubernetes adapters from the settings. Imported only where that is configured: its client is large."""

from __future__ import annotations

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.kubernetes.access import from_kubeconfig, in_cluster
from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.survey import KubernetesAnswers
from kafka_sentinel.adapters.kubernetes.watches import Surroundings, Watches
from kafka_sentinel.settings import KubernetesSettings


class KubernetesAdapters:
    """Raises ApiError, code `credentials`, where the service account or the kubeconfig cannot be used."""

    def __init__(self, settings: KubernetesSettings, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self.api = connect(settings)
        self._watches = Watches(self.api, surroundings(settings), post=post, now=now, on_death=on_death)

    def start(self) -> None:
        self._watches.start()

    def stop(self, timeout: float) -> bool:
        """End within about `timeout` seconds. Returns whether that was done."""
        ended = self._watches.stop(timeout)
        self.api.close()
        return ended


def connect(settings: KubernetesSettings) -> Api:
    """Return a client. Asks nothing yet. Raises ApiError if there are no credentials that can be used."""
    file = settings.kubeconfig
    return Api(from_kubeconfig(file, settings.context) if file is not None else in_cluster())


def surroundings(settings: KubernetesSettings) -> Surroundings:
    assert settings.namespace is not None
    return Surroundings(settings.namespace, settings.operator_namespace)


def answers(settings: KubernetesSettings, now: Now) -> KubernetesAnswers:
    """Return what `check` asks. Raises ApiError as `connect` does."""
    where = surroundings(settings)
    places = Places(kafka=where.kafka, own=where.kafka, operator=where.operator)
    return KubernetesAnswers(connect(settings), where, places, now=now)

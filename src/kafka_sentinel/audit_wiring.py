"""Builds the audit from the settings, for the command and for the daemon."""

from __future__ import annotations

from kafka_sentinel.adapters.audit import Auditor, Gathered, gather
from kafka_sentinel.adapters.audit_kafka import AuditOptions, KafkaAudit, Progress
from kafka_sentinel.adapters.connection import Connection
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.core.audit.placed import Listed
from kafka_sentinel.settings import Settings
from kafka_sentinel.wiring import probe_topics


def quiet(_text: str) -> None:
    """Say nothing of how far it is."""


def look(
    settings: Settings, now: Now, *, timeout: float = 10.0, everything: bool = False, progress: Progress = quiet
) -> Gathered:
    """Look at Kafka, and at Kubernetes if it is enabled. `everything`: keep all settings, for an inventory.

    Raises OSError if the file of a secret has gone.
    """
    connection = Connection(settings.kafka)
    options = AuditOptions(
        common=connection.librdkafka(),
        quorum=connection.kafka_python(),
        probes=frozenset(probe_topics(settings).values()),
        timeout=timeout,
        everything=everything,
    )
    return gather(
        KafkaAudit(options, progress),
        lambda: _list(settings, now, progress, everything=everything),
        settings.kubernetes.fleet(),
    )


def auditor(settings: Settings, *, post: Post, now: Now, on_death: OnDeath) -> Auditor | None:
    """Return what audits while the daemon runs; None if that is switched off."""
    every = settings.audit.every
    if every is None:
        return None
    return Auditor(lambda: look(settings, now), every=every, post=post, now=now, on_death=on_death)


def _list(settings: Settings, now: Now, progress: Progress, *, everything: bool) -> Listed | str:
    """Return the objects in Kubernetes, or why there are none."""
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - its client is large
    from kafka_sentinel.kubernetes_wiring import list_for_audit  # noqa: PLC0415 - as above

    try:
        return list_for_audit(settings, now, progress, everything=everything)
    except ApiError as error:
        return f"kubernetes: {error}"

"""Settings, as the core wants them: plain values, nothing that knows of files or variables."""

from __future__ import annotations

from kafka_sentinel import __version__
from kafka_sentinel.core.engine import EngineConfig
from kafka_sentinel.core.record import instance_id
from kafka_sentinel.core.types import Acks
from kafka_sentinel.settings import Settings

SESSION_TIMEOUT = 9.0  # seconds: Kafka's default broker.session.timeout.ms, which the cluster does not tell


def engine_config(settings: Settings) -> EngineConfig:
    acks = (Acks.ALL, Acks.ONE) if settings.probe.acks_one.enabled else (Acks.ALL,)
    return EngineConfig(
        name=settings.name,
        version=__version__,
        instance=instance_id(settings.name),
        acks=acks,
        probe_interval=settings.probe.interval,
        slo_produce=settings.slo.produce,
        slo_consume=settings.slo.consume,
        slo_overdue=settings.slo.overdue,
        slo_recovery=settings.slo.recovery.model_dump(),
        settle=settings.incidents.settle,
        cause_freeze=settings.incidents.cause_freeze,
        cause_window=settings.incidents.cause_window,
        recheck_margin=settings.incidents.recheck_margin,
        recheck_interval=settings.recheck.interval,
        recheck_chunk=settings.recheck.chunk_records,
        settle_margin=settings.probe.socket_timeout + SESSION_TIMEOUT,
        checkpoint_interval=settings.state.checkpoint_interval if settings.state.file is not None else None,
        manage_topic=settings.probe.manage_topic,
    )

"""Settings, as the core wants them: plain values, nothing that knows of files or variables."""

from __future__ import annotations

from kafka_sentinel import __version__
from kafka_sentinel.core.engine import EngineConfig
from kafka_sentinel.core.probe_cost import ProbeLoad
from kafka_sentinel.core.record import instance_id
from kafka_sentinel.core.types import Acks
from kafka_sentinel.settings import Settings

# Seconds of silence from everything outside that are no chance. With a Lease the API server is asked every two; without
# one it is heard of when a watch begins anew, and each does so within twenty.
CUT_OFF_WITH_LEASE, CUT_OFF = 6.0, 45.0


def engine_config(settings: Settings) -> EngineConfig:
    return EngineConfig(
        name=settings.name,
        version=__version__,
        instance=instance_id(settings.name),
        acks=(Acks.ALL, Acks.ONE) if settings.probe.acks_one.enabled else (Acks.ALL,),
        probe_interval=settings.probe.interval,
        slo_produce=settings.slo.produce,
        slo_consume=settings.slo.consume,
        slo_overdue=settings.slo.overdue,
        slo_recovery=settings.slo.recovery.model_dump(),
        slo_availability=settings.slo.availability,
        settle=settings.incidents.settle,
        session_timeout=settings.cluster.session_timeout,
        recheck_margin=settings.incidents.recheck_margin,
        recheck_interval=settings.recheck.interval,
        recheck_chunk=settings.recheck.chunk_records,
        give_up_margin=settings.probe.socket_timeout + settings.cluster.session_timeout,
        checkpoint_interval=settings.checkpoint_interval,
        manage_topic=settings.probe.manage_topic,
        experiments=tuple(item.spec() for item in settings.experiments.items),
        guards=settings.experiments.guards(),
        group_id=settings.group_consumer.group_id,
        fleet=settings.kubernetes.fleet(),
        cut_off=_cut_off(settings),
        lease=settings.config_map is not None,
        zookeeper=tuple(settings.cluster.zookeeper),
        provider=settings.fleet == "msk",
        selftest_interval=settings.selftest.interval,
    )


def probe_load(settings: Settings, copies: tuple[int, ...]) -> ProbeLoad:
    """`copies`: replicas of each partition of all probe topics."""
    probe, recheck = settings.probe, settings.recheck
    return ProbeLoad(
        rate=probe.records_per_interval / probe.interval,
        copies=copies,
        size=probe.record_size,
        together=probe.records_per_interval,
        readers=2 if settings.group_consumer.enabled else 1,
        reread=recheck.chunk_records / recheck.interval,
        retention=probe.retention,
    )


def _cut_off(settings: Settings) -> float | None:
    if not settings.kubernetes.enabled:
        return None
    return CUT_OFF_WITH_LEASE if settings.config_map is not None else CUT_OFF

"""The configuration of Sentinel: every key, its default, its bounds and its meaning.

docs/configuration.md is made from this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kafka_sentinel.core.durations import format_duration
from kafka_sentinel.core.record import MAX_SIZE, MIN_CONFIGURED_SIZE
from kafka_sentinel.settings.base import Duration, Section, TopicName, Words
from kafka_sentinel.settings.experiments import ExperimentSettings
from kafka_sentinel.settings.fleet import faults_of, needs_fleet
from kafka_sentinel.settings.kafka import MASK, SENSITIVE, KafkaSettings
from kafka_sentinel.settings.kubernetes import KubernetesSettings
from kafka_sentinel.settings.state import StateSettings

ENV_PREFIX = "KAFKA_SENTINEL__"
ENV_DELIMITER = "__"
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
PORT = re.compile(r"[0-9]{1,5}")
MAX_PORT = 65_535


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not HOST.fullmatch(host) or not PORT.fullmatch(port) or not 0 < int(port) <= MAX_PORT:
        raise ValueError("not an address")
    return value


Address = Annotated[str, AfterValidator(_address), Words("an address, as zookeeper-1:2181")]


class AcksOneSettings(Section):
    """A second probe topic, written with acks=1: it shows what that setting would have lost."""

    enabled: bool = Field(default=False, description="Probe at acks=1 too.")
    topic: TopicName = Field(default="kafka-sentinel-probe-acks1", description="Name of the second probe topic.")


class ProbeSettings(Section):
    """The records Sentinel sends and reads again."""

    topic: TopicName = Field(default="kafka-sentinel-probe", description="Name of the probe topic (acks=all).")
    acks_one: AcksOneSettings = AcksOneSettings()
    manage_topic: bool = Field(
        default=True,
        description="Create probe topics, and add partitions when brokers are added. Partitions are never moved.",
    )
    partitions: int | None = Field(
        default=None, ge=1, le=1000, description="Partitions of each probe topic. Null: two for every broker."
    )
    replication_factor: int = Field(
        default=3, ge=1, le=32, description="Replicas of a probe topic that Sentinel creates."
    )
    min_insync_replicas: int = Field(default=2, ge=1, le=32, description="`min.insync.replicas` of a topic it creates.")
    retention: Annotated[float, Duration(60, 365 * 86400)] = Field(
        default=86400.0, description="`retention.ms` of a topic it creates. What is gone cannot be checked again."
    )
    interval: Annotated[float, Duration(0.001, 60)] = Field(
        default=0.1, description="Time between two sends to a partition; also the length of an availability slot."
    )
    records_per_interval: int = Field(
        default=1, ge=1, le=1000, description="Records sent to a partition at each interval."
    )
    record_size: int = Field(
        default=200,
        ge=MIN_CONFIGURED_SIZE,
        le=MAX_SIZE,
        description="Size of a record's value in bytes; the rest is padding.",
    )
    delivery_timeout: Annotated[float, Duration(1, 3600)] = Field(
        default=120.0,
        description="When the producer gives a record up (then uncertain). Keep it above the slowest failover: where a "
        "record is given up while others are under way, an idempotent client may write those twice.",
    )
    socket_timeout: Annotated[float, Duration(1, 60)] = Field(
        default=2.5, description="When a client gives up on a request to a silent broker, and asks for the new leader."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> ProbeSettings:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"min_insync_replicas ({self.min_insync_replicas}) is above replication_factor "
                f"({self.replication_factor}): nothing could ever be written"
            )
        if self.delivery_timeout <= self.socket_timeout:
            raise ValueError(
                f"delivery_timeout ({format_duration(self.delivery_timeout)}) must be above socket_timeout "
                f"({format_duration(self.socket_timeout)}), or no send is ever tried twice"
            )
        if self.acks_one.enabled and self.acks_one.topic == self.topic:
            raise ValueError("topic and acks_one.topic are the same: each level of acknowledgement needs its own topic")
        return self


class RecoveryPhases(Section):
    """How long each phase of a recovery may take, from the moment the fault took effect."""

    detected: Annotated[float, Duration(0.001, 86400)] = Field(default=10.0, description="Until Sentinel noticed.")
    leader: Annotated[float, Duration(0.001, 86400)] = Field(
        default=15.0, description="Until every affected partition had a live leader."
    )
    produce: Annotated[float, Duration(0.001, 86400)] = Field(
        default=15.0, description="Until a record sent afterwards was acknowledged, on the slowest partition."
    )
    consume: Annotated[float, Duration(0.001, 86400)] = Field(
        default=15.0, description="Until a record sent afterwards was read, on the slowest partition."
    )
    pod: Annotated[float, Duration(0.001, 86400)] = Field(
        default=300.0, description="Until the broker's pod, or the one that replaces it, was ready; on Kubernetes."
    )
    isr: Annotated[float, Duration(0.001, 86400)] = Field(
        default=300.0, description="Until the in-sync replicas were as many as before."
    )
    lag: Annotated[float, Duration(0.001, 86400)] = Field(default=120.0, description="Until readers had caught up.")
    full: Annotated[float, Duration(0.001, 86400)] = Field(
        default=600.0, description="Until all of them held for good."
    )


class SloSettings(Section):
    """What is good enough."""

    produce: Annotated[float, Duration(0.001, 300)] = Field(
        default=1.0, description="A produce slot is good if its record is acknowledged within this time."
    )
    consume: Annotated[float, Duration(0.001, 300)] = Field(
        default=2.0, description="A consume slot is good if its record is read within this time."
    )
    overdue: Annotated[float, Duration(0.001, 3600)] = Field(
        default=10.0, description="An acknowledged record not read after this time is overdue: a state, not a loss."
    )
    availability: float = Field(
        default=99.9,
        ge=90,
        le=99.999,
        description="Percent of slots that must be good over 30 days: the error budget of alerts and dashboards, and"
        " what `report` judges by.",
    )
    recovery: RecoveryPhases = RecoveryPhases()

    @model_validator(mode="after")
    def _fits_together(self) -> SloSettings:
        if self.overdue < self.consume:
            raise ValueError("overdue must not be below consume")
        return self


class IncidentSettings(Section):
    """When an incident is over, and what is checked before it is closed."""

    settle: Annotated[float, Duration(0, 3600)] = Field(
        default=10.0, description="How long everything must be well again before an incident is rechecked and closed."
    )
    recheck_margin: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="Records read again on either side of an incident's range, per partition.",
    )


class RecheckSettings(Section):
    """The slow second reading of everything retained: a record that was read can still vanish."""

    interval: Annotated[float, Duration(1, 86400)] = Field(
        default=30.0, description="Time between two chunks of the background recheck."
    )
    chunk_records: int = Field(default=20_000, ge=100, le=1_000_000, description="Records read in one chunk.")


class GroupConsumerSettings(Section):
    """A consumer group beside the verifier: what applications feel. It never testifies to loss."""

    enabled: bool = Field(default=True, description="Run the group consumer.")
    protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="Group protocol; `consumer` is KIP-848 and needs Kafka 4.0.",
    )
    group_id: str = Field(
        default="kafka-sentinel",
        min_length=1,
        max_length=200,
        description="Group id.",
    )


class ClusterSettings(Section):
    """How often the cluster is looked at."""

    snapshot_interval: Annotated[float, Duration(0.1, 60)] = Field(
        default=1.0, description="Time between two looks at leaders, replicas and topics."
    )
    quorum_interval: Annotated[float, Duration(0.1, 60)] = Field(
        default=2.0, description="Time between two looks at the KRaft quorum and at reassignments."
    )
    session_timeout: Annotated[float, Duration(0.5, 120)] = Field(
        default=9.0, description="The brokers' `broker.session.timeout.ms`, which the cluster does not tell."
    )
    zookeeper: list[Address] = Field(
        default=[],
        max_length=15,
        description="All servers of the ZooKeeper ensemble, where the cluster has one and its servers are no pods that "
        "Sentinel watches: each is asked (`srvr`, on its plain client port) whether it serves.",
    )


class AuditSettings(Section):
    """How often the daemon looks at durability settings, placement and access (docs/audit.md)."""

    every: Annotated[float, Duration(60, 30 * 86400)] | None = Field(
        default=3600.0, description="Time between two audits; the first comes soon after the start. Null: none."
    )


class SelfTestSettings(Section):
    """How often the detector has to prove that it detects (docs/verdicts.md)."""

    # An hour at most, for the alerts know no intervals: they look two hours back.
    interval: Annotated[float, Duration(60, 3600)] | None = Field(
        default=3600.0, description="Time between two drills; the first comes seconds after the start. Null: none."
    )


class HttpSettings(Section):
    """The read-only web server: page, metrics, health and API."""

    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - Prometheus comes from outside the pod
    port: int = Field(default=9464, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")


class LogSettings(Section):
    """Sentinel's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is written."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto`: console on a terminal, JSON lines elsewhere."
    )


class Settings(BaseSettings):
    """The whole configuration. Made in code it holds what it is given; `load` adds the file and the environment."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_parse_none_str="null",
    )

    name: str = Field(
        default="kafka-sentinel",
        min_length=1,
        max_length=100,
        description="Name of this Sentinel. Records are signed with it: two Sentinels on one topic need two names.",
    )
    kafka: KafkaSettings = KafkaSettings()
    probe: ProbeSettings = ProbeSettings()
    slo: SloSettings = SloSettings()
    incidents: IncidentSettings = Field(default=IncidentSettings(), validate_default=True)
    recheck: RecheckSettings = RecheckSettings()
    group_consumer: GroupConsumerSettings = GroupConsumerSettings()
    cluster: ClusterSettings = ClusterSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    audit: AuditSettings = AuditSettings()
    selftest: SelfTestSettings = SelfTestSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    http: HttpSettings = HttpSettings()
    state: StateSettings = Field(default=StateSettings(), validate_default=True)
    log: LogSettings = LogSettings()

    @field_validator("incidents")
    @classmethod
    def _trouble_shows_before_it_settles(cls, incidents: IncidentSettings, given: ValidationInfo) -> IncidentSettings:
        slo = given.data.get("slo")
        least = max(slo.produce, slo.consume) if slo is not None else 0.0
        if incidents.settle < least:
            raise ValueError(f"settle must not be below slo.produce and slo.consume ({least:g}s)")
        return incidents

    @field_validator("state")
    @classmethod
    def _state_fits_to_kubernetes(cls, state: StateSettings, given: ValidationInfo) -> StateSettings:
        kubernetes = given.data.get("kubernetes")
        if kubernetes is not None:
            state.check(str(given.data.get("name")), kubernetes)
        return state

    @property
    def config_map(self) -> str | None:
        """The name of the ConfigMap that keeps the state, and of its Lease; None: there is none."""
        return self.state.in_cluster(self.name, self.kubernetes)

    @property
    def checkpoint_interval(self) -> float | None:
        """Seconds between two writes of the state; None: none is kept."""
        if self.state.file is None and self.config_map is None:
            return None
        return self.state.interval(in_cluster=self.config_map is not None)

    @field_validator("experiments")
    @classmethod
    def _can_be_done(cls, experiments: ExperimentSettings, given: ValidationInfo) -> ExperimentSettings:
        kubernetes = given.data.get("kubernetes")
        if kubernetes is None:
            return experiments
        state = "on" if kubernetes.enabled else "off"
        if experiments.fleet in {"msk", "command"} and kubernetes.enabled:
            raise ValueError(f"fleet {experiments.fleet} is for brokers that are no pods: set kubernetes.enabled off")
        if experiments.fleet == "kubernetes" and not kubernetes.enabled:
            raise ValueError("fleet kubernetes needs kubernetes.enabled on")
        able = faults_of(_fleet(experiments, kubernetes))
        with_fleet = f" and fleet {experiments.fleet}" if experiments.fleet != "auto" else ""
        for item in experiments.items:
            if item.fault not in able:
                raise ValueError(
                    f"items: {item.name} has fault {item.fault}; "
                    f"with kubernetes.enabled {state}{with_fleet}, the faults allowed are {', '.join(able)}"
                    f"{needs_fleet(item.fault)}"
                )
        return experiments

    @property
    def fleet(self) -> str:
        """What breaks brokers: kubernetes, msk, command, none, or lab (the processes that the demo starts)."""
        return _fleet(self.experiments, self.kubernetes)

    @property
    def cannot_break(self) -> str:
        """Say why the daemon could do none of the experiments that are configured; "" if it can, or there are none."""
        kind = self.experiments.fleet
        if not self.experiments.items or self.fleet not in {"lab", "none"}:
            return ""
        why = "is none: probe only" if kind == "none" else f"is {kind}, and kubernetes.enabled is off"
        return (
            f"experiments.fleet {why}; none of the {len(self.experiments.items)} experiments can be done: "
            "take them out of experiments.items, or set experiments.fleet to kubernetes, msk or command"
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - signature given by pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the environment is read in `load`, by exact names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no hidden files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - secrets are named one by one
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def masked(self) -> dict[str, Any]:
        """Return everything as it would be written in the file, secrets replaced."""
        values: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        properties = values["kafka"]["properties"]
        properties.update({key: MASK for key in properties if SENSITIVE.search(key)})
        return values

    def features(self) -> dict[str, bool]:
        """Return which parts of Sentinel are switched on."""
        return {
            "acks_one": self.probe.acks_one.enabled,
            "group_consumer": self.group_consumer.enabled,
            "background_recheck": True,
            "experiments": bool(self.experiments.items),
            "kubernetes": self.kubernetes.enabled,
        }

    def remarks(self) -> Sequence[str]:
        """Return sentences about settings that are allowed and that somebody should know of."""
        found = []
        if self.checkpoint_interval is None:
            found.append("state.file is not set: a restart forgets what was acknowledged and not yet read")
        if self.probe.min_insync_replicas == self.probe.replication_factor > 1:
            found.append(
                "probe.min_insync_replicas equals probe.replication_factor: the probe topic cannot be written "
                "while any one broker is down"
            )
        if self.experiments.items and self.experiments.armed_for is None:
            found.append("experiments.armed_for is not set: the experiments are shown but never run")
        if not self.kubernetes.enabled and self.kubernetes.model_fields_set - {"enabled"}:
            found.append("kubernetes.enabled is off: the other keys of kubernetes are not used")
        return found


def _fleet(experiments: ExperimentSettings, kubernetes: KubernetesSettings) -> str:
    if experiments.fleet != "auto":
        return experiments.fleet
    return "kubernetes" if kubernetes.enabled else "lab"

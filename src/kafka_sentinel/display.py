"""What the world sees of a Sentinel: page, metrics and API. All of it comes from the last status that was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import Snapshot
from kafka_sentinel.adapters.status_gauges import features
from kafka_sentinel.adapters.web import WebApp
from kafka_sentinel.adapters.web_server import WebServer
from kafka_sentinel.core.engine import Engine, EngineConfig
from kafka_sentinel.core.kubernetes.views import RESOURCES
from kafka_sentinel.settings import Settings


class Display:
    def __init__(
        self, settings: Settings, config: EngineConfig, *, tick_age: Callable[[], float], web: bool = True
    ) -> None:
        """`tick_age`: seconds since the loop last went round. Raises WebError if the port cannot be had."""
        self.snapshot = Snapshot()
        self.metrics = Metrics(
            settings.kafka.cluster_name,
            known={
                "experiment": [item.name for item in settings.experiments.items],
                "resource": RESOURCES if settings.kubernetes.enabled else (),
            },
            acks=tuple(level.value for level in config.acks),
        )
        self.metrics.set_gauge("slo_availability_ratio", {}, settings.slo.availability / 100)
        for phase, seconds in config.slo_recovery.items():
            self.metrics.set_gauge("slo_seconds", {"phase": phase}, seconds)
        for feature, on in settings.features().items():
            self.metrics.set_gauge("feature_enabled", {"feature": feature}, on)
        self.web: WebServer | None = None
        self._host = settings.http.host
        if web:
            app = WebApp(self.snapshot, self.metrics.registry, tick_age)
            self.web = WebServer(self._host, settings.http.port, app)

    def start(self) -> None:
        if self.web is not None:
            self.web.start()
            logs.write("info", "page", {"address": f"http://{self._host}:{self.web.port}/"})

    def stop(self) -> None:
        if self.web is not None:
            self.web.stop()

    def publish(self, status: Mapping[str, Any]) -> None:
        self.snapshot.publish(status)
        self.metrics.update_from_status(status)
        for feature, on in features(status).items():
            self.metrics.set_gauge("feature_enabled", {"feature": feature}, on)

    def publish_engine(self, engine: Engine, *, waiting: int) -> None:
        """Publish all there is to say. `waiting`: batches of events in the mailbox."""
        self.publish(engine.status())
        metrics = self.metrics
        metrics.set_gauge("mailbox_depth", {}, waiting)
        if engine.state_saved is not None:
            metrics.set_gauge("checkpoint_last_success_timestamp_seconds", {}, engine.state_saved.wall)
        if engine.truth.last_recheck is not None:
            metrics.set_gauge("recheck_last_success_timestamp_seconds", {}, engine.truth.last_recheck.wall)
        for partition, lag in engine.group_lag().items():
            metrics.set_gauge("consumer_lag_records", {"reader": "group", "partition": str(partition.partition)}, lag)

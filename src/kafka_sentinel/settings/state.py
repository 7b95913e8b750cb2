"""Where the state is kept: in a file, or in a ConfigMap of Kubernetes, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from kafka_sentinel.settings.base import Duration, Section
from kafka_sentinel.settings.kubernetes import OBJECT, KubernetesSettings, Namespace, ObjectName

SUFFIX = "-state"
FILE_INTERVAL = 5.0  # seconds; a write costs a sync of the disk
CLUSTER_INTERVAL = 60.0  # seconds; a write goes through the API server into its store, which others need, too


class StateSettings(Section):
    """What is kept from one life of Sentinel to the next: in a file, or on Kubernetes in a ConfigMap."""

    file: Path | None = Field(
        default=None,
        description="State file. Without it and without a ConfigMap a restart forgets what was acknowledged and not "
        "yet read.",
    )
    config_map: ObjectName | None = Field(
        default=None,
        description="ConfigMap that keeps the state; a Lease of the same name decides which of several Sentinels may "
        f"write it and inject. Null: `name` with `{SUFFIX}`, in a pod with kubernetes.enabled and without state.file.",
    )
    namespace: Namespace | None = Field(
        default=None, description="Namespace of the ConfigMap. Null: that of the pod Sentinel runs in."
    )
    checkpoint_interval: Annotated[float, Duration(1, 3600)] | None = Field(
        default=None, description="Time between two writes of the state. Null: 5s to a file, 60s to a ConfigMap."
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> StateSettings:
        if self.file is not None and self.config_map is not None:
            raise ValueError("file and config_map exclude each other: the state is kept in one place")
        if self.file is not None and self.namespace is not None:
            raise ValueError("namespace is that of a ConfigMap: with file there is none")
        return self

    def check(self, name: str, kubernetes: KubernetesSettings) -> None:
        """Raise ValueError if this does not fit to the name of this Sentinel and to where Kubernetes is."""
        asked = self.config_map is not None or self.namespace is not None
        if asked and not kubernetes.enabled:
            raise ValueError("a ConfigMap needs kubernetes.enabled")
        if asked and kubernetes.kubeconfig is not None and self.namespace is None:
            raise ValueError("with kubernetes.kubeconfig, config_map needs namespace, that of the ConfigMap")
        found = self.in_cluster(name, kubernetes)
        if found is not None and not OBJECT.fullmatch(found):
            raise ValueError(f"no ConfigMap can be named {found!r}, after name: set config_map, or file")

    def in_cluster(self, name: str, kubernetes: KubernetesSettings) -> str | None:
        """Return the name of the ConfigMap; None: there is none. With a kubeconfig there is one only if asked for."""
        if not kubernetes.enabled or self.file is not None:
            return None
        if self.config_map is None and self.namespace is None and kubernetes.kubeconfig is not None:
            return None
        return self.config_map or f"{name}{SUFFIX}"

    def interval(self, *, in_cluster: bool) -> float:
        """Return the seconds between two writes."""
        if self.checkpoint_interval is not None:
            return self.checkpoint_interval
        return CLUSTER_INTERVAL if in_cluster else FILE_INTERVAL

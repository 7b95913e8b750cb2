"""Where Kubernetes is, and which pods in it are the Kafka cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.settings.base import Duration, Section, Words, text_values
from kafka_sentinel.settings.kafka import ReadableFile

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, as namespaces are named
OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _namespace(value: str) -> str:
    if not LABEL.fullmatch(value):
        raise ValueError("not a namespace")
    return value


def _object_name(value: str) -> str:
    if not OBJECT.fullmatch(value):
        raise ValueError("not a name")
    return value


Namespace = Annotated[
    str,
    AfterValidator(_namespace),
    Words("a namespace: 1 to 63 of the characters a-z 0-9 - (not first or last)"),
]
Labels = Annotated[dict[str, str], BeforeValidator(text_values)]
ObjectName = Annotated[
    str,
    AfterValidator(_object_name),
    Words("a name of an object: 1 to 253 of the characters a-z 0-9 - . (letter or digit first and last)"),
]


class KubernetesSettings(Section):
    """The Kubernetes cluster that the brokers run in. Off: nothing of it is asked, and its client is not loaded."""

    enabled: bool = Field(default=False, description="Watch the brokers' pods and nodes.")
    kubeconfig: ReadableFile | None = Field(
        default=None, description="A kubeconfig file. Null: the service account of the pod Sentinel runs in."
    )
    context: str | None = Field(
        default=None, min_length=1, max_length=253, description="Context of `kubeconfig`. Null: its current one."
    )
    namespace: Namespace | None = Field(default=None, description="Namespace of the Kafka cluster; needed.")
    operator_namespace: Namespace | None = Field(
        default=None, description="Namespace of Strimzi's operator. Null: that of the Kafka cluster."
    )
    flavour: Literal["auto", "strimzi", "bitnami", "statefulset"] = Field(
        default="auto", description="How Kafka was installed, which tells how its pods are labelled."
    )
    cluster: ObjectName | None = Field(
        default=None,
        description="Name of the Strimzi cluster, the Helm release or the StatefulSet. Null: the only one there is.",
    )
    selector: Labels = Field(
        default_factory=dict,
        max_length=20,
        description="Labels of the broker pods; for `statefulset`, instead of the name of one.",
    )
    first_id: int = Field(
        default=0, ge=0, le=1_000_000, description="Broker id of the pod with ordinal 0; for `statefulset`."
    )
    zookeeper: ObjectName | None = Field(
        default=None,
        description="Name of ZooKeeper's StatefulSet, where there is one; for `statefulset`. "
        "With Strimzi and Bitnami's chart its pods are found without.",
    )
    zookeeper_selector: Labels = Field(
        default_factory=dict,
        max_length=20,
        description="Labels of ZooKeeper's pods; for `statefulset`, instead of the name of one.",
    )
    spot_labels: Labels = Field(
        default_factory=dict,
        max_length=20,
        description="Node labels that mean spot capacity, besides those of EKS, Karpenter, GKE and AKS.",
    )

    late_signals: Annotated[float, Duration(5, 100)] = Field(
        default=60.0,
        description="How long a broker's restart or a node's loss waits to be counted: its cause may be told late.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> KubernetesSettings:
        plain = self.flavour in {"auto", "statefulset"}
        rules = (
            (self.enabled and self.namespace is None, "enabled needs namespace, that of the Kafka cluster"),
            (self.context is not None and self.kubeconfig is None, "context is one of a kubeconfig: set kubeconfig"),
            (bool(self.selector) and not plain, f"selector is for flavour statefulset, found {self.flavour}"),
            (self.first_id > 0 and not plain, f"first_id is for flavour statefulset, found {self.flavour}"),
            (
                (self.zookeeper is not None or bool(self.zookeeper_selector)) and not plain,
                f"zookeeper and zookeeper_selector are for flavour statefulset, found {self.flavour}",
            ),
            (
                self.zookeeper is not None and bool(self.zookeeper_selector),
                "zookeeper and zookeeper_selector exclude each other: its pods are found by the one or the other",
            ),
            (
                self.flavour == "statefulset" and not self.selector and self.cluster is None,
                "flavour statefulset needs cluster (the name of the StatefulSet) or selector (labels of its pods)",
            ),
        )
        for broken, sentence in rules:
            if broken:
                raise ValueError(sentence)
        return self

    def fleet(self) -> FleetSpec | None:
        """Return which pods to look for, in the core's words; None: none."""
        if not self.enabled or self.namespace is None:
            return None
        return FleetSpec(
            namespace=self.namespace,
            flavour=Flavour(self.flavour),
            cluster=self.cluster,
            selector=Selector(self.selector) if self.selector else None,
            first_id=self.first_id,
            spot_labels=self.spot_labels,
            late_signals=self.late_signals,
            zookeeper=self.zookeeper,
            zookeeper_selector=Selector(self.zookeeper_selector) if self.zookeeper_selector else None,
        )

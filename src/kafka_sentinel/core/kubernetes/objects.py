"""Kubernetes objects: `parse(kind, raw JSON)` gives a view, or an `ObjectError`. What adapters and tests import."""

from kafka_sentinel.core.kubernetes.fields import ObjectError
from kafka_sentinel.core.kubernetes.parsing import parse
from kafka_sentinel.core.kubernetes.views import (
    BudgetView,
    ClaimView,
    Condition,
    ContainerView,
    EventView,
    Exit,
    KafkaResourceView,
    Kind,
    Meta,
    NodeClaimView,
    NodeView,
    Owner,
    PodSetView,
    PodView,
    StatefulSetView,
    Taint,
    View,
    VolumeUse,
    VolumeView,
)

__all__ = [
    "BudgetView",
    "ClaimView",
    "Condition",
    "ContainerView",
    "EventView",
    "Exit",
    "KafkaResourceView",
    "Kind",
    "Meta",
    "NodeClaimView",
    "NodeView",
    "ObjectError",
    "Owner",
    "PodSetView",
    "PodView",
    "StatefulSetView",
    "Taint",
    "View",
    "VolumeUse",
    "VolumeView",
    "parse",
]

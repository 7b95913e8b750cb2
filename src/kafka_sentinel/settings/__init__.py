"""Configuration: the only part that reads the environment or a configuration file."""

from kafka_sentinel.settings.experiments import Blackout, Experiment, ExperimentSettings
from kafka_sentinel.settings.kafka import KafkaSettings, SecuritySettings
from kafka_sentinel.settings.kubernetes import KubernetesSettings
from kafka_sentinel.settings.load import load
from kafka_sentinel.settings.model import (
    AcksOneSettings,
    ClusterSettings,
    GroupConsumerSettings,
    HttpSettings,
    IncidentSettings,
    LogSettings,
    ProbeSettings,
    RecheckSettings,
    RecoveryPhases,
    Settings,
    SloSettings,
)
from kafka_sentinel.settings.problems import ConfigurationError
from kafka_sentinel.settings.state import StateSettings

__all__ = [
    "AcksOneSettings",
    "Blackout",
    "ClusterSettings",
    "ConfigurationError",
    "Experiment",
    "ExperimentSettings",
    "GroupConsumerSettings",
    "HttpSettings",
    "IncidentSettings",
    "KafkaSettings",
    "KubernetesSettings",
    "LogSettings",
    "ProbeSettings",
    "RecheckSettings",
    "RecoveryPhases",
    "SecuritySettings",
    "Settings",
    "SloSettings",
    "StateSettings",
    "load",
]

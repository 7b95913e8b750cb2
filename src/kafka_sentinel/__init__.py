"""Kafka Sentinel: proves what happened to every record a Kafka cluster acknowledged."""

__version__ = "0.1.0"

"""`kafka-sentinel demo`: a local Kafka whose brokers are killed, and what becomes of every record."""

from kafka_sentinel.demo.runner import run_demo

__all__ = ["run_demo"]

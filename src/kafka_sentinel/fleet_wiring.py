"""Builds what breaks brokers that are no pods, from the settings. Imported only where that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_sentinel.adapters.fleet_command import CommandFleet, Programs
from kafka_sentinel.adapters.fleet_msk import MskFleet
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.msk_api import MskApi
from kafka_sentinel.settings import Experiment, Settings

if TYPE_CHECKING:
    from kafka_sentinel.adapters.fleet import FleetWorker


def fleet_of(settings: Settings, *, post: Post, now: Now, on_death: OnDeath) -> FleetWorker | None:
    """Return the fleet that `experiments.fleet` names; None: none of these. Raises MissingExtraError."""
    if settings.fleet == "command":
        programs = {item.name: programs_of(item) for item in settings.experiments.items if item.command is not None}
        return CommandFleet(
            programs,
            servers=settings.cluster.zookeeper,
            secrets=settings.kafka.secrets(),
            post=post,
            now=now,
            on_death=on_death,
        )
    msk = settings.experiments.msk
    if settings.fleet == "msk" and msk.cluster_arn is not None:
        api = MskApi(msk.cluster_arn, msk.region, msk.endpoint_url)
        return MskFleet(api, post=post, now=now, on_death=on_death)
    return None


def programs_of(item: Experiment) -> Programs:
    return Programs(tuple(item.command or ()), tuple(item.heal or ()), item.runs_for)

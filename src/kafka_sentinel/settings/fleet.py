"""What breaks brokers: whose means it are, and what of them is to be told."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kafka_sentinel.core.faults import FaultKind, Reach, of_reach
from kafka_sentinel.settings.base import Section, Words

FleetKind = Literal["auto", "kubernetes", "msk", "command", "none"]
ARN = re.compile(r"arn:aws[a-z-]*:kafka:([a-z0-9-]{1,40}):\d{12}:cluster/[A-Za-z0-9-]{1,64}/[A-Za-z0-9-]{1,64}")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?")

REACHES: dict[str, tuple[Reach, ...]] = {
    "kubernetes": (Reach.PODS, Reach.NODE, Reach.ROLL),
    "msk": (Reach.PROVIDER,),
    "command": (Reach.COMMAND,),
    "lab": (Reach.PROCESS,),  # the processes that `kafka-sentinel demo` starts; the daemon has none
    "none": tuple(Reach),
}


def _arn(value: str) -> str:
    if not ARN.fullmatch(value):
        raise ValueError("not an ARN of an MSK cluster")
    return value


def _url(value: str) -> str:
    if not URL.fullmatch(value):
        raise ValueError("not a web address")
    return value


ClusterArn = Annotated[
    str, AfterValidator(_arn), Words("the ARN of an MSK cluster (arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID)")
]
Url = Annotated[str, AfterValidator(_url), Words("a web address without a path, as https://kafka.example.com")]


class MskSettings(Section):
    """The Amazon MSK cluster, for `fleet: msk`. Keys and roles come from where boto3 finds them, never from here."""

    cluster_arn: ClusterArn | None = Field(default=None, description="ARN of the cluster; needed.")
    endpoint_url: Url | None = Field(
        default=None, description="Where MSK's own API is, as a VPC endpoint. Null: that of the region in the ARN."
    )

    @property
    def region(self) -> str:
        match = ARN.fullmatch(self.cluster_arn or "")
        return match[1] if match else ""


def faults_of(kind: str) -> tuple[FaultKind, ...]:
    """Return the faults that a fleet of that kind can do; `none` can do nothing, and refuses no word for it."""
    return of_reach(*REACHES[kind])


def needs_fleet(fault: FaultKind) -> str:
    """Say which fleet has to be named for a fault, to be put behind a sentence; "" where none has to."""
    kind = next((kind for kind in ("command", "msk") if fault in faults_of(kind)), "")
    return f"; {fault} needs fleet {kind}" if kind else ""

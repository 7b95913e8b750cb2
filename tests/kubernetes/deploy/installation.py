"""What each way of installing Kafka consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.kubernetes.deploy import stateful, strimzi
from tests.kubernetes.deploy.crds import Strimzi, definitions
from tests.kubernetes.deploy.layout import Layout, Member
from tests.kubernetes.deploy.pods import Limits, Place
from tests.kubernetes.deploy.secured import Security


class Flavour(StrEnum):
    STRIMZI = "strimzi"  # of today, resources of version v1
    OLDER_STRIMZI = "older strimzi"  # resources of version v1beta2
    STATEFUL_SET = "statefulset"
    BITNAMI = "bitnami"  # its default: three nodes that are broker and controller


@dataclass(frozen=True, slots=True)
class Installation:
    """`objects` by the zone of each node; `resource`: path of the Kafka resource, which an operator calls ready."""

    place: Place
    members: tuple[Member, ...]
    service: str  # for clients in pods
    definitions: tuple[dict, ...]
    objects: Callable[[Mapping[str, str]], list[dict]]
    resource: str | None = None


def plan(
    flavour: Flavour,
    layout: Layout,
    namespace: str,
    cluster_id: str,
    limits: Limits,
    *,
    security: Security | None = None,
) -> Installation:
    """Return what to install. Clusters are called orders, as is the release; plain StatefulSets are called kafka.

    `security`: for Strimzi's alone.
    """
    match flavour:
        case Flavour.STRIMZI | Flavour.OLDER_STRIMZI:
            version = Strimzi.V1 if flavour is Flavour.STRIMZI else Strimzi.V1BETA2
            place = strimzi.place(namespace, "orders", cluster_id, limits, security)
            members = strimzi.members(place.name, layout)
            return Installation(
                place,
                members,
                f"{place.name}-kafka-bootstrap",
                tuple(definitions(version)),
                lambda zones: strimzi.resources(place, members, zones, version),
                f"/apis/kafka.strimzi.io/{version.api}/namespaces/{namespace}/kafkas/{place.name}",
            )
        case Flavour.STATEFUL_SET | Flavour.BITNAMI:
            assert security is None, f"no secured Kafka of flavour {flavour}"
            bitnami = flavour is Flavour.BITNAMI
            place = stateful.place(namespace, cluster_id, limits, bitnami=bitnami)
            members = stateful.bitnami_members(layout) if bitnami else stateful.plain_members(layout)
            make = stateful.bitnami_resources if bitnami else stateful.plain_resources
            return Installation(place, members, place.name, (), lambda zones: make(place, members, zones))

"""Lists what the audit wants to know of Kubernetes: what the watches list as well, and the Drain Cleaner's webhook.

Whoever may watch for the daemon may ask all of this (docs/permissions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kafka_sentinel.adapters.kafka_client import Now
from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import FORBIDDEN, ApiError
from kafka_sentinel.adapters.kubernetes.listing import pages, served
from kafka_sentinel.adapters.kubernetes.permissions import INVENTORY
from kafka_sentinel.adapters.kubernetes.resources import KAFKA_VERSIONS, WEBHOOKS
from kafka_sentinel.adapters.kubernetes.survey import MAX_PAGES, PAGE
from kafka_sentinel.adapters.kubernetes.watched import Watched
from kafka_sentinel.adapters.kubernetes.watches import Surroundings, watched
from kafka_sentinel.core.audit.placed import CLEANER, NOT_THERE, Listed
from kafka_sentinel.core.audit.workload import budget_spec, extra, listeners, pod_spec
from kafka_sentinel.core.events import ObjectsListed, WatchBroken
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.objects import Kind, ObjectError, View, parse

NOT_ASKED = frozenset({Kind.EVENT, Kind.NODE_CLAIM})
MAX_UNREADABLE = 10  # objects that cannot be read and are spoken of

Progress = Callable[[str], None]


def survey(api: Api, where: Surroundings, now: Now, progress: Progress = lambda _: None) -> Listed:
    """Return all there is of each resource, and why what is missing could not be listed. Raises nothing for that."""
    found = Listed(Inventory())
    for each in watched(where):
        if each.kind in NOT_ASKED:
            continue
        try:
            views = tuple(_views(api, each, found))
        except ApiError as error:
            found.inventory.take(WatchBroken(now(), each.kind, error.code, str(error), each.scope))
            found.refused[each.kind, each.scope] = (error.code, str(error))
        else:
            found.inventory.take(ObjectsListed(now(), each.kind, views, each.scope))
            progress(f"{len(views)} {each.resource.plural}")
    _look_for_cleaner(api, found)
    return found


def _views(api: Api, each: Watched, found: Listed) -> Iterator[View]:
    for page in pages(api, served(api, each), each, size=PAGE, most=MAX_PAGES):
        for raw in page.get("items") or ():
            try:
                view = parse(each.kind, raw)
                _keep(each.kind, view, raw, found)
            except ObjectError as error:
                if len(found.unreadable) < MAX_UNREADABLE:
                    found.unreadable.append(str(error))
            else:
                yield view


def _keep(kind: Kind, view: View, raw: Json, found: Listed) -> None:
    """Keep of the raw object what the view does not have."""
    match kind:
        case Kind.POD:
            found.pods[view.meta.uid] = pod_spec(raw)
        case Kind.BUDGET:
            found.budgets[view.meta.name] = budget_spec(raw)
        case Kind.KAFKA:
            found.listeners[view.meta.name] = listeners(raw)


def _look_for_cleaner(api: Api, found: Listed) -> None:
    try:
        api.get(WEBHOOKS, CLEANER)
    except ApiError as error:
        if error.code == NOT_THERE:
            found.cleaner = False
        else:
            right = f": grant get on it ({WEBHOOKS.title} {CLEANER})" if error.code in FORBIDDEN else ""
            found.cleaner_gap = f"whether Strimzi's Drain Cleaner is there: {error.code} {error.reason}{right}"
    else:
        found.cleaner = True


def list_extras(api: Api, namespace: str, found: Listed, progress: Progress = lambda _: None) -> None:
    """List what only the inventory asks for. What the server does not know is no gap; what we may not see is one."""
    for kind, resource in INVENTORY.items():
        versions = () if resource.version else KAFKA_VERSIONS
        each = Watched(Kind.KAFKA, resource.within(namespace), versions=versions)
        before = len(found.extras)
        try:
            for page in pages(api, served(api, each), each, size=PAGE, most=MAX_PAGES):
                found.extras += [extra(kind, raw) for raw in page.get("items") or ()]
        except ObjectError as error:
            found.extra_gaps.append(f"{resource.title}: {error}")
        except ApiError as error:
            if error.code != NOT_THERE:
                right = f"; grant list on {resource.title}" if error.code in FORBIDDEN else ""
                where = f"in namespace {namespace}"
                found.extra_gaps.append(f"{resource.title} {where}: {error.code} {error.reason}{right}")
        progress(f"{len(found.extras) - before} {resource.plural}")

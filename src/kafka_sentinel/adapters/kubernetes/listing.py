"""Lists in pages, of the version of a resource that the server has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ANSWER, ApiError
from kafka_sentinel.adapters.kubernetes.resources import Resource
from kafka_sentinel.adapters.kubernetes.watched import Watched


def served(api: Api, watched: Watched) -> Resource:
    """Return the resource in the version to use, asking the server if there is a choice. Raises ApiError."""
    resource = watched.resource
    if not watched.versions:
        return resource
    group = api.call("GET", f"/apis/{resource.group}")
    listed = group.get("versions")
    offered = [one.get("version") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for version in watched.versions:
        if version in offered:
            return replace(resource, version=version)
    raise ApiError("404", "NoVersion", f"{resource.title} are not served as {' or '.join(watched.versions)}")


def pages(api: Api, resource: Resource, watched: Watched, *, size: int, most: int) -> Iterator[Json]:
    """Yield the pages of a list, each of at most `size` objects. Raises ApiError, also for more than `most` pages."""
    query = {**watched.selectors, "limit": str(size)}
    for _ in range(most):
        page = api.list_page(resource, query)
        if not isinstance(page.get("items") or [], list):
            raise ApiError(ANSWER, "NoList", f"{resource.title} were listed as something else than a list")
        yield page
        metadata = page.get("metadata")
        more = metadata.get("continue") if isinstance(metadata, dict) else None
        if not more:
            return
        query["continue"] = str(more)
    raise ApiError(ANSWER, "TooMany", f"{resource.title} fill more than {most} pages")

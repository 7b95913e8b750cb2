"""The questions `check` asks the API server: what is there, and what we may not do."""

from __future__ import annotations

from collections.abc import Iterator

from kafka_sentinel.adapters.kafka_client import Now
from kafka_sentinel.adapters.kubernetes.access_review import Answer, Places, ask
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.listing import pages, served
from kafka_sentinel.adapters.kubernetes.watched import Watched
from kafka_sentinel.adapters.kubernetes.watches import Surroundings, watched
from kafka_sentinel.core.events import ObjectsListed, WatchBroken
from kafka_sentinel.core.kubernetes.objects import ObjectError, View, parse

PAGE = 250  # objects asked for at once
MAX_PAGES = 80


class KubernetesAnswers:
    def __init__(self, api: Api, where: Surroundings, places: Places, *, now: Now) -> None:
        self._api = api
        self._where = where
        self._places = places
        self._now = now

    @property
    def server(self) -> str:
        return self._api.server

    def refusals(self) -> Iterator[Answer]:
        """Yield what we may not do, of what the table of permissions has. Raises ApiError."""
        return (answer for answer in ask(self._api, self._places) if not answer.allowed)

    def survey(self) -> Iterator[ObjectsListed | WatchBroken]:
        """Yield all there is of each resource that is watched, or why it cannot be listed."""
        for each in watched(self._where):
            try:
                views = tuple(self._list(each))
            except ApiError as error:
                yield WatchBroken(self._now(), each.kind, error.code, str(error), each.scope)
            else:
                yield ObjectsListed(self._now(), each.kind, views, each.scope)

    def _list(self, each: Watched) -> Iterator[View]:
        """Yield the objects; those that cannot be read are left out."""
        for page in pages(self._api, served(self._api, each), each, size=PAGE, most=MAX_PAGES):
            for raw in page.get("items") or ():
                try:
                    yield parse(each.kind, raw)
                except ObjectError:
                    continue

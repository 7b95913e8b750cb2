"""A small API server of real objects: it creates, reads and replaces them as Kubernetes does, by resourceVersion."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube_api.server import Answer, Asked, refuse, say


class Store:
    """`script.world = store` lets it answer whatever is not written down otherwise."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}  # by path
        self.version = 100
        self.before: dict[str, list[Any]] = {}  # method → what to do before such a request, each once

    def put(self, path: str, raw: dict[str, Any]) -> dict[str, Any]:
        """Write an object as somebody else would."""
        self.version += 1
        stored = copy.deepcopy(raw)
        stored.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        self.objects[path] = stored
        return stored

    def annotate(self, path: str, **annotations: str | None) -> None:
        raw = copy.deepcopy(self.objects[path])
        found = raw["metadata"].setdefault("annotations", {})
        for key, value in annotations.items():
            name = f"kafka-sentinel.io/{key.replace('_', '-')}"
            if value is None:
                found.pop(name)
            else:
                found[name] = value
        self.put(path, raw)

    def __call__(self, asked: Asked) -> Answer | None:
        if self.before.get(asked.method):
            self.before[asked.method].pop(0)()
        match asked.method:
            case "POST":
                path = f"{asked.path}/{asked.body['metadata']['name']}"
                if path in self.objects:
                    return refuse(409, "AlreadyExists", "it exists")
                return say(self.put(path, asked.body), 201)
            case "GET":
                return say(self.objects[asked.path]) if asked.path in self.objects else refuse(404, "NotFound")
            case "PUT":
                return self._replace(asked)
        return None

    def _replace(self, asked: Asked) -> Answer:
        found = self.objects.get(asked.path)
        if found is None:
            return refuse(404, "NotFound")
        if asked.body["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return refuse(409, "Conflict", "the object has been modified")
        return say(self.put(asked.path, asked.body))

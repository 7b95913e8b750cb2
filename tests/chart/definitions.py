"""What custom resources have to be, by their definitions."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator


def schema(definition: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the schema of a resource, in which no key may be unknown but where its definition itself takes any."""
    (found,) = (
        each["schema"]["openAPIV3Schema"]
        for each in definition["spec"]["versions"]
        if each["name"] == version and each["served"]
    )
    _close(found)
    found["properties"]["metadata"] = {"type": "object"}
    return found


def faults(schema: dict[str, Any], one: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(one)]


def _close(below: object) -> None:
    if isinstance(below, list):
        for each in below:
            _close(each)
    if isinstance(below, dict):
        if isinstance(below.get("properties"), dict) and not below.get("x-kubernetes-preserve-unknown-fields"):
            below["additionalProperties"] = False
        for each in below.values():
            _close(each)

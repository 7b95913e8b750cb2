"""The keys of the configuration as a list: for the environment, for error messages and for the documentation."""

from __future__ import annotations

import json
import types
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeGuard, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from kafka_sentinel.core.durations import format_duration
from kafka_sentinel.settings.base import Duration, Words
from kafka_sentinel.settings.model import ENV_DELIMITER, ENV_PREFIX, Settings

PLAIN: dict[object, str] = {
    str: "text",
    bool: "true or false",
    Path: "a file path",
    SecretStr: "text (secret)",
    dict[str, str]: "a map from text to text",
}
NUMBERS: dict[object, str] = {int: "whole number", float: "number"}


class Key(NamedTuple):
    path: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        return ENV_PREFIX + ENV_DELIMITER.join(self.path).upper()

    @property
    def is_structured(self) -> bool:
        """True for lists and maps, which a variable gives as JSON."""
        return get_origin(without_none(self.field.annotation)) in (list, dict)


def without_none(annotation: object) -> object:
    """Return X of "X or null"."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [item for item in get_args(annotation) if item is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a section, or None for a plain key."""
    return field.annotation if is_model(field.annotation) else None


def item_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the items of a list of sections, or None."""
    annotation = without_none(field.annotation)
    item = get_args(annotation)[0] if get_origin(annotation) is list else None
    return item if is_model(item) else None


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model under the names people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def keys(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> list[Key]:
    """Return every plain key below `model`, in order."""
    found: list[Key] = []
    for name, field in fields_of(model).items():
        section = section_of(field)
        here = (*path, name)
        found.extend(keys(section, here) if section is not None else [Key(here, field)])
    return found


@cache
def variables() -> dict[str, Key]:
    """Return the name of every environment variable that means something → its key."""
    return {key.variable: key for key in keys()}


def allowed(field: FieldInfo) -> str:
    """Say in words what a key takes."""
    annotation = without_none(field.annotation)
    words = _words(annotation, field.metadata)
    return words if annotation is field.annotation else f"{words}, or null"


def _words(annotation: object, metadata: list[object]) -> str:
    marks = list(metadata)
    while hasattr(annotation, "__metadata__"):
        marks.extend(annotation.__metadata__)
        annotation = get_args(annotation)[0]
    said = next((mark for mark in marks if isinstance(mark, Duration | Words)), None)
    if said is not None:
        return str(said)
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(str(item) for item in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "one of " + ", ".join(annotation)
    if origin is list:
        (item,) = get_args(annotation)
        return f"a list of{_length(marks)} {'sections' if is_model(item) else f'items, each {_words(item, [])}'}"
    if annotation is str and (limit := _length(marks)):
        return f"text of{limit} characters"
    return _bounds(marks, NUMBERS[annotation]) if annotation in NUMBERS else PLAIN[annotation]


def _length(marks: list[object]) -> str:
    return next((f" at most {mark.max_length}" for mark in marks if isinstance(mark, MaxLen)), "")


def _bounds(marks: list[object], kind: str) -> str:
    low = next(mark.ge for mark in marks if isinstance(mark, Ge))
    high = next(mark.le for mark in marks if isinstance(mark, Le))
    return f"a {kind} from {low} to {high}"


def default(field: FieldInfo) -> str:
    """Return the default as it would be written in the file; empty if the key must be given."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if any(isinstance(mark, Duration) for mark in field.metadata):
        return format_duration(value)
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else str(value)

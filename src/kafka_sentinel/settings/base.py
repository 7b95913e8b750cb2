"""What the sections of the configuration are made of: a strict base model, durations, topic names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from kafka_sentinel.core.durations import UNITS, format_duration

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


def parse_duration(value: object) -> float:
    """Return seconds, of "250ms", "30s", "5m", "1h", "7d", or a number of seconds. Raises ValueError for the rest."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and (match := DURATION.fullmatch(value.strip())):
        return float(match[1]) * UNITS[match[2] or "s"]
    raise ValueError("not a duration")


@dataclass(frozen=True, slots=True)
class Duration:
    """Marks a float of seconds that is written as a duration and lies in [low, high]."""

    low: float
    high: float

    def __str__(self) -> str:
        return f'a duration ("30s", "5m", "1h") from {format_duration(self.low)} to {format_duration(self.high)}'

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(format_duration, when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "string", "pattern": f"^{DURATION.pattern}$"},
                {"type": "number", "minimum": self.low, "maximum": self.high},
            ]
        }

    def _validate(self, value: object) -> float:
        seconds = parse_duration(value)
        if not self.low <= seconds <= self.high:
            raise ValueError("out of range")
        return seconds


class Words(str):
    """Says, as metadata of a text key, what it takes: for error messages and documentation."""

    __slots__ = ()


class Section(BaseModel):
    """A section of the configuration: immutable, knows exactly its keys, and never repeats its input in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _topic_name(value: str) -> str:
    if not TOPIC_NAME.fullmatch(value) or value in {".", ".."}:
        raise ValueError("not a topic name")
    return value


TopicName = Annotated[str, AfterValidator(_topic_name), Words("1 to 249 of the characters A-Z a-z 0-9 . _ -")]


def text_values(value: object) -> object:
    """Turn numbers and booleans of YAML into the text that the values of a map are."""
    if not isinstance(value, dict):
        return value
    return {key: _scalar_text(item) for key, item in value.items()}


def _scalar_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value

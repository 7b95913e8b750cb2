"""A report as JSON: every number of it, under the names of the code; `schema` says which names those are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, tzinfo
from enum import Enum
from typing import Any

from kafka_sentinel.core.report.report import MSK_SLA, SCHEMA, Report

DIGITS = 9  # of a fraction: more would be noise of the arithmetic


def as_json(report: Report) -> str:
    document = {"schema": SCHEMA, "msk_sla_percent": MSK_SLA, **plain(report)}
    if not any(report.explained.values()):  # nobody gave findings, or none fits
        del document["explained"]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return what JSON can hold of a value."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, frozenset):
        return sorted(map(plain, value))
    return _whole(value)


def _whole(value: object) -> Any:  # noqa: ANN401 - as above
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return str(value) if isinstance(value, date | tzinfo) else value

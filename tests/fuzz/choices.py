"""Decisions read from bytes, so that a fuzzer that changes bytes changes decisions; and changes of JSON made so."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

MAX_CHANGES = 6  # of one document: more drown each other
MOST_PLACES = 5_000  # in one that is changed again: lists that grow by hundreds would fill the memory
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**18,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "0",
    "NaN",
    "true",
    "all",
    "x" * 10_000,
    "\x1b[31m\r\n",
    "\x00",
    "\ud800",
    "\u202eRTL",
    "{{ 7 }}</script>`$(id)`'\"",
    "9999-12-31T23:59:59.999999+00:00",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z",
    [],
    [[]],
    [None],
    [0],
    [0, 0],
    [0, 10**18],
    [-1, 5],
    {},
    {"": ""},
    {"name": None},
)


class Choices:
    """Reads `data` from its start; when it is used up, every decision is the first one there is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def byte(self) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1."""
        number = self.byte()
        if limit > 256:
            number = number << 8 | self.byte()
        return number % limit

    def pick(self, among: Sequence[T]) -> T:
        return among[self.below(len(among))]

    def number(self) -> int:
        """Return a whole number of 64 bits, negative or not."""
        return int.from_bytes(self.rest(8), signed=True)

    def rest(self, most: int | None = None) -> bytes:
        """Return what is left, or `most` bytes of it."""
        end = len(self._data) if most is None else min(self._at + most, len(self._data))
        taken, self._at = self._data[self._at : end], end
        return taken

    def text(self, most: int = 40) -> str:
        """Return a text of fewer than `most` bytes; some have halves of a character, as JSON may have them."""
        text = self.rest(self.below(most)).decode("utf-8", "replace")
        return text.replace("\ufffd", "\ud800") if self.byte() & 1 else text


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything in a document."""
    found, waiting = [], [document]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list):
                waiting.append(one[key])
    return found


def _deep(leaf: Any, levels: int) -> Any:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


def changed(document: Any, choices: Choices) -> Any:
    """Return a copy of a JSON document, a few places of which were made wrong, odd or huge, swapped or dropped."""
    document = copy.deepcopy(document)
    for _ in range(1 + choices.below(MAX_CHANGES)):
        places = _places(document)
        if not choices.left or not 0 < len(places) < MOST_PLACES:
            break
        container, key = choices.pick(places)
        _change(container, key, choices, places)
    return document


def _change(container: Any, key: Any, choices: Choices, places: list[tuple[Any, Any]]) -> None:
    if choices.byte() & 1:
        container[key] = _alike(container[key], choices, places)
    else:
        _break(container, key, choices, places)


def _alike(value: Any, choices: Choices, places: list[tuple[Any, Any]]) -> Any:
    """Return another value of the same kind: what a slip of the hand leaves, and what no check of kinds finds."""
    match value:
        case bool():
            return not value
        case int() | float() if choices.byte() & 1:
            return value + choices.pick((1, -1, 2, -2, 10, -10, 1_000, 10**6, 10**9, 2**62))
        case list() if value:
            changes = (value[1:], value[:-1], [*value, copy.deepcopy(value[0])], value[::-1], [])
            return choices.pick(changes)
        case dict() if value:
            gone = choices.pick(list(value))
            return {name: each for name, each in value.items() if name != gone}
        case _:
            others = [there[name] for there, name in places if _is_there(there, name)]
            alike = [other for other in others if type(other) is type(value)]
            return copy.deepcopy(choices.pick(alike)) if alike else value


def _break(container: Any, key: Any, choices: Choices, places: list[tuple[Any, Any]]) -> None:
    value = container[key]
    match choices.below(12):
        case 0 | 1 | 2:
            container[key] = copy.deepcopy(choices.pick(ODD))
        case 3:
            del container[key]
        case 4:
            other, name = choices.pick(places)
            container[key] = copy.deepcopy(other[name]) if _is_there(other, name) else None
        case 5 if isinstance(value, int | float) and not isinstance(value, bool):
            container[key] = value + choices.pick((-1, 1, 2, 10, 1_000, 10**9, -(10**9)))
        case 6:
            container[key] = choices.number()
        case 7:
            container[key] = choices.text()
        case 8 if isinstance(value, list) and value:
            container[key] = value + [copy.deepcopy(choices.pick(value))] * choices.pick((1, 2, 300))
        case 9 if isinstance(container, dict):
            container[choices.text()] = value
        case 10 if isinstance(value, list):
            value.reverse()
        case 11 if choices.below(8) == 0:
            container[key] = _deep(value, choices.pick((10, 100, 900)))
        case _:
            container[key] = [value]


def _is_there(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)

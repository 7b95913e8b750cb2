"""Reading raw Kubernetes JSON: what is absent or null is None or empty, what is of a wrong type is an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from reprlib import Repr

from kafka_sentinel.core.text import one_line

MAX_ERROR = 500  # characters of an error
MAX_WHOLE = 2**63  # one more than the largest whole number the API knows
MAX_FOUND = 60  # characters of a wrong value that an error shows
MAX_TEXT = 400  # characters kept of messages that others wrote
SHOWN = Repr()
SHOWN.maxlevel = 2


class ObjectError(ValueError):
    """An object that is not what its kind says; the message names object, field and what was found, on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, MAX_ERROR))  # names of objects and keys are what others wrote


class Fields:
    """The fields of one JSON object. `name` says which Kubernetes object it belongs to, `path` where in it."""

    __slots__ = ("_name", "_path", "_raw")

    def __init__(self, raw: object, name: str, path: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise ObjectError(f"{name}: {path or 'it'} should be an object, found {_found(raw)}")
        self._raw, self._name, self._path = raw, name, path

    def __contains__(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def at(self, key: str) -> Fields:
        """Return the object at `key`; an empty one if there is none."""
        return Fields({} if self._raw.get(key) is None else self._raw[key], self._name, self._at(key))

    def each(self, key: str) -> list[Fields]:
        """Return the objects of the list at `key`."""
        return [Fields(item, self._name, f"{self._at(key)}[{n}]") for n, item in enumerate(self._list(key))]

    def required(self, key: str) -> str:
        text = self.text(key)
        if not text:
            raise ObjectError(f"{self._name}: {self._at(key)} is missing")
        return text

    def text(self, key: str) -> str | None:
        value = self._raw.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return value

    def message(self, key: str) -> str:
        """Return a text meant for people, shortened."""
        return (self.text(key) or "")[:MAX_TEXT]

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        text = self.required(key)
        if text not in allowed:
            raise self._wrong(key, "one of " + ", ".join(allowed), text)
        return text

    def whole(self, key: str) -> int | None:
        value = self._raw.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._wrong(key, "a whole number", value)
        if value is not None and not -MAX_WHOLE <= value < MAX_WHOLE:
            raise self._wrong(key, "a whole number of 64 bits", value)
        return value

    def flag(self, key: str) -> bool:
        value = self._raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return bool(value)

    def time(self, key: str) -> float | None:
        """Return an RFC 3339 instant as seconds of the wall clock."""
        text = self.text(key)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise self._wrong(key, "an RFC 3339 instant", text)
        return instant.timestamp()

    def texts(self, key: str) -> dict[str, str]:
        """Return a map from strings to strings."""
        values: Mapping[object, object] = {} if self._raw.get(key) is None else self._raw[key]
        if not isinstance(values, Mapping):
            raise self._wrong(key, "an object", values)
        texts = {}
        for name, value in values.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise self._wrong(f"{key}[{name}]", "a string", value)
            texts[name] = value
        return texts

    def text_list(self, key: str) -> tuple[str, ...]:
        values = self._list(key)
        for value in values:
            if not isinstance(value, str):
                raise self._wrong(key, "a list of strings", value)
        return tuple(values)

    def _list(self, key: str) -> list[str]:
        value = self._raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return value

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _wrong(self, key: str, wanted: str, value: object) -> ObjectError:
        return ObjectError(f"{self._name}: {self._at(key)} should be {wanted}, found {_found(value)}")


def _found(value: object) -> str:
    """Say what was found; of something large only its beginning is looked at."""
    shown = repr(value[:MAX_FOUND]) if isinstance(value, str) else SHOWN.repr(value)
    return f"{type(value).__name__} {shown:.{MAX_FOUND}}"

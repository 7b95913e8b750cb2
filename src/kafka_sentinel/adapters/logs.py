"""Sentinel's log: one line per event on standard error, readable on a terminal, JSON elsewhere, secrets never.

Everything is written by structlog. What libraries write through `logging` passes the same way, from warnings upwards.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from kafka_sentinel.core.text import one_line
from kafka_sentinel.settings import LogSettings

MASK = "**********"
SECRET_KEY = re.compile(r"password|passwd|secret|token|credential", re.IGNORECASE)
FIRST = ("timestamp", "level", "event")
MAX_TEXT = 4_000  # characters of one value; a longer one is cut, so that no line grows without bound
MAX_DEPTH = 6  # of lists and maps inside a value; deeper ones are written as text
_tidy: deque[_Tidy] = deque(maxlen=1)  # of the log as it is set up
_hidden: deque[str] = deque(maxlen=32)  # besides those of the configuration
FRAMES = 12  # of a traceback, the innermost


def configure(settings: LogSettings, *, secrets: Sequence[str] = (), stream: TextIO | None = None) -> None:
    """Set up the log of the process. `secrets` are replaced wherever they occur, even inside other text."""
    stream = stream if stream is not None else sys.stderr
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    level = cast("int", getattr(logging, settings.level.upper()))
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _flatten_exception,
        _set_tidy(_Tidy(secrets)),
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    _bridge(
        [*shared, structlog.stdlib.ProcessorFormatter.remove_processors_meta, last], max(level, logging.WARNING), stream
    )


def get_logger() -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger())


def write(level: str, event: str, fields: Mapping[str, object]) -> None:
    """Write one line that the engine asked for (`core.commands.Log`)."""
    named = {f"{key}_" if key in FIRST else key: value for key, value in fields.items()}
    cast("Any", getattr(get_logger(), level))(event, **named)


def _bridge(processors: Sequence[Processor], level: int, stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors, foreign_pre_chain=[_name_library]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def _name_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["library"] = event["_record"].name.partition(".")[0]
    return event


def _flatten_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn exception information into two short texts: a log line must stay one line."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1]
    if given and error is not None:
        event["raised"] = f"{type(error).__name__}: {error}"
        event["traceback"] = _frames(error)
    return event


def _frames(error: BaseException) -> str:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(frames[-FRAMES:])


def hide(secrets: Sequence[str]) -> None:
    """Replace these too from now on: passwords that were changed while the process runs. The latest are remembered."""
    _hidden.extend(secret for secret in secrets if secret and secret not in _hidden)


def masked(text: str) -> str:
    """Return a text of several lines without the secrets, for what is not written through the log."""
    return _tidy[-1].mask(text) if _tidy else text


def _set_tidy(tidy: _Tidy) -> _Tidy:
    _tidy.append(tidy)
    return tidy


class _Tidy:
    """Masks secrets, keeps every value on one line and cuts those that are too long."""

    def __init__(self, secrets: Sequence[str]) -> None:
        ordered = sorted({secret for secret in secrets if secret}, key=len, reverse=True)  # the longest that fits wins
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        ordered = {**{key: event[key] for key in FIRST if key in event}, **event}
        return {key: value if key.startswith("_") else self._entry(key, value, 0) for key, value in ordered.items()}

    def _entry(self, key: str, value: object, depth: int) -> object:
        return MASK if SECRET_KEY.search(key) and value is not None else self._value(value, depth)

    def _value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < MAX_DEPTH and isinstance(value, dict):
            return {self._text(str(key)): self._entry(str(key), item, depth + 1) for key, item in value.items()}
        if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._value(item, depth + 1) for item in value]
        return self._text(str(value))

    def mask(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        for secret in tuple(_hidden):
            text = text.replace(secret, MASK)
        return text

    def _text(self, text: str) -> str:
        text = self.mask(text)
        if len(text) > MAX_TEXT:
            text = f"{text[:MAX_TEXT]}… ({len(text)} characters)"
        return one_line(text)

"""Where frames go: the live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from kafka_sentinel.core.text import one_line
from kafka_sentinel.demo.frame import Frame
from kafka_sentinel.demo.journal import Journal
from kafka_sentinel.demo.lines import Lines
from kafka_sentinel.demo.view import render


class Screen(Protocol):
    def show(self, frame: Frame) -> None: ...


class LiveScreen:
    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live

    def show(self, frame: Frame) -> None:
        self._live.update(render(frame, self._console.height), refresh=True)


@contextmanager
def screen(console: Console, journal: Journal, *, live: bool) -> Iterator[Screen]:
    """Give a live view if that is wanted and can be, else plain lines."""
    if not live or not console.is_terminal or console.is_dumb_terminal:
        yield Lines(lambda line: print(one_line(line), flush=True))  # noqa: T201 - this is what the command is for
        return
    with journal.takes_stderr(), Live(console=console, screen=True, auto_refresh=False) as view:
        yield LiveScreen(console, view)

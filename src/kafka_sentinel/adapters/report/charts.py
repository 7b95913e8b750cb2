"""Charts as inline SVG: no script, no font, no address; colours are those of the page's palette, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from kafka_sentinel.core.text import one_line

WIDTH, ROW, LEFT, RIGHT = 720, 26, 150, 70  # px of the drawing, which scales to the width there is
PLOT = 240  # px, height of what is drawn over time
PAD = 34
NEAR = 3.0  # times the worst value: an objective that is further away is not drawn


@dataclass(frozen=True, slots=True)
class Bar:
    """`value` as a bar, `worst` as a line to its right; the `mark` is where an objective lies."""

    name: str
    value: float
    worst: float
    mark: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    title: str
    note: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Dot:
    """`at` from 0 to 1, left to right; `tone`: good, bad or unsure; `said`: what it is, for who points at it."""

    at: float
    value: float
    tone: str
    said: str


@dataclass(frozen=True, slots=True)
class Dots:
    """Values over time, from 0 up. `line`: an objective; `first` and `last`: what the ends of the time are called."""

    title: str
    note: str
    unit: str
    dots: Sequence[Dot]
    line: float | None
    first: str
    last: str


Chart = Bars | Dots


def safe(text: str) -> str:
    """Return text for a document or an attribute in it: nothing of it is markup, ends a line or cannot be seen."""
    return escape(one_line(" ".join(text.split())))


def svg(chart: Chart) -> str:
    drawing, height = _bars(chart.bars) if isinstance(chart, Bars) else _dots(chart)
    name = safe(f"{chart.title}. {chart.note}")
    return "\n".join([f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">', *drawing, "</svg>"])


def _bars(bars: Sequence[Bar]) -> tuple[list[str], int]:
    marks = [bar.mark for bar in bars if bar.mark is not None and bar.mark <= NEAR * bar.worst]
    top = max([*(bar.worst for bar in bars), *marks], default=0.0) or 1.0
    drawing = [line for index, bar in enumerate(bars) for line in _bar(bar, index * ROW + 4, top)]
    return drawing, ROW * len(bars) + 8


def _bar(bar: Bar, y: int, top: float) -> Iterator[str]:
    scale = (WIDTH - LEFT - RIGHT) / top
    median, worst = LEFT + bar.value * scale, LEFT + bar.worst * scale
    late = " late" if bar.mark is not None and bar.worst > bar.mark else ""
    yield f'<text x="{LEFT - 8}" y="{y + 13}" class="name">{safe(bar.name)}</text>'
    yield f'<rect x="{LEFT}" y="{y + 3}" width="{_px(max(median - LEFT, 1))}" height="12" class="bar{late}"/>'
    yield f'<path d="M{_px(median)} {y + 9}H{_px(worst)}M{_px(worst)} {y + 3}v12" class="whisker{late}"/>'
    if bar.mark is not None and bar.mark <= top:
        yield f'<path d="M{_px(LEFT + bar.mark * scale)} {y}v18" class="mark"/>'
    yield f'<text x="{_px(worst + 6)}" y="{y + 13}">{safe(bar.text)}</text>'


def _dots(chart: Dots) -> tuple[list[str], int]:
    line = [] if chart.line is None else [chart.line]
    top = nice(max([*(dot.value for dot in chart.dots), *line], default=1.0))
    left, right, base = 64, WIDTH - 16, PLOT - PAD

    def y(value: float) -> str:
        return _px(base - (base - 12) * value / top)

    drawing = []
    for share in (0.0, 0.5, 1.0):
        name = f"{top * share:g} {safe(chart.unit)}"
        drawing.append(f'<path d="M{left} {y(top * share)}H{right}" class="rule"/>')
        drawing.append(f'<text x="{left - 8}" y="{y(top * share)}" dy="4" class="name">{name}</text>')
    drawing += [f'<path d="M{left} {y(each)}H{right}" class="mark"/>' for each in line]
    for dot in chart.dots:
        place = f'cx="{_px(left + 8 + (right - left - 16) * dot.at)}" cy="{y(dot.value)}"'
        drawing.append(f'<circle {place} r="5" class="dot {dot.tone}"><title>{safe(dot.said)}</title></circle>')
    drawing.append(f'<text x="{left}" y="{PLOT - 10}">{safe(chart.first)}</text>')
    drawing.append(f'<text x="{right}" y="{PLOT - 10}" class="name">{safe(chart.last)}</text>')
    return drawing, PLOT


def nice(value: float) -> float:
    """Return the least of 1, 2, 5, 10, 20, … that is not below a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value - 1e-9)


def _px(value: float) -> str:
    return f"{value:.1f}"


def over_time(moments: Sequence[float]) -> list[float]:
    """Return where moments lie between the first of them (0) and the last (1)."""
    first, last = min(moments, default=0.0), max(moments, default=0.0)
    return [(each - first) / (last - first) if last > first else 0.5 for each in moments]

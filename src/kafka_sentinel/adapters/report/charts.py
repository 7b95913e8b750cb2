"""Charts as inline SVG: no script, no font, no address; colours are those of the page's palette, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT = 720, 26, 150, 70  # px of the drawing, which scales to the width there is
PLOT = 240  # px, height of what is drawn over time
PAD = 34


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


def svg(chart: Chart) -> str:
    drawing, height = (
        (_bars(chart.bars), ROW * len(chart.bars) + 8) if isinstance(chart, Bars) else (_dots(chart), PLOT)
    )
    head = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(chart.title)}. {escape(chart.note)}">'
    return "\n".join([head, *drawing, "</svg>"])


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    top = max(
        [
            *(bar.worst for bar in bars),
            *(bar.mark for bar in bars if bar.mark is not None and bar.mark <= 3 * bar.worst),
        ]
    )
    scale = (WIDTH - LEFT - RIGHT) / (top or 1.0)
    for index, bar in enumerate(bars):
        y = index * ROW + 4
        long, wide = LEFT + bar.value * scale, LEFT + bar.worst * scale
        late = " late" if bar.mark is not None and bar.worst > bar.mark else ""
        yield f'<text x="{LEFT - 8}" y="{y + 13}" class="name">{escape(bar.name)}</text>'
        yield f'<rect x="{LEFT}" y="{y + 3}" width="{_px(max(long - LEFT, 1))}" height="12" class="bar{late}"/>'
        yield f'<path d="M{_px(long)} {y + 9}H{_px(wide)}M{_px(wide)} {y + 3}v12" class="whisker{late}"/>'
        if bar.mark is not None and bar.mark <= top:
            yield f'<path d="M{_px(LEFT + bar.mark * scale)} {y}v18" class="mark"/>'
        yield f'<text x="{_px(wide + 6)}" y="{y + 13}">{escape(bar.text)}</text>'


def _dots(chart: Dots) -> Iterator[str]:
    top = nice(
        max([*(dot.value for dot in chart.dots), *([chart.line] if chart.line is not None else [])], default=1.0)
    )
    base, left, right = PLOT - PAD, 64, WIDTH - 16

    def y(value: float) -> str:
        return _px(base - (base - 12) * value / top)

    for share in (0.0, 0.5, 1.0):
        yield f'<path d="M{left} {y(top * share)}H{right}" class="rule"/>'
        yield f'<text x="{left - 8}" y="{y(top * share)}" dy="4" class="name">{top * share:g} {escape(chart.unit)}</text>'
    if chart.line is not None:
        yield f'<path d="M{left} {y(chart.line)}H{right}" class="mark"/>'
    for dot in chart.dots:
        x = _px(left + (right - left) * dot.at)
        yield f'<circle cx="{x}" cy="{y(dot.value)}" r="5" class="dot {dot.tone}"><title>{escape(dot.said)}</title></circle>'
    yield f'<text x="{left}" y="{PLOT - 10}">{escape(chart.first)}</text>'
    yield f'<text x="{right}" y="{PLOT - 10}" class="name">{escape(chart.last)}</text>'


def nice(value: float) -> float:
    """Return the least of 1, 2, 5, 10, 20, … that is not below a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value - 1e-9)


def _px(value: float) -> str:
    return f"{value:.1f}"


def over_time(instants: Iterable[float], first: float, last: float) -> list[float]:
    """Return where instants lie between `first` (0) and `last` (1)."""
    length = max(last - first, 1.0)
    return [min(max((each - first) / length, 0.0), 1.0) for each in instants]

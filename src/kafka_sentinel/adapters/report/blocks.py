"""What a report is made of when it is read: headings, sentences, tables, charts. Text in `…` is code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka_sentinel.adapters.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Points:
    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """`caption`: what it shows, for who cannot see it. Cells after the first column are figures where `figures`."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict: `word` is one of three, `tone` good, bad or unsure."""

    word: str
    tone: str
    reasons: Sequence[str]


Block = Heading | Paragraph | Points | Table | Answer | Chart


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    blocks: Sequence[Block]

"""A report as Markdown. Charts are left out: each shows what a table beside it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kafka_sentinel.adapters.report.blocks import Answer, Block, Document, Heading, Paragraph, Points, Table
from kafka_sentinel.core.text import one_line

SPECIAL = re.compile(r"([\\*_\[\]<>|#~`&!])")
CODE = re.compile(r"((?<!`)`[^`]+`(?!`))")  # backticks beside each other are none of ours


def markdown(document: Document) -> str:
    return (
        "\n".join([f"# {_text(document.title)}", *(line for block in document.blocks for line in _lines(block))]) + "\n"
    )


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text=text):
            yield from ("", f"## {_text(text)}")
        case Paragraph(text=text):
            yield from ("", _text(text))
        case Points(items=items):
            yield from ("", *(f"- {_text(item)}" for item in items))
        case Answer(word=word, reasons=reasons):
            yield from ("", f"**{_text(word)}**", "", *(f"- {_text(reason)}" for reason in reasons))
        case Table(caption=caption, head=head, rows=rows, figures=figures):
            rules = ["---", *("---:" if figures else "---" for _ in head[1:])]
            yield from ("", f"{_text(caption)}:", "", _row(head), f"|{'|'.join(rules)}|", *map(_row, rows))
        case _:
            pass


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def _text(text: str) -> str:
    """Return text that means itself, on one line; what stands between backticks stays code."""
    parts = CODE.split(one_line(" ".join(text.split())))
    return "".join(part.replace("|", "\\|") if CODE.fullmatch(part) else SPECIAL.sub(r"\\\1", part) for part in parts)

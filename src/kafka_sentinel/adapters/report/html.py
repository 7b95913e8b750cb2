"""A report as one HTML file that loads nothing: it can be mailed, kept, and opened years later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from kafka_sentinel.adapters.report.blocks import Answer, Block, Document, Heading, Paragraph, Points, Table
from kafka_sentinel.adapters.report.charts import Bars, Dots, safe, svg

CODE = re.compile(r"`([^`]*)`")
LONG = 40  # characters of a cell from which it may be broken over lines
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(document: Document) -> str:
    style = files("kafka_sentinel.adapters.report").joinpath("report.css").read_text(encoding="utf-8").strip()
    return (
        "\n".join(
            [
                "<!doctype html>",
                '<html lang="en">',
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                f"<title>{safe(document.title)}</title>",
                f"<style>\n{style}\n</style>",
                "</head>",
                "<body>",
                "<main>",
                f"<h1>{safe(document.title)}</h1>",
                *(line for block in document.blocks for line in _lines(block)),
                "</main>",
                "</body>",
                "</html>",
            ]
        )
        + "\n"
    )


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text=text):
            yield f"<h2>{_text(text)}</h2>"
        case Paragraph(text=text):
            yield f"<p>{_text(text)}</p>"
        case Points(items=items):
            yield from _list(items)
        case Answer(word=word, tone=tone, reasons=reasons):
            yield f'<div class="answer {tone}">'
            yield f'<p class="word">{_text(word)}</p>'
            yield from _list(reasons)
            yield "</div>"
        case Table():
            yield from _table(block)
        case Bars() | Dots():
            caption = f"<figcaption><b>{_text(block.title)}</b> {_text(block.note)}</figcaption>"
            region = f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(block.title)}">'
            yield from ("<figure>", caption, region, svg(block), "</div>", "</figure>")


def _list(items: Sequence[str]) -> Iterator[str]:
    yield from ("<ul>", *(f"<li>{_text(item)}</li>" for item in items), "</ul>")


def _table(table: Table) -> Iterator[str]:
    kind = ' class="figures"' if table.figures else ""
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(table.caption)}">'
    yield f"<table{kind}>"
    yield f"<caption>{_text(table.caption)}</caption>"
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.head)
    yield f"<thead><tr>{head}</tr></thead>"
    yield "<tbody>"
    for first, *rest in table.rows:
        cells = "".join(map(_cell, rest))
        yield f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>'
    yield from ("</tbody>", "</table>", "</div>")


def _cell(text: str) -> str:
    kind = ' class="long"' if len(text) > LONG else ""
    return f"<td{kind}>{_text(text)}</td>"


def _text(text: str) -> str:
    return CODE.sub(r"<code>\1</code>", safe(text))

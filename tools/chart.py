"""Keeps the chart in step with the program: `python tools/chart.py --write` (or `--check`).

In values.schema.json, the definitions of the chart's own values are written by hand; those with a capital letter are
the model of the configuration. In README.md, the table of values is made from the comments of values.yaml.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kafka_sentinel.settings import Settings

CHART = Path(__file__).resolve().parents[1] / "helm" / "kafka-sentinel"
BEGIN, END = "<!-- values: made from values.yaml -->", "<!-- end of values -->"
KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9_]+):(?: |$)")


class Value(NamedTuple):
    path: tuple[str, ...]
    default: Any
    meaning: str


def schema(text: str) -> str:
    """Return the schema of the values with the model of the configuration as it is now."""
    document = json.loads(text)
    own = {name: each for name, each in document["$defs"].items() if name[0].islower()}
    model = Settings.model_json_schema(ref_template="#/$defs/{model}")
    sections = model.pop("$defs")
    document["$defs"] = own | {name: sections[name] for name in sorted(sections)} | {"Settings": model}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def values(text: str) -> Iterator[Value]:
    """Yield each key of values.yaml that has a comment just above it."""
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        found = KEY.match(line)
        if found is not None:
            path[len(found["indent"]) // 2 :] = [found["key"]]
            if comment:
                default = defaults
                for step in path:
                    default = default[step]
                yield Value(tuple(path), default, " ".join(comment))
        comment = []


def readme(text: str, of_values: str) -> str:
    """Return the README with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [
        f"| `{'.'.join(value.path)}` | `{json.dumps(value.default)}` | {value.meaning.replace('|', chr(92) + '|')} |"
        for value in values(of_values)
    ]
    return "\n".join([f"{before}{BEGIN}", "| key | default | meaning |", "|---|---|---|", *rows, f"{END}{after}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write both files")
    mode.add_argument("--check", action="store_true", help="exit 1 if one is not what would be written")
    given = parser.parse_args()
    of_values = (CHART / "values.yaml").read_text(encoding="utf-8")
    stale = []
    for file, fresh in (
        (CHART / "values.schema.json", schema),
        (CHART / "README.md", lambda text: readme(text, of_values)),
    ):
        text = file.read_text(encoding="utf-8")
        wanted = fresh(text)
        if given.write:
            file.write_text(wanted, encoding="utf-8")
        elif text != wanted:
            stale.append(file.name)
    if stale:
        print(f"not current: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

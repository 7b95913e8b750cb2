"""Makes the pages of docs/ that follow from the code: `python -m kafka_sentinel.docs_gen --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from kafka_sentinel.adapters.audit_docs import render_docs as render_audit
from kafka_sentinel.adapters.kubernetes.permission_docs import render_docs as render_permissions
from kafka_sentinel.adapters.kubernetes.signal_docs import render_docs as render_disruptions
from kafka_sentinel.adapters.metric_docs import render_docs as render_metrics
from kafka_sentinel.settings import Settings
from kafka_sentinel.settings.describe import Key, allowed, default, fields_of, item_of, section_of
from kafka_sentinel.settings.kafka import OWN_KEYS, REFUSED_KEYS

HEAD = """# Configuration

Generated from `src/kafka_sentinel/settings/`; do not edit.

`kafka-sentinel run`, `check` and `audit` read, each winning over the one before: the defaults below, a YAML file
(`--config FILE`, or the one the variable `KAFKA_SENTINEL_CONFIG` names), and variables named
`KAFKA_SENTINEL__SECTION__KEY`.

```yaml
name: kafka-sentinel-stage
kafka:
  bootstrap_servers: broker-1:9092,broker-2:9092
  security:
    protocol: SASL_SSL
    mechanism: SCRAM-SHA-512
    username: sentinel
    password_file: /etc/kafka-sentinel/password
    ca_file: /etc/kafka-sentinel/ca.crt
state:
  file: /var/lib/kafka-sentinel/state.json
```

- **Durations** are text with a unit (`250ms`, `30s`, `5m`, `1h`, `7d`) or a number of seconds.
- **Unknown keys are errors**, in the file and in the environment, and so is a value of the wrong kind: the message
  names the key, where it stands, what was found, what is allowed, and the nearest right name. Exit code 2.
- **Variables** are in capitals, sections joined by two underscores. Lists and maps are written as JSON and replace
  those of the file; `null` means null. What Kubernetes sets for a Service called `kafka-sentinel`
  (`KAFKA_SENTINEL_PORT` and the like) is recognised and ignored.
- **YAML**: only `true`, `false`, `null` and decimal numbers are more than text: `22:00`, `2026-12-24` need no quotes.
- **Secrets** come from files or variables, and are never printed: not by `config show`, not in errors, not in the log.
- `kafka-sentinel config show` prints what is in effect, `kafka-sentinel config schema` a JSON schema for editors.
"""


def render_configuration() -> str:
    return "\n".join([HEAD, *_sections(Settings, ()), _refused()])


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Yield a table for the plain keys of `model`, then those of the sections and list items below it."""
    fields = fields_of(model)
    plain = [Key((*path, name), field) for name, field in fields.items() if section_of(field) is None]
    if plain:
        yield _table(model, path, plain)
    for name, field in fields.items():
        section, item = section_of(field), item_of(field)
        if section is not None:
            yield from _sections(section, (*path, name))
        if item is not None:
            yield from _sections(item, (*path, f"{name}[]"))


def _table(model: type[BaseModel], path: tuple[str, ...], plain: list[Key]) -> str:
    in_list = any(step.endswith("[]") for step in path)
    title = f"## `{'.'.join(path)}`\n\n{_paragraph(model)}\n" if path else "## Top level\n"
    head = ["key", "takes", "default", "meaning"] + ([] if in_list else ["variable"])
    rows = [_row(key, in_list=in_list) for key in plain]
    return "\n".join([title, _line(head), "|---" * len(head) + "|", *map(_line, rows), ""])


def _row(key: Key, *, in_list: bool) -> list[str]:
    value = default(key.field)
    shown = "**required**" if key.field.is_required() else f"`{value}`" if value else "empty"
    row = [f"`{key.path[-1]}`", allowed(key.field), shown, key.field.description or ""]
    return row if in_list else [*row, f"`{key.variable}`"]


def _line(cells: list[str]) -> str:
    escaped = [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _refused() -> str:
    own = [_line([f"`{key}`", f"`{ours}`"]) for key, ours in sorted(OWN_KEYS.items())]
    return "\n".join(
        [
            "## Not in `kafka.properties`\n",
            "What Sentinel proves rests on its own values of these, so they are refused:",
            ", ".join(f"`{key}`" for key in sorted(REFUSED_KEYS)) + ".\n",
            "These have a key of their own:\n",
            "| property | key |",
            "|---|---|",
            *own,
            "",
        ]
    )


DOCUMENTS = {
    "audit.md": render_audit,
    "configuration.md": render_configuration,
    "disruptions.md": render_disruptions,
    "metrics.md": render_metrics,
    "permissions.md": render_permissions,
}


def main(arguments: list[str] | None = None) -> int:
    """Write the documents, or say which differ. Returns the exit code: 1 if any differs."""
    parser = argparse.ArgumentParser(prog="python -m kafka_sentinel.docs_gen")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the documents")
    mode.add_argument("--check", action="store_true", help="exit 1 if a document is not what would be written")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="where they lie (default: docs)")
    given = parser.parse_args(arguments)
    stale = []
    for name, render in DOCUMENTS.items():
        file: Path = given.folder / name
        text = render()
        if given.write:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(str(file))
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

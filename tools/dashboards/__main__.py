"""Writes the dashboards in grafana/ anew: `python -m tools.dashboards` (`--check` only says which differ)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.dashboards import incidents, overview, spot
from tools.dashboards.whole import encoded

FOLDER = Path(__file__).resolve().parents[2] / "grafana"
BOARDS = {
    "kafka-sentinel-overview.json": overview.build,
    "kafka-sentinel-incidents.json": incidents.build,
    "kafka-sentinel-spot.json": spot.build,
}


def main(arguments: list[str] | None = None) -> int:
    """Write what differs, or only say so. Returns the exit code: 1 if anything differs with `--check`."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    texts = {given.folder / name: encoded(build()) for name, build in BOARDS.items()}
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if given.check:
            print(f"stale: {path.name}; run `make docs`", file=sys.stderr)
        else:
            path.write_text(texts[path])
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Which pairs of version and way in are proved, and by whom: what the documentation's table is made from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.kafka.clusters.listeners import Security
from tests.kafka.clusters.versions import VERSIONS, Version

FILE = Path(__file__).with_name("results.json")
DOCUMENT = Path(__file__).parents[3] / "docs" / "install.md"
# What each run of the tests proves; the last full run, all that the file has.
SAMPLE = dict(
    zip(
        VERSIONS,
        (
            [[Security.SCRAM, Security.PLAINTEXT]],
            [[Security.PLAIN]],
            [[Security.MTLS]],
            [[Security.OAUTHBEARER]],
            [[Security.MSK_IAM, Security.TLS]],
        ),
        strict=True,
    )
)
BEGIN, END = "<!-- compatibility: begin -->", "<!-- compatibility: end -->"


def load() -> dict[str, list[str]]:
    """Return what was proved: version → ways in, as the table names them."""
    found: dict[str, list[str]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def note(version: Version, proved: Iterable[Security]) -> None:
    """Write down what a full run has just proved of one version."""
    known = {*load().get(str(version), ()), *(one.value for one in proved)}
    _save(load() | {str(version): [one.value for one in Security if one.value in known]})


def forget(version: Version) -> None:
    """A full run of this version begins: nothing of it is proved yet."""
    _save(load() | {str(version): []})


def _save(found: dict[str, list[str]]) -> None:
    kept = {str(one): found[str(one)] for one in VERSIONS if str(one) in found}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


def table() -> str:
    """Return the documentation's table."""
    head = ["| Apache Kafka |", *(f" {security} |" for security in Security)]
    rows = ["".join(head), "|---|" + "---|" * len(Security)]
    rows += [f"| {version} | {' | '.join(_by(version, way) for way in Security)} |" for version in VERSIONS]
    return "\n".join(rows)


def _by(version: Version, way: Security) -> str:
    if any(way in ways for ways in SAMPLE[version]):
        return "`make test`"
    return "`make verify`" if way.value in load().get(str(version), ()) else "not run"


def documented() -> str:
    """Return the table as it stands in the documentation."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def write() -> None:
    """Put the table into the documentation."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}")

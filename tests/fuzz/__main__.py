"""`python -m tests.fuzz --seconds N [NAME …]`: every harness in turn, each for its share of N, and what was found.

Inputs that led somewhere new are kept in FOLDER/NAME/corpus and are where the next run begins; what broke something is
in FOLDER/NAME/found. Exit code 0: nothing was found, 1: something was, 2: atheris is not here.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.harness import NAMES, load

ROOT = Path(__file__).resolve().parents[2]
MOST_FINDINGS = 5  # of one harness in one run: after so many, somebody has to look first
DONE = re.compile(r"^Done (\d+) runs", re.MULTILINE)
PULSE = re.compile(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
WRITTEN = re.compile(r"Test unit written to (\S+)")
RAISED = re.compile(r"Uncaught Python exception: ===\n(.*?)\nTraceback", re.DOTALL)
NO_ATHERIS = "atheris is not here: it has wheels for CPython 3.11 on Linux x86-64 alone; the seeds run everywhere"


@dataclass
class Outcome:
    """`edges` and `features` as libFuzzer counts them: of what was instrumented, and with how often each was passed."""

    name: str
    runs: int = 0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    findings: list[tuple[Path, str]] = field(default_factory=list)

    def line(self) -> str:
        counted = f"{self.runs} executions, {self.edges} edges, {self.features} features, corpus of {self.corpus}"
        return f"{self.name}: {counted}, {len(self.findings)} findings"


def campaign(name: str, folder: Path, *, seconds: int = 0, runs: int = 0, seed: int = 0) -> Outcome:
    """Fuzz one thing for so many seconds, or so many executions (then the same each time). Restarts after a finding."""
    corpus, found = folder / name / "corpus", folder / name / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for content in load(name).seeds():
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    outcome = Outcome(name)
    end = time.monotonic() + seconds
    while len(outcome.findings) < MOST_FINDINGS:
        left = max(round(end - time.monotonic()), 1)
        bound = f"-runs={runs}" if runs else f"-max_total_time={left}"
        if not _once(outcome, [bound, f"-seed={seed or outcome.runs + 1}", f"-artifact_prefix={found}/", str(corpus)]):
            break
        if runs or time.monotonic() >= end:
            break
    return outcome


def _once(outcome: Outcome, options: list[str]) -> bool:
    """Run libFuzzer until its bound or a finding. Returns whether there was one."""
    command = [sys.executable, "-m", "tests.fuzz.run", outcome.name, *options]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    pulses = PULSE.findall(said)
    counted = [int(number) for number in DONE.findall(said)] or [int(pulse[0]) for pulse in pulses[-1:]]
    outcome.runs += sum(counted)
    if pulses:
        outcome.edges, outcome.features, outcome.corpus = (
            max(outcome.edges, int(pulses[-1][1])),
            max(outcome.features, int(pulses[-1][2])),
            int(pulses[-1][3]),
        )
    if done.returncode == 0:
        return False
    written = WRITTEN.search(said)
    raised = RAISED.search(said)
    words = raised[1].strip() if raised else "\n".join(said.strip().splitlines()[-5:])
    outcome.findings.append((Path(written[1]) if written else Path("-"), words))
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--seconds", type=int, default=120, help="of all harnesses together")
    parser.add_argument("--folder", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all, if none is given")
    given = parser.parse_args()
    names = given.names or NAMES
    if not set(names) <= set(NAMES):
        parser.error(f"there is no harness {', '.join(sorted(set(names) - set(NAMES)))}; there are {', '.join(NAMES)}")
    if find_spec("atheris") is None:
        print(NO_ATHERIS)
        return 2
    bad = False
    for name in names:
        outcome = campaign(name, given.folder, seconds=max(given.seconds // len(names), 1))
        print(outcome.line(), flush=True)
        for file, words in outcome.findings:
            print(f"  {words}\n  replay: {sys.executable} -m tests.fuzz.run {name} {file}", flush=True)
        bad |= bool(outcome.findings)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())

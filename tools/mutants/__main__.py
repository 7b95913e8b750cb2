"""Run mutants: `python -m tools.mutants [MODULE ...] [--budget SECONDS] [--sample N] [--seed N] [--show NAME]`.

`--tests` and `--enough` make a run quick: what survives one may be killed by the tests that were left out.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest
from tools.mutants.places import modules
from tools.mutants.reach import LEFT_OUT
from tools.mutants.session import Session, Wanted
from tools.mutants.trial import ENOUGH

FOLDER = Path(".mutants")  # what is known of earlier runs; may be deleted at any time


def main() -> int:
    asked = _asked(sys.argv[1:])
    chosen = tuple(asked.modules or modules())
    wanted = Wanted(chosen, asked.budget, asked.sample, asked.seed, asked.show, asked.enough)
    os.environ["CI"] = "true"  # hypothesis searches the same examples each time
    FOLDER.mkdir(exist_ok=True)
    session = Session(wanted, FOLDER)
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=no", "--capture=no", "--no-header"]
    tests = [*(asked.tests or ["tests/core"]), f"--ignore={LEFT_OUT}"]
    pytest.main([*tests, *options], plugins=[session])
    return session.exit_code


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="as verdicts or kubernetes/attribution; default all"
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="take no further mutant after that time")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants of each module, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sample (0)")
    parser.add_argument("--show", metavar="NAME", help="one mutant, run again, and every test that reaches it")
    parser.add_argument("--tests", nargs="+", metavar="FILE", help="only the tests of these files of tests/core")
    parser.add_argument("--enough", type=float, default=ENOUGH, metavar="SECONDS", help=f"of tests, each ({ENOUGH:g})")
    given = parser.parse_args(arguments)
    unknown = [each for each in given.modules if each not in modules()]
    if unknown:
        parser.error(f"no such module of the core: {', '.join(unknown)}; there are {', '.join(modules())}")
    return given


if __name__ == "__main__":
    sys.exit(main())

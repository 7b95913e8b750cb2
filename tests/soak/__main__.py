"""`python -m tests.soak --hours H --seed S`: real brokers, random faults, and every record compared with the log.

Exit code 0 if all was as it must be, 1 if not, 2 if it was asked for something that there is not.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.plan import FAULTS
from tests.soak.run import Options, Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, metavar="H", help="of faults (2)")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="of the plan (drawn, and said)")
    parser.add_argument("--faults", default="", metavar="NAMES", help=f"only these, as a,b: {', '.join(FAULTS)}")
    parser.add_argument("--decks", type=int, default=0, metavar="N", help="end after so many decks (0: as time allows)")
    given = parser.parse_args()
    names = tuple(name for name in given.faults.split(",") if name)
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # in order: nothing is left running
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    repeat = f"python -m tests.soak --hours {given.hours:g} --seed {seed}"
    repeat += f" --decks {given.decks}" if given.decks else ""
    repeat += f" --faults {given.faults}" if given.faults else ""
    folder = Path(tempfile.mkdtemp(prefix=f"kafka-sentinel-soak-{seed}-"))
    sys.stdout.write(f"{repeat}\nfolder {folder}, removed if all is well\n")
    good = Soak(Options(given.hours * 3600, given.decks, seed, names, folder, repeat)).run()
    if good:
        shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

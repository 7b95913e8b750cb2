"""One soak: brokers, the daemon, the witness, the plan, looks at what the daemon says, and comparisons."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.kafka.sentinel import assert_identities, free_port
from tests.soak.cards import Cards
from tests.soak.comparison import Comparison
from tests.soak.daemon import Daemon
from tests.soak.faults import Faults, SkippedError
from tests.soak.journal import Journal
from tests.soak.plan import FAULTS, LEVELS, PARTITIONS, Bout, Step, as_far_as, bouts
from tests.soak.witness import Witness

from kafka_sentinel.lab.cluster import LabCluster

LOOK = 2.0  # seconds between two looks at the daemon
MINUTE = 60.0
UP = 90.0  # seconds until the daemon has verified its first records
MOST = {"memory": 200.0, "files": 300, "threads": 150}  # MB, open files, threads: about twice what is usual
NAME = "soak"
TOPICS = {"all": "soak-probe", "1": "soak-probe-acks1"}
CONTRADICTION = "ledger contradicts itself; partition starts over"


class Options(NamedTuple):
    """What was asked for. It ends after `decks` of the plan, or with the bout in which `seconds` are over.

    `repeat`: the command that does the same again.
    """

    seconds: float
    decks: int
    seed: int
    names: tuple[str, ...]
    folder: Path
    repeat: str


class Soak:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._began = time.monotonic()  # anew once the brokers are up
        self._wrong: list[str] = []
        self._looks = Counter[str]()
        self._peak: dict[str, float] = dict.fromkeys(MOST, 0.0)
        self._quiet = threading.Event()  # looks are to end
        self._lock = threading.Lock()
        instance = int.from_bytes(hashlib.blake2b(NAME.encode(), digest_size=8).digest(), "big")
        self._cards = Cards(instance)
        self._journal = Journal(options.folder / "journal.jsonl")

    def run(self) -> bool:
        """Return whether all was as it must be."""
        with ExitStack() as stack:
            say("brokers are starting")
            lab = stack.enter_context(LabCluster("separate"))
            daemon = Daemon(self._options.folder, configuration(lab, self._options.folder), self._cards)
            stack.callback(daemon.__exit__)
            faults = Faults(lab, daemon, TOPICS, configuration(lab, self._options.folder)["name"], self._cards)
            self._comparison = Comparison(
                lab.bootstrap_servers, TOPICS, daemon=daemon, cards=self._cards, faults=faults, journal=self._journal
            )
            self._daemon, self._faults = daemon, faults
            stack.callback(self._keep_what_is_left, lab)
            daemon.launch()
            self._wait_verified()
            witness = stack.enter_context(Witness(lab.bootstrap_servers, TOPICS, self._cards))
            looker = threading.Thread(target=self._look_on, args=(witness,), name="looks", daemon=True)
            looker.start()
            try:
                self._go_through()
            finally:
                self._quiet.set()
                looker.join(30)
        if not self._comparison.made["records"]:
            self._blame("nothing was compared")
        self._say_result()
        return not self._wrong

    def _wait_verified(self) -> None:
        until = time.monotonic() + UP
        while not all(self._daemon.records(level).get("verified") for level in LEVELS):
            if time.monotonic() > until:
                raise SystemExit(f"soak: nothing is verified after {UP:.0f} s: {self._daemon.log()[-2000:]}")
            time.sleep(0.2)

    # --- the plan

    def _go_through(self) -> None:
        self._began = time.monotonic()
        compared = False
        for bout in self._bouts():
            self._do(bout)
            compared = bout.compare
            if self._wrong:
                return
            if compared:
                self._compare()
            if self._wrong:
                return
            time.sleep(bout.calm)
        if not compared:
            self._compare()

    def _bouts(self) -> Iterator[Bout]:
        asked = self._options
        return as_far_as(bouts(asked.seed, asked.names), asked.decks, lambda: self.passed > asked.seconds)

    @property
    def passed(self) -> float:
        return time.monotonic() - self._began

    def _do(self, bout: Bout) -> None:
        threads = [threading.Thread(target=self._step, args=(step,), name=step.fault) for step in bout.steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _step(self, step: Step) -> None:
        time.sleep(step.after)
        began = self._journal.began(step)
        try:
            found = self._faults.do(step.fault, step.parameters)
        except SkippedError as error:
            self._journal.ended(step, began, "skipped", why=str(error))
        except BaseException as error:  # noqa: BLE001 - told as a failure of the soak, whatever it is
            self._journal.ended(step, began, "failed", why=repr(error))
            self._blame(f"the fault {step.fault} {step.parameters} failed: {error!r}")
        else:
            self._journal.ended(step, began, "done", **found)

    def _compare(self) -> None:
        wrong = self._comparison.make()
        self._journal.note("compared", wrong=wrong, made=self._comparison.made)
        for sentence in wrong:
            self._blame(sentence)

    def _blame(self, sentence: str) -> None:
        with self._lock:
            if sentence not in self._wrong:
                self._wrong.append(sentence)
                self._journal.note("wrong", what=sentence)
                say(f"WRONG: {sentence}")

    # --- looks

    def _look_on(self, witness: Witness) -> None:
        said = time.monotonic()
        while not self._quiet.wait(LOOK):
            try:
                self._look(witness)
            except AssertionError as error:
                self._blame(f"the identities do not hold: {error}")
            if time.monotonic() - said >= MINUTE:
                said = time.monotonic()
                say(self._progress())

    def _look(self, witness: Witness) -> None:
        if witness.error is not None:
            self._blame(f"the witness failed: {witness.error!r}")
        if not self._daemon.busy.acquire(blocking=False):
            return  # it is being ended or begun
        try:
            if self._daemon.pid is None:
                self._blame(f"the daemon ended by itself: {self._daemon.log()[-1500:]}")
                return
            self._daemon.copy_state()
            self._daemon.tap.refresh()
            self._measure()
            status = self._daemon.status
        finally:
            self._daemon.busy.release()
        self._looks["looks"] += 1
        for figures in status.get("records", {}).values():
            assert_identities(figures)
            assert min(figures.values()) >= 0, figures
            self._looks["identities"] += 1
        if self._daemon.violations() or self._daemon.heard_of(CONTRADICTION):
            self._blame(f"a ledger contradicts itself: {self._daemon.heard_of(CONTRADICTION)}")

    def _measure(self) -> None:
        for name, value in (self._daemon.size() or {}).items():
            self._peak[name] = max(self._peak[name], value)
            if value > MOST[name]:
                inside = self._daemon.threads() if name == "threads" else ""
                self._blame(f"{name} of the daemon: more than {MOST[name]:.0f} {inside}")

    # --- words

    def _figures(self) -> dict[str, dict[str, int]]:
        return self._daemon.status.get("records", {})

    def _progress(self) -> str:
        parts = [
            f"acks={level}: {one['sent']} sent, {one['verified']} verified, {one['lost']} lost,"
            f" {one['duplicated']} duplicated, {one['expired']} expired, {one['unaccounted']} unaccounted"
            for level, one in self._figures().items()
        ]
        done = sum(self._journal.count("done").values())
        lives = f"{self._daemon.lives} {'life' if self._daemon.lives == 1 else 'lives'}"
        words = "; ".join(parts) or "the daemon does not answer now"
        return f"{clock(self.passed)}  {done} faults, {lives}; {words}; {len(self._wrong)} wrong"

    def _say_result(self) -> None:
        say(f"\nseed {self._options.seed}, {clock(self.passed)}, {self._daemon.lives} lives of the daemon")
        done, skipped = self._journal.count("done"), self._journal.count("skipped")
        for name in FAULTS:
            if name in done or name in skipped:
                left_out = f"   (could not be done: {skipped[name]})" if name in skipped else ""
                say(f"  {name:<20} {done.get(name, 0):>5}{left_out}")
        for level in LEVELS:
            figures = [f"{name} {number}" for name, number in self._last.get(level, {}).items() if number]
            say(f"  acks={level}: {', '.join(figures) or 'nothing'}; all else 0")
            if self._comparison.made["logs read"]:
                say(f"  acks={level}: {self._comparison.gone(level)} acknowledged and gone from the log, as others saw")
        compared = [f"{name} {number}" for name, number in self._comparison.made.items()]
        say(f"  compared: {', '.join(compared) or 'nothing'}; either answer right: {self._comparison.undecidable}")
        say(f"  looked: {', '.join(f'{name} {number}' for name, number in self._looks.items())}")
        say(f"  at most: {', '.join(f'{name} {value:.0f}' for name, value in self._peak.items())}")
        say("all of it is as it must be" if not self._wrong else f"{len(self._wrong)} things are not as they must be:")
        for sentence in self._wrong:
            say(f"  - {sentence}")
        if self._wrong:
            say(f"kept: {self._options.folder}\nagain: {self._options.repeat}")

    def _keep_what_is_left(self, lab: LabCluster) -> None:
        """Before the brokers go: what the daemon says last, and, if something is wrong, what the brokers logged."""
        self._last: dict[str, Any] = self._figures()
        if self._wrong or sys.exc_info()[0] is not None:
            for log in lab.folder.glob("node-*/start-*.log"):
                shutil.copyfile(log, self._options.folder / f"{log.parent.name}-{log.name}")


def configuration(lab: LabCluster, folder: Path) -> dict[str, Any]:
    return {
        "name": NAME,
        "kafka": {"bootstrap_servers": lab.bootstrap_servers},
        "probe": {
            "topic": TOPICS["all"],
            "partitions": PARTITIONS,
            "acks_one": {"enabled": True, "topic": TOPICS["1"]},
            "records_per_interval": 2,
            "delivery_timeout": "30s",
        },
        "group_consumer": {"group_id": NAME},
        "incidents": {"settle": "3s"},
        "recheck": {"interval": "1s"},
        "cluster": {"session_timeout": "3s"},
        "http": {"host": "127.0.0.1", "port": free_port()},
        "state": {"file": str(folder / "state.json")},
    }


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

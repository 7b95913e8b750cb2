"""The fleet of commands, with real programs: what is run, how often, and what is told of it."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from kafka_sentinel.adapters.fleet_command import CommandFleet, Programs
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import AdapterError, FaultCommanded, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.types import Instant

NOTE = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n')"
SERVERS = ("zk-1:2181", "zk-2:2182", "zk-3:2183")


def note(file: Path, *words: str) -> tuple[str, ...]:
    """A command that writes down the words it was given."""
    return (sys.executable, "-c", NOTE, str(file), *words)


def code(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


class Fleet:
    def __init__(self, command, heal=(), *, timeout=20.0, servers=SERVERS) -> None:
        self.told, self.died = [], []
        self._changed = threading.Condition()
        self.fleet = CommandFleet(
            {"stop": Programs(tuple(command), tuple(heal), timeout)},
            servers=servers,
            secrets=("hunter2",),
            post=self.post,
            now=lambda: Instant(time.monotonic(), time.time()),
            on_death=lambda name, error: self.died.append((name, error)),
            undo_pause=0.05,
        )
        self.fleet.start()

    def post(self, events) -> None:
        with self._changed:
            self.told += events
            self._changed.notify_all()

    def wait(self, kind, count=1):
        def found():
            return [event for event in self.told if isinstance(event, kind)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count or self.died, 30), self.told
        assert not self.died, self.died
        return found()[count - 1]

    def inject(self, run="stop-1", targets=(2,), addresses=("kafka-2.example.com:9092",), experiment="stop", **more):
        more = {"fault": "command", "duration": 600.0, "confirm": 60.0, **more}
        self.fleet.submit(Inject(run, targets=targets, experiment=experiment, addresses=addresses, **more))

    def heal(self, run="stop-1", experiment="stop", addresses=("kafka-2.example.com:9092",)):
        self.fleet.submit(Heal(run, (2,), "command", experiment=experiment, addresses=addresses))


@pytest.fixture
def make():
    made = []

    def one(*args, **options):
        made.append(Fleet(*args, **options))
        return made[-1]

    yield one
    for each in made:
        assert each.fleet.stop(30)
        assert each.died == []


def test_a_command_is_run_once_with_its_target_put_in_and_nothing_is_claimed_of_it(make, tmp_path):
    fleet = make(note(tmp_path / "done", "{id}", "{host}", "{port}", "{experiment}", "{run}"))
    fleet.inject()
    told = fleet.wait(FaultCommanded)
    assert (told.experiment_run, told.problem) == ("stop-1", "")
    assert (tmp_path / "done").read_text() == "2 kafka-2.example.com 9092 stop stop-1\n"
    assert not [event for event in fleet.told if isinstance(event, FaultInjected)]
    fleet.inject()
    assert fleet.wait(FaultFailed).reason == "stop-1 was injected before"
    assert (tmp_path / "done").read_text().count("\n") == 1


def test_one_that_fails_is_told_with_its_reason_and_not_run_again(make, tmp_path):
    fleet = make(code(f"open({str(tmp_path / 'done')!r}, 'a').write('x'); raise SystemExit('no such unit')"))
    fleet.inject()
    problem = fleet.wait(FaultCommanded).problem
    assert problem.endswith("ended with exit status 1, saying: no such unit")
    fleet.heal()
    fleet.wait(FaultHealed)
    assert (tmp_path / "done").read_text() == "x"


def test_one_that_hangs_is_told_when_its_time_is_over(make):
    fleet = make(code("import time; time.sleep(600)"), timeout=1.0)
    fleet.inject()
    assert "its time was over" in fleet.wait(FaultCommanded).problem


def test_one_that_cannot_be_started_has_failed_for_certain(make, tmp_path):
    fleet = make((str(tmp_path / "missing"), "{id}"), note(tmp_path / "healed"))
    fleet.inject()
    assert fleet.wait(FaultFailed).reason == "missing could not be started: No such file or directory"
    fleet.wait(FaultHealed)
    assert not [event for event in fleet.told if isinstance(event, FaultCommanded)]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"fault": "process-kill"}, 'the fault "process-kill" is unknown to a fleet of commands; it can do command'),
        ({"experiment": "other"}, "no command is configured for it"),
        ({"targets": (1, 2)}, "command: a command is run for exactly one broker or ZooKeeper server"),
        ({"targets": (), "addresses": ()}, "command: a command is run for exactly one broker or ZooKeeper server"),
        ({"addresses": ("",)}, "command: {host} is not known of this target"),
        ({"addresses": ("-oProxyCommand=x:1",)}, "command: {host} would be '-oProxyCommand=x', which is no plain name"),
    ],
)
def test_what_is_not_certain_to_be_meant_is_refused_and_nothing_is_run(make, tmp_path, given, reason):
    fleet = make(note(tmp_path / "done", "{id}", "{host}"), note(tmp_path / "healed"))
    fleet.inject(**given)
    assert fleet.wait(FaultFailed).reason.startswith(reason)
    assert not (tmp_path / "done").exists()
    assert not (tmp_path / "healed").exists()


def test_no_notice_is_given_of_a_command(make, tmp_path):
    fleet = make(note(tmp_path / "done"))
    fleet.fleet.submit(Announce("stop-1", "command", (2,), 5.0))
    assert fleet.wait(FaultFailed).reason == "no command is configured for it"


def test_a_zookeeper_server_is_told_by_its_place_in_the_list(make, tmp_path):
    fleet = make(note(tmp_path / "done", "{id}", "{host}", "{port}"))
    fleet.inject(targets=(), addresses=("zk-2:2182",))
    fleet.wait(FaultCommanded)
    assert (tmp_path / "done").read_text() == "2 zk-2 2182\n"


# --- undoing


def test_what_undoes_it_is_run_when_that_is_asked_for_and_once(make, tmp_path):
    fleet = make(note(tmp_path / "done"), note(tmp_path / "healed", "{id}", "{host}"))
    fleet.inject()
    fleet.wait(FaultCommanded)
    assert not (tmp_path / "healed").exists()
    fleet.heal()
    fleet.wait(FaultHealed)
    fleet.heal()
    fleet.inject(run="stop-2")
    fleet.wait(FaultCommanded, 2)
    assert (tmp_path / "healed").read_text() == "2 kafka-2.example.com\n"


def test_of_an_earlier_life_only_what_undoes_it_is_run(make, tmp_path):
    fleet = make(note(tmp_path / "done"), note(tmp_path / "healed", "{run}"))
    fleet.heal()
    fleet.wait(FaultHealed)
    assert (tmp_path / "healed").read_text() == "stop-1\n"
    fleet.inject()
    assert fleet.wait(FaultFailed).reason == "stop-1 was injected before"
    assert not (tmp_path / "done").exists()


def test_one_without_anything_to_undo_is_over_at_once(make, tmp_path):
    fleet = make(note(tmp_path / "done"))
    fleet.heal()
    fleet.wait(FaultHealed)
    assert not (tmp_path / "done").exists()


def test_undoing_is_tried_again_and_then_given_up_in_words(make, tmp_path):
    file = tmp_path / "healed"
    fleet = make(note(tmp_path / "done"), code(f"open({str(file)!r}, 'a').write('x'); raise SystemExit(4)"))
    fleet.inject()
    fleet.wait(FaultCommanded)
    fleet.heal()
    reason = fleet.wait(FaultFailed).reason
    assert reason.startswith("could not be undone: heal: ")
    assert reason.endswith("ended with exit status 4")
    assert file.read_text() == "xxx"
    assert fleet.wait(AdapterError).subject == "fleet"


def test_what_is_not_configured_any_more_cannot_be_undone_and_says_so(make, tmp_path):
    fleet = make(note(tmp_path / "done"), note(tmp_path / "healed"))
    fleet.heal(experiment="gone")
    assert "experiment gone is not configured any more" in fleet.wait(FaultFailed).reason
    assert not (tmp_path / "healed").exists()


def test_when_sentinel_ends_a_command_is_ended_and_what_is_in_effect_is_undone(make, tmp_path):
    begun = tmp_path / "begun"
    fleet = make(code(f"open({str(begun)!r}, 'w').close(); import time; time.sleep(600)"), note(tmp_path / "healed"))
    fleet.inject()
    deadline = time.monotonic() + 20
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert fleet.fleet.stop(30)
    assert "Sentinel ends" in fleet.wait(FaultCommanded).problem
    fleet.wait(FaultHealed)
    assert (tmp_path / "healed").exists()

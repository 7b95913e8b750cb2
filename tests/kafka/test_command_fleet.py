"""Real brokers broken by a user's own command: what counts as broken, what does not, and that none comes twice.

The user's side of it is a script that looks up a file with a broker's process id, as one on a plain machine would, and
a thread that starts a broker again where the script left a note to do so, as a service manager would.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, SentinelProcess, assert_identities, configuration, wait_for

from kafka_sentinel.core.events import FaultCommanded, FaultInjected

PLACED = [[1, 2, 3], [2, 3, 1], [3, 1, 2]]  # every broker leads one partition
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
what, folder, broker = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
with (folder / f"{what}.log").open("a") as log:
    log.write(" ".join([broker, *sys.argv[4:]]) + "\\n")
if what == "kill":
    os.kill(int((folder / f"{broker}.pid").read_text()), signal.SIGKILL)
elif what == "start":
    (folder / f"{broker}.start").touch()
elif what == "fail":
    print("no such unit: kafka", file=sys.stderr)
    sys.exit(5)
elif what == "hang":
    child = os.fork()
    with (folder / "hang.pids").open("a") as pids:
        pids.write(f"{os.getpid()}\\n")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""


class Machines:
    """The user's side: where process ids are noted, and brokers are started again when that is asked for."""

    def __init__(self, lab, folder: Path) -> None:
        self.folder, self.script, self._lab = folder, folder / "machine.py", lab
        self.script.write_text(SCRIPT)
        self._note_pids()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _note_pids(self) -> None:
        for broker in self._lab.brokers:
            if (pid := self._lab.pid(broker)) is not None:
                (self.folder / f"{broker}.pid").write_text(str(pid))

    def _serve(self) -> None:
        while not self._over.wait(0.1):
            for broker in self._lab.brokers:
                asked = self.folder / f"{broker}.start"
                if asked.exists() and self._lab.state(broker) == "stopped":
                    asked.unlink()
                    self._lab.start(broker)
                    self._note_pids()

    def command(self, what: str) -> list[str]:
        return [sys.executable, str(self.script), what, str(self.folder), "{id}", "{host}:{port}", "{run}"]

    def ran(self, what: str) -> list[list[str]]:
        """The words of each call of the script, oldest first."""
        log = self.folder / f"{what}.log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)


@pytest.fixture
def machines(lab_separate, tmp_path) -> Iterator[Machines]:
    made = Machines(lab_separate, tmp_path)
    yield made
    made.close()


def item(machines: Machines, what: str, **changes) -> dict:
    plain = {"name": what, "fault": "command", "target": "leader:0", "command": machines.command(what)}
    plain |= {"heal": machines.command("start"), "every": "3s", "grace": 600, "duration": "5s", "confirm": "30s"}
    return {**plain, **changes}


def sections(lab, tmp_path, *items: dict) -> dict:
    """Objectives are wide, so that a slow machine fails no incident; the lab's session time-out is 3 s."""
    experiments = {"armed_for": lab.cluster_id, "dry_run": False, "warm_up": 5, "steady": 3, "min_gap": 0}
    return {
        "probe": {"manage_topic": False, "delivery_timeout": 240, "socket_timeout": 1},
        "slo": {
            "produce": 2,
            "consume": 3,
            "recovery": dict.fromkeys(("detected", "leader", "produce", "consume", "isr", "lag", "full"), 600),
        },
        "incidents": {"settle": 3, "recheck_margin": 50},
        "cluster": {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5},
        "experiments": {**experiments, "fleet": "command", "daily_budget": 100, "items": list(items)},
        "state": {"file": str(tmp_path / "state.json"), "checkpoint_interval": 1},
    }


def found(status: dict, name: str) -> dict:
    """The item of an experiment; one without a result before there is a status."""
    items = status.get("experiments", {}).get("items", [])
    return next((one for one in items if one["name"] == name), {"last_result": None, "last_reason": ""})


def test_a_broker_killed_by_the_users_command_is_one_passed_experiment_exactly_accounted(
    lab_separate, machines, make_topic, tmp_path
):
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    config = sections(lab, tmp_path, item(machines, "kill", every="1h"))
    with Sentinel(configuration(lab.bootstrap_servers, topic, **config)) as sentinel:
        sentinel.wait_partitions(len(PLACED))
        killed = lab.pid(1)
        begun = time.time()
        sentinel.runtime.ask(lambda engine: engine.experiments.run_now("kill", engine.now))
        wait_for(lambda: lab.state(1) == "stopped", 120, lambda: found(sentinel.status, "kill"))
        died = time.time()
        wait_for(lambda: found(sentinel.status, "kill")["last_result"], 240, sentinel.incidents)
        assert (found(sentinel.status, "kill")["last_result"], found(sentinel.status, "kill")["last_reason"]) == (
            "passed",
            "",
        )
        [incident] = sentinel.incidents()
        assert (incident["cause"], incident["fault"], incident["target"]) == ("experiment", "command", "broker 1")
        assert (incident["state"], incident["verdict"], incident["brokers"]) == ("closed", "passed", [1])
        [commanded] = sentinel.heard(FaultCommanded)
        assert commanded.problem == ""
        assert sentinel.heard(FaultInjected) == [], "that is for Kafka to show, not for the fleet to say"
        assert begun <= incident["started_at"] <= died
        assert incident["started_at"] <= commanded.at.wall
        state = sentinel.runtime.ask(lambda engine: (engine.experiments.to_state(), engine.casebook.natural_losses))
        assert (len(state[0]["injections"]), state[1]) == (1, ())
        assert machines.ran("kill") == [["1", lab.address(1), incident["experiment_run"]]]
        assert [words[0] for words in machines.ran("start")] == ["1"]
        wait_for(lambda: lab.pid(1) not in {None, killed}, 60, "the broker was started again")
        exactly_accounted(lab, sentinel, topic)


def exactly_accounted(lab, sentinel: Sentinel, topic: str) -> None:
    figures = sentinel.quiesce(120)
    logs = [truth.read_log(lab.bootstrap_servers, topic, number).records for number in range(len(PLACED))]
    acked = {(number, key) for number in range(len(PLACED)) for key in sentinel.acked(number)}
    assert acked <= {(number, key) for number, log in enumerate(logs) for key in truth.present(log)}
    assert figures["acked"] == figures["verified"] == len(acked)
    assert (figures["lost"], figures["unaccounted"], figures["suspected"]) == (0, 0, 0)
    assert sentinel.status["losses"] == []
    assert_identities(figures)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.mark.full
def test_commands_that_do_nothing_fail_or_hang_break_nothing_and_say_why(lab_separate, machines, make_topic, tmp_path):
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    items = [item(machines, what, every="1h", confirm="4s", timeout="3s") for what in ("idle", "fail", "hang")]
    pids = {broker: lab.pid(broker) for broker in lab.brokers}
    with Sentinel(configuration(lab.bootstrap_servers, topic, **sections(lab, tmp_path, *items))) as sentinel:
        sentinel.wait_partitions(len(PLACED))
        for what in ("idle", "fail", "hang"):
            sentinel.runtime.ask(lambda engine, name=what: engine.experiments.run_now(name, engine.now))
        wait_for(
            lambda: all(found(sentinel.status, what)["last_result"] for what in ("idle", "fail", "hang")),
            180,
            lambda: sentinel.status["experiments"],
        )
        reasons = {what: found(sentinel.status, what)["last_reason"] for what in ("idle", "fail", "hang")}
        name = Path(sys.executable).name
        nothing = "not confirmed: broker 1 was not seen to go within 4 s"
        assert reasons["idle"] == nothing
        assert reasons["fail"] == f"{nothing}; {name} ended with exit status 5, saying: no such unit: kafka"
        assert reasons["hang"].startswith(f"{nothing}; {name} was ended after ")
        assert reasons["hang"].endswith("with all it had started: its time was over")
        assert {found(sentinel.status, what)["last_result"] for what in reasons} == {"aborted"}
        hung = [int(pid) for pid in (tmp_path / "hang.pids").read_text().split()]
        assert len(hung) == 2, "the script and its child"
        wait_for(lambda: not any(map(is_alive, hung)), 20, f"{hung} are ended")
        assert sentinel.incidents() == []
        assert {what: len(machines.ran(what)) for what in reasons} == dict.fromkeys(reasons, 1)
        assert len(machines.ran("start")) == 3, "each was undone once"
        exactly_accounted(lab, sentinel, topic)
    assert {broker: lab.pid(broker) for broker in lab.brokers} == pids


def test_a_sentinel_killed_while_its_command_runs_undoes_it_and_runs_it_never_again(
    lab_separate, machines, make_topic, tmp_path
):
    lab = lab_separate
    topic = make_topic(lab, PLACED, config={"min.insync.replicas": "2"})
    config = configuration(
        lab.bootstrap_servers, topic, **sections(lab, tmp_path, item(machines, "hang", timeout="2m"))
    )
    sentinel = SentinelProcess(tmp_path / "one", config)
    with sentinel:
        wait_for(lambda: machines.ran("hang"), 120, lambda: sentinel.status.get("experiments"))
        sentinel.kill()
        assert machines.ran("start") == []
        run = machines.ran("hang")[0][2]
        file = tmp_path / "one" / "config.yaml"
        later = yaml.safe_load(file.read_text())
        later["experiments"]["items"][0]["every"] = "1h"  # or another run would soon be due, and be rightly run
        file.write_text(yaml.safe_dump(later))
        sentinel.start()
        wait_for(lambda: machines.ran("start"), 60, sentinel.log)
        wait_for(lambda: found(sentinel.status, "hang")["last_result"], 30, lambda: sentinel.status.get("experiments"))
        assert found(sentinel.status, "hang")["last_result"] == "aborted"
        assert "Sentinel restarted while " in found(sentinel.status, "hang")["last_reason"]
        assert [words[2] for words in machines.ran("start")] == [run]
        assert sentinel.stop() == 0
    assert len(machines.ran("hang")) == 1
    for pid in map(int, (tmp_path / "hang.pids").read_text().split()):
        end(pid)


def end(pid: int) -> None:
    """The command of a Sentinel that was killed goes on; it is the test's to end."""
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)

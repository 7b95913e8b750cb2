"""Sentinel killed and started again, with its state and without (docs/verification.md: h).

The first life is a process of its own that SIGKILL ends. What was acknowledged to it was written down by a tap on its
mailbox; what the log holds is read by another client. The last life runs in this process and is left to settle.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import (
    Key,
    Sentinel,
    SentinelProcess,
    assert_identities,
    configuration,
    wait_for,
)

from conftest import leader_and_isr

THREE = ([1, 2, 3], [2, 3, 1], [3, 1, 2])
SESSION = {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5}
CHECKPOINT = 1.0  # seconds
MUCH = 6.0  # seconds by which blind time may be counted too long: a checkpoint, a start, a machine that is busy
UNSAFE = {"min.insync.replicas": "1", "unclean.leader.election.enable": "false"}


def settings(lab, topic: str, folder: Path, *, records: int = 4, **probe: object) -> dict:
    return configuration(
        lab.bootstrap_servers,
        topic,
        probe={"manage_topic": False, "records_per_interval": records, **probe},
        cluster=SESSION,
        state={"file": str(folder / "state.json"), "checkpoint_interval": CHECKPOINT},
    )


def verified(life: Sentinel | SentinelProcess) -> int:
    return life.records().get("verified", 0)


def wait_verified(life: Sentinel | SentinelProcess, count: int, seconds: float = 60) -> None:
    wait_for(lambda: verified(life) >= count, seconds, lambda: f"{count} verified: {life.records()}")


def wait_lost(life: Sentinel | SentinelProcess, count: int, seconds: float = 60) -> None:
    wait_for(lambda: life.records().get("lost", 0) >= count, seconds, lambda: f"{count} lost: {life.records()}")


def return_empty(lab, topic: str, *, down_for: Callable[[], None] = lambda: None) -> None:
    """Have broker 1 lead alone, lose its disk and lead again: everything that was acknowledged is gone."""
    lab.kill(2)
    lab.kill(3)
    wait_for(lambda: leader_and_isr(lab.address(1), topic) == (1, {1}), 30, "ISR shrinks")
    lab.kill(1)
    lab.wipe(1, same_disk=True)
    down_for()
    lab.start(1)
    wait_for(lambda: leader_and_isr(lab.address(1), topic) == (1, {1}), 40, "broker 1 leads again")
    lab.start(2)
    lab.start(3)


def logs_of(lab, topic: str, partitions: int = 1) -> list[list[truth.LogRecord]]:
    lab.wait_ready()
    return [truth.read_log(lab.bootstrap_servers, topic, partition).records for partition in range(partitions)]


def saved(folder: Path) -> dict:
    """What the state file holds of partition 0: its second line, as JSON."""
    state = json.loads((folder / "state.json").read_text().splitlines()[1])
    return {**state["truth"]["partitions"][0], "alive_at": state["alive_at"]}


def sequences(account: dict, *names: str) -> set[Key]:
    return members(account, [span for name in names for span in account["sets"].get(name, [])])


def members(account: dict, spans: Iterable[tuple[int, int]]) -> set[Key]:
    run = int(account["run"], 16)
    return {(run, first + index) for first, count in spans for index in range(count)}


# --- with its state


def calm(lab, life: SentinelProcess) -> None:
    wait_verified(life, 300)


def in_mid_incident(lab, life: SentinelProcess) -> None:
    """Two of three brokers are gone: the third leads everything, and refuses every write."""
    wait_verified(life, 300)
    lab.kill(1)
    lab.kill(2)
    wait_for(
        lambda: not any(one["writable"] for one in life.status.get("partitions", [])),
        40,
        lambda: life.status["partitions"],
    )


def during_a_recheck(lab, life: SentinelProcess) -> None:
    wait_verified(life, 300)
    lab.kill(1)
    wait_for(lambda: "incident opened" in life.log(), 40, "an incident")
    lab.start(1)
    wait_for(lambda: "incident needs recheck" in life.log(), 60, lambda: f"a recheck: {life.status['incidents']}")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(calm, marks=pytest.mark.full),
        pytest.param(in_mid_incident, marks=pytest.mark.full),
        during_a_recheck,
    ],
    ids=lambda one: one.__name__,
)
def test_h_killed_and_restarted_with_its_state_loses_and_counts_nothing_twice(
    lab_separate, make_topic, tmp_path, moment
):
    lab = lab_separate
    topic = make_topic(lab, THREE, config={"min.insync.replicas": "2"})
    config = settings(lab, topic, tmp_path)
    with SentinelProcess(tmp_path / "first", config, tapped=True) as first:
        moment(lab, first)
        incidents = [one["id"] for one in first.status["incidents"]]
        before = first.status
        first.kill()
    killed_at = time.time()
    time.sleep(2)  # what is looked for below is the time for which nobody was there
    with Sentinel(config) as second:
        dead = second.engine.started.wall - killed_at
        for broker in lab.brokers:
            if lab.state(broker) == "stopped":
                lab.start(broker)
        lab.wait_ready()
        second.wait_verified(before["records"]["all"]["verified"] + 300, 90)
        wait_for(
            lambda: all(one["closed_at"] for one in second.incidents()),
            90,
            lambda: f"incidents close: {second.incidents()}",
        )
        figures = second.quiesce(90)
        logs = logs_of(lab, topic, 3)
        standing = [truth.present(records) for records in logs]
        gone = {
            key for each in range(3) for key in first.acked(each) | set(second.acked(each)) if key not in standing[each]
        }
        assert set(second.lost()) == gone, "nothing but what an acknowledgement was false about"
        acked = sum(len(set(second.acked(partition)) & standing[partition]) for partition in range(3))
        claimed = sum(
            len(truth.claimed(records) - set(second.acked(partition))) for partition, records in enumerate(logs)
        )
        told = sum(len(first.acked(partition)) for partition in range(3))
        assert sum(truth.extra_copies(records) for records in logs) == figures["duplicated"] == 0
        assert (figures["lost"], figures["suspected"], figures["foreign"]) == (len(gone), 0, 0)
        assert figures["verified"] + figures["present"] == sum(len(present) for present in standing)
        assert acked + claimed <= figures["verified"] <= acked + told
        assert_identities(figures)
        blind = second.status["blind_seconds"] - before["blind_seconds"]
        assert dead <= blind < dead + MUCH
        assert set(incidents) <= {one["id"] for one in second.incidents()}
        assert sum(one["lost"] for one in second.incidents()) == len(gone)


def suspicious(life: SentinelProcess) -> bool:
    """Whether it says that the log went backwards, or that a recheck missed something."""
    return "log went backwards" in life.log() or bool(life.records().get("suspected"))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_h_killed_again_and_again_while_brokers_are_killed_too(lab_separate, make_topic, tmp_path):
    lab, lives = lab_separate, 8
    topic = make_topic(lab, THREE, config={"min.insync.replicas": "2"})
    config = settings(lab, topic, tmp_path)
    dead, killed_at, total = 0.0, 0.0, 0
    with SentinelProcess(tmp_path / "process", config, tapped=True) as life:
        for number in range(lives):
            if number:
                life.start()
                wait_for(lambda: life.status.get("started_at"), 20, "a first snapshot")
                dead += life.status["started_at"] - killed_at
            broker = number % 3 + 1
            wait_verified(life, total + 100 * (number % 2))
            lab.kill(broker)
            wait_verified(life, verified(life) + 40 * (number % 4))
            total = verified(life)
            life.kill()
            killed_at = time.time()
            lab.start(broker)
            lab.wait_ready()
        told = sum(len(life.acked(partition)) for partition in range(3))
        with Sentinel(config) as last:
            dead += last.engine.started.wall - killed_at
            last.wait_verified(total + 200, 90)
            figures = last.quiesce(90)
            logs = logs_of(lab, topic, 3)
            standing = [truth.present(records) for records in logs]
            for partition, present in enumerate(standing):
                assert life.acked(partition) | set(last.acked(partition)) <= present, "Kafka lost something"
            assert (figures["lost"], figures["duplicated"], figures["suspected"], figures["foreign"]) == (0, 0, 0, 0)
            assert figures["verified"] + figures["present"] == sum(len(present) for present in standing)
            assert figures["verified"] <= told + sum(len(last.acked(partition)) for partition in range(3))
            assert dead <= last.status["blind_seconds"] < dead + MUCH * lives
            assert_identities(figures)


@pytest.mark.full
def test_h_killed_between_suspicion_and_proof_and_again_after_it_knows_each_loss_once(
    lab_separate, make_topic, tmp_path
):
    lab = lab_separate
    topic = make_topic(lab, config=UNSAFE)
    config = settings(lab, topic, tmp_path)
    with SentinelProcess(tmp_path / "process", config, tapped=True) as life:
        wait_verified(life, 200)
        return_empty(lab, topic)
        wait_for(lambda: suspicious(life), 60, lambda: f"a suspicion: {life.records()}")
        life.kill()
        lab.wait_ready()
        log = logs_of(lab, topic)[0]
        expected = life.acked() - truth.present(log)
        assert len(expected) >= 200, "nothing worth looking for was lost"
        life.start()
        wait_lost(life, len(expected))
        proved_at = time.time()
        wait_for(lambda: saved(tmp_path)["alive_at"] > proved_at, 20, "the proof is saved")
        assert life.records()["lost"] == len(expected)
        life.kill()
    with Sentinel(config) as last:
        last.wait_verified(200)
        figures = last.quiesce(60)
        assert set(last.lost()) == expected
        assert sum(loss["count"] for loss in last.status["losses"]) == len(expected)
        assert figures["lost"] == len(expected)
        assert figures["lost_before"] > 0
        assert sum(incident["lost"] for incident in last.incidents()) == len(expected)
        log = logs_of(lab, topic)[0]
        present = truth.present(log)
        vanished = life.read() - life.acked() - present  # never acknowledged, yet it was seen that they were written
        found = figures["verified"] - figures["lost_before"] + figures["present"]
        assert len(present) <= found <= len(present) + len(vanished)
        assert figures["duplicated"] == truth.extra_copies(log)  # a wiped leader has forgotten what it was sent before
        assert_identities(figures)


def test_h_a_loss_while_it_was_dead_is_proved_after_the_restart(lab_separate, make_topic, tmp_path):
    lab = lab_separate
    topic = make_topic(lab, config=UNSAFE)
    config = settings(lab, topic, tmp_path)
    with SentinelProcess(tmp_path / "first", config, tapped=True) as first:
        wait_verified(first, 200)
        first.kill()
    (account,) = saved(tmp_path)["accounts"]
    known, in_flight = sequences(account, "verified", "awaiting"), sequences(account, "in_flight")
    placed = members(account, [(first, count) for first, count, _offset in account["positions"]])
    assert known <= first.acked()
    newer = first.acked() - known
    assert not newer or min(newer) > max(known), "only its last second is not in its state"
    return_empty(lab, topic)
    with Sentinel(config) as second:
        wait_lost(second, len(known))
        lab.wait_ready()
        figures = second.quiesce(60)
        present = truth.present(logs_of(lab, topic)[0])
        assert not known & present
        assert set(second.lost()) == known
        assert figures["lost"] == len(known)
        assert figures["lost_before"] == len(sequences(account, "verified"))
        # Of what was in flight, some may have been read before its acknowledgement came.
        assert figures["present"] == len(in_flight & placed)
        assert figures["unaccounted"] == len(in_flight - placed)
        assert figures["verified"] - figures["lost_before"] == len(second.acked(0)) == len(present)
        assert_identities(figures)


# --- without it


@pytest.mark.full
def test_h_without_its_state_every_claimed_loss_is_proved_and_the_rest_is_unaccounted(
    lab_separate, make_topic, tmp_path
):
    lab = lab_separate
    topic = make_topic(lab, config=UNSAFE)
    config = settings(lab, topic, tmp_path, delivery_timeout=3)
    state = tmp_path / "state.json"
    with SentinelProcess(tmp_path / "first", config, tapped=True) as first:
        wait_verified(first, 200)
        return_empty(lab, topic, down_for=lambda: wait_uncertain(first, 20))
        wait_lost(first, 200)
        wait_verified(first, verified(first) + 100)
        first.kill()
    state.unlink()
    with Sentinel(config) as second:
        second.wait_verified(100)
        lab.wait_ready()
        figures = second.quiesce(60)
        log = logs_of(lab, topic)[0]
        run = second.engine.truth.run
        lost, unaccounted = judged_by_claims(log, run)
        assert lost == first.acked() - truth.present(log)
        assert len(lost) >= 200
        assert len(unaccounted) >= 20
        assert set(second.lost()) == lost
        assert (figures["lost"], figures["unaccounted"]) == (len(lost), len(unaccounted))
        assert figures["verified"] + figures["present"] == len(truth.present(log))
        assert_identities(figures)
    state.write_bytes(state.read_bytes()[:-100])
    with SentinelProcess(tmp_path / "third", config, tapped=True) as third:
        assert "state not used" in third.log()
        assert len(list(tmp_path.glob("state.json.unreadable-*"))) == 1
        wait_verified(third, 100)
        settle(third)
        log = logs_of(lab, topic)[0]
        lost, unaccounted = judged_by_claims(log, int(third.status["run"], 16))
        assert (third.records()["lost"], third.records()["unaccounted"]) == (len(lost), len(unaccounted))
        third.kill()
    with SentinelProcess(tmp_path / "fourth", {**config, "name": "another"}) as fourth:
        assert "state is another Sentinel's" in fourth.log()
        assert len(list(tmp_path.glob("state.json.unreadable-*"))) == 2
        wait_verified(fourth, 100)
        settle(fourth)
        strangers = [one for one in logs_of(lab, topic)[0] if one.run != int(fourth.status["run"], 16)]
        figures = fourth.records()
        assert (figures["lost"], figures["unaccounted"], figures["foreign"]) == (0, 0, len(strangers))


def wait_uncertain(life: SentinelProcess, count: int) -> None:
    wait_for(lambda: life.records().get("uncertain", 0) >= count, 40, lambda: f"sends given up: {life.records()}")


def settle(life: SentinelProcess) -> None:
    """Wait until nothing that an earlier run left is open."""
    wait_for(
        lambda: (
            life.status["now"] > life.status["started_at"] + 8
            and not any(life.records()[name] for name in ("suspected", "unresolved"))
        ),
        60,
        lambda: f"all settled: {life.records()}",
    )


def judged_by_claims(log: list[truth.LogRecord], alive: int) -> tuple[set[Key], set[Key]]:
    """What a Sentinel that knows nothing but the log has to call lost, and unaccounted, of all runs but its own."""
    present, claimed = truth.present(log), truth.claimed(log)
    highest = {run: max(sequence for its, sequence in present if its == run) for run, _ in present if run != alive}
    missing = {(run, sequence) for run, last in highest.items() for sequence in range(last + 1)} - present
    return missing & claimed, missing - claimed

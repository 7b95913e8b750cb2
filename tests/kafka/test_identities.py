"""Every record is in exactly one state at every instant (docs/verification.md: i).

The figures of every snapshot and the ledgers themselves are checked while brokers are killed; and a contradiction,
forced on a ledger, is contained: told, set aside, and probing goes on under a new run.
"""

from __future__ import annotations

import urllib.request
from itertools import pairwise

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.core.account import State
from kafka_sentinel.core.events import RecordsAcked
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Span
from kafka_sentinel.runtime import now

SESSION = {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5}
THREE = ([1, 2, 3], [2, 3, 1], [3, 1, 2])
FIRST, SECOND = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
NEVER_SENT = 1 << 40


def violations(sentinel: Sentinel) -> int:
    """What `/metrics` says of them."""
    assert sentinel.runtime.web is not None
    address = f"http://127.0.0.1:{sentinel.runtime.web.port}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return int(
        sum(float(one.split()[-1]) for one in lines if one.startswith("kafka_sentinel_invariant_violations_total"))
    )


def states_of(sentinel: Sentinel) -> list[tuple[str, int, dict[State, list[tuple[int, int]]]]]:
    """Each account: its name, how many sequences it knows of, and the spans of its states. Checked by itself before."""

    def look(engine):
        found = []
        for ledger in engine.truth.ledgers.values():
            ledger.check()
            for account in ledger.accounts.values():
                spans = {state: members.spans() for state, members in account.sets.items()}
                found.append((str(account), account.next_sequence - sum(account.folded[s.value] for s in State), spans))
        return found

    return sentinel.runtime.ask(look)


def assert_one_state_each(sentinel: Sentinel) -> None:
    """No sequence is in two states, and none in no state; told from the sets, not from their sums."""
    for name, known, spans in states_of(sentinel):
        pieces = sorted(piece for each in spans.values() for piece in each)
        assert sum(count for _, count in pieces) == known, name
        for (first, count), (following, _) in pairwise(pieces):
            assert first + count == following, f"{name}: {first}+{count}, then {following}"


def assert_all_snapshots_add_up(sentinel: Sentinel) -> None:
    for status in list(sentinel.runtime.published):
        for figures in status["records"].values():
            assert_identities(figures)
            assert min(figures.values()) >= 0


ROUNDS = (((1,), (2, 3)), ((1,), (2, 3), (2,), (3, 1), (3,), (1, 2)))  # those of one round are killed together


@pytest.mark.parametrize("rounds", [ROUNDS[0], pytest.param(ROUNDS[1], marks=pytest.mark.full)], ids=["two", "six"])
def test_i_every_record_is_in_one_state_at_every_instant_while_brokers_are_killed(lab_combined, make_topic, rounds):
    lab = lab_combined
    topic = make_topic(lab, THREE)
    make_topic(lab, THREE, name=f"{topic}-acks1")
    probe = {
        "manage_topic": False,
        "records_per_interval": 4,
        "delivery_timeout": 3,  # so that some are given up
        "acks_one": {"enabled": True, "topic": f"{topic}-acks1"},
    }
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(300)
        samples = 0
        for victims in rounds:  # one leader; then two at once, and the rest refuses writes
            for broker in victims:
                lab.kill(broker)
            given_up = sentinel.records()["uncertain"]
            reached = len(sentinel.runtime.published) + 8
            while len(sentinel.runtime.published) < reached or (
                len(victims) > 1 and sentinel.records()["uncertain"] == given_up
            ):
                assert_one_state_each(sentinel)
                samples += 1
            for broker in victims:
                lab.start(broker)
            lab.wait_ready()
            verified = sentinel.records()["verified"]
            while sentinel.records()["verified"] < verified + 200:
                assert_one_state_each(sentinel)
                samples += 1
        figures = sentinel.quiesce(90)
        assert_one_state_each(sentinel)
        assert_all_snapshots_add_up(sentinel)
        assert samples > 20
        assert len(sentinel.runtime.published) > 20
        assert figures["uncertain"] > 0, "nothing was ever in doubt"
        assert violations(sentinel) == sentinel.engine.truth.violations == 0
        assert figures["sent"] == sum(sentinel.runtime.sent[Acks.ALL, partition] for partition in range(3))
        logs = [truth.present(truth.read_log(lab.bootstrap_servers, topic, each).records) for each in range(3)]
        acked = [set(sentinel.acked(each)) for each in range(3)]
        assert all(one <= log for one, log in zip(acked, logs, strict=True))
        assert figures["acked"] == figures["verified"] == sum(len(one) for one in acked)
        assert figures["present"] == sum(len(log) for log in logs) - figures["acked"]


def contradict(sentinel: Sentinel, partition: ProbePartition) -> None:
    """Tell the ledger of an acknowledgement that cannot be."""
    at: Instant = now()
    run = sentinel.engine.truth.run
    sentinel.runtime.post([RecordsAcked(at, partition, run, (Span(NEVER_SENT, 3, 5),))])


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.full)], ids=["calm", "while_writes_fail"])
def test_i_a_contradiction_is_contained_told_and_probing_goes_on(lab_combined, make_topic, tmp_path, kill):
    lab = lab_combined
    topic = make_topic(lab, THREE[:2])
    probe = {"manage_topic": False, "records_per_interval": 5}
    state = {"file": str(tmp_path / "state.json"), "checkpoint_interval": 1.0}
    config = configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION, state=state)
    with Sentinel(config) as sentinel:
        sentinel.wait_verified(200)
        old = sentinel.engine.truth.run
        if kill:
            lab.kill(1)
            lab.kill(2)
            wait_for(lambda: sentinel.records()["in_flight"] > 20, 30, lambda: f"writes fail: {sentinel.records()}")
        contradict(sentinel, FIRST)
        wait_for(lambda: sentinel.engine.truth.run != old, 10, "a new run")
        assert sentinel.engine.truth.violations == 1
        if kill:
            lab.start(1)
            lab.start(2)
            lab.wait_ready()
        new = sentinel.engine.truth.run
        wait_for(
            lambda: all(sum(run == new for run, _ in sentinel.read(each)) >= 100 for each in (0, 1)),
            60,
            lambda: f"both partitions probed under the new run: {sentinel.records()}",
        )
        figures = sentinel.quiesce(90)
        assert (sentinel.engine.truth.run, sentinel.engine.truth.violations) == (new, 1), "it came again"
        assert violations(sentinel) == 1
        assert len(sentinel.said("ledger contradicts itself; partition starts over")) == 1
        assert sentinel.status["experiments"]["latched"]
        assert_one_state_each(sentinel)
        assert_all_snapshots_add_up(sentinel)
        check_what_was_set_aside(lab, sentinel, topic, new)
        assert not kill or figures["unaccounted"] > 0
        assert sentinel.runtime.ask(lambda engine: engine.truth.ledgers[SECOND].records()["unaccounted"]) == 0
    with Sentinel(config) as again:
        again.wait_verified(figures["verified"] + 200)
        after = again.quiesce(60)
        assert again.status["experiments"]["latched"], "latched until somebody resumes"
        assert (after["unaccounted"], after["lost"]) == (figures["unaccounted"], 0)
        assert after["verified"] == figures["verified"] + sum(len(again.acked(each)) for each in (0, 1))
        assert again.engine.truth.violations == 0
        assert_identities(after)


def check_what_was_set_aside(lab, sentinel: Sentinel, topic: str, new: int) -> None:
    """Of the partition that contradicted itself, what was open then is unaccounted; nothing else is."""
    figures = sentinel.records()
    assert (figures["lost"], figures["duplicated"], figures["foreign"]) == (0, 0, 0)
    logs = [truth.present(truth.read_log(lab.bootstrap_servers, topic, each).records) for each in (0, 1)]
    acked = [
        set(sentinel.acked(each)) - {key for key in sentinel.acked(each) if key[1] >= NEVER_SENT} for each in (0, 1)
    ]
    assert acked[0] <= logs[0]
    assert acked[1] <= logs[1]
    sent = sum(sentinel.runtime.sent[Acks.ALL, each] for each in (0, 1))
    deaf = (
        sent - figures["sent"]
    )  # sent in the old run to that partition after the contradiction, and before the new run
    assert deaf >= 0
    assert figures["verified"] + figures["present"] + figures["unaccounted"] + figures["absent"] == figures["sent"]
    under_new_run = [len({key for key in each if key[0] == new}) for each in acked]
    others = len({key for key in acked[1] if key[0] != new})
    assert figures["verified"] >= sum(under_new_run) + others

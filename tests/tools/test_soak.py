"""The pieces of the soak (tests/soak), without brokers: its plan, its cards, its decoder, and the judge both ways."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.kafka import truth
from tests.soak import judge
from tests.soak.cards import ACKED, DELETED, EITHER, OLD, READ, SEEN, STANDS, STRONG, Cards, Tap
from tests.soak.faults import Faults
from tests.soak.judge import Excuses, Judge
from tests.soak.plan import ALONE, BROKERS, CUTTING, FAULTS, as_far_as, bouts, first

from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Claims

RUN = 7
KEY = ("all", 0, RUN)
INSTANCE = 11
MANY = 400  # bouts

# --- the plan


def test_the_seed_alone_makes_the_plan():
    assert first(5, MANY) == first(5, MANY)
    assert first(5, MANY) != first(6, MANY)


def test_it_goes_on_as_long_as_there_is_time_and_without_a_number_of_decks_through_any():
    asked = iter([False] * (MANY - 1) + [True])
    assert list(as_far_as(bouts(5), 0, lambda: next(asked))) == first(5, MANY)


@pytest.mark.parametrize("decks", [1, 3])
def test_it_ends_after_as_many_decks_as_were_asked_for(decks):
    gone_through = list(as_far_as(bouts(5), decks, lambda: False))
    assert gone_through == first(5, len(gone_through))
    assert sum(bout.compare for bout in gone_through) == decks
    assert gone_through[-1].compare


@pytest.mark.parametrize("seed", range(20))
def test_each_fault_comes_once_before_any_comes_again_and_then_all_is_compared(seed):
    dealt: list[str] = []
    decks: list[list[str]] = []
    for bout in first(seed, MANY):
        dealt += [step.fault for step in bout.steps]
        if bout.compare:
            decks.append(sorted(dealt))
            dealt = []
    assert len(decks) > 4
    assert all(deck == sorted(set(FAULTS) - CUTTING) for deck in decks[::2])
    assert all(deck == sorted(FAULTS) for deck in decks[1::2])


def test_what_cuts_logs_meets_no_other_fault_of_brokers_and_some_others_overlap():
    rooms = Counter()
    for seed in range(20):
        for bout in first(seed, MANY):
            names = [step.fault for step in bout.steps]
            its = [FAULTS[name].room for name in names]
            assert len(set(names)) == len(names)
            assert not ({"log", "brokers"} <= set(its))
            assert all(its.count(room) == 1 for room in its if room != "brokers")
            assert not (set(names) & ALONE) or len(names) == 1
            rooms[len(names)] += 1
    assert all(rooms[size] for size in (1, 2, 3))


def test_a_plan_of_some_faults_has_no_others_and_an_unknown_one_is_named():
    assert {step.fault for bout in first(1, 50, ["kill_all", "no_state"]) for step in bout.steps} == {
        "kill_all",
        "no_state",
    }
    assert {step.fault for bout in first(1, 9, ["empty_leader"]) for step in bout.steps} == {"empty_leader"}
    with pytest.raises(ValueError, match="no such fault: flood; there are kill_leader"):
        first(1, 1, ["flood"])


def test_each_fault_is_done_with_what_the_plan_draws_for_it():
    for bout in first(3, MANY):
        for step in bout.steps:
            taken = getattr(Faults, step.fault).__code__
            names = taken.co_varnames[1 : 1 + taken.co_argcount - 1 + taken.co_kwonlyargcount]
            assert set(step.parameters) == set(names), step
            assert step.parameters.get("broker", 1) in BROKERS


# --- what is known from outside


def value(sequence: int, *, partition: int = 0, instance: int = INSTANCE) -> bytes:
    encoder = Encoder(instance=instance, run=RUN, incarnation=2, partition=partition, size=200)
    encoder.set_claims(Claims(3, 40, ((5, 2), (30, 1))))
    return encoder.encode(sequence, 1_000, 2_000)


def test_the_decoder_of_the_format_s_own_page_reads_what_is_sent():
    found = truth.parse(9, value(77))
    assert (found.kind, found.offset, found.instance, found.run, found.incarnation) == ("record", 9, INSTANCE, RUN, 2)
    assert (found.partition, found.sequence, found.wall_ns, found.mono_ns) == (0, 77, 1_000, 2_000)
    assert (found.claims_from, found.acked_through, found.gaps) == (3, 40, ((5, 2), (30, 1)))
    assert truth.claimed([found]) == {(RUN, each) for each in range(3, 40) if each not in (5, 6, 30)}
    assert truth.parse(9, value(77)[:-1]).kind == "corrupted"
    assert truth.parse(9, b"hello").kind == "foreign"


def test_a_full_read_counts_copies_order_strangers_and_damage_and_forgets_what_stood_before():
    cards = Cards(INSTANCE)
    entries = [value(0), value(2), value(1), value(2), b"hello", value(3)[:-1], value(4, partition=1)]
    cards.full_read(("all", 0), [truth.parse(offset, each) for offset, each in enumerate(entries)])
    assert cards.shown["all", 0]._asdict() == {
        "records": 4,
        "duplicated": 1,
        "reordered": 1,
        "foreign": 2,
        "corrupted": 1,
    }
    assert list(cards.flags[KEY]) == [STANDS | SEEN] * 3
    cards.full_read(("all", 0), [truth.parse(0, value(1))])
    assert list(cards.flags[KEY]) == [SEEN, STANDS | SEEN, SEEN]
    assert (cards.count("all", SEEN), cards.count("all", SEEN, STANDS), cards.count("1", SEEN)) == (3, 2, 0)


def test_a_tap_is_read_as_it_grows_and_a_line_that_is_being_written_is_left(tmp_path: Path):
    cards, path = Cards(INSTANCE), tmp_path / "heard.jsonl"
    tap = Tap(path, cards)
    tap.refresh()
    said = [json.dumps([kind, "all", 0, f"{RUN:016x}", *span]) for kind, *span in (("acked", 0, 3), ("read", 1, 1))]
    path.write_text(said[0] + "\n" + said[1])
    tap.refresh()
    assert list(cards.flags[KEY]) == [ACKED] * 3
    path.write_text("\n".join([*said, ""]))
    tap.refresh()
    assert list(cards.flags[KEY]) == [ACKED, ACKED | READ, ACKED]


def test_a_copy_is_not_told_of_what_comes_later():
    cards = Cards(INSTANCE)
    cards.mark(KEY, 0, 1, ACKED)
    copy = cards.copy()
    cards.mark(KEY, 0, 2, READ)
    copy.full_read(("all", 0), [truth.parse(0, value(0))])
    assert (list(copy.flags[KEY]), list(cards.flags[KEY])) == ([ACKED | STANDS | SEEN], [ACKED | READ, READ])


def test_of_a_topic_made_anew_what_is_older_is_told_from_what_may_be_of_either():
    cards = Cards(INSTANCE)
    cards.mark(KEY, 0, 2, ACKED)
    cards.mark_level("all", OLD)
    cards.mark(KEY, 2, 1, ACKED)
    cards.mark_level("all", EITHER, unless=OLD)
    cards.mark(KEY, 3, 1, ACKED)
    assert list(cards.flags[KEY]) == [ACKED | OLD, ACKED | OLD, ACKED | EITHER, ACKED]


# --- the judge


def state(count: int, held: dict[str, list[tuple[int, int]]], *, alive: int = RUN, **others: object) -> dict:
    account = {"run": f"{RUN:016x}", "next": count, "sets": held, "folded": {}, "lost_before": [], **others}
    return {
        "truth": {
            "run": f"{alive:016x}",
            "partitions": [{"acks": "all", "partition": 0, "accounts": [account]}],
        }
    }


def judged(flags: list[int], held: dict, *, lost=(), excuses: Excuses | None = None, **others) -> tuple[list, list]:
    cards = Cards(INSTANCE)
    for sequence, flag in enumerate(flags):
        cards.mark(KEY, sequence, 1, flag)
    found = Judge(cards, excuses or Excuses()).judge(state(len(flags), held, **others), {KEY: set(lost)})
    assert found.compared == len(flags)
    return found.false, found.open


GOOD = ACKED | READ | STANDS
GONE = ACKED | READ


def test_what_is_as_it_is_said_is_right():
    held = {"verified": [(0, 3)], "present": [(3, 1)], "absent": [(4, 1)], "lost": [(5, 1)], "expired": [(6, 1)]}
    flags = [GOOD, GONE, GONE | DELETED, STANDS, 0, ACKED, ACKED | DELETED]
    assert judged(flags, held, lost=[1, 5], lost_before=[(1, 1)]) == ([], [])


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (GOOD, "called lost, but it stands in the log"),
        (READ, "called lost, but it was never acknowledged"),
        (ACKED | DELETED, "called lost, but DeleteRecords took it"),
        (ACKED | OLD, "called lost, but it went with its topic"),
    ],
)
def test_a_record_that_is_called_lost_and_is_not_is_a_false_verdict(flag, words):
    [sentence], _ = judged([flag], {"lost": [(0, 1)]}, lost=[0])
    assert sentence.startswith(f"1 times {words}: acks=all partition 0 run {RUN:016x} sequence 0+1")
    assert judged([ACKED], {"lost": [(0, 1)]}, lost=[0])[0] == []


@pytest.mark.parametrize(
    ("name", "flag", "words"),
    [
        ("verified", GONE, "held as verified, but it is gone"),
        ("verified", READ | STANDS, "held as verified, but it was never acknowledged"),
        ("verified", ACKED | DELETED, "held as verified, but it was given to no reader"),
        ("present", 0, "held as present, but it was given to no reader"),
        ("present", GOOD, "held as present, but it was acknowledged"),
        ("absent", STANDS, "held as absent, but it stands in the log"),
        ("absent", ACKED | STANDS, "held as absent, but it was acknowledged"),
        ("rejected", STANDS, "held as rejected, but it stands in the log"),
        ("expired", GOOD | DELETED, "held as expired, but it stands in the log"),
        ("expired", ACKED, "held as expired, but it was not deleted, nor anything of its partition"),
        ("corrupted", ACKED, "held as corrupted, but it was never damaged, nor anything of its partition"),
        ("unaccounted", ACKED | DELETED, "held as unaccounted, but it was sent and heard of by this very life"),
    ],
)
def test_a_record_that_is_held_as_what_it_is_not_is_named(name, flag, words):
    _, sentences = judged([flag], {name: [(0, 1)]})
    assert any(sentence.startswith(f"1 times {words}: ") for sentence in sentences), sentences


@pytest.mark.parametrize("name", ["verified", "awaiting", "unaccounted", "expired", "folded"])
def test_what_was_acknowledged_and_is_gone_must_be_called_lost(name):
    held = {} if name == "folded" else {name: [(0, 1)]}
    _, sentences = judged([GONE], held, folded={"verified": 1} if name == "folded" else {})
    missed = f"1 times acknowledged and gone, but held as {name} and never called lost: "
    assert any(sentence.startswith(missed) for sentence in sentences), sentences


def test_of_an_earlier_life_unaccounted_is_honest_unless_its_state_knew():
    assert judged([GONE], {"unaccounted": [(0, 1)]}, alive=RUN + 1) == ([], [])
    _, [sentence] = judged([GONE | STRONG], {"unaccounted": [(0, 1)]}, alive=RUN + 1)
    assert "never called lost" in sentence
    assert judged([GONE | STRONG], {"unaccounted": [(0, 1)]}, alive=RUN + 1, lost=[0]) == ([], [])


def test_where_nobody_can_know_either_answer_is_right():
    where = frozenset({("all", 0)})
    assert judged([GONE], {"expired": [(0, 1)]}, excuses=Excuses(deleted=where)) == ([], [])
    assert judged([GONE], {}, folded={"verified": 1}, excuses=Excuses(deleted=where)) == ([], [])
    excuses = Excuses(deleted=where, deleted_then_cut=where, levels_forgotten=frozenset({"all"}))
    for flag in (GONE | DELETED, GONE | OLD):
        assert judged([flag], {"lost": [(0, 1)]}, lost=[0], excuses=excuses) == ([], [])


def test_what_was_deleted_and_is_back_after_a_crash_may_have_left_the_account():
    """DeleteRecords is undone where every broker dies before where its logs start is written down."""
    where = frozenset({("all", 0)})
    assert judged([GOOD], {}, folded={"verified": 1}, excuses=Excuses(deleted=where)) == ([], [])
    _, [sentence] = judged([GOOD], {}, folded={"verified": 1}, excuses=Excuses(deleted=frozenset({("all", 1)})))
    assert "held as folded, but it stands in the log" in sentence
    _, [sentence] = judged([GOOD], {"expired": [(0, 1)]}, excuses=Excuses(deleted=where))
    assert "held as expired, but it stands in the log" in sentence


def test_a_record_that_is_in_no_state_is_missed():
    _, sentences = judged([GOOD, ACKED | DELETED], {}, folded={"expired": 1})
    assert any("held as folded, but it stands in the log" in each for each in sentences)
    assert any("2 sent, 0 held, 1 folded" in each for each in sentences)


def test_evidence_and_states_are_read_as_they_are_written():
    line = {"acks": "1", "partition": 2, "run": f"{RUN:016x}", "first_sequence": 4, "count": 3}
    assert judge.lost_in([line, {**line, "first_sequence": 6}]) == {("1", 2, RUN): {4, 5, 6, 7, 8}}
    held = {"verified": [(0, 2)], "awaiting": [(2, 1)], "present": [(3, 1)]}
    assert sorted(judge.known_acked(state(4, held))) == [(KEY, 0, 2), (KEY, 2, 1)]

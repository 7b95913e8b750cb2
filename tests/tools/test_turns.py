"""Whose turn it is among the tiers: what puts up machines never runs beside another that does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tools.turns import Prepared, Tier, Turns

SOON = 0.2  # seconds after which what has not happened waits for something
LONG = 10.0


def tier(name: str, *, machines: bool = False, prepare: Callable[[], str | None] = lambda: None) -> Tier:
    return Tier(name, (), prepare, machines=machines)


def prepared(*tiers: Tier, workers: int = 2) -> Turns:
    turns = Turns(tiers, workers)
    turns.prepare()
    return turns


def name_of(taken: Prepared | None) -> str | None:
    return None if taken is None else taken.tier.name


class Taker:
    """One who takes a turn, and waits for it if there is none."""

    def __init__(self, turns: Turns) -> None:
        self.taken: list[str | None] = []
        self._thread = threading.Thread(target=lambda: self.taken.append(name_of(turns.take())), daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> list[str | None]:
        self._thread.join(seconds)
        return self.taken


def test_each_is_given_out_once_in_order_and_then_nothing() -> None:
    turns = prepared(tier("one"), tier("two"))
    assert [name_of(turns.take()) for _ in range(4)] == ["one", "two", None, None]


def test_what_puts_up_machines_comes_first_and_one_at_a_time() -> None:
    kafka, kubernetes = tier("kafka", machines=True), tier("kubernetes", machines=True)
    turns = prepared(tier("core"), kafka, kubernetes)
    assert [name_of(turns.take()) for _ in range(2)] == ["kafka", "core"]
    waits = Taker(turns)
    assert waits.wait(SOON) == []
    turns.ended(tier("core"))
    assert waits.wait(SOON) == []
    turns.ended(kafka)
    assert waits.wait(LONG) == ["kubernetes"]


def test_while_machines_are_prepared_all_workers_but_one_run_something_else() -> None:
    gate = threading.Event()
    core, mock = tier("core"), tier("mock")
    kafka = tier("kafka", machines=True, prepare=lambda: None if gate.wait(LONG) else "late")
    turns = Turns([core, mock, kafka], workers=2)
    preparing = threading.Thread(target=turns.prepare, daemon=True)
    preparing.start()
    assert name_of(turns.take()) == "core"
    waits = Taker(turns)
    assert waits.wait(SOON) == [], "what is ready waits, for kafka would have to wait for it"
    gate.set()
    assert waits.wait(LONG) == ["kafka"]
    preparing.join(LONG)
    turns.ended(core)
    assert name_of(turns.take()) == "mock"
    assert turns.take() is None


def test_once_all_with_machines_have_begun_every_worker_runs_what_there_is() -> None:
    kafka = tier("kafka", machines=True)
    turns = prepared(kafka, tier("core"), tier("mock"))
    assert [name_of(turns.take()) for _ in range(2)] == ["kafka", "core"]
    turns.ended(kafka)
    assert name_of(turns.take()) == "mock"


def test_a_worker_alone_runs_what_there_is() -> None:
    gate = threading.Event()
    turns = Turns(
        [tier("core"), tier("kafka", machines=True, prepare=lambda: None if gate.wait(LONG) else "late")], workers=1
    )
    preparing = threading.Thread(target=turns.prepare, daemon=True)
    preparing.start()
    assert name_of(turns.take()) == "core"
    gate.set()
    preparing.join(LONG)


def test_what_cannot_run_is_given_out_with_the_reason() -> None:
    taken = prepared(tier("one", prepare=lambda: "there is no Java")).take()
    assert taken is not None
    assert taken.missing == "there is no Java"


def test_after_a_stop_nothing_is_given_out_and_nothing_more_prepared() -> None:
    tried: list[str] = []

    def interrupted() -> None:
        turns.stop()

    turns = Turns([tier("one", prepare=interrupted), tier("two", prepare=lambda: tried.append("two"))], workers=2)
    turns.prepare()
    assert turns.take() is None
    assert tried == [], "what is being prepared ends by itself, and nothing else begins"


def test_several_prepare_at_once_each_tier_once_and_the_end_is_when_the_last_is_through() -> None:
    begun, gate = threading.Barrier(2), threading.Event()

    def long() -> str | None:
        begun.wait(LONG)
        return None if gate.wait(LONG) else "late"

    short = tier("short", prepare=lambda: begun.wait(LONG) and None)
    turns = Turns([tier("long", prepare=long), short, tier("third")], workers=2)
    preparing = [threading.Thread(target=turns.prepare, daemon=True) for _ in range(2)]
    for one in preparing:
        one.start()
    assert [name_of(turns.take()) for _ in range(2)] == ["short", "third"]
    turns.ended(short)
    waits = Taker(turns)
    assert waits.wait(SOON) == []
    gate.set()
    assert waits.wait(LONG) == ["long"]
    for one in preparing:
        one.join(LONG)
    assert turns.take() is None


def test_where_preparing_breaks_off_nobody_waits_for_ever() -> None:
    def broken() -> str | None:
        raise OSError("no disk")

    turns = Turns([tier("one"), tier("two", prepare=broken), tier("three")], workers=2)
    with pytest.raises(OSError, match="no disk"):
        turns.prepare()
    assert [name_of(turns.take()) for _ in range(2)] == ["one", None]


def test_where_preparing_breaks_off_no_worker_is_kept_for_machines_that_never_come() -> None:
    def broken() -> str | None:
        raise OSError("no disk")

    turns = Turns([tier("one"), tier("two"), tier("kafka", machines=True, prepare=broken)], workers=2)
    with pytest.raises(OSError, match="no disk"):
        turns.prepare()
    assert [name_of(turns.take()) for _ in range(3)] == ["one", "two", None]

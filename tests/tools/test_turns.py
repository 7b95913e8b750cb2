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


def prepared(*tiers: Tier) -> Turns:
    turns = Turns(tiers)
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


def test_nobody_waits_for_what_is_prepared_later_if_there_is_something_else() -> None:
    gate = threading.Event()
    turns = Turns([tier("core"), tier("kafka", machines=True, prepare=lambda: None if gate.wait(LONG) else "late")])
    preparing = threading.Thread(target=turns.prepare, daemon=True)
    preparing.start()
    assert name_of(turns.take()) == "core"
    waits = Taker(turns)
    assert waits.wait(SOON) == []
    gate.set()
    assert waits.wait(LONG) == ["kafka"]
    preparing.join(LONG)
    assert turns.take() is None


def test_what_cannot_run_is_given_out_with_the_reason() -> None:
    taken = prepared(tier("one", prepare=lambda: "there is no Java")).take()
    assert taken is not None
    assert taken.missing == "there is no Java"


def test_after_a_stop_nothing_is_given_out_and_nothing_more_prepared() -> None:
    tried: list[str] = []

    def interrupted() -> None:
        turns.stop()

    turns = Turns([tier("one", prepare=interrupted), tier("two", prepare=lambda: tried.append("two"))])
    turns.prepare()
    assert turns.take() is None
    assert tried == [], "what is being prepared ends by itself, and nothing else begins"


def test_several_prepare_at_once_each_tier_once_and_the_end_is_when_the_last_is_through() -> None:
    begun, gate = threading.Barrier(2), threading.Event()

    def long() -> str | None:
        begun.wait(LONG)
        return None if gate.wait(LONG) else "late"

    turns = Turns([tier("long", prepare=long), tier("short", prepare=lambda: begun.wait(LONG) and None), tier("third")])
    preparing = [threading.Thread(target=turns.prepare, daemon=True) for _ in range(2)]
    for one in preparing:
        one.start()
    assert [name_of(turns.take()) for _ in range(2)] == ["short", "third"]
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

    turns = Turns([tier("one"), tier("two", prepare=broken), tier("three")])
    with pytest.raises(OSError, match="no disk"):
        turns.prepare()
    assert [name_of(turns.take()) for _ in range(2)] == ["one", None]

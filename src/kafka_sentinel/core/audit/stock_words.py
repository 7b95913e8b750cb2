"""The inventory for people to read: objects by kind, then settings, those that are not Kafka's own defaults first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from kafka_sentinel.core.audit.finding import counted, named
from kafka_sentinel.core.audit.stock import Stock, Thing, Value

MAX_VALUE = 80  # characters of a value in a table; JSON has it whole
MAX_LINES = 2_000  # of one table of settings


def stock_lines(found: Stock) -> Iterator[str]:
    """Yield the inventory line by line."""
    for kind, group in groupby(found.things, key=lambda one: one.kind):
        things = list(group)
        yield f"{kind} ({len(things)})"
        for thing in things:
            yield from _of_thing(thing)
        yield ""
    if found.left_out:
        yield f"and {counted(found.left_out, 'more object')}, which are not shown"
        yield ""
    yield from _of_settings("Settings of brokers", found.of_brokers, "broker")
    yield from _of_settings("Settings of topics", found.of_topics, "topic")
    if found.gaps:
        yield "NOT LOOKED AT: whatever is there is not in this list"
        yield from (f"  {why}" for why in dict.fromkeys(gap.why for gap in found.gaps))


def _of_thing(thing: Thing) -> Iterator[str]:
    name = f"{thing.namespace}/{thing.name}" if thing.namespace else thing.name
    yield f"  {name}: {thing.purpose}"
    facts = [*([("where", thing.where)] if thing.where else []), *([("made by", thing.owner)] if thing.owner else [])]
    for what, text in (*facts, *thing.details):
        yield f"    {what}: {text}"


def _of_settings(title: str, values: Sequence[Value], place: str) -> Iterator[str]:
    if not values:
        return
    for words, chosen in (
        ("not Kafka's own default", [one for one in values if not one.is_default]),
        ("as Kafka has it by default", [one for one in values if one.is_default]),
    ):
        yield f"{title}, {words} ({len(chosen)})"
        for one in chosen[:MAX_LINES]:
            yield f"  {one.name} = {_shown(one)}  [{one.setting.source}; {_default(one)}; {_places(one, place)}]"
        if len(chosen) > MAX_LINES:
            yield f"  and {len(chosen) - MAX_LINES} more: --format json has all"
        yield ""


def _shown(one: Value) -> str:
    if one.setting.secret:
        return "(secret)"
    return "(not set)" if one.setting.value is None else _short(one.setting.value)


def _default(one: Value) -> str:
    if one.is_default:
        return "the default"
    return "default not told" if one.setting.default is None else f"default {_short(one.setting.default)}"


def _short(value: str) -> str:
    text = " ".join(value.split())
    return (text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…") or '""'


def _places(one: Value, place: str) -> str:
    if one.count == one.of:
        return f"all {counted(one.of, place)}" if one.of > 1 else f"{place} {one.places[0]}"
    names = named(one.places, count=one.count)
    return f"{counted(one.count, place)}: {names}" if place == "topic" else f"{place} {names}"

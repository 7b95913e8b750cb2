"""The inventory for people, line by line; and how one value of a setting is shown."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.audit.facts import Gap, Part, Setting, Source
from kafka_sentinel.core.audit.stock import Stock, Thing, Value
from kafka_sentinel.core.audit.stock_words import MAX_LINES, MAX_VALUE, stock_lines

NOTHING = Stock(None, (), 0, (), (), ())


def value(value="5", source=Source.FILE, default="10", *, name="a", places=("1",), count=None, of=3, secret=False):
    setting = Setting(value, source, default, secret)
    return Value(name, setting, places, len(places) if count is None else count, of)


def said(things=(), left_out=0, of_brokers=(), of_topics=(), gaps=()):
    return list(stock_lines(Stock("lkc-1", tuple(things), left_out, tuple(of_brokers), tuple(of_topics), tuple(gaps))))


def shown(one, *, topics=False):
    """Return how one setting is shown, after its heading."""
    return said(of_topics=(one,))[1] if topics else said(of_brokers=(one,))[1]


def test_an_inventory_line_by_line():
    """What could not be listed for one reason is said once."""
    assert said(
        [
            Thing("Pod", "kafka", "b-1", "Kafka: broker 1", "Set b", "node n1", (("image", "x"), ("secrets", "none"))),
            Thing("Pod", "kafka", "b-2", "Kafka: broker 2", "", ""),
            Thing("PersistentVolume", "", "pv", "a disk", "Set b", ""),
        ],
        left_out=1,
        of_brokers=[value(), value("10", name="b"), value("6", name="c")],
        of_topics=[value(places=("t",), of=1)],
        gaps=[Gap(Part.ACLS, "we may not"), Gap(Part.PODS, "some pods"), Gap(Part.QUORUM, "we may not")],
    ) == [
        "Pod (2)",
        "  kafka/b-1: Kafka: broker 1",
        "    where: node n1",
        "    made by: Set b",
        "    image: x",
        "    secrets: none",
        "  kafka/b-2: Kafka: broker 2",
        "",
        "PersistentVolume (1)",
        "  pv: a disk",
        "    made by: Set b",
        "",
        "and 1 more object, which are not shown",
        "",
        "Settings of brokers, not Kafka's own default (2)",
        "  a = 5  [file; default 10; broker 1]",
        "  c = 6  [file; default 10; broker 1]",
        "",
        "Settings of brokers, as Kafka has it by default (1)",
        "  b = 10  [file; the default; broker 1]",
        "",
        "Settings of topics, not Kafka's own default (1)",
        "  a = 5  [file; default 10; topic t]",
        "",
        "Settings of topics, as Kafka has it by default (0)",
        "",
        "NOT LOOKED AT: whatever is there is not in this list",
        "  we may not",
        "  some pods",
    ]


def test_of_nothing_nothing_is_said():
    assert list(stock_lines(NOTHING)) == []


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (value(None), "a = (not set)  [file; default 10; broker 1]"),
        (value(""), 'a = ""  [file; default 10; broker 1]'),
        (value(default=None), "a = 5  [file; default not told; broker 1]"),
        (value(default=""), 'a = 5  [file; default ""; broker 1]'),
        (value("two\n lines"), "a = two lines  [file; default 10; broker 1]"),
        (value("x," * 40), f"a = {'x,' * 40}  [file; default 10; broker 1]"),
        (value("x," * 41), f"a = {('x,' * 40)[:-1]}…  [file; default 10; broker 1]"),
        (value(default="y" * 99), f"a = 5  [file; default {'y' * (MAX_VALUE - 1)}…; broker 1]"),
    ],
)
def test_how_a_value_and_its_default_are_shown(one, line):
    assert shown(one) == f"  {line}"


@pytest.mark.parametrize(
    ("source", "told"),
    [(Source.FILE, "file; default not told"), (Source.DEFAULT, "default; the default")],
)
def test_a_secret_that_somebody_set_is_not_taken_for_a_default(source, told):
    one = value(None, source, None, secret=True)
    assert one.is_default is (source is Source.DEFAULT)
    assert f"  a = (secret)  [{told}; broker 1]" in said(of_brokers=(one,))


@pytest.mark.parametrize(
    ("places", "of", "of_brokers", "of_topics"),
    [
        (["1"], 1, "broker 1", "topic 1"),
        (["1", "2"], 2, "all 2 brokers", "all 2 topics"),
        (["1"], 2, "broker 1", "1 topic: 1"),
        (["1", "2", "3", "4", "5"], 6, "broker 1, 2, 3 and 2 more", "5 topics: 1, 2, 3 and 2 more"),
    ],
)
def test_who_has_a_value(places, of, of_brokers, of_topics):
    one = value(places=tuple(places), of=of)
    assert shown(one).endswith(f"; {of_brokers}]")
    assert shown(one, topics=True).endswith(f"; {of_topics}]")


def test_those_that_are_not_kept_by_name_are_counted():
    one = value(places=("a", "b", "c", "d"), count=5_000, of=10_000)
    assert shown(one, topics=True).endswith("; 5000 topics: a, b, c and 4997 more]")


@pytest.mark.parametrize(("there", "end"), [(0, []), (1, ["  and 1 more: --format json has all"])])
def test_of_a_table_of_settings_only_so_many_lines_are_shown(there, end):
    found = said(of_topics=[value(name=f"{number}") for number in range(MAX_LINES + there)])
    assert found[0].endswith(f"({MAX_LINES + there})")
    assert found[1 + MAX_LINES : found.index("")] == end

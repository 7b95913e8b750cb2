"""Which faults happen, in which order and how far apart: all of it from the seed, before any of it happens.

A plan is an endless row of bouts; a run takes as many as its time allows. Faults are dealt like cards: each kind comes
once before any comes again, so that a long run has them all. Every other deck, the first one too, is without what cuts
logs on purpose: of logs that were only appended to, all figures can be compared exactly. Some faults of a bout overlap.
What cuts logs comes without other faults of brokers, for otherwise nobody outside could tell which took a record.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

LEVELS = ("all", "1")
BROKERS = (1, 2, 3)
PARTITIONS = 3  # of each topic when it is made
MOST_PARTITIONS = 6  # with those that are added

Parameters = dict[str, object]
Draw = Callable[[random.Random], Parameters]


class Kind(NamedTuple):
    """A kind of fault. `room`: what it touches. Of one room, and of "log" and "brokers", no two are in one bout.

    brokers: processes or leaders. log: what stands in the log. beside: the daemon itself, or its group.
    """

    room: str
    draw: Draw


class Step(NamedTuple):
    """One fault. `after`: seconds since its bout began."""

    fault: str
    after: float
    parameters: Parameters


class Bout(NamedTuple):
    """Faults that may overlap, and then `calm` seconds without. `compare`: it ends a deck; see whether all is true."""

    steps: tuple[Step, ...]
    calm: float
    compare: bool


def seconds(chance: random.Random, least: float, most: float) -> float:
    return round(chance.uniform(least, most), 1)


def one_broker(least: float, most: float) -> Draw:
    return lambda chance: {"broker": chance.choice(BROKERS), "seconds": seconds(chance, least, most)}


def one_partition(least: float, most: float) -> Draw:
    return lambda chance: {
        "level": chance.choice(LEVELS),
        "partition": chance.randrange(PARTITIONS),
        "seconds": seconds(chance, least, most),
    }


def for_a_while(least: float, most: float) -> Draw:
    return lambda chance: {"seconds": seconds(chance, least, most)}


def deletion(chance: random.Random) -> Parameters:
    where = {"level": chance.choice(LEVELS), "partition": chance.randrange(PARTITIONS)}
    return {**where, "share": chance.choice((0.3, 0.9, 1.0)), "starved": chance.random() < 0.7}


def writing(chance: random.Random) -> Parameters:
    where = {"level": chance.choice(LEVELS), "partition": chance.randrange(PARTITIONS)}
    counts = {name: chance.randint(1, 20) for name in ("foreign", "damaged", "copies", "elsewhere")}
    return {**where, **counts, "salt": chance.randrange(1 << 30)}


FAULTS: dict[str, Kind] = {
    "kill_leader": Kind("brokers", one_partition(1, 12)),
    "kill_broker": Kind("brokers", one_broker(0.5, 15)),
    "pause_short": Kind("brokers", one_broker(0.5, 2.5)),  # its session lasts 3 s
    "pause_long": Kind("brokers", one_broker(5, 14)),
    "kill_controller": Kind("brokers", for_a_while(1, 10)),
    "kill_all": Kind("brokers", for_a_while(1, 10)),
    "move_leaders": Kind("brokers", lambda _: {}),
    "wipe_follower": Kind("log", one_broker(1, 8)),
    "unclean_election": Kind("log", one_broker(1, 4)),
    "followers_behind": Kind("log", one_broker(1, 4)),
    "empty_leader": Kind("log", one_broker(1, 3)),
    "delete_records": Kind("log", deletion),
    "recreate_topic": Kind("log", lambda chance: {"level": chance.choice(LEVELS)}),
    "add_partition": Kind("topic", lambda chance: {"level": chance.choice(LEVELS)}),
    "strangers": Kind("log", writing),
    "transaction": Kind("log", one_partition(1, 10)),
    "kill_sentinel": Kind("sentinel", for_a_while(0, 8)),
    "stop_sentinel": Kind("sentinel", for_a_while(0, 8)),
    "pause_sentinel": Kind("sentinel", for_a_while(1, 20)),
    "older_state": Kind("sentinel", for_a_while(0, 4)),
    "no_state": Kind("sentinel", for_a_while(0, 4)),
    "join_group": Kind("group", for_a_while(3, 20)),
}
# Of these the soak has to hear from the daemon, or stops it itself.
ALONE = frozenset({"recreate_topic", "delete_records"})
CUTTING = frozenset(
    {"wipe_follower", "unclean_election", "followers_behind", "empty_leader", "delete_records", "recreate_topic"}
)
TOGETHER = 3  # faults of brokers in one bout, at most
SPREAD = 8.0  # seconds within which the faults of a bout begin


def bouts(seed: int, names: Sequence[str] = ()) -> Iterator[Bout]:
    """Yield the plan of a seed. `names`: of these faults only (empty: of all)."""
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    chance = random.Random(seed)
    for dealt_before in itertools.count():
        deck = sorted(set(names or FAULTS) - (CUTTING if dealt_before % 2 == 0 else set()))
        chance.shuffle(deck)
        dealt = list(_dealt(deck, chance))
        for number, hand in enumerate(dealt, 1):
            steps = tuple(
                Step(name, seconds(chance, 0, SPREAD) if len(hand) > 1 else 0.0, FAULTS[name].draw(chance))
                for name in hand
            )
            yield Bout(steps, chance.choice((0.0, 3.0, 8.0, 20.0)), compare=number == len(dealt))


def as_far_as(plan: Iterable[Bout], decks: int, over: Callable[[], bool]) -> Iterator[Bout]:
    """Yield a plan's bouts until so many decks are dealt (0: any number), or until time is over, asked after each."""
    dealt = 0
    for bout in plan:
        yield bout
        dealt += bout.compare
        if dealt == decks > 0 or over():
            return


def _dealt(deck: list[str], chance: random.Random) -> Iterator[list[str]]:
    """Deal the whole deck into hands that go together."""
    while deck:
        hand = [deck.pop()]
        size = chance.choice((1, 2, 2, TOGETHER))
        for name in list(deck):
            if len(hand) < size and all(_together(name, other) for other in hand):
                deck.remove(name)
                hand.append(name)
        yield hand


def _together(one: str, other: str) -> bool:
    rooms = {FAULTS[one].room, FAULTS[other].room}
    if {one, other} & ALONE:
        return False
    return rooms == {"brokers"} or (len(rooms) == 2 and rooms != {"brokers", "log"})


def first(seed: int, count: int, names: Sequence[str] = ()) -> list[Bout]:
    return list(itertools.islice(bouts(seed, names), count))

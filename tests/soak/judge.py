"""Whether what Sentinel says of each record is what is known of it from outside (docs/verdicts.md).

It is given the state Sentinel saved, the evidence it logged, and the cards. What it returns are sentences: of false
verdicts, which no waiting makes right, and of what is not as it must be in the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from tests.soak.cards import ACKED, DELETED, EITHER, OLD, READ, SEEN, STANDS, STRONG, Cards, Key, Where

OPEN = ("in_flight", "unresolved", "awaiting")
LEFT = DELETED | OLD | EITHER
MET = READ | SEEN | STANDS
SHOWN = 8  # spans of records that a sentence names


class Excuses(NamedTuple):
    """What has happened of that for which docs/verdicts.md says that nobody can know, by partition."""

    deleted: frozenset[Where] = frozenset()  # DeleteRecords moved its log start
    deleted_then_cut: frozenset[Where] = frozenset()  # … and since then something cut logs
    damaged: frozenset[Where] = frozenset()  # strangers wrote damaged records there
    levels_forgotten: frozenset[str] = frozenset()  # its topic was made anew, and a later life forgot that


class Found(NamedTuple):
    """`false`: verdicts that are wrong for good. `open`: what should be otherwise, if not now, then soon."""

    false: list[str]
    open: list[str]
    compared: int = 0
    undecidable: int = 0  # records of which either answer is right


Lost = Mapping[Key, set[int]]
Kinds = dict[str, list[tuple[Key, int]]]  # what is wrong → of which records


def lost_in(lines: Iterable[Mapping[str, Any]]) -> dict[Key, set[int]]:
    """Return what the evidence in the log of all lives names as lost, record by record."""
    found: dict[Key, set[int]] = defaultdict(set)
    for line in lines:
        key = (line["acks"], line["partition"], int(line["run"], 16))
        found[key].update(range(line["first_sequence"], line["first_sequence"] + line["count"]))
    return found


def accounts_of(state: Mapping[str, Any]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    for ledger in state["truth"]["partitions"]:
        for account in ledger["accounts"]:
            yield (ledger["acks"], ledger["partition"], int(account["run"], 16)), account


def known_acked(state: Mapping[str, Any]) -> Iterator[tuple[Key, int, int]]:
    """Yield the spans of what a state holds as acknowledged and not yet as gone."""
    for key, account in accounts_of(state):
        for name in ("awaiting", "verified"):
            yield from ((key, first, count) for first, count in account["sets"].get(name, []))


class Judge:
    def __init__(self, cards: Cards, excuses: Excuses) -> None:
        self._cards, self._excuses = cards, excuses
        self._false: Kinds = defaultdict(list)
        self._open: Kinds = defaultdict(list)
        self._sums: list[str] = []
        self._compared = self._undecidable = 0

    def judge(self, state: Mapping[str, Any], lost: Lost) -> Found:
        alive = int(state["truth"]["run"], 16)
        for key, sequences in lost.items():
            for sequence in sequences:
                self._called_lost(key, sequence)
        for key, account in accounts_of(state):
            self._account(key, account, lost.get(key, set()), own=key[2] == alive)
        open_ = [*_sentences(self._open), *self._sums]
        return Found(_sentences(self._false), open_, self._compared, self._undecidable)

    def _flag(self, key: Key, sequence: int) -> int:
        flags = self._cards.flags.get(key, b"")
        return flags[sequence] if sequence < len(flags) else 0

    def _called_lost(self, key: Key, sequence: int) -> None:
        flag = self._flag(key, sequence)
        if not flag & ACKED:
            self._say(self._false, "called lost, but it was never acknowledged", key, sequence)
        elif flag & STANDS:
            self._say(self._false, "called lost, but it stands in the log", key, sequence)
        elif flag & DELETED and not flag & OLD:
            self._unless(
                key[:2] in self._excuses.deleted_then_cut, "called lost, but DeleteRecords took it", key, sequence
            )
        elif flag & OLD:
            self._unless(
                key[0] in self._excuses.levels_forgotten, "called lost, but it went with its topic", key, sequence
            )

    def _unless(self, excused: bool, words: str, key: Key, sequence: int) -> None:
        if excused:
            self._undecidable += 1
        else:
            self._say(self._false, words, key, sequence)

    def _account(self, key: Key, account: Mapping[str, Any], lost: set[int], *, own: bool) -> None:
        held = _by_sequence(account["sets"])
        before = set(_members(account["lost_before"]))
        for sequence in range(account["next"]):
            name, flag = held.get(sequence, "folded"), self._flag(key, sequence)
            self._compared += 1
            wrong = _wrong(name, flag, own=own, before=sequence in before) or self._unexplained(key, name, flag)
            if wrong and self._came_back(key, name, flag):
                self._undecidable += 1
            elif wrong:
                self._say(self._open, f"held as {name}, but it {wrong}", key, sequence)
            gone = flag & ACKED and not flag & (STANDS | LEFT)
            if gone and (own or flag & STRONG) and sequence not in lost and name != "lost" and sequence not in before:
                self._missed(key, name, sequence)
        sums = sum(number for name, number in account["folded"].items() if name != "lost_before")
        if sums + len(held) != account["next"]:
            self._sums.append(f"{name_of(key)}: {account['next']} sent, {len(held)} held, {sums} folded")

    def _came_back(self, key: Key, name: str, flag: int) -> bool:
        """Tell whether it may have been deleted, and stands there again.

        A broker writes down where its logs start once a minute (log.flush.start.offset.checkpoint.interval.ms). If all
        are killed before that, what was deleted is back. The account has let go of it, and had no reason not to.
        """
        return name == "folded" and bool(flag & STANDS) and key[:2] in self._excuses.deleted

    def _missed(self, key: Key, name: str, sequence: int) -> None:
        """Say so, unless DeleteRecords may have passed its place before this life was given what stood there.

        Cards know no places, so that excuses all of such a partition that has left the account.
        """
        if name in ("expired", "folded") and key[:2] in self._excuses.deleted:
            self._undecidable += 1
        else:
            self._say(self._open, f"acknowledged and gone, but held as {name} and never called lost", key, sequence)

    def _unexplained(self, key: Key, name: str, flag: int) -> str:
        if name == "expired" and not flag & DELETED and key[:2] not in self._excuses.deleted:
            return "was not deleted, nor anything of its partition"
        if name == "corrupted" and key[:2] not in self._excuses.damaged:
            return "was never damaged, nor anything of its partition"
        return ""

    @staticmethod
    def _say(kind: Kinds, words: str, key: Key, sequence: int) -> None:
        kind[words].append((key, sequence))


@cache
def _wrong(name: str, flag: int, *, own: bool, before: bool) -> str:
    """Say what is wrong with a record being held in that state, if anything is."""
    sure = not flag & (OLD | EITHER)  # to which topic it went
    stands = bool(flag & STANDS)
    rules = {
        "verified": (
            (not flag & ACKED, "was never acknowledged"),
            (not flag & MET, "was given to no reader"),
            (before and stands, "stands in the log, and is called lost"),
            (not before and not flag & (STANDS | LEFT), "is gone"),
        ),
        "present": (
            (not flag & (MET | LEFT), "was given to no reader"),
            (own and sure and bool(flag & ACKED), "was acknowledged"),
        ),
        "absent": ((sure and bool(flag & ACKED), "was acknowledged"), (stands, "stands in the log")),
        "rejected": ((bool(flag & ACKED), "was acknowledged"), (stands, "stands in the log")),
        "unaccounted": ((own and sure, "was sent and heard of by this very life"),),
        **dict.fromkeys(("lost", "expired", "corrupted", "folded"), ((stands, "stands in the log"),)),
    }
    return next((words for holds, words in rules.get(name, ()) if holds), "")


def _by_sequence(sets: Mapping[str, Iterable[tuple[int, int]]]) -> dict[int, str]:
    return {sequence: name for name, spans in sets.items() for sequence in _members(spans)}


def _members(spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, count in spans:
        yield from range(first, first + count)


def _sentences(kinds: Kinds) -> list[str]:
    found = []
    for words, records in kinds.items():
        spans: list[tuple[Key, int, int]] = []
        for key, sequence in sorted(records):
            if spans and spans[-1][0] == key and sum(spans[-1][1:]) == sequence:
                spans[-1] = (key, spans[-1][1], spans[-1][2] + 1)
            else:
                spans.append((key, sequence, 1))
        named = "; ".join(f"{name_of(key)} sequence {start}+{count}" for key, start, count in spans[:SHOWN])
        found.append(f"{len(records)} times {words}: {named}{' …' if len(spans) > SHOWN else ''}")
    return found


def name_of(key: Key) -> str:
    return f"acks={key[0]} partition {key[1]} run {key[2]:016x}"


def sums(shown: Iterable[Any]) -> Counter[str]:
    """Add up what the logs of several partitions show."""
    total: Counter[str] = Counter()
    for each in shown:
        total.update(each._asdict())
    return total

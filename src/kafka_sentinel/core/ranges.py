"""Run-length ranges of integers: what they cost grows with the number of gaps, never with the number of members.

`RangeMap` keeps a value for every key of some disjoint half-open intervals. Keys that follow each other and whose
values are in step share one interval; what "in step" means is a subclass's one decision (`_shift`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

V = TypeVar("V")


class Piece(NamedTuple, Generic[V]):
    """`count` keys from `first`; `value` is that of the first key."""

    first: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody calls
    value: V


class RangeMap(Generic[V]):
    """A map from integers to values, stored as maximal intervals. Here values are constant over an interval."""

    __slots__ = ("_ends", "_starts", "_total", "_values")

    def __init__(self, pieces: Iterable[tuple[int, int, V]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._values: list[V] = []
        self._total = 0
        for first, count, value in pieces:
            self.set(first, count, value)

    @staticmethod
    def _shift(value: V, by: int) -> V:
        """Return the value of the key `by` above one that has `value`, within the same interval."""
        del by
        return value

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._total

    def __iter__(self) -> Iterator[Piece[V]]:
        for start, end, value in zip(self._starts, self._ends, self._values, strict=True):
            yield Piece(start, end - start, value)

    @property
    def intervals(self) -> int:
        """Number of stored intervals: the memory this map takes."""
        return len(self._starts)

    @property
    def lowest(self) -> int | None:
        return self._starts[0] if self._starts else None

    @property
    def end(self) -> int:
        """One past the highest key; 0 if there is none."""
        return self._ends[-1] if self._ends else 0

    def get(self, key: int) -> V | None:
        index = bisect_right(self._starts, key) - 1
        if index < 0 or key >= self._ends[index]:
            return None
        return self._shift(self._values[index], key - self._starts[index])

    def overlapping(self, first: int, count: int) -> list[Piece[V]]:
        """Return what is stored for keys in [first, first + count), cut to that window: nothing if that is empty."""
        if count <= 0:
            return []
        end = first + count
        pieces = []
        for index in range(bisect_right(self._ends, first), bisect_left(self._starts, end)):
            start = self._starts[index]
            low, high = max(start, first), min(self._ends[index], end)
            pieces.append(Piece(low, high - low, self._shift(self._values[index], low - start)))
        return pieces

    def set(self, first: int, count: int, value: V) -> None:
        """Give keys [first, first + count) their values, replacing what they had."""
        if count <= 0:
            return
        end = first + count
        if self._ends and first < self._ends[-1]:
            self.remove(first, count)
        index = bisect_left(self._starts, first)
        self._total += count
        if index > 0 and self._ends[index - 1] == first and self._continues(index - 1, value, first):
            self._ends[index - 1] = end
            index -= 1
        else:
            self._starts.insert(index, first)
            self._ends.insert(index, end)
            self._values.insert(index, value)
        after = index + 1
        if (
            after < len(self._starts)
            and self._starts[after] == end
            and self._continues(index, self._values[after], end)
        ):
            self._ends[index] = self._ends[after]
            del self._starts[after], self._ends[after], self._values[after]

    def _continues(self, index: int, value: V, key: int) -> bool:
        return self._shift(self._values[index], key - self._starts[index]) == value

    def remove(self, first: int, count: int) -> int:
        """Forget keys [first, first + count). Returns how many there were."""
        if count <= 0 or not self._starts:
            return 0
        end = first + count
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        if low >= high:
            return 0
        kept: list[tuple[int, int, V]] = []
        removed = 0
        for index in range(low, high):
            start, stop, value = self._starts[index], self._ends[index], self._values[index]
            if start < first:
                kept.append((start, first, value))
            if stop > end:
                kept.append((end, stop, self._shift(value, end - start)))
            removed += min(stop, end) - max(start, first)
        self._starts[low:high] = [piece[0] for piece in kept]
        self._ends[low:high] = [piece[1] for piece in kept]
        self._values[low:high] = [piece[2] for piece in kept]
        self._total -= removed
        return removed

    def remove_from(self, key: int) -> int:
        """Forget `key` and all keys above it. Returns how many there were."""
        return self.remove(key, self.end - key)

    def remove_below(self, key: int) -> int:
        """Forget all keys below `key`. Returns how many there were."""
        if self.lowest is None:
            return 0
        return self.remove(self.lowest, key - self.lowest)

    def clear(self) -> None:
        self.remove_below(self.end)


class RangeSet(RangeMap[None]):
    """A set of integers."""

    __slots__ = ()

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> RangeSet:
        result = cls()
        for first, count in spans:
            result.add(first, count)
        return result

    def __contains__(self, key: int) -> bool:
        index = bisect_right(self._starts, key) - 1
        return index >= 0 and key < self._ends[index]

    def add(self, first: int, count: int = 1) -> int:
        """Add [first, first + count). Returns how many were not members before."""
        before = self._total
        self.set(first, count, None)
        return self._total - before

    def covered(self, first: int, count: int) -> list[tuple[int, int]]:
        """Return the members within the window, as (first, count): none if that is empty."""
        if count <= 0:
            return []
        end = first + count
        found = []
        for index in range(bisect_right(self._ends, first), bisect_left(self._starts, end)):
            low = max(self._starts[index], first)
            found.append((low, min(self._ends[index], end) - low))
        return found

    def missing(self, first: int, count: int) -> list[tuple[int, int]]:
        """Return what of the window is not a member, as (first, count)."""
        gaps = []
        edge = first
        for start, length in self.covered(first, count):
            if start > edge:
                gaps.append((edge, start - edge))
            edge = start + length
        if edge < first + count:
            gaps.append((edge, first + count - edge))
        return gaps

    def spans(self) -> list[tuple[int, int]]:
        """Return the members as (first, count), ascending."""
        return [(start, end - start) for start, end in zip(self._starts, self._ends, strict=True)]


class OffsetMap(RangeMap[int]):
    """Sequence → offset; the two are in step within an interval."""

    __slots__ = ()

    @staticmethod
    def _shift(value: int, by: int) -> int:
        return value + by

    def at_or_above(self, offset: int) -> list[Piece[int]]:
        """Return the pieces whose offsets are at or above `offset` (a scan of the intervals)."""
        found = []
        for first, count, value in self:
            cut = max(offset - value, 0)
            if cut < count:
                found.append(Piece(first + cut, count - cut, value + cut))
        return found

    def below(self, offset: int) -> list[Piece[int]]:
        """Return the pieces whose offsets are below `offset` (a scan of the intervals)."""
        return [Piece(first, min(count, offset - value), value) for first, count, value in self if value < offset]

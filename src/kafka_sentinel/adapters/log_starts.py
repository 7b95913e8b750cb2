"""Where the logs start that one client reads, as it reports it.

A client asks for the start of each log it reads every second or so, and goes on reporting what it heard last: after a
log went back to below where it had started, that is what the former log was like. So nothing is said of a partition
until it has been asked for anew since it was first read at the place to which the reader was assigned.
"""

from __future__ import annotations

import json

FRESH_AFTER = 2  # reports: a client asks once between two of them


class LogStarts:
    """Is told of every report of a client of librdkafka, and of every assignment. For one thread."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._report = "{}"
        self._reports = 0
        self._parsed: tuple[int, dict[int, int]] = (0, {})  # the number of the report it was read from, what it says
        self._read_since: dict[int, int] = {}  # reports there had been when it was first read since it was assigned

    def take(self, report: str) -> None:
        """Take a report, as librdkafka's STATISTICS.md describes it."""
        self._report = report
        self._reports += 1

    def assigned(self, partition: int) -> None:
        self._read_since.pop(partition, None)

    def read(self, partition: int) -> int | None:
        """Something was read of the partition. Return where its log starts, None if that is not known.

        To ask the client (`get_watermark_offsets(cached=True)`) holds the interpreter's lock while it waits for the
        client's.
        """
        if self._reports - self._read_since.setdefault(partition, self._reports) < FRESH_AFTER:
            return None
        if self._parsed[0] != self._reports:
            partitions = json.loads(self._report).get("topics", {}).get(self._topic, {}).get("partitions", {})
            self._parsed = self._reports, {int(number): one["lo_offset"] for number, one in partitions.items()}
        found = self._parsed[1].get(partition, -1)
        return found if found >= 0 else None

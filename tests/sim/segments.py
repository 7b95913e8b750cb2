"""Retention by time: which whole segments of a log a broker deletes."""

from __future__ import annotations


def first_kept(log, start, hw, size, oldest):
    """Return the offset at which the log starts once all its first segments without a record from `oldest` on are gone.

    Segments are of `size` offsets, and only what stands below the high watermark is deleted; so the last segment goes
    too where no record of it is young, and an idle partition becomes empty. A record is as old as its producer says.
    """
    while start < len(log):
        end = min((start // size + 1) * size, len(log))
        if end > hw or any(_stamp(entry) >= oldest for entry in log[start:end]):
            break
        start = end
    return start


def _stamp(entry):
    """Return the timestamp of what stands there. A marker keeps no segment."""
    return float("-inf") if entry.payload is None else entry.payload.sent_wall

"""Virtual time: what happens when, in one order that a seed decides."""

from __future__ import annotations

import heapq
import itertools


class Timeline:
    def __init__(self):
        self.now = 0.0
        self._queue = []
        self._order = itertools.count()

    def at(self, when, action):
        heapq.heappush(self._queue, (when, next(self._order), action))

    def after(self, delay, action):
        self.at(self.now + delay, action)

    def every(self, period, action):
        def again():
            action()
            self.after(period, again)

        self.after(period, again)

    def run_until(self, end):
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = end

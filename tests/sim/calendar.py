"""What only days and weeks show: budgets of a day, blackouts, self-tests, days of the report, what history may cost."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.sim.errors import BoundError, CrashError, IdentityError

from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.core.checkpoint import to_state
from kafka_sentinel.core.report.evidence import parse
from kafka_sentinel.core.report.from_state import document
from kafka_sentinel.core.report.report import Wish, build

DAY = 86_400.0
DAILY_BUDGET = 4
NIGHT = ("22:00", "06:00")  # nothing is injected in it
SELF_TEST = 6 * 3600.0
LOOK = 8 * 3600.0  # seconds between two looks
EDGE = 600.0  # seconds by which an event may be taken late, or be counted
MAX_STATE = 512 * 1024  # bytes of the state as JSON; a ConfigMap takes twice as much of it, compressed
MAX_INCIDENTS = 500
BY_DAY = ("sent", "acked", "rejected", "uncertain", "verified", "expired", "unaccounted", "corrupted", "lost")


class Calendar:
    """Of one Sentinel, over all its lives, none of which forgets anything."""

    def __init__(self, site, began):
        self.site, self.began = site, began
        self.injections = []  # wall-clock seconds
        self._next = began + LOOK
        self.sent = Counter()  # (day, acks) → records of which the engine was told
        self.about_midnight = 0  # those of them that may be counted on either day

    @property
    def exact(self):
        return self.site.deaths == 0

    def injected(self, wall):
        """Return what was wrong with an injection at `wall`, by when it was: words → whether it is so.

        A command may be taken late, and more so than the next one a day later.
        """
        hour = datetime.fromtimestamp(wall, UTC).hour
        recent = [one for one in self.injections if wall - one < DAY - EDGE]
        self.injections.append(wall)
        return {
            "in the night": hour >= int(NIGHT[0][:2]) or hour < int(NIGHT[1][:2]),
            "over the budget of the day": len(recent) >= DAILY_BUDGET,
        }

    def told(self, at, acks, count):
        """The engine was told that so many records were sent."""
        self.sent[_day(at), acks] += count
        if _day(at - EDGE) != _day(at + EDGE):
            self.about_midnight += count

    def look(self, engine):
        """Judge the history, if it is time, and the report that can be made of it.

        Just after a tick of the engine: what it has counted since the last one is not on any day before.
        """
        if engine.now.wall < self._next:
            return
        self._next = engine.now.wall + LOOK
        self._check_self_test(engine)
        self._check_days(engine)
        state = json.dumps(to_state(engine), separators=(",", ":"))
        if len(state) > MAX_STATE:
            raise BoundError(f"the state is {len(state)} bytes long")
        self._check_report(engine, json.loads(state))

    def _check_self_test(self, engine):
        status = engine.selftest.status(engine.now)
        if status["missed"]:
            raise CrashError(f"the self-test missed {status['missed']}")
        lived = engine.now.mono - engine.started.mono
        if lived > SELF_TEST and status["at"] is None:
            raise CrashError("no self-test was made")

    def _check_days(self, engine):
        """The sums of all days are the totals; with one life each day is what the engine was told on it.

        What a life only learns from the log, of records that an earlier one sent after its last save, is in the totals
        alone.
        """
        days = {each["day"]: each["counts"] for each in engine.days.status()}
        for acks in engine.config.acks:
            totals = engine.records(acks)
            for name in BY_DAY:
                added, in_all = sum(counts.get(f"{name}_{acks}", 0) for counts in days.values()), totals.get(name, 0)
                if added > in_all or (self.exact and added < in_all):
                    raise IdentityError(f"acks={acks}: {added} {name} on all days together, and {in_all} in all")
            if self.exact:
                for (day, level), count in self.sent.items():
                    counted = days[day].get(f"sent_{acks}", 0)
                    if level is acks and abs(counted - count) > self.about_midnight:
                        raise IdentityError(f"{day}, acks={acks}: {counted} sent, and it was told of {count}")
        lived, true = sum(counts.get("lived", 0) for counts in days.values()), engine.now.wall - self.began
        if abs(lived - true) > self.site.world.options.pace * (1 + self.site.deaths):  # each life begins with a tick
            raise IdentityError(f"{lived:.0f} s lived on all days together, and {true:.0f} s in all")

    def _check_report(self, engine, state):
        slo = {
            "availability": engine.config.slo_availability,
            "produce": engine.config.slo_produce,
            "consume": engine.config.slo_consume,
            "recovery": dict(engine.config.slo_recovery),
        }
        evidence = parse(document(checked(state), slo=slo, version="0"))
        made = build(evidence, Wish(now=engine.now.wall, since=engine.now.wall - self.began))
        if len(evidence.disruptions) > MAX_INCIDENTS + len(engine.incidents.open):
            raise BoundError(f"{len(evidence.disruptions)} incidents are kept")
        for records in made.records:
            lost = engine.records(records.acks)["lost"]
            if records.lost != lost:
                raise IdentityError(f"acks={records.acks}: the report has {records.lost} lost, and there are {lost}")
        first, last = (datetime.fromtimestamp(wall, UTC).date() for wall in (self.began, engine.now.wall))
        expected = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        told = [one.day for one in evidence.days]
        if not set(told) <= set(expected) or (self.exact and told != expected):
            raise IdentityError(f"the report is of {told[0]} to {told[-1]}, and it was {first} to {last}")


def _day(wall):
    return str(datetime.fromtimestamp(wall, UTC).date())

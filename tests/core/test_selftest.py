"""The self-test finds what is injected, says so if the detector does not, and leaves everything else as it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.core.engine_world import Sentinel
from tests.sim import mutations

from kafka_sentinel.core import checkpoint, drills, rechecks, record, selftest, sightings, verdicts, witness
from kafka_sentinel.core.account import Account, InvariantError, State
from kafka_sentinel.core.commands import Count, Log
from kafka_sentinel.core.drills import Anomaly, Played, play
from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.record import ProbeRecord
from kafka_sentinel.core.selftest import FIRST, MAX_WORDS, SelfTest
from kafka_sentinel.core.truth import Truth
from kafka_sentinel.core.types import Instant, SightingKind

HOUR = 3600.0
TICK = 0.2


def desk(run: int, background: float, **other) -> Truth:
    usual = {"margin": 500, "settle_margin": 11.5, "chunk": 20_000}
    return Truth(instance=77, run=run, background_interval=background, **{**usual, **other})


def at(seconds: float) -> Instant:
    return Instant(1_000.0 + seconds, 1.79e9 + seconds)


class Drilled:
    """A self-test alone, whose time passes."""

    def __init__(self, *, interval=HOUR, make=desk):
        self.now = 0.0
        self.test = SelfTest(make, interval, at(0))
        self.results: list[tuple[str, str]] = []
        self.logs: list[Log] = []
        self.when: list[float] = []  # of each drill's end

    def wait(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            commands = self.test.tick(at(self.now))
            counted = [dict(each.labels) for each in commands if isinstance(each, Count)]
            self.results += [(each["anomaly"], each["result"]) for each in counted]
            self.logs += [each for each in commands if isinstance(each, Log)]
            self.when += [self.now for each in counted if each["anomaly"] == list(Anomaly)[-1]]
        return self

    @property
    def missed(self):
        return {anomaly for anomaly, result in self.results if result == "missed"}

    @property
    def detected(self):
        return {anomaly for anomaly, result in self.results if result == "detected"}


def once(**given):
    return Drilled(**given).wait(FIRST + 5.0)


# --- it finds what is there, and nothing where nothing is


@pytest.mark.parametrize("anomaly", [None, *Anomaly])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"margin": 0},
        {"margin": 1_000_000},
        {"chunk": 100},
        {"settle_margin": 1.5},
        {"settle_margin": 180.0},
    ],
    ids=str,
)
def test_the_detector_finds_it_whatever_the_settings_allow(anomaly, settings):
    assert play(anomaly, lambda *given: desk(*given, **settings), at(0)).problem == ""


def test_every_anomaly_is_detected_once_a_drill():
    drilled = once()
    assert drilled.results == [(anomaly.value, "detected") for anomaly in Anomaly]
    assert drilled.logs == []


def test_the_control_is_full_of_what_looks_like_an_anomaly(monkeypatch):
    """Its story raises suspicions, has a re-read refused, and settles what was given up both ways."""
    raised, valid = [], []
    suspect, validity = PartitionLedger._suspect, verdicts.validity
    shadows = []

    def note(self, account, piece, reason, **how):
        raised.append(reason)
        suspect(self, account, piece, reason, **how)

    monkeypatch.setattr(PartitionLedger, "_suspect", note)
    monkeypatch.setattr(rechecks, "validity", lambda *a, **k: valid.append(validity(*a, **k)) or valid[-1])
    real = drills.Shadow
    monkeypatch.setattr(drills, "Shadow", lambda *a, **k: shadows.append(real(*a, **k)) or shadows[-1])
    assert play(None, desk, at(0)).problem == ""
    assert {"the log went backwards", "the log is said to start above its offset"} <= set(raised)
    assert verdicts.Validity.NO_FENCE in valid
    [shadow] = shadows
    figures = shadow.desk.records(drills.PARTITION.acks)
    assert (figures["present"], figures["absent"], figures["expired"]) == (1, 1, 1)


# --- it says so if the detector does not: each of these breaks what production uses


def suspect_nothing(patch):
    """Whatever a reader passes, and however far the log goes back."""
    patch.setattr(PartitionLedger, "_suspect", lambda self, *given, **how: None)


def condemn_nothing(patch):
    """A re-read proves nothing, and clears nothing."""
    patch.setattr(rechecks, "judge", lambda ledger, suspected, by: [])


def name_the_wrong_ones(patch):
    """As many as are lost, but beside them."""
    real = rechecks.judge

    def judge(ledger, suspected, by):
        return [replace(loss, first=loss.first - 1) for loss in real(ledger, suspected, by)]

    patch.setattr(rechecks, "judge", judge)


def trust_what_was_read(patch):
    """What was verified once is not looked at again."""
    real = PartitionLedger._suspect

    def suspect(self, account, *given, **how):
        verified, account.sets[State.VERIFIED] = account.sets[State.VERIFIED], RangeSet()
        real(self, account, *given, **how)
        account.sets[State.VERIFIED] = verified

    patch.setattr(PartitionLedger, "_suspect", suspect)


def count_no_copies(patch):
    patch.setattr(PartitionLedger, "_count_copies", lambda self, found: None)


def count_no_inversions(patch):
    patch.setattr(PartitionLedger, "_count_inversions", lambda self, account, first, count, offset: None)


def believe_every_checksum(patch):
    """Whatever bears the magic is sound."""

    def lenient(value):
        if value is None or value[:4] != record.MAGIC:
            return SightingKind.FOREIGN
        return ProbeRecord._make(record.HEADER.unpack_from(value)[4:])

    patch.setattr(sightings, "decode", lenient)


def let_contents_change(patch):
    """What stands at an offset may be another thing each time."""

    def already(self, found, expected):
        if found.value != expected:
            self._displaced(found)
        return found.value == expected

    patch.setattr(PartitionLedger, "_stands_already", already)


def take_strangers_for_us(patch):
    """Whoever signed a record."""
    real = witness.standing
    patch.setattr(witness, "standing", lambda sighting, instance: real(sighting, sighting.instance))


def take_any_partition_for_ours(patch):
    """A record that somebody copied here counts as one of this partition."""
    real = sightings.decode

    def decode(value):
        found = real(value)
        return found._replace(partition=0) if isinstance(found, ProbeRecord) else found

    patch.setattr(sightings, "decode", decode)


def settle_for_good(patch):
    """What was absent once cannot come any more."""
    real = Account.move_all

    def move_all(self, first, count, source, target):
        return 0 if source is State.ABSENT else real(self, first, count, source, target)

    patch.setattr(Account, "move_all", move_all)


ALL = {anomaly.value for anomaly in Anomaly}


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        (suspect_nothing, {"lost"}),
        (name_the_wrong_ones, {"lost"}),
        (trust_what_was_read, {"lost"}),
        (count_no_copies, {"duplicated"}),
        (count_no_inversions, {"reordered", "late"}),  # what comes late stands behind others
        (believe_every_checksum, {"corrupted"}),
        (let_contents_change, {"conflicting"}),
        (take_strangers_for_us, {"foreign"}),
        (take_any_partition_for_ours, {"foreign"}),
        (settle_for_good, {"late"}),
        # It cries wolf: found in the control.
        (mutations.skip_fence_check, {"lost"}),
        (mutations.call_suspects_lost_unread, {"lost"}),
        (mutations.count_redelivery_as_duplicate, {"lost", "duplicated", "conflicting"}),
        # The control does not come out right, so nothing is known to.
        (condemn_nothing, ALL),
        (mutations.expired_is_lost, ALL),
        (mutations.late_is_lost, ALL),
        (mutations.never_settle_uncertain, ALL),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_detector_that_is_broken_misses_it(change, missed, monkeypatch):
    change(monkeypatch)
    drilled = once()
    assert drilled.missed == missed
    assert drilled.detected == ALL - missed
    [log] = drilled.logs
    assert (log.level, set(log.fields)) == ("error", missed)
    assert all(0 < len(str(why)) <= MAX_WORDS for why in log.fields.values())


def test_the_reason_names_what_was_told_and_what_should_have_been(monkeypatch):
    count_no_copies(monkeypatch)
    mutations.call_suspects_lost_unread(monkeypatch)
    [log] = once().logs
    assert log.fields["duplicated"] == "duplicated: 0, not 1"
    assert "where nothing was injected: lost: 2, not 0" in str(log.fields["lost"])


@pytest.mark.parametrize("error", [InvariantError("x" * 1_000), RuntimeError("boom"), KeyError(1), RecursionError()])
def test_whatever_a_drill_raises_stays_in_it(error, monkeypatch):
    def broken(self, found):
        raise error

    monkeypatch.setattr(PartitionLedger, "_count_copies", broken)  # asked in each re-read
    drilled = once()
    assert "duplicated" in drilled.missed
    assert [set(log.fields) for log in drilled.logs] == [drilled.missed]
    assert drilled.wait(HOUR).results[len(Anomaly) :] == drilled.results[: len(Anomaly)]


def test_a_desk_that_cannot_even_be_made_misses_everything():
    def make(run, background):
        raise MemoryError("no room")

    drilled = once(make=make)
    assert drilled.missed == ALL
    assert drilled.logs[0].fields["lost"] == "MemoryError: no room"


# --- when


def test_the_first_drill_comes_soon_and_then_one_each_interval():
    drilled = Drilled(interval=600.0).wait(FIRST - 0.5)
    assert drilled.results == []
    drilled.wait(2 * 600.0 + 10.0)
    assert [round(moment) for moment in drilled.when] == [6, 606, 1206]


def test_one_story_is_played_at_a_time(monkeypatch):
    played = []
    real = selftest.play
    monkeypatch.setattr(selftest, "play", lambda anomaly, *given: played.append(anomaly) or real(anomaly, *given))
    test = SelfTest(desk, HOUR, at(0))
    counts = []
    for tick in range(len(Anomaly) + 2):
        test.tick(at(FIRST + tick * TICK))
        counts.append(len(played))
    assert counts == [*range(1, len(Anomaly) + 2), len(Anomaly) + 1]
    assert played == [None, *Anomaly]


def test_switched_off_nothing_is_drilled_and_nothing_said():
    drilled = Drilled(interval=None).wait(2 * HOUR)
    assert (drilled.results, drilled.logs, drilled.test.status(at(1))) == ([], [], None)


def test_the_status_tells_the_last_drill_and_the_next(monkeypatch):
    drilled = Drilled()
    before = {"at": None, "next_run": at(FIRST).wall, "detected": [], "missed": []}
    assert drilled.test.status(at(0)) == before
    drilled.wait(10.0)
    found = drilled.test.status(at(10))
    assert found["detected"] == [anomaly.value for anomaly in Anomaly]
    assert found["missed"] == []
    assert found["next_run"] - found["at"] == pytest.approx(HOUR, abs=3.0)
    count_no_copies(monkeypatch)
    drilled.wait(HOUR)
    assert drilled.test.status(at(HOUR))["missed"] == ["duplicated"]
    assert "duplicated" not in drilled.test.status(at(HOUR))["detected"]


# --- in the engine


def lived(seconds=90.0, **sections) -> Sentinel:
    """Return a Sentinel that probed, was blind for a while and lost sight of a record."""
    sentinel = Sentinel(**sections, state={"file": "/nowhere"})
    sentinel.live(seconds)
    sentinel.suffer(20)
    sentinel.live(seconds)
    return sentinel


def without_the_selftest(sentinel):
    counts = {name: number for name, number in sentinel.counts.items() if "selftest" not in name}
    status = {name: value for name, value in sentinel.engine.status().items() if name != "selftest"}
    return json.dumps([counts, status, checkpoint.to_state(sentinel.engine)], default=str)


def test_it_is_drilled_and_nothing_else_knows_of_it():
    drilled = lived(selftest={"interval": "1m"})
    plain = lived(selftest={"interval": None})
    drills = {name: number for name, number in drilled.counts.items() if "selftest" in name}
    assert drills == {f"selftest_total {anomaly} detected": 4 for anomaly in Anomaly}  # at 5, 65, 125 and 185 s
    assert not any("selftest" in name for name in plain.counts)
    assert without_the_selftest(drilled) == without_the_selftest(plain)
    assert repr(drilled.commands) == repr(plain.commands)
    assert drilled.logs == plain.logs


# --- the schedule and the words, whatever is played


class Staged:
    """A self-test whose stories end as they are told to."""

    def __init__(self, monkeypatch, **ends):
        self.ends = ends
        monkeypatch.setattr(selftest, "play", lambda anomaly, *_: self.ends.get(anomaly or "none", Played()))
        self.test = SelfTest(desk, 100.0, at(0.12345))

    def tick(self, *seconds):
        return [self.test.tick(at(each)) for each in seconds]


def test_a_drill_begins_five_seconds_after_the_start(monkeypatch):
    staged = Staged(monkeypatch)
    assert staged.tick(5.12, 5.124) == [[], []]
    [[count]] = staged.tick(5.2)
    assert count.labels == (("anomaly", "lost"), ("result", "detected"))


def test_the_status_is_of_the_last_drill_that_ended(monkeypatch):
    staged = Staged(monkeypatch, late=Played(frozenset({"late"}), "late: 0, not 1"))
    staged.tick(6.0, *range(7, 13))
    assert staged.test.status(at(13)) == {"at": None, "next_run": at(106).wall, "detected": [], "missed": []}
    [[_, log]] = staged.tick(13.0)
    assert log.fields == {"late": "late: 0, not 1"}
    found = [anomaly.value for anomaly in Anomaly if anomaly is not Anomaly.LATE]
    assert staged.test.status(at(14)) == {
        "at": at(13).wall,
        "next_run": at(106).wall,
        "detected": found,
        "missed": ["late"],
    }


def test_the_next_run_is_told_to_the_millisecond():
    assert SelfTest(desk, 100.0, at(0.12346)).status(at(0))["next_run"] == round(at(FIRST + 0.123).wall, 3)


def staged_story(monkeypatch, **wanted):
    """Have a story played that does nothing but what is said, and should tell of that."""

    def story(shadow):
        shadow.gone |= wanted.pop("gone", set())
        return wanted

    monkeypatch.setitem(drills.STORIES, Anomaly.LOST, ((story, False),))
    return play(Anomaly.LOST, desk, at(0))


def test_what_was_told_too_often_or_too_seldom_is_said_in_order(monkeypatch):
    wanted = {"late": 1, "conflicting": 2, "foreign": 3, "expired": 4, "corrupted": 0}
    assert staged_story(monkeypatch, **wanted) == Played(
        frozenset({"conflicting", "expired", "foreign", "late"}),
        "conflicting: 0, not 2; expired: 0, not 4; foreign: 0, not 3; late: 0, not 1",
    )


def test_what_nobody_asked_for_is_wrong_even_once(monkeypatch):
    def story(shadow):
        shadow.put(drills.STRANGE)
        return {}

    monkeypatch.setitem(drills.STORIES, Anomaly.LOST, ((story, False),))
    assert play(Anomaly.LOST, desk, at(0)) == Played(frozenset({"foreign"}), "foreign: 1, not 0")


def test_what_is_lost_has_to_be_named(monkeypatch):
    assert staged_story(monkeypatch, gone={3, 1}) == Played(frozenset({"lost"}), "lost: sequences [], not [1, 3]")


def test_a_loss_that_was_not_told_is_said_once(monkeypatch):
    assert staged_story(monkeypatch, gone={3}, lost=1) == Played(frozenset({"lost"}), "lost: 0, not 1")

"""Small ways to make the core wrong. Each must be noticed by the oracle: that is what its silence is worth."""

from __future__ import annotations

from tests.sim.options import CALM, PROFILES
from tests.sim.readers import BEGINNING

from kafka_sentinel.core import guards, logview, rechecks, verdicts, witness
from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.answers import Answer
from kafka_sentinel.core.control import Control
from kafka_sentinel.core.days import Days
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.guards_kafka import quorum_without_targets
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.orphans import Orphans
from kafka_sentinel.core.selftest import SelfTest
from kafka_sentinel.core.settlement import Settlement
from kafka_sentinel.core.sweep import Sweep
from kafka_sentinel.core.truth import Truth
from kafka_sentinel.core.verdicts import Validity

# Topics are made anew, and Sentinel dies and remembers nothing, so often that the two meet.
OFTEN_FORGETFUL = {
    "recreate": 0.03,
    "death": 0.06,
    "state_after_death": "none",
    "lose_tail": 0.6,
    "unclean": True,
    "clock_step": 0.0,
}

# The log is cut, retention passes the place, and Sentinel dies in between, before a slow recheck can judge it.
OFTEN_INTERRUPTED = {
    **PROFILES["mortal"],
    "retention": 0.3,
    "kill": 0.15,
    "lose_tail": 0.6,
    "wipe": 0.3,
    "unclean": True,
    "recheck_slow": 0.5,
    "death": 0.1,
}

# The log is cut and others write in it, so that nobody is told; and nothing but the background recheck looks again at
# what was read: no record whose place is not known has the whole log re-read, and no state is lost.
OFTEN_REFILLED = {
    "recheck_interval": 0.5,
    "recheck_chunk": 100_000,
    "kill": 0.15,
    "lose_tail": 0.6,
    "unclean": True,
    "foreign": 0.5,
    "other_sentinel": 0.5,
    "no_offset": 0.0,
    "retention": 0.0,
    "death": 0.0,
    "margin": 0,
    "lost_response": 0.2,
}

# Two days in which little but what the guards ask about keeps experiments from being run.
DAYS = {**PROFILES["weeks"], **CALM, "pace": 60.0, "seconds": 3_000.0, "kill": 0.0, "pause": 0.0, "isolate": 0.0}
DAYS = {**DAYS, "death": 0.001, "quorum": "", "fatal": 0.0, "admin_silence": 0.0, "reader_stall": 0.0}

# Logs that have lost their beginnings go back to nothing, and clients report for a while where they had started.
OFTEN_EMPTIED = {
    **PROFILES["timed"],
    "retention_age": 0.0,
    "retention": 0.3,
    "kill": 0.1,
    "wipe": 0.6,
    "unclean": True,
    "death": 0.0,
    "clock_step": 0.0,
    "former_start": 0.9,
}

# Much is damaged and foreign, and Sentinel dies often, with a state that is a second old.
OFTEN_DAMAGED = {**PROFILES["mortal"], "corrupt": 0.1, "foreign": 0.1, "retention": 0.0, "detects_truncation": True}


def skip_barrier_check(patch):
    """An acknowledgement below an earlier one raises no suspicion, and nothing is re-read in the background."""
    patch.setattr(PartitionLedger, "_check_barriers", lambda self, account, span, at: None)
    patch.setattr(PartitionLedger, "_check_places", lambda self, *given: None)


def skip_fence_check(patch):
    """A re-read counts although the fence was not found in it, and although the log ended early."""

    def lenient(*given, **named):
        valid = verdicts.validity(*given, **named)
        return Validity.VALID if valid in (Validity.NO_FENCE, Validity.SHORT) else valid

    patch.setattr(rechecks, "validity", lenient)


def call_suspects_lost_unread(patch):
    """Whatever is under suspicion is lost, found or not."""
    patch.setattr(PartitionLedger, "standing_elsewhere", lambda self, *given: _nothing())


def _nothing():
    from kafka_sentinel.core.ranges import RangeSet  # noqa: PLC0415  only mutants need it

    return RangeSet()


def late_is_lost(patch):
    """What the client gave up on and is not found is lost instead of absent."""
    real = PartitionLedger.settle_uncertain

    def settle(self, run, first, count):
        account = self.accounts.get(run)
        if account is not None:
            account.move_all(first, count, State.UNCERTAIN, State.LOST)
        real(self, run, first, count)

    patch.setattr(PartitionLedger, "settle_uncertain", settle)


def never_settle_uncertain(patch):
    """Uncertain sends wait for ever."""
    patch.setattr(Settlement, "tick", lambda self, now: None)


def count_redelivery_as_duplicate(patch):
    """A record that is read again at its own offset counts as an extra copy."""
    real = PartitionLedger.reread

    def reread(self, start, position, sightings, **named):
        self.counted["duplicated"] += sum(sighting.count for sighting in sightings)
        return real(self, start, position, sightings, **named)

    patch.setattr(PartitionLedger, "reread", reread)


def forget_what_was_not_heard(patch):
    """What an earlier life left in flight settles as absent, as if it had been given up."""
    real = Account.stop_sending

    def stop(self):
        real(self)
        self.blind.clear()

    patch.setattr(Account, "stop_sending", stop)


def expired_is_lost(patch):
    """The log start explains nothing."""
    patch.setattr(verdicts, "_passed_by_log_start", lambda *given: 0)


def believe_where_a_former_log_started(patch):
    """A log starts where its client says so, also above what was just read (a defect once)."""

    def believing(self, log_start):
        if log_start < self._start_told:
            self.log_start = min(self.log_start, log_start)
        self._start_told = log_start
        self.log_starts_at(log_start)

    patch.setattr(PartitionLedger, "verifier_told_start", believing)


def forget_counts_of_sends(patch):
    """Every rejected record is taken for one that was given up."""
    real = PartitionLedger.uncertain

    def rejected(self, run, first, count):
        real(self, run, first, count, self.last_ack_at or _epoch())

    patch.setattr(PartitionLedger, "rejected", rejected)


def _epoch():
    from kafka_sentinel.core.types import Instant  # noqa: PLC0415  only mutants need it

    return Instant(0.0, 0.0)


def never_close_incidents(patch):
    """The recheck at the end of an incident is never taken note of."""
    patch.setattr(Incidents, "recheck_finished", lambda self, incident_id, **given: None)


def inject_without_asking(patch):
    """No guard ever denies."""
    from kafka_sentinel.core import experiments  # noqa: PLC0415  only mutants need it

    patch.setattr(experiments, "first_denial", lambda given, target: None)


def inject_again(patch):
    """Every saved state injects the run under way once more."""
    real = Experiments.on_state_saved

    def saved(self, generation, world):
        commands = real(self, generation, world)
        return [*commands, *commands]

    patch.setattr(Experiments, "on_state_saved", saved)


def take_claims_across_topics(patch):
    """Once wrong: survivors in a topic made anew claim the records of the deleted one, met without a state."""
    for owner, name, always in ((PartitionLedger, "same_topic", True), (Account, "outlived", False)):
        patch.setattr(owner, name, property(lambda _, known=always: known, lambda _, value: None), raising=False)


def forget_that_a_topic_was_made_anew(patch):
    """Once wrong: what a restored ledger awaited of the deleted topic is judged by the new one."""
    patch.setattr(PartitionLedger, "recreated", lambda self: [])


def forget_proofs_at_restart(patch):
    """Once wrong: of what was under suspicion a restart forgets that the log is proved to have gone back."""
    real = Account.from_state.__func__

    def from_state(cls, partition, state):
        return real(cls, partition, {**state, "rewound": []})

    patch.setattr(Account, "from_state", classmethod(from_state))


def look_at_everything_once(patch):
    """Once wrong: the background recheck starts over only where nothing was written since its last turn."""
    real = Sweep.stretch

    def stretch(self, ledgers, now):
        for partition in ledgers:
            self._goals[partition] = 1 << 62
        return real(self, ledgers, now)

    patch.setattr(Sweep, "stretch", stretch)


def attribute_all_damage(patch):
    """Whatever is damaged is the record that was acknowledged there."""
    patch.setattr(PartitionLedger, "corroborated", lambda self, *given, **how: True)


def count_from_where_the_reader_stands(patch):
    """Once wrong: what was counted above where the reader was sent back to is counted again after a restart."""
    real = PartitionLedger.to_state

    def to_state(self):
        return {**real(self), "counted_to": self.position or 0}

    patch.setattr(PartitionLedger, "to_state", to_state)


def never_stand_down(patch):
    """A Sentinel that finds the Lease with another goes on beside it."""
    patch.setattr(Control, "_taken", lambda self, lease: False)


def take_every_name_for_ours(patch):
    """Whoever signed a record, it is ours."""
    real = logview.standing

    def standing(sighting, instance):
        return real(sighting._replace(instance=instance), instance)

    patch.setattr(witness, "standing", standing)
    patch.setattr(logview, "standing", standing)


def take_live_namesakes_for_earlier_lives(patch):
    """A run of our name that nobody knows is one of ours, wherever it stands."""
    real = Orphans._ours

    def ours(self, sighting):
        floor, self._own_floor = self._own_floor, None
        try:
            return real(self, sighting)
        finally:
            self._own_floor = floor

    patch.setattr(Orphans, "_ours", ours)


def ask_no_quorum(patch):
    """The guard of the quorum always allows."""
    _always_allow(patch, quorum_without_targets)


def keep_no_budget(patch):
    """As many brokers a day as the schedule asks for."""
    _always_allow(patch, guards.daily_budget)


def keep_no_blackout(patch):
    """Faults in the night, too."""
    _always_allow(patch, guards.blackout)


def _always_allow(patch, guard):
    def allow(given, target):
        return Answer(guard.__name__, allowed=True, seen="not asked", threshold="none")

    patch.setattr(guards, "GUARDS", tuple(allow if one is guard else one for one in guards.GUARDS))


def begin_days_where_people_live(patch):
    """Days of a zone that is two hours ahead."""
    real = Days.add
    patch.setattr(Days, "add", lambda self, name, amount, at: real(self, name, amount, at + 7_200.0))


def forget_days_at_restart(patch):
    """The days begin anew with each life; the totals do not."""
    patch.setattr(Days, "restore", lambda self, state: None)


def never_test_itself(patch):
    patch.setattr(SelfTest, "tick", lambda self, now: [])


def keep_the_place_of_a_reader_that_read_nothing(patch):
    """It has none: whatever it reads afterwards follows on something else."""
    real = Truth._reader_lost

    def lost(self, ledger, event):
        real(self, ledger, event)
        if event.position == BEGINNING and event.log_start is None:
            ledger.position = BEGINNING

    patch.setattr(Truth, "_reader_lost", lost)


# Each with a seed that is known to notice it, and what is changed in the options of that seed. Those of before there
# were later faults are noticed in worlds without them; each of the others, only in worlds that have the fault.
MUTATIONS = {
    mutation.__name__.replace("_", " "): (mutation, seed, changes, later)
    for mutation, seed, changes, later in (
        (skip_barrier_check, 91, {}, False),
        (skip_fence_check, 139, {}, False),
        (call_suspects_lost_unread, 15, {}, False),
        (late_is_lost, 5, {}, False),
        (never_settle_uncertain, 5, {}, False),
        (count_redelivery_as_duplicate, 0, {}, False),
        (forget_what_was_not_heard, 7, {}, False),
        (believe_where_a_former_log_started, 10, OFTEN_EMPTIED, True),
        (expired_is_lost, 7, {}, False),
        (forget_counts_of_sends, 0, {}, False),
        (never_close_incidents, 0, {}, False),
        (inject_without_asking, 2, {}, False),
        (inject_again, 5, {}, False),
        (forget_that_a_topic_was_made_anew, 30, {}, False),
        (take_claims_across_topics, 0, OFTEN_FORGETFUL, False),
        (forget_proofs_at_restart, 127, OFTEN_INTERRUPTED, False),
        (look_at_everything_once, 230, OFTEN_REFILLED, False),
        (attribute_all_damage, 319, PROFILES["ageing"], False),
        (count_from_where_the_reader_stands, 55, OFTEN_DAMAGED, False),
        (never_stand_down, 8, PROFILES["leased"], False),
        (take_every_name_for_ours, 0, PROFILES["neighbours"], False),
        (take_live_namesakes_for_earlier_lives, 0, PROFILES["namesakes"], True),
        (ask_no_quorum, 7, PROFILES["quorum"], True),
        (keep_no_budget, 0, DAYS, True),
        (keep_no_blackout, 0, DAYS, True),
        (begin_days_where_people_live, 0, DAYS, True),
        (forget_days_at_restart, 0, DAYS, True),
        (never_test_itself, 0, DAYS, True),
        (keep_the_place_of_a_reader_that_read_nothing, 7, PROFILES["unplaced"], True),
    )
}

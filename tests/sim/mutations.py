"""Small ways to make the core wrong. Each must be noticed by the oracle: that is what its silence is worth."""

from __future__ import annotations

from tests.sim.options import PROFILES

from kafka_sentinel.core import rechecks, verdicts
from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.settlement import Settlement
from kafka_sentinel.core.sweep import Sweep
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
    patch.setattr(PartitionLedger, "same_topic", property(lambda self: True, lambda self, value: None), raising=False)


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


# Each with a seed that is known to notice it, and what is changed in the options of that seed.
MUTATIONS = {
    mutation.__name__.replace("_", " "): (mutation, seed, changes)
    for mutation, seed, changes in (
        (skip_barrier_check, 91, {}),
        (skip_fence_check, 139, {}),
        (call_suspects_lost_unread, 15, {}),
        (late_is_lost, 5, {}),
        (never_settle_uncertain, 5, {}),
        (count_redelivery_as_duplicate, 0, {}),
        (forget_what_was_not_heard, 7, {}),
        (expired_is_lost, 7, {}),
        (forget_counts_of_sends, 0, {}),
        (never_close_incidents, 0, {}),
        (inject_without_asking, 2, {}),
        (inject_again, 5, {}),
        (forget_that_a_topic_was_made_anew, 30, {}),
        (take_claims_across_topics, 0, OFTEN_FORGETFUL),
        (forget_proofs_at_restart, 326, OFTEN_INTERRUPTED),
        (look_at_everything_once, 230, OFTEN_REFILLED),
        (attribute_all_damage, 319, PROFILES["ageing"]),
        (count_from_where_the_reader_stands, 131, OFTEN_DAMAGED),
    )
}

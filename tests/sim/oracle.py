"""The oracle: judges what Sentinel says by what really became of every record, while anything may go wrong.

It reads Sentinel only from the outside: its commands, its status, and the state it would save (plain JSON). It shares
no code with the ledgers and the verdicts.
"""

from __future__ import annotations

from collections import Counter

from tests.sim.errors import (
    BoundError,
    FalseVerdictError,
    IdentityError,
)
from tests.sim.settled import Settled, spans_of

ONCE_RIGHT = {"awaiting", "verified", "present", "rejected"}  # what makes these right is never taken back
ACKED = ("awaiting", "verified", "lost", "expired", "corrupted", "unaccounted")
MAX_INTERVALS = 20_000
MAX_RUNS = 16


class Oracle(Settled):
    def losses_claimed(self, fields):
        """Judge one evidence of loss."""
        for card in self._named(fields):
            if card.oracle is self:
                card.called_lost = True
                card.called_lost_damaged |= card.damaged > 0
            wrong = None
            if not card.acked:
                wrong = "was never acknowledged"
            elif card.deleted and not card.gone and not self._looks_emptied(card):
                wrong = "went with its deleted topic"
            elif not card.deleted and not self._may_have_gone(card):
                wrong = "was taken by retention" if card.expired else "never left the log"
            if wrong:
                raise FalseVerdictError(f"called lost, but it {wrong}: {card.describe()}; {fields}")

    def _may_have_gone(self, card):
        """Whether the log lost it, or nobody can tell that it did not: of one that stood twice a copy may be gone."""
        return card.gone or card.most != 1 or card.rewound or card.misplaced

    def _looks_emptied(self, card):
        """Whether the topic made anew looks as if it had lost what an earlier run claims in it, of the deleted one.

        So does one that was cut, and one to which the run wrote nothing in its first leader epoch.
        """
        cut = self.truncated[card.partition] > card.truncated_before
        return card.run in self.dead_runs and (cut or card.run not in self.begun[card.partition])

    def _named(self, fields):
        known = [item for truth in (self, *self.namesakes) for item in truth.cards.items()]
        for (partition, run), cards in known:
            where = (partition.acks.value, partition.partition, f"{run:016x}")
            if where == (fields["acks"], fields["partition"], fields["run"]):
                first = fields["first_sequence"]
                found = cards[first : first + fields["count"]]
                if len(found) != fields["count"]:
                    raise FalseVerdictError(f"called lost, but never sent: {fields}")
                return found
        raise FalseVerdictError(f"called lost, of a run that does not exist: {fields}")

    def check_identities(self, records, accounts, run):
        """Check the sums of the status, and those of the present run against what the engine was told."""
        for acks, sums in records.items():
            rest = sums["acked"] - sum(
                (
                    sums["verified"],
                    sums["lost"] - sums["lost_before"],
                    sums["expired"],
                    sums["unaccounted"],
                    sums["awaiting"],
                )
            )
            holds = {
                "nothing is negative": all(value >= 0 for value in sums.values()),
                "sent = acked + rejected + uncertain + in_flight": sums["sent"]
                == sums["acked"] + sums["rejected"] + sums["uncertain"] + sums["in_flight"],
                "acked = verified + lost never + expired + corrupted + unaccounted + awaiting": 0
                <= rest
                <= self.damaged[acks] + self.stale[acks, "corrupted"],
                "uncertain = present + absent + unresolved": sums["uncertain"]
                == sums["present"] + sums["absent"] + sums["unresolved"],
            }
            broken = [words for words, true in holds.items() if not true]
            if broken:
                raise IdentityError(f"acks={acks}: does not hold: {'; '.join(broken)}: {sums}")
        for (partition, its_run), states in accounts.items():
            if its_run == run:
                self._check_told(partition, run, states)

    def _check_told(self, partition, run, states):
        size = Counter(states["folded"])
        for state, spans in spans_of(states):
            size[state] += sum(count for _, count in spans)
        held = Counter(
            sent=sum(size.values()) - size["lost_before"] - size["suspected"],
            rejected=size.get("rejected", 0),
            uncertain=sum(size.get(state, 0) for state in ("unresolved", "present", "absent")),
            acked=sum(size.get(state, 0) for state in ACKED),
        )
        heard = self.heard[partition, run]
        if any(held[name] != heard[name] for name in ("sent", "rejected", "uncertain", "acked")):
            raise IdentityError(f"{partition} run {run:x}: holds {dict(held)}, but was told {dict(heard)}")

    def check_anomalies(self, records):
        """No anomaly may be counted more often than it ever was there.

        Where a former leader was read in between, what it lacks may count again when the true log shows it again.
        """
        for acks, sums in records.items():
            if self.misled[acks]:
                continue
            most = {
                "duplicated": self.stale[acks, "record"]
                + sum(truth.extra_copies[acks] for truth in (self, *self.namesakes)),
                "corrupted": self.damaged[acks] + self.stale[acks, "corrupted"],
                "foreign": self.foreign[acks] + self.stale[acks, "foreign"] + self.posthumous[acks],
            }
            for name, limit in most.items():
                if sums[name] > limit:
                    raise FalseVerdictError(f"acks={acks}: {name} = {sums[name]}, but only {limit} ever were")

    def check_accounts(self, accounts):
        """Judge the state Sentinel holds each record in. `accounts`: (partition, run) → state → (first, count)…"""
        for (partition, run), states in accounts.items():
            cards = self._cards_of(partition, run)
            for state, spans in spans_of(states):
                for first, count in spans:
                    if first + count > len(cards):
                        raise FalseVerdictError(f"{partition} run {run:x}: {state} {first}+{count} was never sent")
                    for card in cards[first : first + count]:
                        if card.oracle is not self:
                            self._judge(card, state)
                        elif card.judged != state:
                            self._judge(card, state)
                            card.judged = state if state in ONCE_RIGHT else ""

    def _cards_of(self, partition, run):
        """Return the cards of a run that is accounted for: ours, or one of a namesake that may be an earlier life."""
        for namesake in self.namesakes:
            if found := namesake.cards.get((partition, run)):
                if self.is_above(partition, run, namesake):
                    raise FalseVerdictError(f"{partition}: run {run:x} of a live namesake is taken for an earlier life")
                return found
        return self.cards.get((partition, run), ())

    def _judge(self, card, state):
        gone = self._may_have_gone(card) or (card.deleted and self._looks_emptied(card))
        wrong = None
        if state in ("awaiting", "verified", "lost", "expired", "corrupted") and not card.acked:
            wrong = "was never acknowledged"
        elif state == "absent" and card.acked:
            wrong = "was acknowledged"
        elif state == "rejected" and not card.rejected:
            wrong = "was not rejected"
        elif state in ("verified", "present") and id(card) not in self.read_ever:
            wrong = "was never read"
        elif state in ("lost", "lost_before") and not gone:
            wrong = "never left the log"
        elif state == "expired" and not (card.expired or self._looks_expired(card)):
            wrong = "was not taken by retention"
        elif state == "corrupted" and not card.was_damaged:
            wrong = "was never damaged"
        if wrong:
            raise FalseVerdictError(f"held as {state}, but it {wrong}: {card.describe()}")

    def _looks_expired(self, card):
        """Whether the log start can rightly be taken for what removed it.

        A survivor of an earlier run claims what was acknowledged, and does not say by which topic of that name.
        """
        taken = self.expired_any[card.partition]
        if card.deleted and card.run in self.dead_runs and taken > card.expired_before:
            return True
        return taken > 0 and (card.gone or card.was_damaged)

    def check_bounds(self, accounts):
        for (partition, _), states in accounts.items():
            intervals = sum(len(spans) for _, spans in spans_of(states))
            if intervals > MAX_INTERVALS:
                raise BoundError(f"{partition}: {intervals} intervals in one account")
        runs = Counter(partition for partition, _ in accounts)
        if runs and max(runs.values()) > MAX_RUNS:
            raise BoundError(f"more than {MAX_RUNS} runs kept: {runs}")

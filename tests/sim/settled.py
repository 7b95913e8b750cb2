"""The judgement once everything is healed: what must have settled by then, and on which figures."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.sim.errors import InexactError
from tests.sim.truth import Truth

OPEN = ("in_flight", "awaiting", "unresolved")


class Settled(Truth):
    def unsettled(self, accounts, records, *, before, clean):
        """Say which records sent before that time are still open, or not yet counted; None if all is settled."""
        if clean:
            for acks, sums in records.items():
                standing = self._standing([one for one in self.log if one.acks == acks], before)
                for name, least in standing.items():
                    if sums[name] < least:
                        return f"acks={acks}: {name} = {sums[name]}, but {least} stand in the log"
        for (partition, run), states in accounts.items():
            cards = self.cards[partition, run]
            for state in (*OPEN, "suspected"):
                for first, count in states.get(state, ()):
                    old = [card for card in cards[first : first + count] if card.sent_at < before]
                    if old:
                        return f"{len(old)} records are still {state}, such as {old[0].describe()}"
        return None

    def check_final(self, accounts, records, *, before, clean):
        """Everything has settled: compare with the truth, record by record. `clean`: Sentinel lived through it all."""
        held = _by_sequence(accounts)
        for (partition, run), cards in self.cards.items():
            known = held.get((partition, run))
            if known is None:
                continue
            for card in cards:
                if card.sent_at < before:
                    self._check_settled(card, known.get(card.sequence, set()), own=clean)
        if clean:
            self._check_counts(records)

    def _check_settled(self, card, states, *, own):
        if not states:  # it was settled and has left the log; Sentinel keeps no more than sums of such
            states = {"lost"} if card.called_lost else {"folded"}
        allowed = self._allowed(card, own=own)
        if allowed is not None and not any(states == one for one in allowed):
            raise InexactError(f"settled as {sorted(states)}, allowed is {allowed}: {card.describe()}")

    def _allowed(self, card, *, own):
        """Return the sets of states a settled record may be in; None: several are right, and safety has judged them."""
        returned = card.standing and (card.gone or card.expired)
        if card.deleted or returned or (card.gone and card.expired) or card.most > 1 or card.misplaced:
            return None
        verdicts = self._of_acked(card) if card.acked else self._of_others(card)
        if self.deleted_topics[card.partition] and not card.standing:
            verdicts.append({"unaccounted"})  # perhaps acknowledged by the topic that was deleted
            if card.of_either and card.acked:  # and perhaps read in it; `verified` only if it was read, says safety
                verdicts.append({"verified"})
        if not own:
            verdicts += [{"unaccounted"}, {"present"}, {"folded"}]
        if not card.standing and (verdicts[0] != {"lost"} or {"unaccounted"} in verdicts or {"corrupted"} in verdicts):
            verdicts.append({"folded"})
        return verdicts

    @staticmethod
    def _of_others(card):
        if card.rejected:
            return [{"rejected"}]
        return [{"present"}] if card.standing else [{"absent"}, {"present"}]  # safety: present only if it was read

    def _of_acked(self, card):
        lost = [{"lost"}, {"verified", "lost_before"}]
        if card.standing:
            return [{"verified"}]
        if card.damaged:  # without an offset, a damaged record cannot be told from a missing one
            return [{"corrupted"}, {"expired"}, {"unaccounted"}, *lost]
        if card.expired:
            taken = [{"verified"}, {"expired"}, {"corrupted"}, {"unaccounted"}]
            return taken + lost if card.rewound or card.alone or card.called_lost_damaged else taken
        if card.was_damaged:
            lost.append({"corrupted"})
        if card.hidden:
            lost.append({"verified"})
        if self.expired_any[card.partition]:  # the log start may have passed its offset before the proof
            lost += [{"expired"}, {"unaccounted"}, {"folded"}]
        return lost

    def _check_counts(self, records):
        for acks, sums in records.items():
            partitions = [partition for partition in self.log if partition.acks == acks]
            untouched = not any(
                count[one] for one in partitions for count in (self.truncated, self.expired_any, self.deleted_topics)
            )
            if untouched and not self.namesakes:
                reordered = sum(self._reordered(one) for one in partitions)
                if sums["reordered"] != reordered:
                    raise InexactError(f"acks={acks}: reordered = {sums['reordered']}, but it is {reordered}")

    def _standing(self, partitions, before):
        """Count what stands there, of other Sentinels only what was sent before that time: they never pause."""
        payloads = [payload for one in partitions for payload in self.log[one].values() if self._counts(one, payload)]
        payloads = [
            one for one in payloads if one.truth is None or one.truth.oracle is self or one.truth.sent_at < before
        ]
        sound = Counter(id(one.truth) for one in payloads if self._mine(one) is not None and one.kind == "record")
        return {
            "duplicated": sum(number - 1 for number in sound.values()),
            "corrupted": sum(one.kind == "corrupted" for one in payloads),
            "foreign": sum(self._mine(one) is None and one.kind != "corrupted" for one in payloads),
        }

    def _counts(self, partition, payload):
        """Whether Sentinel can tell whose it is: a namesake's run that it met below its own may be an earlier life."""
        namesake = self.namesake_of(payload)
        return namesake is None or self.is_above(partition, payload.truth.run, namesake)

    def _reordered(self, partition):
        """Count the records whose first copy stands behind a higher sequence of their run."""
        highest, met, count = Counter(), set(), 0
        for _, payload in sorted(self.log[partition].items(), key=lambda item: item[0]):
            card = self._mine(payload)
            if card is None or payload.kind != "record" or id(card) in met:
                continue
            met.add(id(card))
            count += card.sequence < highest[card.run]
            highest[card.run] = max(highest[card.run], card.sequence)
        return count


def spans_of(states):
    return [(state, spans) for state, spans in states.items() if state != "folded"]


def _by_sequence(accounts):
    held = {}
    for key, states in accounts.items():
        known = held[key] = defaultdict(set)
        for state, spans in spans_of(states):
            for first, count in spans:
                for sequence in range(first, first + count):
                    known[sequence].add(state)
    return held

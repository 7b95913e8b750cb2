"""The oracle: what really became of every record, kept apart from everything Sentinel computes.

It is told by the naive Kafka what enters and leaves the authoritative log, and by the simulated producer what its
client answered. It reads Sentinel only from the outside: its commands, its status, and the state it would save (plain
JSON). It shares no code with the ledgers and the verdicts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

OPEN = ("in_flight", "awaiting", "unresolved")
ACKED = ("awaiting", "verified", "lost", "expired", "corrupted", "unaccounted")
MAX_INTERVALS = 20_000
MAX_RUNS = 17


class SimulationError(Exception):
    """Sentinel did something that the oracle refutes. `exit_code` tells the kinds apart."""

    exit_code = 1


class CrashError(SimulationError):
    """The engine raised, or counted an invariant violation of its own."""

    exit_code = 10


class FalseVerdictError(SimulationError):
    """It said of a record what is not true."""

    exit_code = 11


class IdentityError(SimulationError):
    """Its figures do not add up, or differ from the truth."""

    exit_code = 12


class InjectionError(SimulationError):
    """It broke something when it should not have."""

    exit_code = 13


class StuckError(SimulationError):
    """Everything is healed, and something does not settle."""

    exit_code = 14


class InexactError(SimulationError):
    """It settled, on figures that are not exact."""

    exit_code = 15


class BoundError(SimulationError):
    """It keeps more than its bounds allow."""

    exit_code = 16


@dataclass(eq=False, slots=True)
class Card:
    """The truth about one record."""

    partition: object
    run: int
    sequence: int
    sent_at: float
    rejected: bool = False
    gave_up: bool = False
    acked: bool = False
    acked_at: float = 0.0
    standing: int = 0  # sound copies in the authoritative log
    damaged: int = 0  # damaged copies there
    most: int = 0  # most sound copies that ever stood there at once
    written: bool = False
    gone: bool = False  # once acknowledged, it was not in the authoritative log for a while, or for good
    expired: bool = False  # retention removed a copy
    deleted: bool = False  # its topic was deleted after it was sent
    truncated_before: int = 0  # how often the log had gone backwards when the topic was deleted
    expired_before: int = 0  # how much retention had taken of the partition when the topic was deleted
    expired_at: int = -1  # the highest offset at which retention removed one
    astray: int = -1  # where a broker that no longer led gave it to a reader, though it did not stand there any more
    misplaced: bool = False  # and it stood, or came to stand, at another offset: one copy as good as two
    seen_in: object = None  # the life of Sentinel in which a reader was given it last
    cut_at: int = -1  # the offset at which the log lost it last
    hidden: bool = False  # and retention passed that place before anybody who knew it saw what stood there instead
    rewound: bool = False  # retention took it, and then the log went back to where it stood: nobody can tell which
    called_lost: bool = False
    was_damaged: bool = False  # on its way into the log
    called_lost_damaged: bool = False  # while it stood there damaged, which is all that a reader can have seen of it
    alone: bool = False  # retention took it damaged, and what follows it was not there to tell whose place that was
    of_either: bool = False  # sent before Sentinel knew that the topic was made anew: perhaps the deleted one had it

    def describe(self):
        words = ("rejected", "gave_up", "acked", "written", "gone", "expired", "deleted")
        true = [word for word in words if getattr(self, word)]
        where = f"{self.partition.acks}/{self.partition.partition} run {self.run:x} sequence {self.sequence}"
        return f"{where} ({', '.join(true)}; {self.standing} standing, {self.damaged} damaged, sent {self.sent_at:.2f})"


class Oracle:
    def __init__(self, clock):
        self._clock = clock
        self.cards: dict[tuple[object, int], list[Card]] = defaultdict(list)
        self.log: dict[object, dict[int, object]] = defaultdict(dict)  # partition → offset → payload, as it stands
        self.extra_copies: Counter = Counter()  # by acks: extra sound copies that ever stood in the log
        self.damaged: Counter = Counter()
        self.foreign: Counter = Counter()
        self.read_ever: set[int] = set()  # ids of cards that any reader was given
        self.stale_reads: dict[int, object] = {}  # entries that a reader was given by a broker that no longer led
        self.stale: Counter = Counter()  # (acks, kind) → how many of them
        self.misled: Counter = Counter()  # by acks: how often that happened
        self.dead_runs: set[int] = set()
        self.posthumous: Counter = Counter()  # by acks: records that came into the log after their Sentinel had died
        self.truncated: Counter = Counter()  # partition → how often its log went backwards
        # Truncated; and no life of Sentinel that was given the record was given what stands in its place.
        self.cut: dict[object, list[Card]] = defaultdict(list)
        self.expired_any: Counter = Counter()
        self.deleted_topics: Counter = Counter()
        self.heard: dict[tuple[object, int], Counter] = defaultdict(Counter)  # what the engine was told of a run
        self.injected: set[str] = set()

    # --- told by the world

    def sent(self, partition, run, first, count):
        cards = self.cards[partition, run]
        assert len(cards) == first
        new = [Card(partition, run, first + index, self._clock()) for index in range(count)]
        cards.extend(new)
        return new

    def acknowledged(self, card):
        card.acked, card.acked_at = True, self._clock()
        if not card.standing and not card.damaged and not card.expired and not card.deleted:
            card.gone = True

    def added(self, partition, offset, entry):
        payload = entry.payload
        if payload is None:
            return
        self.log[partition][offset] = payload
        if payload.kind == "foreign" or payload.truth is None:
            self.foreign[partition.acks] += 1
            return
        card = payload.truth
        card.written = True
        self.posthumous[partition.acks] += card.run in self.dead_runs
        if payload.kind == "corrupted":
            card.damaged += 1
            self.damaged[partition.acks] += 1
            return
        card.standing += 1
        card.misplaced |= card.astray not in (-1, offset)
        card.most = max(card.most, card.standing)
        if card.standing > 1:
            self.extra_copies[partition.acks] += 1

    def went_back(self, partition, end):
        """The log ended at `end`, below where it had, though perhaps nothing stood there any more."""
        self.truncated[partition] += 1
        for (where, _), cards in self.cards.items():
            for card in cards if where == partition else ():
                card.rewound |= card.expired and card.expired_at >= end

    def removed(self, partition, offset, entry, why):
        if why == "retention":
            self.expired_any[partition] += 1
        self.log[partition].pop(offset, None)
        payload = entry.payload
        if payload is None or payload.truth is None:
            return
        card = payload.truth
        if payload.kind == "corrupted":
            card.damaged -= 1
            above = self.log[partition].get(offset + 1)
            follows = above is not None and above.truth is not None and above.kind == "record"
            card.alone = not follows or (above.truth.run, above.truth.sequence) != (card.run, card.sequence + 1)
        else:
            card.standing -= 1
        if why == "retention":
            card.expired, card.expired_at = True, max(card.expired_at, offset)
        if why == "truncated" and not card.standing:
            card.gone |= card.acked
            card.cut_at = offset
            self.cut[partition].append(card)

    def starts_at(self, partition, start):
        """The log starts there now."""
        for card in self.cut[partition]:
            card.hidden |= card.cut_at < start
        self.cut[partition] = [card for card in self.cut[partition] if card.cut_at >= start]

    def topic_deleted(self, partition):
        self.deleted_topics[partition] += 1
        for (where, _), cards in self.cards.items():
            if where == partition:
                for card in cards:
                    if not card.deleted:
                        card.deleted, card.expired_before = True, self.expired_any[partition]
                        card.truncated_before = self.truncated[partition]

    def told_of_new_topic(self, acks):
        """Sentinel knows that the topic was made anew. Of what was sent before, nobody told in which it stands."""
        for (where, _), cards in self.cards.items():
            for card in cards if where.acks is acks else ():
                card.of_either = True

    def was_read(self, life, partition, start, entries, *, stale):
        """A reader was given these, from offset `start` on. `stale`: by a broker that only believed to lead."""
        self.misled[partition.acks] += stale
        for offset, entry in enumerate(entries, start):
            if entry.payload is None:
                continue
            card = entry.payload.truth
            if card is not None:
                self.read_ever.add(id(card))
                card.seen_in = life
                if stale and self.log[partition].get(offset) is not entry.payload:
                    card.astray = offset
                    card.misplaced |= card.standing > 0
            if stale and id(entry) not in self.stale_reads:
                self.stale_reads[id(entry)] = entry
                self.stale[partition.acks, entry.payload.kind] += 1

    def shown(self, life, event):
        """The engine was shown what stands there, by the verifier or by a re-read."""
        self.cut[event.partition] = [
            card for card in self.cut[event.partition] if card.seen_in is not life or not _shows_another(event, card)
        ]

    def told(self, event):
        """The engine was told this about the records of a run."""
        heard = self.heard[event.partition, event.run]
        match type(event).__name__:
            case "RecordsSent":
                heard["sent"] += event.count
            case "RecordsRejected":
                heard["rejected"] += event.count
            case "RecordsUncertain":
                heard["uncertain"] += event.count
            case "RecordsAcked":
                heard["acked"] += sum(span.count for span in event.spans)

    # --- safety, at every step

    def losses_claimed(self, fields):
        """Judge one evidence of loss."""
        for card in self._named(fields):
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
        """Whether the topic made anew looks as if it had lost what an earlier run claims in it, of the deleted one."""
        return card.run in self.dead_runs and self.truncated[card.partition] > card.truncated_before

    def _named(self, fields):
        for (partition, run), cards in self.cards.items():
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
        for state, spans in _spans(states):
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
                "duplicated": self.extra_copies[acks] + self.stale[acks, "record"],
                "corrupted": self.damaged[acks] + self.stale[acks, "corrupted"],
                "foreign": self.foreign[acks] + self.stale[acks, "foreign"] + self.posthumous[acks],
            }
            for name, limit in most.items():
                if sums[name] > limit:
                    raise FalseVerdictError(f"acks={acks}: {name} = {sums[name]}, but only {limit} ever were")

    def check_accounts(self, accounts):
        """Judge the state Sentinel holds each record in. `accounts`: (partition, run) → state → (first, count)…"""
        for (partition, run), states in accounts.items():
            cards = self.cards.get((partition, run), ())
            for state, spans in _spans(states):
                for first, count in spans:
                    if first + count > len(cards):
                        raise FalseVerdictError(f"{partition} run {run:x}: {state} {first}+{count} was never sent")
                    for card in cards[first : first + count]:
                        self._judge(card, state)

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
            intervals = sum(len(spans) for _, spans in _spans(states))
            if intervals > MAX_INTERVALS:
                raise BoundError(f"{partition}: {intervals} intervals in one account")
        runs = Counter(partition for partition, _ in accounts)
        if runs and max(runs.values()) > MAX_RUNS:
            raise BoundError(f"more than {MAX_RUNS} runs kept: {runs}")

    # --- liveness: once everything is healed

    def unsettled(self, accounts, records, *, before, clean):
        """Say which records sent before that time are still open, or not yet counted; None if all is settled."""
        if clean:
            for acks, sums in records.items():
                for name, least in self._standing([one for one in self.log if one.acks == acks]).items():
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
            if untouched:
                reordered = sum(self._reordered(one) for one in partitions)
                if sums["reordered"] != reordered:
                    raise InexactError(f"acks={acks}: reordered = {sums['reordered']}, but it is {reordered}")

    def _standing(self, partitions):
        payloads = [payload for one in partitions for payload in self.log[one].values()]
        sound = Counter(id(one.truth) for one in payloads if one.truth is not None and one.kind == "record")
        return {
            "duplicated": sum(number - 1 for number in sound.values()),
            "corrupted": sum(one.kind == "corrupted" for one in payloads),
            "foreign": sum(one.truth is None for one in payloads),
        }

    def _reordered(self, partition):
        """Count the records whose first copy stands behind a higher sequence of their run."""
        highest, met, count = Counter(), set(), 0
        for _, payload in sorted(self.log[partition].items(), key=lambda item: item[0]):
            card = payload.truth
            if card is None or payload.kind != "record" or id(card) in met:
                continue
            met.add(id(card))
            count += card.sequence < highest[card.run]
            highest[card.run] = max(highest[card.run], card.sequence)
        return count


def _shows_another(event, card):
    """Whether something else than this record is shown where it stood last."""
    for sighting in event.sightings:
        index = card.cut_at - sighting.offset
        if 0 <= index < sighting.count:
            return (sighting.run, sighting.first + index) != (card.run, card.sequence)
    return False


def _spans(states):
    return [(state, spans) for state, spans in states.items() if state != "folded"]


def _by_sequence(accounts):
    held = {}
    for key, states in accounts.items():
        known = held[key] = defaultdict(set)
        for state, spans in _spans(states):
            for first, count in spans:
                for sequence in range(first, first + count):
                    known[sequence].add(state)
    return held

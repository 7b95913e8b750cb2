"""The oracle: what really became of every record, kept apart from everything Sentinel computes.

It is told by the naive Kafka what enters and leaves the authoritative log, and by the simulated producer what its
client answered. It reads Sentinel only from the outside: its commands, its status, and the state it would save (plain
JSON). It shares no code with the ledgers and the verdicts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

OPEN = ("in_flight", "awaiting", "unresolved")


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

    def describe(self):
        words = [name for name in ("rejected", "gave_up", "acked", "written", "gone", "expired", "deleted")]
        true = [word for word in words if getattr(self, word)]
        where = f"{self.partition.acks}/{self.partition.partition} run {self.run:x} sequence {self.sequence}"
        return f"{where} ({', '.join(true)}; {self.standing} standing, {self.damaged} damaged, sent {self.sent_at:.2f})"


@dataclass(slots=True)
class Heard:
    """What one life of the engine was told, by partition and run."""

    sent: Counter = field(default_factory=Counter)
    acked: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    uncertain: Counter = field(default_factory=Counter)


class Oracle:
    def __init__(self, clock):
        self._clock = clock
        self.cards: dict[tuple[object, int], list[Card]] = defaultdict(list)
        self.log: dict[object, dict[int, object]] = defaultdict(dict)  # partition → offset → payload, as it stands
        self.extra_copies: Counter = Counter()  # by acks: extra sound copies that ever stood in the log
        self.damaged: Counter = Counter()
        self.foreign: Counter = Counter()
        self.read_ever: set[int] = set()  # ids of cards that any reader was given
        self.truncated: Counter = Counter()  # partition → how often its log lost entries
        self.expired_any: Counter = Counter()
        self.deleted_topics: Counter = Counter()
        self.lives = 0
        self.lost_state = 0  # lives that began without what an earlier one knew
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
        if payload.kind == "corrupted":
            card.damaged += 1
            self.damaged[partition.acks] += 1
            return
        card.standing += 1
        card.most = max(card.most, card.standing)
        if card.standing > 1:
            self.extra_copies[partition.acks] += 1

    def removed(self, partition, offset, entry, why):
        if why == "truncated":
            self.truncated[partition] += 1
        elif why == "retention":
            self.expired_any[partition] += 1
        self.log[partition].pop(offset, None)
        payload = entry.payload
        if payload is None or payload.truth is None:
            return
        card = payload.truth
        if payload.kind == "corrupted":
            card.damaged -= 1
        else:
            card.standing -= 1
        card.expired |= why == "retention"
        if card.acked and why == "truncated" and not card.standing:
            card.gone = True

    def topic_deleted(self, partition):
        self.deleted_topics[partition] += 1
        for (where, _), cards in self.cards.items():
            if where == partition:
                for card in cards:
                    card.deleted = True

    # --- safety, at every step

    def losses_claimed(self, fields, *, reads_gone):
        """Judge one evidence of loss. `reads_gone`: unused names are ignored."""
        del reads_gone
        for card in self._named(fields):
            if not card.acked:
                raise FalseVerdictError(f"called lost, but never acknowledged: {card.describe()}; {fields}")
            if not card.gone and not (card.standing == 0 and card.most > 1 and card.expired):
                raise FalseVerdictError(f"called lost, but it never left the log: {card.describe()}; {fields}")
            if card.standing == 0 and card.expired and not card.gone:
                raise FalseVerdictError(f"called lost, but retention took it: {card.describe()}; {fields}")

    def _named(self, fields):
        for (partition, run), cards in self.cards.items():
            if partition.acks.value == fields["acks"] and partition.partition == fields["partition"]:
                if f"{run:016x}" == fields["run"]:
                    first = fields["first_sequence"]
                    found = cards[first : first + fields["count"]]
                    if len(found) != fields["count"]:
                        raise FalseVerdictError(f"called lost, but never sent: {fields}")
                    return found
        raise FalseVerdictError(f"called lost, of a run that does not exist: {fields}")

    def check_identities(self, records):
        for acks, sums in records.items():
            problems = []
            if any(value < 0 for value in sums.values()):
                problems.append("negative")
            if sums["sent"] != sums["acked"] + sums["rejected"] + sums["uncertain"] + sums["in_flight"]:
                problems.append("sent != acked + rejected + uncertain + in_flight")
            never = sums["lost"] - sums["lost_before"]
            if sums["acked"] != sum(
                (sums["verified"], never, sums["expired"], sums["corrupted_acked"], sums["unaccounted"], sums["awaiting"])
            ):
                problems.append("acked != verified + lost never + expired + corrupted + unaccounted + awaiting")
            if sums["uncertain"] != sums["present"] + sums["absent"] + sums["unresolved"]:
                problems.append("uncertain != present + absent + unresolved")
            if problems:
                raise IdentityError(f"acks={acks}: {'; '.join(problems)}: {sums}")

    def check_anomalies(self, records):
        """No anomaly may be counted more often than it ever was there."""
        for acks, sums in records.items():
            for name, truth in (("duplicated", self.extra_copies), ("corrupted", self.damaged), ("foreign", self.foreign)):
                if sums[name] > truth[acks]:
                    raise FalseVerdictError(f"acks={acks}: {name} = {sums[name]}, but only {truth[acks]} ever were")

    def check_accounts(self, accounts, *, final=False, settled_before=0.0):
        """Judge the state Sentinel holds each record in. `accounts`: (partition, run) → state → (first, count)…"""
        for (partition, run), states in accounts.items():
            cards = self.cards.get((partition, run))
            if cards is None:
                raise FalseVerdictError(f"{partition} has an account of run {run:x}, which never was")
            for state, spans in states.items():
                for first, count in spans:
                    if first + count > len(cards):
                        raise FalseVerdictError(f"{partition} run {run:x}: {state} {first}+{count} was never sent")
                    for card in cards[first : first + count]:
                        self._judge(card, state)
        del final, settled_before

    def _judge(self, card, state):
        wrong = None
        if state in ("awaiting", "verified", "lost", "expired", "corrupted") and not card.acked:
            wrong = "was never acknowledged"
        elif state == "rejected" and not card.rejected:
            wrong = "was not rejected"
        elif state in ("verified", "present") and not (card.written and id(card) in self.read_ever):
            wrong = "was never read"
        elif state in ("lost", "lost_before") and not card.gone and card.most <= 1:
            wrong = "never left the log"
        elif state == "expired" and not card.expired:
            wrong = "was not taken by retention"
        elif state == "corrupted" and not card.written:
            wrong = "was never written"
        if wrong:
            raise FalseVerdictError(f"held as {state}, but it {wrong}: {card.describe()}")

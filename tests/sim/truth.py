"""What really became of every record, kept apart from everything Sentinel computes.

It is told by the naive Kafka what enters and leaves the authoritative log, and by the simulated producer what its
client answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass


class Watch:
    """Tells several oracles what enters and leaves the log."""

    def __init__(self, oracles):
        self._oracles = oracles

    def __getattr__(self, name):
        def tell(*what):
            for oracle in self._oracles:
                getattr(oracle, name)(*what)

        return tell


@dataclass(eq=False, slots=True)
class Card:
    """The truth about one record. `oracle`: that of the Sentinel which sent it; to any other it is foreign."""

    oracle: object
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
    cut_epoch: int = -1  # of the leader that had written it there
    cut_to: int = -1  # how far the log went back then
    hidden: bool = False  # and retention passed that place before anybody who knew it saw what stood there instead
    placeless: bool = False  # acknowledged without an offset
    rewound: bool = False  # retention took it, and then the log went back to where it stood: nobody can tell which
    called_lost: bool = False
    was_damaged: bool = False  # on its way into the log
    called_lost_damaged: bool = False  # while it stood there damaged, which is all that a reader can have seen of it
    alone: bool = False  # retention took it damaged, and what follows it was not there to tell whose place that was
    judged: str = ""  # the state of ONCE_RIGHT in which it was last held, and rightly so
    of_either: bool = False  # sent before Sentinel knew that the topic was made anew: perhaps the deleted one had it

    def describe(self):
        words = ("rejected", "gave_up", "acked", "written", "gone", "expired", "deleted")
        true = [word for word in words if getattr(self, word)]
        where = f"{self.partition.acks}/{self.partition.partition} run {self.run:x} sequence {self.sequence}"
        return f"{where} ({', '.join(true)}; {self.standing} standing, {self.damaged} damaged, sent {self.sent_at:.2f})"


class Truth:
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
        self.crowded = False  # two lives at once: what either sends is a namesake's to the other
        self.truncated: Counter = Counter()  # partition → how often its log went backwards
        # Truncated; and no life of Sentinel that was given the record was given what stands in its place.
        self.cut: dict[object, list[Card]] = defaultdict(list)
        # Truncated after an acknowledgement without an offset, and something stands still from before that.
        self.adrift: dict[object, list[Card]] = defaultdict(list)
        # Truncated, and a life of Sentinel was given what stands in its place: (when, card).
        self.understood: dict[object, list[tuple[float, Card]]] = defaultdict(list)
        self.start: Counter = Counter()  # partition → where its log starts
        self.expired_any: Counter = Counter()
        self.deleted_topics: Counter = Counter()
        # Partition → runs that wrote something in its first leader epoch since it was made.
        self.begun: dict[object, set[int]] = defaultdict(set)
        self.heard: dict[tuple[object, int], Counter] = defaultdict(Counter)  # what the engine was told of a run
        self.injected: set[str] = set()
        self.namesakes: tuple[Truth, ...] = ()  # of other live Sentinels that bear the same name, without a Lease
        self.lowest: dict[tuple[object, int], int] = {}  # (partition, run) → where its lowest sound record ever stood

    # --- told by the world

    def sent(self, partition, run, first, count):
        cards = self.cards[partition, run]
        assert len(cards) == first
        new = [Card(self, partition, run, first + index, self._clock()) for index in range(count)]
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
        card = self._mine(payload)
        if card is None:
            self.damaged[partition.acks] += payload.kind == "corrupted"
            self.foreign[partition.acks] += payload.kind != "corrupted"
            return
        card.written = True
        self.begun[partition] |= {card.run} if entry.epoch == 0 else set()
        self.posthumous[partition.acks] += self.crowded or card.run in self.dead_runs
        if payload.kind == "corrupted":
            card.damaged += 1
            self.damaged[partition.acks] += 1
            return
        self.lowest[partition, card.run] = min(self.lowest.get((partition, card.run), offset), offset)
        card.standing += 1
        card.misplaced |= card.astray not in (-1, offset)
        card.most = max(card.most, card.standing)
        if card.standing > 1:
            self.extra_copies[partition.acks] += 1

    def _mine(self, payload):
        """Return the card of a record of this Sentinel, damaged or not; None of anything else."""
        card = payload.truth
        return card if card is not None and card.oracle is self else None

    def namesake_of(self, payload):
        """Return the truth of the namesake whose record it is, None of any other."""
        card = payload.truth
        return None if card is None else next((one for one in self.namesakes if one is card.oracle), None)

    def is_above(self, partition, run, namesake):
        """Whether all of a namesake's run stood above the first record of ours: that is no earlier life of ours.

        Where the log went back, or one that no longer led was read, Sentinel cannot have seen that for certain.
        """
        if self.truncated[partition] or self.deleted_topics[partition] or self.misled[partition.acks]:
            return False
        ours = min((offset for (where, _), offset in self.lowest.items() if where == partition), default=None)
        theirs = namesake.lowest.get((partition, run))
        return ours is not None and theirs is not None and ours < theirs

    def went_back(self, partition, end):
        """The log ended at `end`, below where it had, though perhaps nothing stood there any more."""
        self.truncated[partition] += 1
        for card in self.adrift[partition]:
            card.cut_to = end if card.cut_to == -1 else card.cut_to
        for (where, _), cards in self.cards.items():
            for card in cards if where == partition else ():
                card.rewound |= card.expired and card.expired_at >= end

    def removed(self, partition, offset, entry, why):
        if why == "retention":
            self.expired_any[partition] += 1
        self.log[partition].pop(offset, None)
        payload = entry.payload
        card = None if payload is None else self._mine(payload)
        if card is None:
            return
        if payload.kind == "corrupted":
            card.damaged -= 1
            above = self.log[partition].get(offset + 1)
            follows = above is not None and self._mine(above) is not None and above.kind == "record"
            card.alone = not follows or (above.truth.run, above.truth.sequence) != (card.run, card.sequence + 1)
        else:
            card.standing -= 1
        if why == "retention":
            card.expired, card.expired_at = True, max(card.expired_at, offset)
        if why == "truncated" and not card.standing:
            card.gone |= card.acked
            card.cut_at, card.cut_epoch = offset, entry.epoch
            self.cut[partition].append(card)
            if card.placeless:
                card.cut_to = -1
                self.adrift[partition].append(card)

    def starts_at(self, partition, start):
        """The log starts there now."""
        self.start[partition] = start
        for card in self.cut[partition]:
            card.hidden |= card.cut_at < start
        self.cut[partition] = [card for card in self.cut[partition] if card.cut_at >= start]
        for card in self.adrift[partition]:  # its copy may have been another, which retention took
            card.hidden |= 0 < start >= card.cut_to
        self.adrift[partition] = [card for card in self.adrift[partition] if not card.hidden]

    def topic_deleted(self, partition):
        self.deleted_topics[partition] += 1
        self.begun[partition].clear()
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
            card = self._mine(entry.payload)
            if self.namesake_of(entry.payload) is not None:
                self.read_ever.add(id(entry.payload.truth))
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
        cut, self.cut[event.partition] = self.cut[event.partition], []
        for card in cut:
            if card.seen_in is not life or not _shows_another(event, card):
                self.cut[event.partition].append(card)
            else:
                self.understood[event.partition].append((self._clock(), card))

    def restored(self, made):
        """A life begins with a state that was made then: what was understood since, it does not know."""
        for partition, understood in self.understood.items():
            self.understood[partition] = [(when, card) for when, card in understood if when <= made]
            for card in [card for when, card in understood if when > made]:
                if card.cut_at < self.start[partition]:
                    card.hidden = True
                else:
                    self.cut[partition].append(card)

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

    def there(self):
        """Count what there ever was of each kind of anomaly. Of earlier lives Sentinel need not have found all."""
        lost = sum(card.acked and card.gone and not card.deleted for cards in self.cards.values() for card in cards)
        ever = {"duplicated": self.extra_copies, "corrupted": self.damaged, "foreign": self.foreign}
        return Counter({"lost": lost, **{name: sum(counts.values()) for name, counts in ever.items()}})


def _shows_another(event, card):
    """Whether something else than this record is shown where it stood last, and that a later leader wrote since."""
    if all(sighting.leader_epoch <= card.cut_epoch for sighting in event.sightings):
        return False
    for sighting in event.sightings:
        index = card.cut_at - sighting.offset
        if 0 <= index < sighting.count:
            return (sighting.run, sighting.first + index) != (card.run, card.sequence)
    return False

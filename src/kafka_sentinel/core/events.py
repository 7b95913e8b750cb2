"""Everything Sentinel can come to know. Adapters make these, the engine judges them; none is ever changed.

Order matters in one place. The producer thread both sends and polls for acknowledgements, and posts its events in the
order in which it did so. So an acknowledgement posted before a `RecordsSent` was known before that send started, which
is what the proof of loss by position rests on (docs/verdicts.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_sentinel.core.audit.finding import Report
from kafka_sentinel.core.cluster import ClusterView, EnsembleView, ProviderView, QuorumView
from kafka_sentinel.core.connection import Trouble
from kafka_sentinel.core.kubernetes.views import Kind, View
from kafka_sentinel.core.types import Acks, Instant, OrderKind, ProbePartition, Sighting, Span


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed and nothing else is known to have happened."""

    at: Instant


# --- producer


@dataclass(frozen=True, slots=True)
class RecordsSent:
    """`count` sequences from `first` are to be handed to the client; `at` is read before the first `produce()`."""

    at: Instant
    partition: ProbePartition
    run: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class RecordsRejected:
    """`produce()` itself raised: these were certainly not written."""

    at: Instant
    partition: ProbePartition
    run: int
    first: int
    count: int
    code: str


@dataclass(frozen=True, slots=True)
class RecordsAcked:
    """Acknowledged without error. A span's offset is None where the acknowledgement named none (or a negative one).

    `latencies`: seconds from send to acknowledgement, a bounded sample.
    """

    at: Instant
    partition: ProbePartition
    run: int
    spans: tuple[Span, ...]
    latencies: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsUncertain:
    """The client gave up on these with any error: each may or may not have been written."""

    at: Instant
    partition: ProbePartition
    run: int
    first: int
    count: int
    code: str


@dataclass(frozen=True, slots=True)
class ProducerRestarted:
    """A client died of a fatal error and was replaced: a new incarnation, the same run and sequences."""

    at: Instant
    acks: Acks
    incarnation: int
    code: str


# --- verifier (the reader of the tail) and recheck


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """The verifier read the log from offset `start` up to (not including) `position`. Offsets may be sparse.

    `sightings` are in log order and lie in [start, position). `latencies`: seconds from send to read, a bounded sample
    of records of this process's own run, by the monotonic clock. `log_start`: earliest offset of the log if the
    client has asked for it since the verifier was last assigned, else None.
    """

    at: Instant
    partition: ProbePartition
    start: int
    position: int
    sightings: tuple[Sighting, ...]
    latencies: tuple[float, ...] = ()
    log_start: int | None = None


@dataclass(frozen=True, slots=True)
class ReaderLost:
    """The verifier cannot go on at `position`: the log starts above it or ends below it, or was truncated under it.

    The reader stays stopped on this partition until it is assigned again. `log_start` and `log_end` are what the
    leader answered just now (None: it did not answer).
    """

    at: Instant
    partition: ProbePartition
    position: int
    log_start: int | None
    log_end: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RecheckDone:
    """A fresh reader read [start, end) of the log, or as much of it as there was.

    `start` is the first offset actually read (the log start, if that was above the one asked for); `position` is the
    offset the reader had reached (below `end` only if the log ended before it within the time allowed). `topic_id`
    is the topic's id if it was the same before and after the read, else None.
    """

    at: Instant
    recheck: int
    partition: ProbePartition
    start: int
    position: int
    log_start: int
    topic_id: str | None
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class RecheckFailed:
    at: Instant
    recheck: int
    partition: ProbePartition
    reason: str


# --- group consumer (what applications feel; never a witness of loss)


@dataclass(frozen=True, slots=True)
class GroupRead:
    """The group consumer was handed offsets [offset, offset + count)."""

    at: Instant
    partition: ProbePartition
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class GroupRebalanced:
    at: Instant
    assigned: tuple[ProbePartition, ...]


@dataclass(frozen=True, slots=True)
class GroupCommitted:
    """An offset commit ended after `seconds`. `error`: its code, or None. `offsets`: what was committed."""

    at: Instant
    seconds: float
    error: str | None
    offsets: tuple[tuple[ProbePartition, int], ...]


# --- cluster


@dataclass(frozen=True, slots=True)
class ClusterObserved:
    """Metadata was asked for at `asked` and answered at `at`."""

    at: Instant
    asked: Instant
    view: ClusterView


@dataclass(frozen=True, slots=True)
class ClusterUnreachable:
    """No broker answered a metadata request that was started at `asked`."""

    at: Instant
    asked: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class QuorumObserved:
    at: Instant
    asked: Instant
    view: QuorumView


@dataclass(frozen=True, slots=True)
class QuorumUnreachable:
    at: Instant
    asked: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class EnsembleObserved:
    """Every server of the ZooKeeper ensemble was asked, or did not answer."""

    at: Instant
    view: EnsembleView


@dataclass(frozen=True, slots=True)
class ProviderObserved:
    """The provider that runs the cluster was asked how it stands, or could not be."""

    at: Instant
    view: ProviderView


# --- faults and broker processes


@dataclass(frozen=True, slots=True)
class FaultAnnounced:
    """Notice of the fault was given; nothing was hit yet."""

    at: Instant
    experiment_run: str


@dataclass(frozen=True, slots=True)
class FaultInjected:
    """The fault is in effect: `at` is the first instant at which the targets were certainly hit.

    Where who did it cannot tell, `at` is when it was begun, and `confirmed` when Kafka itself showed it, or, where
    answers were lost, when it was known who was hit.
    """

    at: Instant
    experiment_run: str
    targets: tuple[int, ...]
    confirmed: Instant | None = None


@dataclass(frozen=True, slots=True)
class FaultCommanded:
    """What a fault asks for was done, or was accepted, at `at`; whether it struck is for Kafka to show.

    `problem`: why it may not have struck, "" where there is no sign of that.
    """

    at: Instant
    experiment_run: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FaultFailed:
    at: Instant
    experiment_run: str
    reason: str


@dataclass(frozen=True, slots=True)
class FaultHealed:
    """What the fault did was undone (process resumed or started again); recovery is up to Kafka now."""

    at: Instant
    experiment_run: str


@dataclass(frozen=True, slots=True)
class BrokerExited:
    """A broker process of a local fleet ended without our doing."""

    at: Instant
    broker: int
    status: int


# --- watches of the Kubernetes API. `scope`: the namespace the watch covers, "" for all; one kind may have several


@dataclass(frozen=True, slots=True)
class ObjectsListed:
    """A list was answered: `views` are all objects of that kind in that scope, and no others exist."""

    at: Instant
    kind: Kind
    views: tuple[View, ...]
    scope: str = ""


@dataclass(frozen=True, slots=True)
class ObjectChanged:
    """An object was added or modified."""

    at: Instant
    kind: Kind
    view: View
    scope: str = ""


@dataclass(frozen=True, slots=True)
class ObjectDeleted:
    """An object is gone; `view` is the last that was seen of it."""

    at: Instant
    kind: Kind
    view: View
    scope: str = ""


@dataclass(frozen=True, slots=True)
class WatchAlive:
    """A bookmark, or any other sign that what is known of that kind is as of now."""

    at: Instant
    kind: Kind
    scope: str = ""


@dataclass(frozen=True, slots=True)
class WatchBroken:
    """A list or watch failed, and will be tried again. `code`: the HTTP status as text, or a name of a bounded set."""

    at: Instant
    kind: Kind
    code: str
    message: str
    scope: str = ""


# --- control and state


@dataclass(frozen=True, slots=True)
class StateSaved:
    at: Instant
    generation: int


@dataclass(frozen=True, slots=True)
class StateSaveFailed:
    """`taken_over`: another Sentinel has written a state that this one has not read."""

    at: Instant
    generation: int
    reason: str
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class LeaseObserved:
    """How the Lease stands, as of an answer of the API server, or of the failure to get one.

    `held_until`: monotonic second until which nobody else can hold it; None: it is not ours. `holder`: who has it as
    far as is known, "" if nobody. `problem`: why it could not be asked for, "" if it was; `answered`: whether the API
    server said anything at all.
    """

    at: Instant
    held_until: float | None
    holder: str = ""
    problem: str = ""
    answered: bool = True

    def held(self, now: Instant) -> bool:
        return self.held_until is not None and now.mono < self.held_until


@dataclass(frozen=True, slots=True)
class RightsObserved:
    """What the API server says of the rights that faults need. `missing`: fault → a sentence, where one is missing."""

    at: Instant
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectionExamined:
    """Answers Diagnose: what keeps us from using Kafka; None if nothing was found."""

    at: Instant
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class CertificatesRead:
    """When the next certificate of each file we are given expires: settings key, as ca_file → Unix time."""

    at: Instant
    expiries: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AuditDone:
    """What the audit found; judged where it was gathered (docs/architecture.md)."""

    at: Instant
    report: Report


@dataclass(frozen=True, slots=True)
class PauseSeen:
    """What stands where people pause the experiments. `by`: their words, as "by anna"; None: they are not paused."""

    at: Instant
    by: str | None


@dataclass(frozen=True, slots=True)
class OrderGiven:
    """An order that was taken off where it stood, so it comes once. `problem`: why it is not to be obeyed, or ""."""

    at: Instant
    kind: OrderKind
    subject: str = ""
    nonce: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AdapterError:
    """An error worth counting: `code` from a bounded set, `subject` names the part that met it."""

    at: Instant
    subject: str
    code: str
    message: str


Event = (
    Tick
    | RecordsSent
    | RecordsRejected
    | RecordsAcked
    | RecordsUncertain
    | ProducerRestarted
    | RecordsRead
    | ReaderLost
    | RecheckDone
    | RecheckFailed
    | GroupRead
    | GroupRebalanced
    | GroupCommitted
    | ClusterObserved
    | ClusterUnreachable
    | QuorumObserved
    | QuorumUnreachable
    | EnsembleObserved
    | ProviderObserved
    | FaultAnnounced
    | FaultInjected
    | FaultCommanded
    | FaultFailed
    | FaultHealed
    | BrokerExited
    | ObjectsListed
    | ObjectChanged
    | ObjectDeleted
    | WatchAlive
    | WatchBroken
    | StateSaved
    | StateSaveFailed
    | LeaseObserved
    | RightsObserved
    | ConnectionExamined
    | CertificatesRead
    | AuditDone
    | PauseSeen
    | OrderGiven
    | AdapterError
)

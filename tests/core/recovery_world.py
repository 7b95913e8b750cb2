"""A small Kafka on paper: three partitions led by brokers 1, 2, 3, probed every half second, seen every half second."""

from kafka_sentinel.core.availability import Availability
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.events import ClusterObserved, ClusterUnreachable
from kafka_sentinel.core.incident import Cause, Incident
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.recovery import Baseline, Recovery
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

WALL = 1_700_000_000.0
PARTS = tuple(ProbePartition(Acks.ALL, number) for number in range(3))
P0, P1, P2 = PARTS
ALL3 = (1, 2, 3)
SESSION = 3.0
SETTLE = 5.0
SLO = {"produce": 30.0, "consume": 30.0, "full": 120.0}


def at(seconds, offset=0.0):
    return Instant(seconds - offset, WALL + seconds)


def cluster_view(leaders=ALL3, isr=(ALL3, ALL3, ALL3), brokers=ALL3):
    """Of each partition its leader and ISR; every partition has replicas on all three brokers."""
    parts = tuple(
        PartitionView(number, leader, ALL3, tuple(members))
        for number, (leader, members) in enumerate(zip(leaders, isr, strict=True))
    )
    topics = {"probe": TopicView("probe", "id", 2, parts), "other": TopicView("other", None, None, ())}
    return ClusterView("c", {broker: f"h:{broker}" for broker in brokers}, topics, {Acks.ALL: "probe"})


def observed(seconds, asked=None, offset=0.0, **view):
    return ClusterObserved(at(seconds, offset), at(seconds if asked is None else asked, offset), cluster_view(**view))


def new_incidents(**changes):
    options = {"settle": SETTLE, "session_timeout": SESSION, "slo": SLO, "lag_tolerance": 5} | changes
    incidents = Incidents(**options)
    incidents.probe(PARTS)
    return incidents


def incident(name, started, *brokers, closed=None, **facts):
    """One by itself, in which these brokers failed; P0 was led by broker 1, P1 by 2, and of P2 nothing is known."""
    recovery = Recovery(at(started), Baseline({P0: 1, P1: 2}, {}, 0), set(PARTS), SESSION, 5)
    known = {"cause": Cause.UNKNOWN, "opened": at(started), "recovery": recovery, "brokers": set(brokers)}
    made = Incident(id=name, **known | facts)
    if closed is not None:
        made.close(at(closed), {})
    return made


class World:
    """`dead` brokers answer nothing; what the controller knows (`leaders`, `isr`, `brokers`) the scenario sets."""

    def __init__(self, **options):
        self.now = 0.0
        self.offset = 0.0  # of this process's monotonic clock
        self.options = options
        self.dead = set()
        self.leaders = list(ALL3)
        self.isr = [ALL3, ALL3, ALL3]
        self.brokers = ALL3
        self.unreachable = False
        self.sequence = 0
        self.parts = PARTS
        self.waiting = {part: [] for part in PARTS}
        self.happened = []  # (kind, incident id)
        self.commands = []
        self.answer_rechecks = True
        self._new_process()
        self.run(3.0)

    def _new_process(self):
        self.incidents = new_incidents(**self.options)
        self.availability = Availability(slo_produce=2.0, slo_consume=3.0, interval=0.5)
        self.availability.probe(PARTS)

    def at(self, seconds=None):
        return at(self.now if seconds is None else seconds, self.offset)

    def restart(self, away=2.0):
        """Sentinel dies and comes back with its state; the monotonic clock of its host began anew."""
        state = self.incidents.to_state()
        self.now += away
        self.offset += 1000.0
        self.waiting = {part: [] for part in PARTS}
        self._new_process()
        self.incidents.restore(state, self.at())
        self.availability.lived_blind(away)

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.25
            self._probe()
            self._look()
            self._tick()

    def _probe(self):
        if self.now % 0.5 == 0:
            for part in self.parts:
                self.availability.sent(part, self.sequence, self.at())
                self.waiting[part].append(self.sequence)
            self.sequence += 1
        for part in self.parts:
            leader = self.leaders[part.partition]
            if leader in self.dead or leader < 0:
                continue
            for sequence in self.waiting[part]:
                for sent in self.availability.acked(part, sequence, 1, self.at()):
                    self.incidents.on_acked(part, sent, self.at())
                for sent in self.availability.read(part, sequence, 1, self.at()):
                    self.incidents.on_read(part, sent, self.at())
            self.waiting[part].clear()

    def _look(self):
        self.incidents.on_lag(sum(len(self.waiting[part]) for part in self.parts), self.at())
        if self.now % 0.5 != 0:
            return
        if self.unreachable:
            self.incidents.on_unreachable(ClusterUnreachable(self.at(), self.at(self.now - 0.25), "no broker answered"))
            return
        view = cluster_view(self.leaders, self.isr, self.brokers)
        self.incidents.on_cluster(ClusterObserved(self.at(), self.at(), view))

    def _tick(self):
        self.incidents.on_slots(self.availability.tick(self.at(), blind=False), self.at())
        step = self.incidents.tick(self.at())
        self.commands.extend(step.commands)
        for change in step.changes:
            self.happened.append((change.kind, change.incident.id))
            if change.kind == "needs_recheck" and self.answer_rechecks:
                self.incidents.recheck_finished(change.incident.id)

    # --- what a scenario does

    def fault(self, *brokers, fault="process-kill", run="run-1"):
        self.dead |= set(brokers)
        return self.incidents.on_fault(
            self.at(), experiment_run=run, fault=fault, target=f"broker {brokers[0]}", brokers=brokers
        )

    def fence(self, broker, **new_leaders):
        """The controller noticed: `p0=2` gives partition 0 to broker 2."""
        self.brokers = tuple(one for one in self.brokers if one != broker)
        self.isr = [tuple(one for one in members if one != broker) for members in self.isr]
        for name, leader in new_leaders.items():
            self.leaders[int(name[1:])] = leader

    def back(self, broker):
        self.dead.discard(broker)
        self.brokers = tuple(sorted({*self.brokers, broker}))

    def whole(self):
        self.isr = [ALL3, ALL3, ALL3]

    def probe(self, *parts):
        self.parts = parts
        self.incidents.probe(parts)
        self.availability.probe(parts)

    def kinds(self):
        return [kind for kind, _ in self.happened]

    def status(self):
        return self.incidents.status()

    def counted(self, metric):
        return {
            tuple(value for _, value in command.labels): command.amount
            for command in self.commands
            if command.metric == metric
        }

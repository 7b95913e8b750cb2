"""What happened to nodes and pods, told to the incidents: which it opens, why, and what keeps them from closing.

A notice, or the loss of a node with brokers on it, opens an incident; so does a broker's pod that goes. A cordon or a
risk opens none: the guards see to it that nothing is added. The verdict on a node replaces its earlier one; all other
evidence only makes a cause more specific.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.commands import Command, Log
from kafka_sentinel.core.incident import Cause, Incident, IncidentState
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.desk import DeskStep, KubernetesDesk
from kafka_sentinel.core.kubernetes.disruption import Disruption, dated
from kafka_sentinel.core.kubernetes.disruptions import DisruptionChange
from kafka_sentinel.core.kubernetes.node_cause import Loss
from kafka_sentinel.core.kubernetes.restarts import Life, Restart, RestartChange
from kafka_sentinel.core.kubernetes.signal_types import SignalKind
from kafka_sentinel.core.kubernetes.silence import NAMED, Silence
from kafka_sentinel.core.kubernetes.stuck import StuckPod
from kafka_sentinel.core.slots import Edge
from kafka_sentinel.core.types import Instant

NOT_MADE_AGAIN = 600.0  # seconds without any pod of a broker after which none is waited for: it was scaled away
REMOVAL = 1.0  # seconds before a pod is seen to be removed in which its broker may fall silent because of that
LATER = 60.0  # seconds within which what is said of a node may be why an incident began: watches lag, clocks differ
FRESH = 60.0  # seconds within which the watch of pods must have told something for that to be believed


class Attribution:
    def __init__(self, desk: KubernetesDesk, incidents: Incidents) -> None:
        self._desk = desk
        self._incidents = incidents
        self._silence = Silence()
        self._nodes: dict[int, str] = {}  # broker → uid of the node it was last seen on
        self._removed: dict[int, Instant] = {}  # broker → since when its pod is deleted, or waits for a place
        self._of: dict[Life, str] = {}  # restarts under way → incident
        self._told: dict[str, Cause] = {}  # node uid → the verdict its incident was told; of open disruptions only
        self._absent: dict[int, Instant] = {}  # broker → since when it has no pod at all
        self._stuck: dict[str, tuple[str, StuckPod]] = {}  # pods that cannot come back → incident they hold open

    # --- what Kafka tells

    def answered(self, asked: Instant, view: ClusterView) -> None:
        self._silence.answered(asked, view)

    def unanswered(self, asked: Instant) -> None:
        self._silence.unanswered(asked)

    # --- time

    def tick(self, step: DeskStep, edges: Iterable[Edge], now: Instant) -> list[Command]:
        """Tell the incidents what the desk found. Returns what there is to log."""
        self._silence.slots(edges)
        self._tell_silence(now)
        out: list[Command] = []
        for change in step.disruptions:
            self._disruption(change)
            out.append(_disruption_log(change))
        for restart in step.restarts:
            self._restart(restart, now)
            out += _restart_log(restart)
        self._find_injected(now)
        self._watch_nodes()
        self._watch_pods(now)
        self._watch_stuck(now)
        return out

    def _tell_silence(self, now: Instant) -> None:
        """Tell since when brokers do not answer, unless their pods had been removed by then: then it is their node."""
        fleet = self._desk.fleet
        self._nodes |= {pod.broker: pod.node_uid for pod in fleet.pods.values() if pod.node_uid is not None}
        there: dict[str, list[int]] = {}
        for broker, uid in self._nodes.items():
            there.setdefault(uid, []).append(broker)
            pod = fleet.pods.get(broker)
            if pod is not None and pod.node is not None and not pod.deleting:
                self._removed.pop(broker, None)
            else:
                self._removed.setdefault(broker, now)
        named = self._silence.named
        for uid, brokers in there.items():
            self._tell_silence_of(uid, brokers, now if named.intersection(brokers) else None)

    def _tell_silence_of(self, uid: str, brokers: Iterable[int], named: Instant | None) -> None:
        """Tell since when a node is silent by the brokers on it.

        `named`: when metadata named one of them last; None if it does not. That one is there, or died just before.
        """
        silent, removed = self._silence.since, self._removed
        since = [
            silent[broker]
            for broker in brokers
            if broker in silent and (broker not in removed or silent[broker].mono < removed[broker].mono - REMOVAL)
        ]
        newest = max((at.mono for at in since), default=0.0) if named is None else named.mono
        together = [at for at in since if newest - at.mono <= NAMED]
        for at in together:
            self._desk.disruptions.brokers_silent(uid, at)
        if not together:
            self._desk.disruptions.brokers_answer(uid)

    # --- nodes

    def _disruption(self, change: DisruptionChange) -> None:
        record = change.disruption
        if not record.brokers:
            return
        incident = self._incidents.of_node(record.node_uid, record.opened)
        if incident is None or (incident.is_open and not incident.struck):
            incident = self._open(change.at, record) or incident
        if incident is None and record.loss is Loss.UNREACHABLE:
            incident = self._explain(record)
        if incident is None:
            return
        incident.note(*record.reasons)
        if record.certain is None and record.opened.mono > incident.started.mono + LATER:
            return  # what was said of a node so long after an incident began may come true yet, but is not why
        before = self._told.get(record.node_uid, Cause.UNKNOWN)
        self._incidents.improve_cause(incident.id, record.cause, change.at, before)
        if record.cause is not Cause.UNKNOWN:
            self._told[record.node_uid] = record.cause

    def _open(self, at: Instant, record: Disruption) -> Incident | None:
        """Return the incident that a disruption opens or joins, if it does."""
        there = self._brokers_on(record)
        if record.certain is not None and record.lost is not None and there:
            incident = self._incidents.on_brokers_gone(there, record.lost, at, record.cause)
            incident.nodes[record.node_uid] = record.node
            return incident
        notice = record.notice
        announced = notice is not None and notice.signal.kind is SignalKind.NOTICE
        if record.certain is not None or not announced:
            return None
        return self._incidents.on_announced(at, record.node_uid, record.node, record.brokers, record.cause)

    def _explain(self, record: Disruption) -> Incident | None:
        """Return the incident of brokers that are away, for their node is silent, too. It may return: no cause yet."""
        incident = self._incidents.about(record.brokers)
        if incident is None or incident.cause is Cause.EXPERIMENT:
            return None
        incident.nodes[record.node_uid] = record.node
        return incident

    def _brokers_on(self, record: Disruption) -> set[int]:
        """Return the brokers whose pods are (still) bound to a node, whether or not it exists."""
        return {pod.broker for pod in self._desk.fleet.pods.values() if pod.node == record.node} & record.brokers

    def _watch_nodes(self) -> None:
        """Let go of notices that came to nothing, and hold open what may yet turn out to be a reclaim."""
        under_way = {record.node_uid: record for record in self._desk.disruptions.open}
        self._told = {uid: cause for uid, cause in self._told.items() if uid in under_way}
        for incident in self._incidents.open:
            records = [under_way[uid] for uid in incident.nodes if uid in under_way]
            incident.undecided = tuple(record.node for record in records if _is_undecided(record))
            if incident.foretold and not records:
                self._incidents.came_to_nothing(incident)

    # --- pods

    def _restart(self, change: RestartChange, now: Instant) -> None:
        restart = change.restart
        if change.kind == "begun" and restart.cause is not Cause.EXPERIMENT:
            incident = self._incidents.on_brokers_gone({restart.broker}, restart.at, now, restart.cause)
            self._follow(restart, incident)
            self._link_node(restart, incident)
            incident.note(_sentence(restart))
        elif change.kind == "revised" and restart.life in self._of:
            incident_id = self._of[restart.life]
            self._incidents.improve_cause(incident_id, restart.cause, now)
            for incident in self._incidents.open:
                if incident.id == incident_id:
                    incident.note(_sentence(restart))
                    self._link_node(restart, incident)
        elif change.kind == "counted":
            self._of.pop(restart.life, None)

    def _follow(self, restart: Restart, incident: Incident) -> None:
        self._of[restart.life] = incident.id
        incident.recovery.pods[restart.broker] = None

    def _link_node(self, restart: Restart, incident: Incident) -> None:
        """Note the node in the incident if it is why the pod went: its verdict is the incident's, then."""
        record = self._desk.restarts.disruption_of(restart)
        if record is not None and restart.cause is record.cause:
            incident.nodes[record.node_uid] = record.node
            self._told.setdefault(record.node_uid, record.cause)

    def _find_injected(self, now: Instant) -> None:
        """Follow the pods that our own experiments ended; their incident begins with the news of the injection.

        Of a run that was ended before that there is no such news, and where answers are lost it may come when all has
        recovered: what opened meanwhile is its incident.
        """
        restarts = self._desk.restarts
        for restart in restarts.open:
            if restart.cause is not Cause.EXPERIMENT or restart.life in self._of:
                continue
            mine = [incident for incident in self._incidents.open if restart.broker in incident.brokers]
            ours = [incident for incident in mine if incident.cause is Cause.EXPERIMENT]
            if mine and not ours and (_has_recovered(mine[-1]) or not restarts.is_expected(restart, now)):
                self._incidents.improve_cause(mine[-1].id, Cause.EXPERIMENT, now)
                mine[-1].note(_sentence(restart))
                ours = mine[-1:]
            for incident in ours:
                self._follow(restart, incident)

    def _watch_pods(self, now: Instant) -> None:
        """Note which brokers' pods are ready again, and which were never made again."""
        given_up = self._given_up(now)
        for incident in self._incidents.open:
            for broker in [broker for broker, at in incident.recovery.pods.items() if at is None]:
                incident.recovery.pods[broker] = self._ready(broker, now)
                if broker in given_up:
                    incident.recovery.pods.pop(broker)
                    incident.note(f"broker {broker} got no pod again within {NOT_MADE_AGAIN:g} s: not waited for")

    def _given_up(self, now: Instant) -> set[int]:
        """Return the brokers that have had no pod for too long: none, while it is not known which pods there are."""
        fresh = self._desk.pods_as_of()
        if fresh is None or now.mono - fresh.mono > FRESH:
            return set()
        absent = {broker for one in self._incidents.open for broker in one.recovery.pods} - set(
            self._desk.fleet.members
        )
        self._absent = {broker: self._absent.get(broker, now) for broker in absent}
        return {broker for broker, since in self._absent.items() if now.mono - since.mono >= NOT_MADE_AGAIN}

    def _ready(self, broker: int, now: Instant) -> Instant | None:
        """Return since when a broker's pod is ready again after everything that happened to it."""
        under_way = [restart.ready for restart in self._desk.restarts.open if restart.broker == broker]
        if under_way:
            ready = [at for at in under_way if at is not None]
            return max(ready, key=lambda at: at.mono) if len(ready) == len(under_way) else None
        member = self._desk.fleet.members.get(broker)
        if member is None or member.deleting:
            return None
        view = self._desk.inventory.pods.get(member.uid)
        if view is None or not view.ready:
            return None
        condition = view.condition("Ready")
        return dated(now, condition.since if condition is not None else None)

    def _watch_stuck(self, now: Instant) -> None:
        """Name what keeps pods from coming back; once it is over, remember it."""
        found = {stuck.pod: stuck for stuck in self._desk.stuck}
        members = self._desk.fleet.members
        before, self._stuck = self._stuck, {}
        for incident in self._incidents.open:
            names = [members[broker].name for broker in sorted(incident.brokers) if broker in members]
            held = [found[name] for name in names if name in found]
            incident.held_by = tuple(f"pod {one.pod} cannot come back: {one.text}" for one in held)
            self._stuck |= {one.pod: (incident.id, one) for one in held}
            for pod, (incident_id, stuck) in before.items():
                if incident_id == incident.id and pod not in self._stuck:
                    seconds = max(now.wall - stuck.since, 0.0)
                    incident.note(f"pod {pod} could not come back for {seconds:.0f} s: {stuck.text}")


def _has_recovered(incident: Incident) -> bool:
    return incident.cause is Cause.UNKNOWN and incident.state is not IncidentState.OPEN


def _is_undecided(record: Disruption) -> bool:
    """Tell whether the verdict on a node that is going may change: a spot node that is drained may be taken back."""
    return not record.counted and (record.certain is not None or record.capacity is Capacity.SPOT)


def _sentence(restart: Restart) -> str:
    return f"broker {restart.broker}, pod {restart.member.name}: {restart.text}"


def _disruption_log(change: DisruptionChange) -> Log:
    level = "warning" if change.kind in {"opened", "upgraded", "lost"} else "info"
    return Log(level, f"node disruption {change.kind}", change.disruption.as_dict())


def _restart_log(change: RestartChange) -> list[Log]:
    restart = change.restart
    fields = {"broker": restart.broker, "pod": restart.member.name, "cause": restart.cause.value, "why": restart.text}
    level = "warning" if change.kind == "begun" else "info"
    words = {"begun": "broker going", "revised": "broker restart explained", "ready": "broker's pod ready again"}
    return [Log(level, words[change.kind], fields)] if change.kind in words else []

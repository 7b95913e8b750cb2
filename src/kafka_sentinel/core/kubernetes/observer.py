"""All that the engine has to do with Kubernetes: watch events in; metrics, log lines and news for the incidents out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from kafka_sentinel.core.cluster import ClusterView, QuorumView
from kafka_sentinel.core.commands import Command, Count, LeaveEvent, Log
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    ObjectsListed,
    QuorumObserved,
    QuorumUnreachable,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.incident import Incident
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.kubernetes.attribution import Attribution
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.fleet import FleetSpec
from kafka_sentinel.core.kubernetes.forewarning import Forewarning
from kafka_sentinel.core.kubernetes.inventory import WatchEvent
from kafka_sentinel.core.kubernetes.notes import of_incident
from kafka_sentinel.core.kubernetes.report import report
from kafka_sentinel.core.kubernetes.surroundings import Surroundings, surroundings
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind, resource_name
from kafka_sentinel.core.slots import Edge
from kafka_sentinel.core.types import Instant, PodRef

REPORT_EVERY = 2.0  # seconds; a report goes over all pods of the fleet and all that happened to nodes
NOT_THERE = "404"  # the cluster does not have the resource, as one without Strimzi or Karpenter


class Observer:
    def __init__(self, spec: FleetSpec, incidents: Incidents) -> None:
        self.desk = KubernetesDesk(spec)
        self._namespace = spec.namespace
        self._attribution = Attribution(self.desk, incidents)
        self._forewarning = Forewarning()
        self._complaints: dict[tuple[Kind, str], str] = {}  # kind and scope → code that was said in the log
        self._problems: tuple[str, ...] = ()  # of the fleet, as said in the log
        self._report: dict[str, Any] = {}
        self._next_report = -inf  # by the monotonic clock

    def take(self, event: WatchEvent) -> list[Command]:
        """Take what a watch has to tell. Returns what there is to count and to log."""
        self.desk.take(event)
        key = (event.kind, event.scope)
        resource = resource_name(event.kind, event.scope, self._namespace)
        # Listed, or a watch went on and ended well.
        if isinstance(event, ObjectsListed | WatchAlive) and self._complaints.pop(key, None) is not None:
            return [_log("info", "Kubernetes resource watched again", event)]
        if not isinstance(event, WatchBroken):
            return []
        out: list[Command] = [
            Count("watch_restarts_total", (("resource", resource),)),
            Count("kubernetes_errors_total", (("code", event.code),)),
        ]
        if self._complaints.get(key) != event.code:  # an outage repeats itself
            self._complaints[key] = event.code
            level = "info" if event.code == NOT_THERE else "warning"
            out.append(_log(level, "Kubernetes resource not watched", event, code=event.code, message=event.message))
        return out

    def hear_kafka(
        self,
        event: ClusterObserved | ClusterUnreachable | QuorumObserved | QuorumUnreachable,
        cluster: ClusterView | None,
        quorum: QuorumView | None,
    ) -> None:
        """Take what Kafka says of itself; `cluster` and `quorum` are the newest views after `event`."""
        if isinstance(event, ClusterObserved):
            self._attribution.answered(event.asked, event.view)
        elif isinstance(event, ClusterUnreachable):
            self._attribution.unanswered(event.asked)
        self.desk.hear_kafka(cluster, quorum)

    def tick(self, now: Instant, cluster: ClusterView | None, edges: Iterable[Edge]) -> list[Command]:
        """Bring everything up to `now`. `edges`: what became available or unavailable since the tick before."""
        step = self.desk.tick(now, cluster)
        out: list[Command] = [*step.commands, *self._attribution.tick(step, edges, now)]
        out += self._forewarning.take(self.desk.exposure, now)
        problems = self.desk.fleet.problems if self.desk.pods_as_of() is not None else ()
        if problems != self._problems:
            self._problems = problems
            out += [Log("warning", "Kafka's pods are in doubt", {"problem": problem}) for problem in problems]
        return out

    def surroundings(self) -> Surroundings:
        """Return what the guards may look at."""
        return surroundings(self.desk)

    def expect(self, pods: Iterable[PodRef], now: Instant) -> None:
        """Note that an experiment of ours is ending these pods, as of now: it, and nobody else, is why they go."""
        self.desk.restarts.expect((pod.uid for pod in pods), now)

    def are_replaced(self, pods: Iterable[PodRef]) -> bool:
        """Tell whether each of these pods has a successor of its name that is ready."""
        return all(self._is_replaced(pod) for pod in pods)

    def _is_replaced(self, pod: PodRef) -> bool:
        view = self.desk.inventory.pod(pod.name, pod.namespace)
        return view is not None and view.meta.uid != pod.uid and view.ready and view.meta.deleted is None

    def incident_ended(self, incident: Incident, now: Instant) -> list[LeaveEvent]:
        """Return what is left in Kubernetes of an incident that was closed."""
        return of_incident(incident, self.desk.fleet, self.desk.inventory, now)

    def status(self, now: Instant) -> dict[str, Any]:
        """Return the `kubernetes` part of the status snapshot, as of at most `REPORT_EVERY` seconds ago."""
        if now.mono >= self._next_report:
            self._next_report = now.mono + REPORT_EVERY
            self._report = report(self.desk)
        return self._report

    def to_state(self) -> dict[str, Any]:
        return {"disruptions": self.desk.disruptions.to_state(), "restarts": self.desk.restarts.to_state()}

    def restore(self, state: Mapping[str, Any], now: Instant) -> None:
        """Take over what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        self.desk.disruptions.restore(state["disruptions"], now)
        self.desk.restarts.restore(state.get("restarts", ()))


def _log(level: str, words: str, event: ObjectsListed | WatchAlive | WatchBroken, **fields: object) -> Log:
    return Log(level, words, {"resource": PLURALS[event.kind], "namespace": event.scope, **fields})

"""Small ways to make what is said of Kubernetes, or done there, wrong, each with a world of Kubernetes that notices it:
its seed, and what is changed of the options that it draws.
"""

from __future__ import annotations

from tests.sim.kubernetes_options import AS_BEFORE, LONG_CUT

from kafka_sentinel.core import guards, guards_kubernetes
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.incident_book import IncidentBook
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.kubernetes import (
    desk,
    disruption,
    disruptions,
    node_watch,
    restart_cause,
    restarts,
    silence,
    surroundings,
)
from kafka_sentinel.core.kubernetes.attribution import Attribution
from kafka_sentinel.core.kubernetes.disruptions import Disruptions
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.node_watch import NodeWatch
from kafka_sentinel.core.kubernetes.restarts import Restarts
from kafka_sentinel.core.kubernetes.signal_types import Hint
from kafka_sentinel.core.kubernetes.signals import evidence_on

OF_KUBERNETES = ("fresh_watches", "target_pods", "disruption_budget", "nodes", "members", "rollout", "operator")


def take_silence_for_granted(patch):
    """Once wrong: a node that fell silent stays so, also while nothing is told of any node."""
    real = Disruptions.tick
    patch.setattr(Disruptions, "tick", lambda self, now, _nodes_as_of: real(self, now, now))


def take_a_young_node_that_falls_silent_for_a_starting_one(patch):
    """Once wrong: a node that falls silent within a minute from its birth was never there."""
    patch.setattr(disruptions, "FELL_SILENT", "nothing says so")


def call_deleted_what_was_not_seen_to_go(patch):
    """Once wrong: a pod that is gone when its watch comes back was deleted by somebody."""
    real = Restarts._begin

    def begin(self, *given, unseen=False):
        del unseen
        real(self, *given)

    patch.setattr(Restarts, "_begin", begin)


def look_for_pods_at_ticks_only(patch):
    """Once wrong: a pod that comes and goes between two ticks is not met."""
    patch.setattr(Restarts, "is_successor", lambda self, view: False)


def call_every_container_crashed(patch):
    """How a container ended makes no difference."""
    patch.setattr(restart_cause, "_container", lambda given, ended: (Cause.CRASH, "it ended"))


def believe_the_node_last_drained(patch):
    """A node that is open again still drains whoever leaves it."""
    real = Restarts._disruption_of

    def disruption_of(self, uid, restart, told_within):
        return real(self, uid, restart, told_within) or self._disruptions.on(uid)

    patch.setattr(Restarts, "_disruption_of", disruption_of)


def let_a_reboot_explain_all_that_follows(patch):
    """Once wrong: for as long as the event of a reboot stands, it is why pods leave that node."""
    said = property(lambda self: any(one.active for one in self.heard.values()))
    patch.setattr(disruption.Disruption, "has_signs", said)
    patch.setattr(Restarts, "_was_back", lambda self, uid, restart: False)


def take_a_reboot_for_a_crash(patch):
    """A container that its runtime lost is one that crashed."""
    patch.setattr(restart_cause, "RUNTIME_LOST", frozenset())
    patch.setattr(restart_cause, "RUNTIME_LOST_CODE", -1)


def ignore_node_claims(patch):
    """What is said of a NodeClaim is not said of its node."""
    patch.setattr(Inventory, "node_claims", property(lambda self: {}))
    patch.setattr(node_watch, "evidence_on", lambda node, inventory, now, gone: evidence_on(node, inventory, now))


def forget_node_claims_that_are_gone(patch):
    """Once wrong: what was said of a NodeClaim is forgotten when that is gone before its node."""
    patch.setattr(node_watch, "evidence_on", lambda node, inventory, now, gone: evidence_on(node, inventory, now))


def take_what_karpenter_chose_for_a_reclaim(patch):
    """A spot node that is removed was taken back, whoever chose that."""
    real = disruption.cause_of

    def cause_of(hints, *given, **named):
        return real([hint for hint in hints if hint not in {Hint.VOLUNTARY, Hint.REMOVAL}], *given, **named)

    patch.setattr(disruption, "cause_of", cause_of)


def look_at_no_stuck_pod(patch):
    """Why a pod cannot come back is not looked at."""
    patch.setattr(desk, "stuck", lambda *given: None)


def know_one_broker_of_each_node(patch):
    """Of the brokers on a node, one is known."""
    patch.setattr(NodeWatch, "_brokers", lambda self, uid: frozenset(sorted(self._hosted.get(uid, [()])[0])[:1]))


def name_only_who_is_still_there(patch):
    """Once wrong: who had left a node before it was told that it is drained is not named."""
    real = Disruptions.broker_left
    patch.setattr(Disruptions, "broker_left", lambda self, uid, at, broker, **named: real(self, uid, at, **named))


def begin_an_incident_for_each_broker(patch):
    """Brokers that went together with their node have an incident each."""
    real = Attribution._brokers_on
    patch.setattr(Attribution, "_brokers_on", lambda self, record: set(sorted(real(self, record))[:1]))
    patch.setattr(IncidentBook, "newest_since", lambda self, since, natural=False: None)
    patch.setattr(IncidentBook, "apart", lambda self, brokers: [{one} for one in sorted(brokers)])


def take_a_restart_for_a_silence(patch):
    """Once wrong: a spot node that was restarted is waited for as one that is silent and may have been taken back."""
    patch.setattr(disruption.Disruption, "_was_restarted_after", lambda self, silent: False)
    patch.setattr(disruption.Disruption, "is_silent", True)


def take_every_outage_for_the_silence_of_a_leader(patch):
    """Once wrong: a partition that takes no writes for want of other replicas dates the silence of its leader."""
    patch.setattr(silence, "NAMED", float("inf"))
    patch.setattr(silence, "_lacks_replicas", lambda view, partition, part: False)


# --- over several lives of Sentinel


def take_who_is_down_for_a_controller(patch):
    """Once wrong: a voter that metadata does not name is no broker."""
    patch.setattr(desk, "_named_in", lambda cluster: frozenset(cluster.brokers))


def count_restarts_anew(patch):
    """Which restarts were counted is not remembered."""
    patch.setattr(restarts, "MAX_DONE", 0)


def count_restarts_anew_in_each_life(patch):
    """Once wrong: the state does not tell which were counted of pods that are still there."""
    patch.setattr(Restarts, "to_state", lambda self: [])


def count_disruptions_anew_in_each_life(patch):
    """The state does not tell which disruptions were counted."""
    real = Disruptions.to_state

    def to_state(self):
        state = real(self)
        return {**state, "open": [{**one, "counted": False} for one in state["open"]], "closed": []}

    patch.setattr(Disruptions, "to_state", to_state)


def wait_for_nodes_that_went_meanwhile(patch):
    """What the state tells of nodes that are not there any more stays open."""
    patch.setattr(NodeWatch, "listed", lambda self, at: None)


# --- incidents


def keep_to_the_first_explanation(patch):
    """What comes to be known of a restart later does not reach its incident."""
    real = Attribution._restart

    def restart(self, change, now):
        if change.kind != "revised":
            real(self, change, now)

    patch.setattr(Attribution, "_restart", restart)


def blame_all_brokers(patch):
    """An incident is about all brokers, whichever went."""
    real = Incidents._hit

    def hit(self, incident, brokers, *given):
        return real(self, incident, brokers | {0, 1, 2}, *given)

    patch.setattr(Incidents, "_hit", hit)


def tell_incidents_of_no_restart(patch):
    """Only Kafka's own signs open incidents."""
    patch.setattr(Attribution, "_restart", lambda self, change, now: None)


# --- guards


def _without(*names):
    def mutate(patch):
        patch.setattr(guards, "GUARDS", tuple(one for one in guards.GUARDS if one.__name__ not in names))

    return mutate


def believe_old_watches(patch):
    """However long ago a watch told something, nothing has changed since."""
    patch.setattr(guards_kubernetes, "age", lambda given, at: None if at is None else 0.0)


def overlook_what_is_asked_of_the_operator(patch):
    """The annotation by which a roll is asked for is not looked at."""
    patch.setattr(surroundings, "_marked", lambda *given: ())
    patch.setattr(surroundings, "_marked_sets", lambda *given: ())


GHOSTS = {"acts": ("reclaim_without_notice", "fail_node"), "ghosts": True, "breaks": 0.0}
SHARED = {"acts": ("reclaim_without_notice", "fail_node"), "most_on_a_node": 3, "deaths": 0.0, "experiments": "dry"}
CUTS = ("blink", "blink", "blink", "reclaim", "drain", "reboot", "reclaim_without_notice")
DRAINED = {"acts": ("drain",), "budget": "none", "most_lag": 8.0, "breaks": 0.0, "pace": 60.0}
MORTAL_GHOSTS = {**GHOSTS, "pace": 60.0, "deaths": 0.0015, "state": "last"}
GAPS = {"breaks": 0.02, "longest_break": 300.0, "deaths": 0.0}
DRY = {"experiments": "dry", "deaths": 0.0, "breaks": 0.0}
MUTATIONS = {
    mutation.__name__.replace("_", " "): (mutation, seed, {**AS_BEFORE, **changes})
    for mutation, seed, changes in (
        (take_silence_for_granted, 0, {**GAPS, "acts": ("blink",), "pace": 60.0}),
        (take_a_young_node_that_falls_silent_for_a_starting_one, 3, MORTAL_GHOSTS),
        (call_deleted_what_was_not_seen_to_go, 0, {**GAPS, "acts": ("evict_for_memory",), "forgets": 0.02}),
        (look_for_pods_at_ticks_only, 3, {**GAPS, "forgets": 0.0, "acts": ("delete_pod",), "pace": 60.0}),
        (call_every_container_crashed, 0, {"acts": ("run_out_of_memory",)}),
        (believe_the_node_last_drained, 0, {"acts": ("drain", "delete_pod"), "pace": 60.0, "deaths": 0.0}),
        (let_a_reboot_explain_all_that_follows, 0, {"acts": ("reboot", "delete_pod"), "pace": 60.0}),
        (take_a_reboot_for_a_crash, 0, {"acts": ("reboot",)}),
        (ignore_node_claims, 0, {"acts": ("interrupt",), "node_claims": True, "pace": 60.0}),
        (forget_node_claims_that_are_gone, 320071, {}),
        (take_what_karpenter_chose_for_a_reclaim, 0, {"acts": ("consolidate",), "node_claims": True}),
        (look_at_no_stuck_pod, 1, {"acts": ("drain", "reclaim"), "volumes": True}),
        (know_one_broker_of_each_node, 0, SHARED),
        (name_only_who_is_still_there, 362004, {**SHARED, **DRAINED}),
        (begin_an_incident_for_each_broker, 1, SHARED),
        (take_a_restart_for_a_silence, 332006, {"most_on_a_node": 3}),
        (take_every_outage_for_the_silence_of_a_leader, 365004, {"acts": CUTS, "pace": 60.0, "longest_cut": LONG_CUT}),
        (take_who_is_down_for_a_controller, 360002, {"most_on_a_node": 2, "combined": False}),
        (count_restarts_anew, 1, {**GHOSTS, "deaths": 0.0}),
        (count_restarts_anew_in_each_life, 10, MORTAL_GHOSTS),
        (count_disruptions_anew_in_each_life, 4, {"acts": ("reboot", "reclaim"), "deaths": 0.004, "state": "last"}),
        (wait_for_nodes_that_went_meanwhile, 0,
         {"acts": ("reclaim",), "deaths": 0.004, "longest_absence": 400.0, "state": "last"}),
        (keep_to_the_first_explanation, 0, {"acts": ("drain", "consolidate"), "most_lag": 8.0, "deaths": 0.0}),
        (blame_all_brokers, 0, {}),
        (tell_incidents_of_no_restart, 0, {}),
        (believe_old_watches, 0, {"experiments": "dry", "breaks": 0.02, "longest_break": 300.0}),
        (overlook_what_is_asked_of_the_operator, 0, {**DRY, "flavour": "strimzi", "acts": ("ask_for_roll",)}),
    )
} | {
    f"never ask {name}": (_without(name), 0, {**AS_BEFORE, **DRY, **changes})
    for name, changes in (
        ("fresh_watches", {"breaks": 0.02, "longest_break": 300.0}),
        ("target_pods", {"acts": ("crash", "delete_pod")}),
        ("disruption_budget", {"acts": ("freeze_budget",), "budget": "strict"}),
        ("nodes", {"acts": ("close_node",)}),
        ("members", {"acts": ("fail_probe",), "budget": "none"}),
        ("rollout", {"acts": ("roll",)}),
        ("operator", {"acts": ("stop_operator",), "flavour": "strimzi"}),
    )
} | {"never ask any guard of Kubernetes": (_without(*OF_KUBERNETES), 0, {**AS_BEFORE, **DRY})}  # fmt: skip

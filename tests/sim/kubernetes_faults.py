"""Everything that ends brokers and takes nodes in the simulated Kubernetes, each as its author would leave it in the
API, and what troubles it without ending anything.

Whatever is done is told to `truth` first, with its true cause and the signs by which it can be known.
"""

from __future__ import annotations

from tests.core.kubernetes.raw import condition, container, ended, stamp
from tests.sim.kubernetes_marks import others_taints
from tests.sim.kubernetes_model import BROKERS, NAMESPACE, ON_DEMAND, OPERATOR, SET, SPOT, Cluster, set_ready
from tests.sim.kubernetes_signs import (
    booted,
    closed,
    container_ended,
    failed,
    gone,
    is_ready,
    node_of,
    of_revision,
    revision_of,
    tainted,
    told_about,
    told_of_pod,
)

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.views import Kind

UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
NOTICE = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}
DISRUPTED = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
MANUAL_ROLL, PAUSE = "strimzi.io/manual-rolling-update", "strimzi.io/pause-reconciliation"
GRACE_PERIOD = 40.0  # seconds of silence until the node controller says so
TAKEN_FOR_LOST = 110.0  # seconds of silence after which a node may be taken for lost, though it comes back
EVICTED_AFTER = 300.0  # seconds from then until the pods of a silent node are given up
GHOST = (1_000.0, 1_300.0)  # seconds for which the object of some dead node stands


class Kubernetes(Cluster):
    """Each act takes a pod or a node that nothing else is being done to."""

    def ends(self, raw, restarts, cause, signs, less=()):
        self.truth.ends(raw["metadata"]["uid"], restarts, cause, signs, on=node_of(raw), less=less)

    # --- pods

    def delete_pod(self, name):
        self.kill_pod(name, Cause.POD_DELETED)

    def kill_pod(self, name, cause):
        uid = self.pod(name)["metadata"]["uid"]
        self.ends(self.pod(name), None, cause, [gone(Kind.POD, uid)])
        self.delete(uid)
        self.done_with(name, 120.0)

    def crash(self, name):
        self._end_container(name, Cause.CRASH, ended(1, "Error", self.now))

    def run_out_of_memory(self, name):
        self._end_container(name, Cause.OOM, ended(137, "OOMKilled", self.now))

    def _end_container(self, name, cause, how, *, back=None):
        raw = self.pod(name)
        uid, restarts = raw["metadata"]["uid"], raw["status"]["containerStatuses"][0]["restartCount"]
        self.ends(raw, restarts, cause, [container_ended(uid, restarts)])
        begin = self.rng.uniform(0.5, 5.0) if back is None else back

        def stop(raw):
            raw["status"]["containerStatuses"] = [container(restarts=restarts, ended=how)]
            set_ready(raw, self.now, ready=False)

        def start(raw):
            if "deletionTimestamp" in raw["metadata"]:
                return  # its kubelet starts nothing any more
            raw["status"]["containerStatuses"] = [container(restarts=restarts + 1, last=how)]

        if back is None and self.rng.random() < 0.7:
            self.change_pod(uid, stop)
        self.after(begin, lambda: self.change_pod(uid, start))
        self.after(begin + 5.0, lambda: self.change_pod(uid, lambda raw: set_ready(raw, self.now, ready=True)))
        self.done_with(name, 120.0)

    def evict_for_memory(self, name):
        """The kubelet needs the memory: the pod fails, and somebody clears it away."""
        uid = self.pod(name)["metadata"]["uid"]
        self.ends(self.pod(name), None, Cause.OOM, [failed(uid)])

        def fail(raw):
            said = "The node was low on resource: memory."
            raw["status"] |= {"phase": "Failed", "reason": "Evicted", "message": said}
            set_ready(raw, self.now, ready=False)

        self.change_pod(uid, fail)
        self.after(self.rng.uniform(1.0, 20.0), lambda: self.remove(uid))
        self.done_with(name, 120.0)

    def fail_probe(self, name):
        """Its readiness probe fails for a while; the broker serves all the same."""
        uid = self.pod(name)["metadata"]["uid"]
        self.change_pod(uid, lambda raw: set_ready(raw, self.now, ready=False))
        lasting = self.rng.uniform(40.0, 200.0)
        self.after(lasting, lambda: self.change_pod(uid, lambda raw: set_ready(raw, self.now, ready=True)))
        self.done_with(name, lasting + 30.0)

    # --- rolls

    def roll(self):
        """A new revision: pods are replaced from the last one down, each when the others are ready."""
        self.revision += 1
        self.truth.rolls.append(self.now)
        self._write_owner()
        if self.strimzi:
            self.api.edit(Kind.KAFKA, SET, lambda raw: raw["metadata"].update(generation=self.revision))
        old = {raw["metadata"]["uid"] for raw in self.brokers().values()}
        self.after(self.rng.uniform(0.0, 90.0), lambda: self._roll_next(old, "PodHasOldRevision"))

    def ask_for_roll(self):
        """Somebody asks Strimzi's operator for a roll, of all pods by their set or of one; it takes its time."""
        asked = self.rng.choice([None, *self.brokers()])
        kind, name = (Kind.POD_SET, SET) if asked is None else (Kind.POD, asked)
        self.truth.rolls.append(self.now)
        self.api.edit(kind, name, lambda raw: raw["metadata"]["annotations"].update({MANUAL_ROLL: "true"}))
        named = [asked] if asked is not None else list(self.brokers())
        old = {self.pod(one)["metadata"]["uid"] for one in named}
        self.after(self.rng.uniform(10.0, 120.0), lambda: self._roll_next(old, "ManualRollingUpdate"))

    def _roll_next(self, old, reason):
        """Roll the pods of these uids."""
        there = sorted(name for name, raw in self.brokers().items() if raw["metadata"]["uid"] in old)
        if not there:
            self._roll_done()
            return
        if self.healthy() == BROKERS:
            name = there[-1]
            raw = self.pod(name)
            uid, signs = raw["metadata"]["uid"], []
            if self.revision > revision_of(raw):
                signs.append(of_revision(self.revision))
            if self.strimzi:
                signs.append(told_of_pod(uid))
            self.ends(raw, None, Cause.ROLLOUT, signs)
            if self.strimzi:
                named = {"kind": "Pod", "about_uid": uid, "about_namespace": NAMESPACE}
                self.tell(reason, name, namespace=NAMESPACE, action="StrimziInitiatedPodRestart", **named)
            self.delete(uid)
        self.after(10.0, lambda: self._roll_next(old, reason))

    def _roll_done(self):
        self.busy.clear()
        if self.strimzi:
            self.api.edit(Kind.POD_SET, SET, lambda raw: raw["metadata"]["annotations"].pop(MANUAL_ROLL, None))
            self.api.edit(Kind.KAFKA, SET, lambda raw: raw["status"].update(observedGeneration=self.revision))

    # --- what stands against a fault, and ends nothing

    def close_node(self, node_name):
        """Somebody closes a node for a while, and leaves alone what runs on it."""
        self._cordon(node_name)
        lasting = self.rng.uniform(60.0, 300.0)
        self.after(lasting, lambda: self._uncordon(node_name))
        self.done_with(node_name, lasting + 60.0)

    def freeze_budget(self):
        """Somebody lets the budget allow nothing for a while."""
        self.frozen_budget = True
        self.after(self.rng.uniform(60.0, 300.0), lambda: setattr(self, "frozen_budget", False))

    def pause_operator(self):
        """Somebody pauses the operator on the Kafka resource for a while."""
        self.api.edit(Kind.KAFKA, SET, lambda raw: raw["metadata"]["annotations"].update({PAUSE: "true"}))
        self.after(self.rng.uniform(60.0, 300.0), self._resume_operator)

    def _resume_operator(self):
        self.api.edit(Kind.KAFKA, SET, lambda raw: raw["metadata"]["annotations"].pop(PAUSE, None))

    def stop_operator(self):
        """The operator is not ready for a while."""
        self.api.edit(Kind.POD, OPERATOR, lambda raw: set_ready(raw, self.now, ready=False))
        lasting = self.rng.uniform(60.0, 300.0)
        ready = lambda: self.api.edit(Kind.POD, OPERATOR, lambda raw: set_ready(raw, self.now, ready=True))  # noqa: E731
        self.after(lasting, ready)

    def take_notice_off(self):
        """Somebody takes the taint of a rehearsal off its node, and leaves the rest of the mark."""
        for node_name in [name for name, raw in self.api.objects[Kind.NODE].items() if _ours(raw)]:
            self.change_node(node_name, lambda raw: raw["spec"].update(taints=others_taints(raw)))

    # --- nodes that are drained

    def drain(self, node_name):
        """Somebody drains a node, and opens it again some minutes later."""
        self.truth.node_goes(node_name, Cause.DRAIN, [closed(node_name)])
        self._cordon(node_name)
        self._evict(node_name, Cause.DRAIN, [closed(node_name)], until=self.now + 120.0)
        self.after(self.rng.uniform(130.0, 240.0), lambda: self._uncordon(node_name))
        self.done_with(node_name, 400.0)

    def _cordon(self, node_name, *taints):
        def close(raw):
            raw["spec"] |= {"unschedulable": True, "taints": [*raw["spec"]["taints"], CORDON, *taints]}

        return self.change_node(node_name, close)

    def _uncordon(self, node_name):
        self.change_node(node_name, lambda raw: raw["spec"].update(unschedulable=False, taints=_ours(raw)))

    def _evict(self, node_name, cause, signs, until, less=()):
        """Evict the pods there, each as often as its budget refuses."""
        there = self.pods_on(node_name)
        if self.now > until:
            return
        refused = [name for name in there if not self._evict_one(name, cause, signs, less, is_last=name == there[-1])]
        if refused:
            self.after(5.0, lambda: self._evict(node_name, cause, signs, until, less))

    def _evict_one(self, name, cause, signs, less, *, is_last):
        """Return whether its budget allowed it. What that allows to the next one is known at once."""
        raw = self.pod(name)
        if raw["metadata"].get("deletionTimestamp") is not None or not is_ready(raw) or self.allowed() < 1:
            return False
        self.ends(raw, None, cause, signs, less)
        self.delete(raw["metadata"]["uid"], why="EvictionByEvictionAPI")
        if not is_last:
            self._write_budget()
        return True

    def consolidate(self, node_name):
        """Karpenter finds that a node is not needed: it drains it, and deletes it with its NodeClaim."""
        signs = [tainted(node_name, DISRUPTED["key"])]
        self.truth.node_goes(node_name, Cause.DRAIN, signs)
        chosen = condition("DisruptionReason", "True", "Underutilized", since=self.now)
        self.change_claim(node_name, lambda raw: raw["status"]["conditions"].append(chosen))
        self.tell("DisruptionTerminating", node_name, component="karpenter", message="Disrupting Node: Underutilized")
        self._taint(node_name, DISRUPTED)
        self._evict(node_name, Cause.DRAIN, signs, until=self.now + 100.0)
        self.after(self.rng.uniform(110.0, 160.0), lambda: self._leave(node_name, Cause.DRAIN, signs))
        self.done_with(node_name, 400.0)

    def interrupt(self, node_name):
        """Karpenter hears that a spot node is taken back: it says so, and deletes the NodeClaim at once."""
        claim = f"claim-{node_name}"
        signs, less = [told_about(claim), told_about(node_name, "SpotInterrupted")], {Cause.DRAIN}
        self.truth.node_goes(node_name, Cause.SPOT, signs, less=less)
        said = {"component": "karpenter", "message": "Spot interruption warning was triggered"}
        self.tell("SpotInterrupted", claim, kind="NodeClaim", **said)
        if self.rng.random() < 0.5:
            self.tell("SpotInterrupted", node_name, **said)
        self.change_claim(node_name, lambda raw: raw["metadata"].update(deletionTimestamp=stamp(self.now)))
        self._taint(node_name, DISRUPTED)
        self._evict(node_name, Cause.SPOT, signs, until=self.now + 90.0, less=less)
        self.after(110.0, lambda: self._leave(node_name, Cause.SPOT, signs, less))
        self.done_with(node_name, 400.0)

    def _taint(self, node_name, taint):
        self.change_node(node_name, lambda raw: raw["spec"].update(taints=[*raw["spec"]["taints"], taint]))

    def _leave(self, node_name, cause, signs, less=()):
        """Its machine is ended and its objects go; whatever is still on it goes with them."""
        self.dead.add(node_name)
        for name in self.pods_on(node_name):
            self.ends(self.pod(name), None, cause, signs, less)
        self._delete_node(node_name)
        self.after(self.rng.uniform(5.0, 60.0), lambda: self.join(SPOT if cause is Cause.SPOT else ON_DEMAND))

    # --- nodes that go

    def reclaim(self, node_name):
        """The provider takes a spot node back, and says so. A handler drains it; two minutes later it goes."""
        signs = [closed(node_name), told_about(node_name), gone(Kind.NODE, node_name)]
        self.truth.node_goes(node_name, Cause.SPOT, signs)
        self.tell("SpotInterruption", node_name)
        self._cordon(node_name, NOTICE)
        self._evict(node_name, Cause.SPOT, signs, until=self.now + 100.0)
        self.after(120.0, lambda: self._go(node_name, Cause.SPOT, signs))
        self.done_with(node_name, 400.0)

    def reclaim_without_notice(self, node_name):
        self._go_silently(node_name, Cause.SPOT)

    def fail_node(self, node_name):
        self._go_silently(node_name, Cause.NODE_FAILURE)

    def _go_silently(self, node_name, cause):
        signs = [gone(Kind.NODE, node_name)]
        self.truth.node_goes(node_name, cause, signs)
        self._go(node_name, cause, signs)
        self.done_with(node_name, 900.0)

    def _go(self, node_name, cause, signs):
        """Its machine is gone. The node controller says so a while later, and the provider's deletes the node."""
        self.dead.add(node_name)
        for name in self.pods_on(node_name):
            self.ends(self.pod(name), None, cause, signs)
        self.after(GRACE_PERIOD, lambda: self._fall_silent(node_name))
        gone = self._object_stands_for()
        self.after(GRACE_PERIOD + EVICTED_AFTER, lambda: self._give_up(node_name))
        self.after(gone, lambda: self._delete_node(node_name))
        self.after(gone + self.rng.uniform(5.0, 60.0), lambda: self.join(SPOT if cause is Cause.SPOT else ON_DEMAND))

    def _object_stands_for(self):
        if self.options.ghosts and self.rng.random() < 0.5:
            return self.rng.uniform(*GHOST)
        return self.rng.uniform(50.0, 200.0) if self.rng.random() < 0.8 else EVICTED_AFTER + self.rng.uniform(50, 100)

    def _fall_silent(self, node_name):
        def silent(raw):
            raw["status"]["conditions"][-1] |= {
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "lastTransitionTime": stamp(self.now),
            }
            raw["spec"]["taints"] = [*raw["spec"]["taints"], UNREACHABLE]

        self.change_node(node_name, silent)
        self._set_pods_ready(node_name, ready=False)

    def _set_pods_ready(self, node_name, *, ready):
        for name in self.pods_on(node_name):
            self.api.edit(Kind.POD, name, lambda raw: set_ready(raw, self.now, ready=ready))

    def _give_up(self, node_name):
        """The pods of a node that is silent for too long are marked; nobody is there to end them."""
        if node_name not in self.api.objects[Kind.NODE]:
            return
        for name in self.pods_on(node_name):
            self.api.edit(Kind.POD, name, lambda raw: _mark_deleted(raw, self.now, "DeletionByTaintManager"))

    def _delete_node(self, node_name):
        if node_name not in self.api.objects[Kind.NODE]:
            return
        self.api.delete(Kind.NODE, node_name)
        if f"claim-{node_name}" in self.api.objects[Kind.NODE_CLAIM]:
            self.api.delete(Kind.NODE_CLAIM, f"claim-{node_name}")
        self.after(self.rng.uniform(1.0, 20.0), lambda: self._collect(node_name))

    def _collect(self, node_name):
        """The garbage collector clears away the pods of a node that is not there any more."""
        for name in self.pods_on(node_name):
            uid = self.pod(name)["metadata"]["uid"]
            if self.pod(name)["metadata"].get("deletionTimestamp") is None:
                self.change_pod(uid, lambda raw: _mark_deleted(raw, self.now, "DeletionByPodGC"))
            self.remove(uid)

    # --- nodes that return

    def blink(self, node_name):
        """A node is cut off for a moment, or for minutes, and nothing happens to its pods."""
        lasting = self.rng.uniform(5.0, self.options.longest_cut)
        if lasting > TAKEN_FOR_LOST:
            self.truth.node_goes(node_name, Cause.NODE_FAILURE, [])
        self.cut.add(node_name)
        for name in self.pods_on(node_name):
            self.truth.cut_off(name)
        self._fall_silent(node_name)
        self.after(lasting, lambda: self._come_back(node_name))
        self.done_with(node_name, self.options.longest_cut + 110.0)

    def reboot(self, node_name):
        """Its machine starts anew: the same node with another boot id, and its containers are started again."""
        self._made += 1
        boot = f"boot-{node_name}-{self._made}"
        self.truth.node_goes(node_name, Cause.NODE_FAILURE, [booted(node_name, boot)])
        self.dead.add(node_name)
        away = self.rng.uniform(15.0, 100.0)
        for name in self.pods_on(node_name):
            how = {"exitCode": 255, "reason": "Unknown", "finishedAt": stamp(self.now + away)}
            self._end_container(name, Cause.NODE_FAILURE, how, back=away + 3.0)
        if away > GRACE_PERIOD:
            self.after(GRACE_PERIOD, lambda: self._fall_silent(node_name))
        self.after(away, lambda: self._boot(node_name, boot))
        self.done_with(node_name, 300.0)

    def _boot(self, node_name, boot):
        self.change_node(node_name, lambda raw: raw["status"]["nodeInfo"].update(bootID=boot))
        self._come_back(node_name, pods_ready=False)
        self.tell("Rebooted", node_name, message=f"Node {node_name} has been rebooted, boot id: {boot}")

    def _come_back(self, node_name, *, pods_ready=True):
        def back(raw):
            raw["status"]["conditions"][-1] |= {
                "status": "True",
                "reason": "KubeletReady",
                "lastTransitionTime": stamp(self.now),
            }
            raw["spec"]["taints"] = [one for one in raw["spec"]["taints"] if one != UNREACHABLE]

        self.cut.discard(node_name)
        self.dead.discard(node_name)
        self.change_node(node_name, back)
        if pods_ready:
            self._set_pods_ready(node_name, ready=True)

    # --- the end of all that

    def heal(self):
        """Somebody clears away what is left: objects of dead nodes, a budget that allows nothing, a pause."""
        self.healed, self.frozen_budget = True, False
        for name in [one for one in self.api.objects[Kind.NODE] if one in self.dead]:
            self.after(150.0, lambda name=name: self._clear_away(name))
        if self.strimzi:
            self._resume_operator()
            self.api.edit(Kind.POD, OPERATOR, lambda raw: set_ready(raw, self.now, ready=True))

    def _clear_away(self, name):
        if name in self.dead:
            self._delete_node(name)


def _ours(raw):
    """Return the taint of a rehearsal of ours, which nobody else's tools take off."""
    return [one for one in raw["spec"]["taints"] if one not in others_taints(raw)]


def _mark_deleted(raw, now, why):
    raw["metadata"] |= {"deletionTimestamp": stamp(now), "deletionGracePeriodSeconds": 0}
    raw["status"]["conditions"].append(condition("DisruptionTarget", "True", why, since=now))

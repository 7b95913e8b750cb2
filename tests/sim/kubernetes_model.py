"""A naive Kubernetes with three brokers in a StatefulSet or run by Strimzi: nodes, pods, their volumes, and the
controllers that keep the brokers going. What ends them is in `kubernetes_faults`.
"""

from __future__ import annotations

from tests.core.kubernetes.raw import condition, container, event, meta, node, node_claim, pod, stamp
from tests.sim.kubernetes_api import ApiServer
from tests.sim.kubernetes_signs import (
    REVISION,
    STRIMZI_REVISION,
    is_broker,
    is_ready,
    node_of,
    revision_of,
)
from tests.sim.timeline import Timeline

from kafka_sentinel.core.kubernetes.views import Kind

BROKERS = 3
NAMESPACE, SET, OPERATOR = "kafka", "kafka", "operator"
SPOT, ON_DEMAND = {"karpenter.sh/capacity-type": "spot"}, {"karpenter.sh/capacity-type": "on-demand"}
NO_NODE = "0/4 nodes are available: 4 node(s) had untolerated taint."
ELSEWHERE = "0/4 nodes are available: 4 node(s) had volume node affinity conflict."
BIRTH = -86_400.0  # when all was made that stands at the beginning


class Cluster(Timeline):
    def __init__(self, rng, truth, options):
        super().__init__()
        self.rng, self.truth, self.options = rng, truth, options
        self.strimzi = options.flavour == "strimzi"
        self.api = ApiServer(lambda: self.now)
        self.revision = 1
        self._born = {}  # pod uid → when it was made
        self._made = 0  # pods, nodes, volumes and events, for their names and uids
        self.dead = set()  # nodes whose machine is gone, or off
        self.cut = set()  # nodes that nobody reaches
        self.busy = set()  # nodes and pods that something is being done to
        self.frozen_budget = False  # whether somebody keeps the budget at nothing
        self.healed = False
        nodes = BROKERS + 2 - options.most_on_a_node  # the fewer, the more of them are shared
        for number in range(max(nodes, BROKERS)):
            if number < nodes:
                self.join(SPOT if rng.random() < 0.5 else ON_DEMAND, created=BIRTH)
            if number < BROKERS:
                self._spawn(number, created=BIRTH, at_once=True)
        self._write_owner()
        self._write_budget()
        if self.strimzi:
            self._write_operator()
        self.every(1.0, self._control)

    # --- reading and writing

    def pod(self, name):
        return self.api.get(Kind.POD, name)

    def brokers(self):
        """Return the pods of brokers by name."""
        return {name: raw for name, raw in self.api.objects[Kind.POD].items() if is_broker(name)}

    def made_at(self, raw):
        return self._born[raw["metadata"]["uid"]]

    def pods_on(self, node_name):
        """Return the names of the brokers' pods that are bound to a node."""
        return [name for name, raw in self.brokers().items() if node_of(raw) == node_name]

    def is_full(self, node_name):
        return len(self.pods_on(node_name)) >= self.options.most_on_a_node

    def change_pod(self, uid, change):
        """Change the pod of that uid, if it is still there. Returns the version, None if it is not."""
        name = next((one for one, raw in self.brokers().items() if raw["metadata"]["uid"] == uid), None)
        return None if name is None else self.api.edit(Kind.POD, name, change)

    def change_node(self, name, change):
        return self.api.edit(Kind.NODE, name, change)

    def change_claim(self, node_name, change):
        """Change the NodeClaim of a node, if it has one."""
        return self.api.edit(Kind.NODE_CLAIM, f"claim-{node_name}", change)

    def tell(self, reason, about, **named):
        self._made += 1
        raw = event(reason, about, first=int(self.now), name=f"{about}.{self._made}", **named)
        return self.api.put(Kind.EVENT, raw)

    def done_with(self, what, seconds):
        self.after(seconds, lambda: self.busy.discard(what))

    # --- nodes come

    def join(self, labels, created=None):
        self._made += 1
        created = self.now if created is None else created
        name = f"node-{self._made}"
        if self.options.node_claims:
            self.api.put(Kind.NODE_CLAIM, node_claim(f"claim-{name}", on=name, created=created))
        self.api.put(Kind.NODE, node(name, labels=labels, created=created, since=created, boot=f"boot-{name}"))
        return name

    # --- pods come

    def _spawn(self, number, created=None, *, at_once=False):
        self._made += 1
        name, created = f"{SET}-{number}", self.now if created is None else created
        claim = f"data-{name}"
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if self.options.volumes else []
        raw = pod(name, NAMESPACE, on=None, ready=False, phase="Pending", containers=(), volumes=volumes,
                  uid=f"uid-{name}-{self._made}", created=created, **self._dress(number))  # fmt: skip
        self._born[raw["metadata"]["uid"]] = created
        if self.options.volumes and claim not in self.api.objects[Kind.CLAIM]:
            self.api.put(Kind.CLAIM, {"metadata": meta(claim, NAMESPACE, uid=f"uid-{claim}-{self._made}"), "spec": {}})
        set_ready(raw, created, ready=False)
        if at_once:
            self._bind(raw, self._free_node(name))
            begin(raw, created)
        self.api.put(Kind.POD, raw)
        if not at_once:
            self.after(self.rng.uniform(0.5, 3.0), lambda: self._schedule(raw["metadata"]["uid"]))

    def _dress(self, number):
        """Return the labels, annotations and owner of a broker's pod, as its flavour has them."""
        revision = f"revision-{self.revision}"
        kind = "StrimziPodSet" if self.strimzi else "StatefulSet"
        owner = {"kind": kind, "name": SET, "uid": "uid-set", "controller": True}
        labels = {"app": "kafka", REVISION: revision}
        if not self.strimzi:
            return {"labels": labels, "ownerReferences": [owner]}
        labels = {
            "app": "kafka",
            "strimzi.io/cluster": SET,
            "strimzi.io/kind": "Kafka",
            "strimzi.io/name": f"{SET}-kafka",
            "strimzi.io/broker-role": "true",
            "strimzi.io/pool-name": "pool",
            "apps.kubernetes.io/pod-index": str(number),
        }
        return {"labels": labels, "annotations": {STRIMZI_REVISION: revision}, "ownerReferences": [owner]}

    def _free_node(self, pod_name):
        """The scheduler: any node that is open and has room for one more broker, and only where its volume is."""
        home = self._home_of(pod_name)
        free = [
            name
            for name, raw in self.api.objects[Kind.NODE].items()
            if name not in self.dead | self.cut
            and not raw["spec"]["taints"]
            and not self.is_full(name)
            and home in {None, name}
        ]
        return self.rng.choice(free) if free else None

    def _home_of(self, pod_name):
        """Return the node that the volume of a pod is on; None: it may go anywhere."""
        claim = self.api.objects[Kind.CLAIM].get(f"data-{pod_name}")
        volume = self.api.objects[Kind.VOLUME].get(claim["spec"].get("volumeName")) if claim is not None else None
        return None if volume is None else volume["metadata"]["labels"]["home"]

    def _bind(self, raw, node_name):
        raw["spec"]["nodeName"] = node_name
        raw["status"]["conditions"] = [one for one in raw["status"]["conditions"] if one["type"] != "PodScheduled"]
        claim = f"data-{raw['metadata']['name']}"
        if self.options.volumes and self._home_of(raw["metadata"]["name"]) is None:
            self._made += 1
            volume = f"volume-{self._made}"
            self.api.put(Kind.VOLUME, _local_volume(volume, claim, node_name))
            self.api.edit(Kind.CLAIM, claim, lambda one: one["spec"].update(volumeName=volume))

    def _schedule(self, uid):
        name = next((one for one, raw in self.brokers().items() if raw["metadata"]["uid"] == uid), None)
        if name is None:
            return
        free = self._free_node(name)
        if free is None:
            self._wait_for_place(name)
            self.after(5.0, lambda: self._schedule(uid))
        else:
            self.change_pod(uid, lambda raw: self._bind(raw, free))
            self.after(self.rng.uniform(2.0, 15.0), lambda: self._begin(uid))

    def _wait_for_place(self, name):
        """The scheduler says why; where the node of its volume is gone or taken, somebody gives the volume up."""
        home = self._home_of(name)
        why = NO_NODE if home is None else ELSEWHERE
        raw = self.pod(name)
        if len(raw["status"]["conditions"]) == 1:
            raw["status"]["conditions"].append(condition("PodScheduled", "False", "Unschedulable", why, since=self.now))
            self.api.put(Kind.POD, raw)
            if home is not None:
                wait = 0.0 if self.healed else self.rng.uniform(60.0, 400.0)
                self.after(wait, lambda: self._give_volume_up(name))

    def _give_volume_up(self, name):
        home = self._home_of(name)
        if home is None or node_of(self.api.objects[Kind.POD].get(name, {"spec": {}})) is not None:
            return
        if home in self.api.objects[Kind.NODE] and not self.is_full(home):
            self.after(60.0, lambda: self._give_volume_up(name))
            return
        claim = self.api.objects[Kind.CLAIM][f"data-{name}"]
        self.api.delete(Kind.VOLUME, claim["spec"]["volumeName"])
        self.api.delete(Kind.CLAIM, f"data-{name}")
        self._made += 1
        fresh = {"metadata": meta(f"data-{name}", NAMESPACE, uid=f"uid-data-{name}-{self._made}"), "spec": {}}
        self.api.put(Kind.CLAIM, fresh)

    def _begin(self, uid):
        """Its container starts, unless its node is not there to start it: then it stays as it is."""
        raw = next((one for one in self.brokers().values() if one["metadata"]["uid"] == uid), None)
        if raw is None or raw["metadata"].get("deletionTimestamp") is not None:
            return
        if node_of(raw) in self.dead | self.cut:
            self.after(5.0, lambda: self._begin(uid))
        else:
            self.change_pod(uid, lambda one: begin(one, self.now))

    # --- controllers

    def _control(self):
        there = self.api.objects[Kind.POD]
        for number in range(BROKERS):
            if f"{SET}-{number}" not in there:
                self._spawn(number)
        self._write_budget()
        self._write_owner()

    def healthy(self):
        return sum(is_ready(raw) for raw in self.brokers().values())

    def _write_budget(self):
        if self.options.budget == "none":
            return
        spare = 1 if self.options.budget == "strict" else 2
        allowed = 0 if self.frozen_budget else max(self.healthy() - BROKERS + spare, 0)
        raw = {
            "metadata": meta("budget", NAMESPACE, generation=1),
            "spec": {"selector": {"matchLabels": {"app": "kafka"}}},
            "status": {"observedGeneration": 1, "disruptionsAllowed": allowed},
        }
        self.api.put_if_new(Kind.BUDGET, raw)

    def allowed(self):
        """Return how many evictions the API server allows now."""
        budget = self.api.objects[Kind.BUDGET].get("budget")
        return BROKERS if budget is None else budget["status"]["disruptionsAllowed"]

    def _write_owner(self):
        if self.strimzi:
            if SET not in self.api.objects[Kind.POD_SET]:
                labels = {"strimzi.io/cluster": SET, "strimzi.io/kind": "Kafka"}
                self.api.put(Kind.POD_SET, {"metadata": meta(SET, NAMESPACE, uid="uid-set", labels=labels)})
            return
        current = min([revision_of(raw) for raw in self.brokers().values()], default=self.revision)
        raw = {
            "metadata": meta(SET, NAMESPACE, uid="uid-set", generation=self.revision),
            "spec": {"replicas": BROKERS, "selector": {"matchLabels": {"app": "kafka"}}},
            "status": {
                "readyReplicas": self.healthy(),
                "currentRevision": f"revision-{current}",
                "updateRevision": f"revision-{self.revision}",
                "observedGeneration": self.revision,
            },
        }
        self.api.put_if_new(Kind.STATEFUL_SET, raw)

    def _write_operator(self):
        labels = {"strimzi.io/kind": "cluster-operator"}
        self.api.put(Kind.POD, pod(OPERATOR, NAMESPACE, on="apart", labels=labels, created=BIRTH))
        raw = {
            "apiVersion": "kafka.strimzi.io/v1",
            "metadata": meta(SET, NAMESPACE, generation=1),
            "status": {"clusterId": "sim", "observedGeneration": 1, "conditions": [condition("Ready")]},
        }
        self.api.put(Kind.KAFKA, raw)

    # --- pods go

    def delete(self, uid, *, why=None, grace=30):
        """Somebody asks for its deletion, and its kubelet ends it. Returns the version that says so."""

        def mark(raw):
            raw["metadata"]["deletionTimestamp"] = stamp(self.now + grace)
            raw["metadata"]["deletionGracePeriodSeconds"] = grace
            if why is not None:
                raw["status"]["conditions"].append(condition("DisruptionTarget", "True", why, since=self.now))

        version = self.change_pod(uid, mark)
        self.after(self.rng.uniform(0.5, 10.0), lambda: self.confirm_end(uid))
        return version

    def confirm_end(self, uid):
        """Its kubelet ends it and says so, once it is there to do it: a node that was rebooted comes back."""
        name = next((one for one, raw in self.brokers().items() if raw["metadata"]["uid"] == uid), None)
        if name is not None and node_of(self.brokers()[name]) in self.cut | self.dead:
            self.after(5.0, lambda: self.confirm_end(uid))
        elif name is not None:
            self.api.delete(Kind.POD, name)

    def remove(self, uid):
        """Clear it away, whatever its kubelet says."""
        name = next((one for one, raw in self.brokers().items() if raw["metadata"]["uid"] == uid), None)
        if name is not None:
            self.api.delete(Kind.POD, name)


def _local_volume(name, claim, node_name):
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node_name]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}
    spec = {"local": {}, "claimRef": {"namespace": NAMESPACE, "name": claim}, "nodeAffinity": affinity}
    return {"metadata": meta(name, labels={"home": node_name}), "spec": spec}


def set_ready(raw, now, *, ready):
    raw["status"]["conditions"][0] |= {"status": str(ready), "lastTransitionTime": stamp(now)}


def begin(raw, now):
    raw["status"] |= {"phase": "Running", "containerStatuses": [container()]}
    set_ready(raw, now, ready=True)

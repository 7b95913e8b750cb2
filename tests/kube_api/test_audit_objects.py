"""What the audit finds in the objects of an API server: the story's cluster, a good one, and what it may not see."""

from __future__ import annotations

import json
import shlex

import pytest
from tests.core.audit.worlds import kafka, topic
from tests.core.kubernetes.raw import meta, node, pod
from tests.kube_api.cluster import Cluster
from tests.kube_api.server import page, refuse, say
from tests.typed import typed
from tests.web.test_http import validator

from kafka_sentinel.adapters.audit import Auditor, gather
from kafka_sentinel.adapters.audit_kafka import NoAnswer
from kafka_sentinel.adapters.kubernetes.audit_survey import list_extras, survey
from kafka_sentinel.adapters.kubernetes.watches import Surroundings
from kafka_sentinel.audit_wiring import auditor
from kafka_sentinel.cli.commands import cli
from kafka_sentinel.cli.common import Trouble
from kafka_sentinel.core.audit.facts import Part
from kafka_sentinel.core.audit.finding import Severity
from kafka_sentinel.core.audit.placed import Listed
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.events import AdapterError, AuditDone
from kafka_sentinel.core.kubernetes.fleet import FleetSpec
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.runtime import now
from kafka_sentinel.settings import Settings

WEBHOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/strimzi-drain-cleaner"
SPEC = FleetSpec("kafka")
APART = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": {"matchExpressions": [{"key": "strimzi.io/cluster", "operator": "Exists"}]},
            }
        ]
    }
}
CRITICAL, WARNING, _ = Severity


class Answering:
    """A Kafka that has told what it knows."""

    def __init__(self, facts):
        self._facts = facts

    def look(self):
        return self._facts, ()


class Silent:
    def look(self):
        raise NoAnswer("no broker answered within 1 s")


def labels(role, pool):
    return {
        "strimzi.io/cluster": "orders",
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": "orders-kafka",
        "strimzi.io/broker-role": str("broker" in role).lower(),
        "strimzi.io/controller-role": str("controller" in role).lower(),
        "strimzi.io/pool-name": pool,
    }


def kafka_pod(name, on, role, **spec):
    claim = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}]
    raw = pod(name, on=on, labels=labels(role, name.split("-")[1]), volumes=claim)
    raw["spec"] |= spec
    return Kind.POD, raw


def disk(name, local_on=None):
    """Return the claim of a pod and its volume. `local_on`: the only node it can be used on."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [local_on]}]}]
    claim = {"metadata": meta(f"data-{name}", "kafka"), "spec": {"volumeName": f"pv-{name}"}}
    spec = {"claimRef": {"namespace": "kafka", "name": f"data-{name}"}}
    if local_on is not None:
        spec |= {"local": {"path": "/data"}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
    return [(Kind.CLAIM, claim), (Kind.VOLUME, {"metadata": meta(f"pv-{name}"), "spec": spec})]


def machine(name, zone, capacity):
    return Kind.NODE, node(
        name,
        labels={
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": zone,
            "karpenter.sh/capacity-type": capacity,
        },
    )


def operator(on):
    return Kind.POD, pod("strimzi-cluster-operator-1", on=on, labels={"strimzi.io/kind": "cluster-operator"})


def resource(*listeners):
    raw = {
        "apiVersion": "kafka.strimzi.io/v1",
        "metadata": meta("orders", "kafka", generation=1),
        "spec": {"kafka": {"listeners": list(listeners)}},
        "status": {"clusterId": "lkc-1", "observedGeneration": 1},
    }
    return Kind.KAFKA, raw


def of_the_story():
    """Two brokers, a controller and the operator on one spot node and its disks, with nothing to hold them apart."""
    members = [("orders-broker-1", "broker"), ("orders-broker-2", "broker"), ("orders-controller-9", "controller")]
    return [
        machine("n1", "a", "spot"),
        *(kafka_pod(name, "n1", role) for name, role in members),
        *(each for name, _ in members for each in disk(name, "n1")),
        operator("n1"),
        resource({"name": "ext", "port": 9094, "type": "loadbalancer", "tls": False}),
    ]


def well_placed():
    members = [f"orders-kafka-{number}" for number in (1, 2, 3)]
    memory = {"name": "kafka", "resources": {"requests": {"memory": "4Gi"}}}
    spec = {"affinity": APART, "terminationGracePeriodSeconds": 120, "containers": [memory]}
    budget = {
        "metadata": meta("orders-kafka", "kafka", generation=1),
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"strimzi.io/name": "orders-kafka"}}},
        "status": {"observedGeneration": 1, "expectedPods": 3, "desiredHealthy": 2, "disruptionsAllowed": 1},
    }
    return [
        *(machine(f"n{number}", "abc"[number - 1], "on-demand") for number in (1, 2, 3)),
        machine("n9", "a", "on-demand"),
        *(kafka_pod(name, f"n{number}", "broker+controller", **spec) for number, name in enumerate(members, 1)),
        *(each for name in members for each in disk(name)),
        (Kind.BUDGET, budget),
        operator("n9"),
        resource({"name": "tls", "port": 9093, "type": "internal", "tls": True, "authentication": {"type": "tls"}}),
    ]


@pytest.fixture
def look(api, script):
    """Return the facts of a cluster in this Kubernetes. `cleaner`: what is answered about its webhook."""

    def gathered(objects, of_kafka=None, *, forbidden=(), cleaner=None, operator_namespace=None):
        script.world = Cluster(*objects, forbidden=forbidden)
        script.on("GET", WEBHOOK, cleaner or say({"metadata": meta("strimzi-drain-cleaner")}))
        where = Surroundings("kafka", operator_namespace)
        asked = Silent() if of_kafka == "silent" else Answering(of_kafka or kafka())
        return gather(asked, lambda: survey(api, where, now), SPEC)

    return gathered


def found(gathered):
    return {(one.rule, one.severity) for one in audit(gathered.facts).findings}


def gaps(gathered, part):
    return [gap.why for gap in gathered.facts.gaps if gap.part is part]


def test_of_a_good_cluster_there_is_nothing_to_say(look):
    gathered = look(well_placed())
    report = audit(gathered.facts)
    assert [(one.rule, one.what) for one in report.findings] == []
    assert report.not_judged == {}
    assert gathered.facts.gaps == ()


def test_the_cluster_of_the_story_shows_all_that_was_wrong_with_it(look):
    thin = kafka(topic("orders", (1, 2), min_isr=1), topic("payments", (1, 2)), voters=(9,), racks=(None,) * 3)
    gathered = look(of_the_story(), thin, cleaner=refuse(404, "NotFound", "no"))
    assert found(gathered) >= {
        ("topic-min-isr-1-on-local-disks", CRITICAL),
        ("topic-unavailable-at-any-kill", CRITICAL),
        ("brokers-share-node", CRITICAL),
        ("controller-shares-node", WARNING),
        ("operator-shares-node", WARNING),
        ("operator-on-spot", WARNING),
        ("all-on-spot", CRITICAL),
        ("all-brokers-in-one-zone", WARNING),
        ("log-on-local-disk", WARNING),
        ("budget-missing", CRITICAL),
        ("no-anti-affinity", WARNING),
        ("no-drain-cleaner", WARNING),
        ("no-memory-request", WARNING),
        ("quorum-too-small", CRITICAL),
    }


def test_a_listener_that_is_offered_outside_in_plain_text_is_critical(look):
    names = {"listeners": "EXT-9094://:9094", "listener.security.protocol.map": "EXT-9094:PLAINTEXT"}
    gathered = look(of_the_story(), kafka(broker=names))
    assert {("plaintext-listener", CRITICAL), ("anonymous-clients", CRITICAL)} <= found(gathered)


@pytest.mark.parametrize(
    ("kind", "part", "words"),
    [
        (Kind.POD, Part.PODS, "pods in namespace kafka: 403 Forbidden"),
        (Kind.NODE, Part.NODES, "nodes: 403 Forbidden"),
        (Kind.VOLUME, Part.VOLUMES, "persistentvolumes: 403 Forbidden"),
        (Kind.CLAIM, Part.VOLUMES, "persistentvolumeclaims in namespace kafka: 403"),
        (Kind.BUDGET, Part.BUDGETS, "poddisruptionbudgets in namespace kafka: 403"),
        (Kind.KAFKA, Part.KAFKA_RESOURCE, "kafkas in namespace kafka: 403"),
    ],
)
def test_what_may_not_be_seen_is_said_and_its_rules_are_not_judged(look, kind, part, words):
    gathered = look(of_the_story(), forbidden=(kind,))
    report = audit(gathered.facts)
    [why] = gaps(gathered, part)
    assert words in why
    assert "docs/permissions.md" in why
    lacking = {rule for rule, needs in report.not_judged.items() if part in needs}
    assert lacking
    assert not lacking & {one.rule for one in report.findings}


def test_whether_there_is_a_drain_cleaner_is_not_guessed(look):
    refused = look(of_the_story(), cleaner=refuse(403, "Forbidden", "no"))
    assert [one for one in gaps(refused, Part.DRAIN_CLEANER) if "grant get" in one]
    assert "no-drain-cleaner" in audit(refused.facts).not_judged
    its_pod = Kind.POD, pod("strimzi-drain-cleaner-1", on="n1", labels={"app": "strimzi-drain-cleaner"})
    seen = look([*of_the_story(), its_pod], cleaner=refuse(403, "Forbidden", "no"))
    assert seen.facts.kubernetes.drain_cleaner is True
    assert gaps(seen, Part.DRAIN_CLEANER) == []


def test_an_operator_that_was_not_found_is_not_taken_for_well_placed(look):
    objects = [each for each in well_placed() if each[1]["metadata"]["name"] != "strimzi-cluster-operator-1"]
    gathered = look(objects)
    assert [one for one in gaps(gathered, Part.OPERATOR) if "kubernetes.operator_namespace" in one]
    assert {"operator-shares-node", "operator-on-spot"} == set(audit(gathered.facts).not_judged)


def test_where_no_broker_was_found_no_placement_is_judged(look):
    gathered = look([machine("n1", "a", "spot")])
    report = audit(gathered.facts)
    assert gaps(gathered, Part.PODS)
    assert "brokers-share-node" in report.not_judged
    assert not {one.rule for one in report.findings}


def test_what_labels_do_not_tell_is_said(look):
    objects = [each for each in well_placed() if each[0] is not Kind.NODE]
    objects += [(Kind.NODE, node(f"n{number}")) for number in (1, 2, 3, 9)]
    gathered = look(objects)
    said = " ".join(gaps(gathered, Part.NODES))
    assert "spot capacity" in said
    assert "the zone of" in said
    assert not audit(gathered.facts).not_judged


def test_an_object_that_cannot_be_read_is_said(look):
    broken = pod("orders-kafka-1", on="n1", labels=labels("broker", "kafka"))
    broken["spec"]["terminationGracePeriodSeconds"] = "soon"
    gathered = look([*well_placed()[:4], (Kind.POD, broken)])
    assert [one for one in gaps(gathered, Part.PODS) if "should be a whole number, found str 'soon'" in one]


def test_where_kafka_does_not_answer_placement_is_judged_all_the_same(look):
    gathered = look(of_the_story(), "silent")
    report = audit(gathered.facts)
    assert gathered.silence == "no broker answered within 1 s"
    assert ("brokers-share-node", CRITICAL) in found(gathered)
    assert {"topic-min-isr-1", "quorum-too-small", "no-authorizer"} <= set(report.not_judged)


@pytest.fixture
def command(script, server, kubeconfig, capsys, monkeypatch):
    """Return what runs the command beside this Kubernetes, where no Kafka answers, and gives its end and its words."""
    script.world = Cluster(*of_the_story())
    script.on("GET", WEBHOOK, refuse(404, "NotFound", "no"))
    variables = {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KUBERNETES__ENABLED": "true",
        "KUBERNETES__NAMESPACE": "kafka",
        "KUBERNETES__KUBECONFIG": kubeconfig(server),
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"KAFKA_SENTINEL__{name}", str(value))

    def audit_with(*arguments):
        with pytest.raises(Trouble) as trouble:
            cli.main(["audit", "--timeout", "1s", *arguments], prog_name="kafka-sentinel", standalone_mode=False)
        said = capsys.readouterr()
        return trouble.value.code, said.out, said.err

    return audit_with


def test_the_command_says_it_for_people_and_for_programs(command, tmp_path):
    code, text, progress = command()
    assert code == 3, "Kafka did not answer"
    assert "CRITICAL  Several brokers on one node (brokers-share-node)\n" in text
    assert "          brokers 1 and 2 are on node n1\n" in text
    assert "NOT LOOKED AT" in text
    assert "audit: 4 pods" in progress
    file = tmp_path / "audit.json"
    code, text, _ = command("--format", "json", "--output", str(file))
    assert (code, text) == (3, "")
    assert json.loads(file.read_text())["cluster_id"] is None
    code, _, _ = command("--output", str(tmp_path / "none" / "x"))
    assert code == 2


@pytest.mark.parametrize("line", typed("audit"))
def test_what_the_documents_tell_to_type_is_audited(command, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sentinel.yaml").write_text("{}")
    words = shlex.split(line)[2:]
    code, text, progress = command(*words)
    assert (code, "audit: 4 pods" in progress) == (3, True), "Kafka did not answer, Kubernetes did"
    file = words[words.index("--output") + 1] if "--output" in words else None
    made = text if file is None else (tmp_path / file).read_text()
    assert "orders-broker-1" in made if "--inventory" in words else "brokers-share-node" in made
    if "--format" in words:
        assert json.loads(made)


def test_the_inventory_lists_what_there_is_what_it_is_for_and_where_it_runs(command, tmp_path):
    code, text, _ = command("--inventory")
    assert code == 3, "Kafka did not answer"
    assert "Pod (4)\n" in text
    assert "  kafka/orders-broker-1: Kafka: broker 1\n    where: node n1, zone a, spot\n" in text
    assert "    tolerations: not set\n" in text
    assert "  kafka/data-orders-broker-1: the disk of node 1 of Kafka\n" in text
    assert "Strimzi's operator: makes all of this of the Kafka resource" in text
    code, _, _ = command("--inventory", "--format", "json", "--output", str(tmp_path / "all.json"))
    made = json.loads((tmp_path / "all.json").read_text())
    validator("inventory").validate(made)
    assert {one["kind"] for one in made["objects"]} == {"Kafka", "Pod", "PersistentVolumeClaim", "PersistentVolume"}


def test_an_inventory_is_no_list_of_findings(command):
    code, _, _ = command("--inventory", "--format", "sarif")
    assert code == 2


def test_what_only_the_inventory_asks_for_is_listed_and_refusals_are_said(api, script):
    service = {"metadata": meta("orders-kafka-bootstrap", "kafka"), "spec": {"type": "ClusterIP"}}
    pool = {"metadata": meta("broker", "kafka"), "spec": {"replicas": 3, "roles": ["broker"]}}
    script.world = lambda _: refuse(403, "Forbidden", "no")
    script.on("GET", "/apis/kafka.strimzi.io", *(say({"versions": [{"version": "v1"}]}) for _ in range(3)))
    script.on("GET", "/api/v1/namespaces/kafka/services", say(page(service)))
    script.on("GET", "/apis/apps/v1/namespaces/kafka/deployments", refuse(404, "NotFound", "no"))
    script.on("GET", "/apis/kafka.strimzi.io/v1/namespaces/kafka/kafkanodepools", say(page(pool)))
    listed = Listed(Inventory())
    list_extras(api, "kafka", listed)
    assert [(one.kind, one.name, dict(one.details)) for one in listed.extras] == [
        ("Service", "orders-kafka-bootstrap", {"type": "ClusterIP"}),
        ("KafkaNodePool", "broker", {"replicas": "3", "roles": '["broker"]'}),
    ]
    assert [why.split(" ")[0] for why in listed.extra_gaps] == [
        "serviceaccounts", "networkpolicies.networking.k8s.io",
        "kafkatopics.kafka.strimzi.io", "kafkausers.kafka.strimzi.io",
    ]  # fmt: skip
    assert all("grant list on" in why for why in listed.extra_gaps)


def test_the_daemon_posts_a_report_and_looks_again(look, mailbox):
    gathered = look(of_the_story())
    died = []
    each = Auditor(
        lambda: gathered,
        every=0.1,
        post=mailbox.post,
        now=now,
        on_death=lambda *what: died.append(what),
        first_after=0.0,
    )
    each.start()
    mailbox.wait(AuditDone, 2)
    assert each.stop(10.0)
    assert died == []
    assert mailbox.of(AuditDone)[0].report == audit(gathered.facts)


@pytest.mark.parametrize("problem", [OSError("no such file"), "silence"])
def test_an_audit_that_cannot_be_made_is_an_error_and_the_daemon_lives(look, mailbox, problem):
    gathered = look(of_the_story(), "silent")

    def looks():
        if isinstance(problem, OSError):
            raise problem
        return gathered

    died = []
    each = Auditor(
        looks, every=60.0, post=mailbox.post, now=now, on_death=lambda *what: died.append(what), first_after=0.0
    )
    each.start()
    [error] = mailbox.wait(AdapterError, 1)
    assert error.subject == "audit"
    assert each.stop(10.0)
    assert died == []
    assert mailbox.of(AuditDone) == []


def test_it_can_be_switched_off(mailbox):
    off = Settings.model_validate({"audit": {"every": None}})
    assert auditor(off, post=mailbox.post, now=now, on_death=lambda *_: None) is None
    assert auditor(Settings(), post=mailbox.post, now=now, on_death=lambda *_: None) is not None

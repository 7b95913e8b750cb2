"""The chart on a real cluster: installed with what a user gives, tried, changed and taken away."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.alerts.contract import check_known_in_advance, check_labels, check_metadata
from tests.alerts.server import Prometheus
from tests.chart import helm as programs
from tests.chart.rendering import CHART
from tests.image import built as dockerfile
from tests.kubernetes.deploy import prometheus_operator
from tests.kubernetes.deploy.everything import NOTHING, announced, at_rest, everything, wait_until_there_is
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.objects import run_in_pod
from tests.kubernetes.deploy.release import RELEASE, SECONDS, Release, installed
from tests.kubernetes.deploy.secured import topic_operator, user_operator
from tests.kubernetes.deploy.sentinel import sample
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import armed, denying, experiment, marks, of_node
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Need, Permission
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach
from kafka_sentinel.lab.errors import LabError

GUARDED = "restricted"  # a namespace that takes pods of the restricted profile alone
ENFORCE = "pod-security.kubernetes.io/enforce"
FIRST_RECORD = 60.0  # seconds from `helm install`
NEVER = (
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "pods"),
    ("create", "pods --subresource=exec"),
    ("delete", "configmaps"),
    ("delete", "nodes"),
    ("*", "*"),
)


@pytest.mark.parametrize("major", [programs.MAJORS[0], pytest.param(programs.MAJORS[1], marks=pytest.mark.full)])
def test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state(
    lab: Cluster, kafka: Kafka, tmp_path: Path, major: str
):
    before = at_rest(kafka)
    began = time.monotonic()
    with installed(kafka, major, tmp_path) as release:
        wait_for(lambda: release.verified() > 0, "the first verified record", FIRST_RECORD - (time.monotonic() - began))
        assert "Phase:          Succeeded" in release.helm("test", RELEASE)
        check_rights(release, breaks=False)
        check_metrics(release, tmp_path)
        run, since, verified = release.status()["run"], release.status()["since"], release.verified()
        release.helm("upgrade", RELEASE, str(CHART), *release.values(settings={"probe": {"interval": "200ms"}}))
        wait_for(lambda: release.status().get("run", run) != run, "the daemon of the new configuration", SECONDS)
        wait_for(lambda: release.verified() > verified, "its records, added to those of the old one", SECONDS)
        figures = release.status()["records"]["all"]
        assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)
        assert release.status()["since"] == since, "the state of the old one is gone"
        release.helm(
            "upgrade", RELEASE, str(CHART), *release.values(settings={"experiments": armed(kafka, *every_fault())})
        )
        check_rights(release, breaks=True)
        notes = release.helm("get", "notes", RELEASE)
    stays = announced(notes)
    assert {kind.split()[0] for kind in stays.objects} == {"configmap", "lease"}
    assert (len(stays.topics), len(stays.groups)) == (1, 1)
    wait_until_there_is(kafka, before.plus(stays))
    forget(lab, notes)
    wait_until_there_is(kafka, before.plus(replace(stays, objects=frozenset())))
    kafka.delete_topic(*stays.topics)


@pytest.mark.full
def test_uninstalled_with_everything_on_it_leaves_what_its_notes_say_and_nothing_else(
    lab: Cluster, secured_kafka: Kafka, tmp_path: Path
):
    kafka = secured_kafka
    programs.ensure()
    with monitoring_defined(lab), ExitStack() as stack:
        before = at_rest(kafka)
        release = Release(kafka, programs.MAJORS[0], tmp_path)
        values = {
            "kafka": {"clusterName": kafka.name, "auth": {"type": "tls"}},
            "strimzi": {"kafkaUser": {"create": True}, "kafkaTopic": {"create": True}},
            "settings": {"experiments": armed(kafka, *every_fault())},
            **{key: {"enabled": True} for key in ("podMonitor", "prometheusRule", "dashboards", "networkPolicy")},
        }
        release.helm("install", RELEASE, str(CHART), *release.values(**values))
        stack.callback(release.helm, "uninstall", RELEASE, "--no-hooks", "--ignore-not-found")
        notes = release.helm("get", "notes", RELEASE)
        stays = announced(notes)
        # The Secret that Strimzi makes for the KafkaUser is there until that is deleted.
        with user_operator(kafka, release.name_of("KafkaUser")):
            theirs = frozenset(topic_operator(kafka))
            wait_for(lambda: release.verified() > 0, "the first verified record", SECONDS)
            assert "Phase:          Succeeded" in release.helm("test", RELEASE)
            committed = "commit_latency_seconds_count"  # without an offset a group goes with its last member
            wait_for(lambda: sample(release.metrics(), committed) > 0, "the group to commit", SECONDS)
            added = {each.split()[0] for each in everything(kafka).minus(before).objects}
            wanted = {
                "kafkauser",
                "kafkatopic",
                "podmonitor",
                "prometheusrule",
                "networkpolicy",
                "clusterrole",
                "lease",
            }
            assert wanted <= added, wanted - added
            release.helm("uninstall", RELEASE, "--wait")
        assert stays.topics == frozenset()
        # Nobody plays the operator that deletes topics here.
        wait_until_there_is(kafka, before.plus(stays).plus(replace(NOTHING, topics=theirs)))
        forget(lab, notes)
        for topic in theirs:
            kafka.delete_topic(topic)
        wait_until_there_is(kafka, before.plus(replace(stays, objects=frozenset())))


def test_uninstalled_while_an_experiment_is_in_effect_it_leaves_no_mark_and_a_pause_that_is_said(
    lab: Cluster, kafka: Kafka, tmp_path: Path
):
    reclaim = experiment("reclaim", "node-reclaim", "broker:1", notice="2s", duration="10m", grace="30s")
    values = {"settings": {"experiments": armed(kafka, reclaim)}}
    before = [of_node(node) for node in lab.api.list("/api/v1/nodes")]
    with installed(kafka, programs.MAJORS[0], tmp_path, **values) as release:
        assert "PAUSED" not in release.helm("get", "notes", RELEASE)
        release.wait_for(lambda status: denying(status, "reclaim") == {"schedule"}, "the guards to allow it", SECONDS)
        pod = (kafka.pod(1) or {})["metadata"]["uid"]
        done = release.exec("kafka-sentinel", "run-now", "reclaim")
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(
            lambda: ((kafka.pod(1) or {}).get("metadata") or {}).get("uid", pod) != pod, "its broker to go", SECONDS
        )
        assert marks(lab, "n2") != []
    assert [of_node(node) for node in lab.api.list("/api/v1/nodes")] == before
    kafka.wait_ready()
    with installed(kafka, programs.MAJORS[0], tmp_path, forgetting=True, **values) as release:
        notes = release.helm("get", "notes", RELEASE)
        assert f"taken off as below: helm uninstall {RELEASE}" in notes
        release.wait_for(lambda status: "paused" in denying(status, "reclaim"), "the pause to hold", SECONDS)
        (line,) = re.findall(r"kubectl (annotate configmap \S+ -n \S+ kafka-sentinel.io/pause-)", notes)
        lab.kubectl(*line.split())
        release.wait_for(lambda status: "paused" not in denying(status, "reclaim"), "the pause to end", SECONDS)


@contextmanager
def monitoring_defined(lab: Cluster) -> Iterator[None]:
    """Have the Prometheus operator's resources, and nobody who acts on them."""
    folder, kinds = prometheus_operator.source(prometheus_operator.DEFINITIONS), ("podmonitors", "prometheusrules")
    files = [folder / f"monitoring.coreos.com_{plural}.yaml" for plural in kinds]

    def served() -> bool:
        try:
            return [lab.api.list(f"/apis/monitoring.coreos.com/v1/{plural}") for plural in kinds] == [[], []]
        except LabError:  # the storage of what was just defined is "(re)initializing" for a while
            return False

    for file in files:
        lab.kubectl("create", "-f", str(file))
    try:
        wait_for(served, "the Prometheus operator's resources to be served", SECONDS)
        yield
    finally:
        for file in files:
            lab.kubectl("delete", "-f", str(file))


def every_fault() -> list[dict]:
    """Return an experiment for each fault on pods, which the daemon takes: a roll is of all brokers."""
    kinds = of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)
    targets = {FaultKind.ROLLING_RESTART: "all"}
    return [experiment(kind.value, kind.value, targets.get(kind, "leader:0")) for kind in kinds]


def forget(lab: Cluster, notes: str) -> None:
    """Do what the notes say removes the state."""
    (line,) = re.findall(r"kubectl (delete \S+ \S+ -n \S+)$", notes, re.MULTILINE)
    lab.kubectl(*line.split())


@contextmanager
def guarded(lab: Cluster) -> Iterator[str]:
    """Give a namespace that takes pods of the restricted profile alone."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": GUARDED, "labels": {ENFORCE: "restricted"}},
    }
    lab.kubectl("create", "-f", "-", stdin=json.dumps(namespace))
    try:
        yield GUARDED
    finally:
        lab.kubectl("delete", "namespace", GUARDED)


def test_the_image_of_the_dockerfile_proves_records_where_only_restricted_pods_may_run(
    lab: Cluster, kafka: Kafka, tmp_path: Path
):
    image = dockerfile.image().packed()
    image.load(lab, [CONTROLLER_NODE])
    with guarded(lab) as namespace:
        with pytest.raises(LabError, match='violates PodSecurity "restricted'):  # so it is enforced
            lab.kubectl("run", "loose", f"--image={image.name}", "-n", namespace)
        began = time.monotonic()
        with installed(kafka, programs.MAJORS[0], tmp_path, namespace=namespace, image=image.name) as release:
            left = FIRST_RECORD - (time.monotonic() - began)
            wait_for(lambda: release.verified() > 0, "the first verified record", left)
            assert "Phase:          Succeeded" in release.helm("test", RELEASE)
            (pod,) = release.pods()  # that of `helm test` has passed, and gone
            (container,) = pod["status"]["containerStatuses"]
            assert (container["image"], container["restartCount"]) == (image.name, 0)
            asked = ("python", "-c", "import os; print(os.getuid(), os.getgid())")
            assert run_in_pod(lab, namespace, pod["metadata"]["name"], *asked).stdout == "65532 65532\n"
            figures = release.status()["records"]["all"]
            assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)


def check_rights(release: Release, *, breaks: bool) -> None:
    """Ask the API server verb by verb: it grants what the table of permissions says, there and nowhere else."""
    state = f"{release.name_of('Deployment')}-state"
    places = Places(release.kafka.namespace, release.namespace, state=state)
    for row in PERMISSIONS:
        for verb, namespace in itertools.product(row.verbs, places.namespaces(row.scope)):
            expected = breaks or row.need is not Need.EXPERIMENTS
            assert granted(release, row, verb, namespace, places.name(row)) is expected, (
                f"{verb} {row.title} in {namespace!r}"
            )
            if namespace:
                assert not granted(release, row, verb, "kube-system", places.name(row)), f"{verb} {row.title} elsewhere"
            if row.named:
                assert not granted(release, row, verb, namespace, "another"), f"{verb} another of {row.title}"
    for verb, resource in NEVER:
        assert release.can_i(verb, resource) == "no", f"{verb} {resource}"
    assert release.can_i("list", "pods") == "yes"
    assert release.can_i("delete", "pods") == ("yes" if breaks else "no")


def granted(release: Release, row: Permission, verb: str, namespace: str, name: str) -> bool:
    """Ask what `kubectl auth can-i` asks."""
    what = {"group": row.resource.group, "resource": row.resource.plural, "subresource": row.subresource or ""}
    asked = {
        "user": release.account,
        "resourceAttributes": {**what, "verb": verb, "namespace": namespace, "name": name},
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    return release.lab.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def check_metrics(release: Release, folder: Path) -> None:
    """A Prometheus of this machine that is pointed at the pod knows every metric of the contract."""
    assert release.address is not None
    prometheus = Prometheus(folder, release.address)
    try:
        prometheus.wait_for(lambda: bool(prometheus.now("up == 1")), "the first scrape")
        check_metadata(prometheus)
        check_labels(prometheus, release.kafka.name, {"job", "instance"})
        check_known_in_advance(prometheus)
    finally:
        prometheus.stop()

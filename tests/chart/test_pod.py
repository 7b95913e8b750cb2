"""The pod: who it runs as, where, on what, and how Kubernetes looks after it."""

from __future__ import annotations

import pytest
import yaml
from tests.chart.rendering import STRIMZI_V1, THREE

from kafka_sentinel import __version__
from kafka_sentinel.core.kubernetes.capacity import SPOT_LABELS

GONE = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for key in ("not-ready", "unreachable")
]

ARMED = {"settings": {"experiments": {"armed_for": "lkc-1", "dry_run": False}}}


def test_it_is_one_and_never_two_at_a_time(helm):
    spec = helm.template(THREE).deployment["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def restricted(pod: dict) -> list[str]:
    """Return what the restricted profile of Pod Security would object to."""
    wrong = []
    context = pod.get("securityContext", {})
    if any(pod.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")):
        wrong.append("host namespaces")
    allowed = {
        "configMap",
        "secret",
        "emptyDir",
        "projected",
        "downwardAPI",
        "persistentVolumeClaim",
        "csi",
        "ephemeral",
    }
    wrong += [f"volume {each['name']}" for each in pod["volumes"] if not (set(each) - {"name"}) <= allowed]
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        own = {**context, **container.get("securityContext", {})}
        if own.get("runAsNonRoot") is not True or own.get("runAsUser") == 0:
            wrong.append("runAsNonRoot")
        if own.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            wrong.append("seccompProfile")
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            wrong.append("privileges")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            wrong.append("capabilities")
        wrong += ["hostPort" for port in container.get("ports", []) if "hostPort" in port]
    return wrong


def every(helm, *layers) -> list[dict]:
    """The pod of the Deployment, that of `helm test`, and that of the Job before it is uninstalled."""
    objects = helm.template(THREE, ARMED, *layers)
    return [objects.pod, objects.one("Pod")["spec"], objects.one("Job")["spec"]["template"]["spec"]]


def test_all_pods_keep_to_the_restricted_profile_and_write_to_no_disk(helm):
    for pod in every(helm):
        assert restricted(pod) == []
        assert pod["securityContext"]["runAsUser"] > 0
        assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in pod["containers"])
        assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize(
    ("values", "objection"),
    [
        ({"securityContext": {"capabilities": None}}, "capabilities"),
        ({"securityContext": {"allowPrivilegeEscalation": True}}, "privileges"),
        ({"podSecurityContext": {"runAsUser": 0}}, "runAsNonRoot"),
        ({"podSecurityContext": {"seccompProfile": None}}, "seccompProfile"),
        ({"extraVolumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "volume x"),
    ],
)
def test_the_restricted_profile_would_object(helm, values, objection):
    for pod in every(helm, values):
        assert objection in restricted(pod)


def test_openshift_may_choose_the_ids(helm):
    free = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
    for pod in every(helm, free):
        assert set(pod["securityContext"]) == {"runAsNonRoot", "seccompProfile"}


def test_it_leaves_a_lost_node_after_half_a_minute(helm):
    assert helm.template(THREE).pod["tolerations"] == GONE
    more = {"key": "dedicated", "operator": "Exists"}
    assert helm.template(THREE, {"tolerations": [more]}).pod["tolerations"] == [*GONE, more]
    late = helm.template(THREE, {"nodeLostSeconds": 120}).pod["tolerations"]
    assert [each["tolerationSeconds"] for each in late] == [120, 120]


def test_it_prefers_to_keep_off_every_sort_of_spot_node_the_daemon_knows(helm):
    own = {"settings": {"kubernetes": {"spot_labels": {"pool": "cheap"}}}}
    affinity = helm.template(THREE, own).pod["affinity"]["nodeAffinity"]
    assert set(affinity) == {"preferredDuringSchedulingIgnoredDuringExecution"}
    (term,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    expressions = term["preference"]["matchExpressions"]
    assert {each["operator"] for each in expressions} == {"NotIn"}
    found = {(each["key"], value) for each in expressions for value in each["values"]}
    assert found == {*SPOT_LABELS, ("pool", "cheap")}


def terms(objects) -> list[dict]:
    affinity = objects.pod["affinity"]["podAntiAffinity"]
    assert set(affinity) == {"preferredDuringSchedulingIgnoredDuringExecution"}
    found = [each["podAffinityTerm"] for each in affinity["preferredDuringSchedulingIgnoredDuringExecution"]]
    assert {each["topologyKey"] for each in found} == {"kubernetes.io/hostname"}
    return found


def test_it_prefers_to_keep_off_the_brokers_nodes_however_kafka_was_installed(helm):
    strimzi = {"strimzi.io/cluster": "stage", "strimzi.io/name": "stage-kafka"}
    bitnami = {"app.kubernetes.io/name": "kafka", "app.kubernetes.io/instance": "stage"}
    known = terms(helm.template(THREE, {"strimzi": {"enabled": True}}))
    assert [each["labelSelector"]["matchLabels"] for each in known] == [strimzi]
    assert [each["namespaces"] for each in known] == [["kafka"]]
    unknown = [each["labelSelector"]["matchLabels"] for each in terms(helm.template(THREE, serves=STRIMZI_V1))]
    assert unknown == [strimzi, bitnami]
    plain = {"settings": {"kubernetes": {"flavour": "statefulset", "selector": {"app": "kafka"}}}}
    assert [each["labelSelector"]["matchLabels"] for each in terms(helm.template(THREE, plain))] == [{"app": "kafka"}]


def test_both_preferences_can_be_switched_off_or_replaced(helm):
    assert "nodeAffinity" not in helm.template(THREE, {"avoidSpotNodes": False}).pod["affinity"]
    assert "podAntiAffinity" not in helm.template(THREE, {"avoidBrokerNodes": False}).pod["affinity"]
    neither = {"avoidSpotNodes": False, "avoidBrokerNodes": False}
    assert "affinity" not in helm.template(THREE, neither).pod
    own = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
    assert helm.template(THREE, {"affinity": own}).pod["affinity"] == own
    named = {"settings": {"kubernetes": {"flavour": "statefulset"}}}  # whose labels nobody has said
    assert "podAntiAffinity" not in helm.template(THREE, named).pod["affinity"]


def test_probes_ask_the_daemon_and_not_kafka(helm):
    container = helm.template(THREE, {"settings": {"http": {"port": 8080}}}).container
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": 8080}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    slow = helm.template(THREE, {"livenessProbe": {"failureThreshold": 9}}).container["livenessProbe"]
    assert (slow["failureThreshold"], slow["periodSeconds"]) == (9, 10)


def test_what_platform_teams_ask_for_arrives(helm):
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    values = {
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
        "nodeSelector": {"pool": "tools"},
        "topologySpreadConstraints": spread,
        "priorityClassName": "high",
        "terminationGracePeriodSeconds": 60,
        "imagePullSecrets": [{"name": "registry"}],
        "deploymentAnnotations": {"a": "1"},
        "deploymentLabels": {"b": "2"},
        "podAnnotations": {"c": "3"},
        "podLabels": {"d": "4"},
        "commonLabels": {"team": "streams"},
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "state", "persistentVolumeClaim": {"claimName": "state"}}],
        "extraVolumeMounts": [{"name": "state", "mountPath": "/state"}],
    }
    objects = helm.template(THREE, ARMED, values)
    deployment, pod, container = objects.deployment, objects.pod, objects.container
    before = objects.one("Job")["spec"]["template"]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "128Mi"},
        "limits": {"cpu": "2", "memory": "512Mi"},
    }
    assert pod["nodeSelector"] == {"pool": "tools"}
    assert pod["topologySpreadConstraints"] == spread
    assert (pod["priorityClassName"], pod["terminationGracePeriodSeconds"]) == ("high", 60)
    for each in (pod, objects.one("Pod")["spec"], before["spec"]):
        assert each["imagePullSecrets"] == [{"name": "registry"}]
    assert deployment["metadata"]["annotations"] == {"a": "1"}
    assert deployment["metadata"]["labels"]["b"] == "2"
    template = deployment["spec"]["template"]["metadata"]
    assert template["annotations"]["c"] == "3"
    assert template["labels"]["d"] == "4"
    assert {each["metadata"]["labels"].get("team") for each in objects.all} == {"streams"}
    assert "team" not in deployment["spec"]["selector"]["matchLabels"]
    assert (before["metadata"]["annotations"], before["metadata"]["labels"]["d"]) == ({"c": "3"}, "4")
    for each in (container, objects.one("Pod")["spec"]["containers"][0], before["spec"]["containers"][0]):
        assert each["resources"] == container["resources"]
        assert each["envFrom"] == values["extraEnvFrom"]
        assert values["extraEnv"][0] in each["env"]
        assert values["extraVolumeMounts"][0] in each["volumeMounts"]
    assert values["extraVolumes"][0] in pod["volumes"]


def test_labels_and_annotations_that_are_given_twice_are_there_once_and_selectors_stand(helm):
    values = {
        "commonLabels": {"team": "all", "app.kubernetes.io/name": "x", "app.kubernetes.io/component": "x"},
        "podLabels": {"team": "pod", "app.kubernetes.io/instance": "x", "app.kubernetes.io/component": "x"},
        "podAnnotations": {"checksum/config": "x"},
    }
    objects = helm.template(THREE, values)
    assert duplicates(objects.text) == []
    template = objects.deployment["spec"]["template"]["metadata"]
    assert template["labels"]["team"] == "pod"
    assert objects.one("Service")["metadata"]["labels"]["team"] == "all"
    assert objects.deployment["spec"]["selector"]["matchLabels"].items() <= template["labels"].items()
    assert template["annotations"]["checksum/config"] != "x"
    assert objects.one("Pod")["metadata"]["labels"]["app.kubernetes.io/component"] == "check"


def test_no_key_is_there_twice(helm):
    assert duplicates(helm.template(THREE).text) == []
    assert duplicates("a: 1\nb: {c: 1, c: 2}\na: 3\n") == ["c", "a"]


def duplicates(text: str) -> list[str]:
    """Return the keys that stand twice in a mapping, which parsers take in silence."""
    found = []

    def look(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            found.extend({key for key in keys if keys.count(key) > 1})
        for below in node.value if isinstance(node, yaml.CollectionNode) else ():
            for one in below if isinstance(below, tuple) else (below,):
                look(one)

    for document in yaml.compose_all(text):
        if document is not None:
            look(document)
    return sorted(found, reverse=True)


def test_the_image_is_named_by_version_tag_or_digest(helm):
    assert helm.template(THREE).container["image"] == f"kafka-sentinel:{__version__}"
    tag = {"image": {"repository": "registry.test/ours", "tag": "next"}}
    assert helm.template(THREE, tag).container["image"] == "registry.test/ours:next"
    digest = "sha256:" + "0" * 64
    assert helm.template(THREE, tag, {"image": {"digest": digest}}).container["image"] == f"registry.test/ours@{digest}"


@pytest.mark.parametrize("policy", ["IfNotPresent", "Always", "Never"])
def test_the_image_is_pulled_when_one_says(helm, policy):
    given = {} if policy == "IfNotPresent" else {"image": {"pullPolicy": policy}}
    for pod in every(helm, given):
        assert [each["imagePullPolicy"] for each in pod["containers"]] == [policy]


def test_helm_test_runs_check_as_the_daemon_would(helm):
    auth = {"kafka": {"auth": {"type": "plain", "username": "me", "existingSecret": "theirs"}}}
    objects = helm.template(THREE, auth)
    hook = objects.one("Pod")
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (check,) = hook["spec"]["containers"]
    assert check["command"] == ["kafka-sentinel", "check"]
    assert objects.container["command"] == ["kafka-sentinel", "run"]
    assert hook["spec"]["restartPolicy"] == "Never"
    for key in ("image", "env", "volumeMounts", "securityContext"):
        assert check[key] == objects.container[key]
    for key in ("serviceAccountName", "volumes", "securityContext", "tolerations"):
        assert hook["spec"][key] == objects.pod[key]

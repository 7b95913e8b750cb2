"""The objects beside the pod: who finds and reaches it, what Strimzi and Prometheus are asked for, what is printed."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml
from tests.chart.rendering import CHART, STRIMZI_OLD, STRIMZI_V1, THREE, Helm
from tests.go_programs import ROOT

from kafka_sentinel import __version__
from kafka_sentinel.core.faults import FaultKind

STRIMZI = {"strimzi": {"kafkaUser": {"create": True}, "kafkaTopic": {"create": True}}}
SCRAM = {"kafka": {"clusterName": "c", "auth": {"type": "scram-sha-512"}}}
ALL = {
    "networkPolicy": {"enabled": True},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "settings": {
        "kubernetes": {"operator_namespace": "operator"},
        "probe": {"acks_one": {"enabled": True}},
        "experiments": {
            "armed_for": "id",
            "dry_run": False,
            "items": [{"name": "a", "fault": "node-reclaim", "every": "1h"}],
        },
    },
}


def everything(helm: Helm, values: dict | None = None, **options):
    return helm.template(SCRAM, STRIMZI, ALL, values or {}, serves=STRIMZI_V1, **options)


def test_lint_has_nothing_to_say(helm):
    code, said = helm.lint(THREE)
    assert code == 0, said
    assert "WARNING" not in said
    assert "ERROR" not in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "a"}, {"name": "b"}),
        ({"name": "kafka-sentinel"}, {"name": "kafka-sentinel-2"}),
        ({"name": "a" * 52 + "1"}, {"name": "a" * 52 + "2"}),
        ({"namespace": "a-b"}, {"namespace": "a"}),
    ],
    ids=["two names", "one a part of the other", "long names", "two namespaces"],
)
def test_two_releases_do_not_meet(helm, one, other):
    """Not even where both watch the same Kafka: its users, topics and roles lie in its namespace."""
    kafka = {"kafka": {"namespace": "kafka", "auth": {"existingSecret": "s"}, "tls": {"existingSecret": "s"}}}
    first = helm.template(SCRAM, ALL, kafka, {"kafka": {"auth": {"username": "u"}}}, serves=STRIMZI_V1, **one)
    second = helm.template(SCRAM, ALL, kafka, {"kafka": {"auth": {"username": "u"}}}, serves=STRIMZI_V1, **other)
    assert len(first.names()) == len(first.all)
    assert not first.names() & second.names()
    if one.get("namespace") == other.get("namespace"):
        for key in ("name", "group_consumer", "state"):
            assert first.config[key] != second.config[key]
        selector = first.deployment["spec"]["selector"]["matchLabels"].items()
        assert not selector <= second.deployment["spec"]["template"]["metadata"]["labels"].items()
        mine, theirs = (each.one("NetworkPolicy")["spec"]["podSelector"] for each in (first, second))
        assert mine != theirs


def test_names_of_users_and_topics_carry_the_release(helm):
    first, second = (everything(helm, name=name, namespace="kafka") for name in ("a", "b"))
    assert not first.names() & second.names()


@pytest.mark.parametrize(
    ("values", "label", "name"),
    [
        ({}, "kafka-sentinel", "sentinel-kafka-sentinel"),
        ({"nameOverride": "probe"}, "probe", "sentinel-probe"),
        ({"nameOverride": "sentinel"}, "sentinel", "sentinel"),
        ({"fullnameOverride": "ours"}, "kafka-sentinel", "ours"),
        ({"nameOverride": "probe", "fullnameOverride": "ours"}, "probe", "ours"),
    ],
)
def test_objects_are_called_as_one_says_and_find_each_other_all_the_same(helm, values, label, name):
    usual, named = everything(helm, namespace="kafka"), everything(helm, values=values, namespace="kafka")
    expected = {(kind, place, one.replace("sentinel-kafka-sentinel", name)) for kind, place, one in usual.names()}
    assert named.names() == expected
    assert named.deployment["metadata"]["name"] == named.one("Service")["metadata"]["name"] == name
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in named.all} == {label}
    assert named.config["state"]["config_map"] == f"{name}-state"
    assert (named.config["name"], named.config["group_consumer"]["group_id"]) == (name, name)
    assert named.one("Service")["spec"]["selector"].items() <= (
        named.deployment["spec"]["template"]["metadata"]["labels"].items()
    )


@pytest.mark.parametrize("name", ["s", "kafka-sentinel", "r" * 53])
def test_names_are_not_too_long(helm, name):
    for each in everything(helm, name=name, namespace="kafka").all:
        limit = 63 if each["kind"] in {"Service", "Job"} else 253
        assert len(each["metadata"]["name"]) <= limit
        labels = each["metadata"].get("labels", {})
        assert all(len(value) <= 63 for value in labels.values())


def test_the_service_finds_the_daemon_and_not_the_pod_of_helm_test(helm):
    objects = helm.template(
        THREE, {"service": {"type": "NodePort", "port": 80, "annotations": {"a": "1"}, "labels": {"b": "2"}}}
    )
    service = objects.one("Service")
    selector = service["spec"]["selector"].items()
    assert selector <= objects.deployment["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= objects.one("Pod")["metadata"]["labels"].items()
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert (service["spec"]["type"], service["metadata"]["annotations"]) == ("NodePort", {"a": "1"})
    assert service["metadata"]["labels"]["b"] == "2"


# --- NetworkPolicy


def egress(objects) -> dict[tuple[int, ...], list]:
    found = {}
    for rule in objects.one("NetworkPolicy")["spec"]["egress"]:
        found[tuple(sorted({port["port"] for port in rule["ports"]}))] = rule.get("to", [])
    return found


def test_a_network_policy_is_made_only_if_asked_for(helm):
    assert helm.template(THREE).of("NetworkPolicy") == []


def test_a_network_policy_lets_out_to_dns_kafka_and_the_api_server(helm):
    on = {"networkPolicy": {"enabled": True}}
    kafka = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kafka"}}}]
    objects = helm.template(THREE, on, {"kafka": {"bootstrapServers": "a:9092,b:9094"}})
    assert egress(objects) == {(53,): [], (9092, 9094): kafka, (443, 6443): []}
    policy = objects.one("NetworkPolicy")["spec"]
    assert policy["ingress"] == [{"ports": [{"port": 9464}]}]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    for pod in (objects.deployment["spec"]["template"], objects.one("Pod")):
        assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_a_network_policy_is_as_narrow_as_one_says(helm):
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    policy = {
        "enabled": True,
        "ingressFrom": [peer],
        "kafka": {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [9094]},
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
        "extraEgress": [{"ports": [{"port": 8080}]}],
    }
    objects = helm.template(THREE, {"networkPolicy": policy})
    assert egress(objects) == {
        (53,): [],
        (9094,): [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        (6443,): [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
        (8080,): [],
    }
    assert objects.one("NetworkPolicy")["spec"]["ingress"][0]["from"] == [peer]
    none = helm.template(THREE, {"networkPolicy": policy, "settings": {"kubernetes": {"enabled": False}}})
    assert (6443,) not in egress(none)


# --- Prometheus and Grafana


@pytest.mark.parametrize(("kind", "endpoints"), [("Pod", "podMetricsEndpoints"), ("Service", "endpoints")])
def test_a_monitor_finds_what_it_scrapes(helm, kind, endpoints):
    key = f"{kind.lower()}Monitor"
    assert helm.template(THREE).of(f"{kind}Monitor") == []
    drop = [{"action": "labeldrop", "regex": "pod"}]
    values = {key: {"enabled": True, "labels": {"release": "prom"}, "interval": "30s", "metricRelabelings": drop}}
    objects = helm.template(THREE, values)
    monitor = objects.one(f"{kind}Monitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prom"
    (end,) = monitor["spec"][endpoints]
    assert end == {"port": "http", "path": "/metrics", "interval": "30s", "metricRelabelings": drop}
    (end,) = helm.template(THREE, values, {key: {"scrapeTimeout": "5s"}}).one(f"{kind}Monitor")["spec"][endpoints]
    assert end["scrapeTimeout"] == "5s"
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    if kind == "Service":
        service = objects.one("Service")
        assert selector <= service["metadata"]["labels"].items()
        assert service["spec"]["ports"][0]["name"] == end["port"]
    else:
        assert selector <= objects.deployment["spec"]["template"]["metadata"]["labels"].items()
        assert not selector <= objects.one("Pod")["metadata"]["labels"].items()
        assert objects.container["ports"][0]["name"] == end["port"]


@pytest.fixture
def furnished(tmp_path):
    """A copy of the chart with two files of rules and two dashboards in it, and nothing else of the sort."""
    copy = tmp_path / "chart"
    shutil.copytree(CHART, copy)
    for folder in ("alerts", "dashboards"):
        shutil.rmtree(copy / folder, ignore_errors=True)
        (copy / folder).mkdir()
    for name in ("loss", "lag"):
        rule = {"alert": name, "expr": "x > 0", "annotations": {"summary": "{{ $labels.acks }} of {{ $value }}"}}
        (copy / "alerts" / f"{name}.yaml").write_text(yaml.safe_dump({"groups": [{"name": name, "rules": [rule]}]}))
        (copy / "dashboards" / f"Kafka_{name}.json").write_text(
            json.dumps({"title": name, "format": "{{topic}}"}, indent=2)
        )
    return copy


def test_rules_in_the_chart_become_a_prometheus_rule_with_their_own_templates_untouched(helm, furnished):
    on = {"prometheusRule": {"enabled": True, "labels": {"release": "prom"}}}
    rule = helm.template(THREE, on, chart=furnished).one("PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prom"
    assert {group["name"] for group in rule["spec"]["groups"]} == {"loss", "lag"}
    assert rule["spec"]["groups"][0]["rules"][0]["annotations"]["summary"] == "{{ $labels.acks }} of {{ $value }}"
    assert helm.template(THREE, chart=furnished).of("PrometheusRule") == []


def test_dashboards_in_the_chart_become_config_maps_for_grafana(helm, furnished):
    on = {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Kafka"}}}
    found = [
        each
        for each in helm.template(THREE, on, chart=furnished).of("ConfigMap")
        if "-dashboard-" in each["metadata"]["name"]
    ]
    assert {each["metadata"]["name"].rpartition("-dashboard-")[2] for each in found} == {"kafka-loss", "kafka-lag"}
    for each in found:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Kafka"}
        (content,) = each["data"].values()
        assert json.loads(content)["format"] == "{{topic}}"
    assert len({key for each in found for key in each["data"]}) == 2
    assert len(helm.template(THREE, chart=furnished).of("ConfigMap")) == 1


def own_rules(cluster: str) -> dict:
    """Return the project's rules, where the one Sentinel that is missed for ever is that of `cluster`."""
    text = (CHART / "alerts" / "kafka-sentinel.yaml").read_text()
    none = "absent_over_time(kafka_sentinel_build_info[1d])"
    assert text.count(none) == 1
    return yaml.safe_load(text.replace(none, f'absent(kafka_sentinel_build_info{{kafka_cluster="{cluster}"}})'))


def test_the_chart_brings_the_projects_own_rules_and_dashboards(helm):
    on = {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}
    objects = helm.template(THREE, on)
    assert objects.one("PrometheusRule")["spec"] == own_rules("stage")
    files = [file for each in objects.of("ConfigMap") for file in each["data"].items()]
    given = {dashboard["uid"]: dashboard for name, text in files if ".json" in name for dashboard in [json.loads(text)]}
    own = [json.loads(path.read_text()) for path in (CHART.parents[1] / "grafana").glob("*.json")]
    assert given == {each["uid"]: each for each in own}
    assert len(own) == 3


def test_alerts_get_the_users_labels_beside_their_own_and_those_he_does_not_want_are_left_out(helm):
    unwanted = "KafkaSentinelPlacementExposed"
    more = {"alertLabels": {"team": "streams", "severity": "page"}, "without": [unwanted]}
    rule = helm.template(THREE, {"prometheusRule": {"enabled": True, **more}}).one("PrometheusRule")
    expected = [one for group in own_rules("stage")["groups"] for one in group["rules"] if one.get("alert") != unwanted]
    for one in expected:
        if "alert" in one:
            one["labels"] = {"team": "streams"} | one["labels"]
    assert [one for group in rule["spec"]["groups"] for one in group["rules"]] == expected


def test_alerts_and_dashboards_link_to_where_the_user_has_the_runbooks(helm):
    """And to the other pages of docs above them: nothing leads out of the user's network."""
    on = {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}
    text, theirs = helm.template(THREE, on).text, "https://wiki.example.com/kafka/runbooks"
    (usual,) = set(re.findall(r"https://[^\s\"]*/runbooks(?=/KafkaSentinel)", text))
    docs = usual.removesuffix("runbooks")
    assert len(re.findall(rf"{docs}[a-z-]+\.md", text)) > 20
    changed = helm.template(THREE, on, {"runbooks": theirs}).text
    assert changed == text.replace(f"{usual}/", f"{theirs}/").replace(docs, f"{theirs}/../")
    assert docs not in changed


def test_where_the_runbooks_are_the_projects_own_so_are_the_other_pages(helm):
    on = {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}
    text = helm.template(THREE, on).text
    (usual,) = set(re.findall(r"https://[^\s\"]*/runbooks(?=/KafkaSentinel)", text))
    assert "/../" not in text
    changed = helm.template(THREE, on, {"runbooks": f"{usual}/translated"}).text
    assert changed == text.replace(f"{usual}/", f"{usual}/translated/")


# --- Strimzi


@pytest.mark.parametrize(
    ("serves", "version"), [(STRIMZI_V1, "v1"), (STRIMZI_OLD, "v1beta2"), ((*STRIMZI_OLD, *STRIMZI_V1), "v1")]
)
def test_strimzis_resources_are_of_the_version_the_cluster_has(helm, serves, version):
    objects = helm.template(SCRAM, STRIMZI, namespace="kafka", serves=serves)
    for kind in ("KafkaUser", "KafkaTopic"):
        assert objects.one(kind)["apiVersion"] == f"kafka.strimzi.io/{version}"
        assert objects.one(kind)["metadata"]["labels"]["strimzi.io/cluster"] == "c"
        assert objects.one(kind)["metadata"]["namespace"] == "kafka"


def test_strimzis_resources_are_made_only_if_asked_for(helm):
    objects = helm.template({"kafka": {"clusterName": "c"}}, serves=STRIMZI_V1)
    assert objects.of("KafkaUser") + objects.of("KafkaTopic") == []


def test_a_topic_of_strimzis_is_as_the_daemon_would_make_it_and_the_daemon_leaves_it_alone(helm):
    only = {"kafka": {"clusterName": "c"}, "strimzi": {"kafkaTopic": {"create": True, "partitions": 12}}}
    objects = helm.template(only, serves=STRIMZI_V1)
    spec = objects.one("KafkaTopic")["spec"]
    assert spec == {
        "topicName": "kafka-sentinel-probe",
        "partitions": 12,
        "replicas": 3,
        "config": {"cleanup.policy": "delete", "min.insync.replicas": 2, "retention.ms": 86_400_000},
    }
    assert objects.config["probe"]["manage_topic"] is False


@pytest.mark.parametrize(
    ("retention", "milliseconds"),
    [("90s", 90_000), ("1.5h", 5_400_000), ("7d", 604_800_000), (3600, 3_600_000), ("60000ms", 60_000)],
)
def test_topics_of_strimzis_follow_the_settings(helm, retention, milliseconds):
    probe = {
        "topic": "One_Topic",
        "partitions": 9,
        "replication_factor": 5,
        "min_insync_replicas": 3,
        "retention": retention,
        "acks_one": {"enabled": True, "topic": "another"},
    }
    only = {"kafka": {"clusterName": "c"}, "strimzi": {"kafkaTopic": {"create": True}}, "settings": {"probe": probe}}
    found = helm.template(only, serves=STRIMZI_V1).of("KafkaTopic")
    assert {each["spec"]["topicName"] for each in found} == {"One_Topic", "another"}
    for each in found:
        assert (each["spec"]["partitions"], each["spec"]["replicas"]) == (9, 5)
        assert each["spec"]["config"]["min.insync.replicas"] == 3
        assert each["spec"]["config"]["retention.ms"] == milliseconds


def acls(helm: Helm, *layers: dict) -> set[tuple[str, str, str, str]]:
    user = helm.template(
        SCRAM, {"strimzi": {"kafkaUser": {"create": True}}}, *layers, namespace="kafka", serves=STRIMZI_V1
    )
    found = user.one("KafkaUser")["spec"]["authorization"]["acls"]
    return {
        (each["resource"]["type"], each["resource"].get("patternType", ""), each["resource"].get("name", ""), operation)
        for each in found
        for operation in each["operations"]
    }


def test_a_user_of_strimzis_may_do_what_check_asks_for_and_change_nothing_else(helm):
    found = acls(helm)
    ours = {right[3] for right in found if right[2] == "kafka-sentinel-probe"}
    assert ours == {"Describe", "DescribeConfigs", "Read", "Write", "Create", "Alter"}
    assert {right[3] for right in found if right[2] == "*"} == {"Describe", "DescribeConfigs"}
    assert {right[3] for right in found if right[2] == "sentinel-kafka-sentinel"} == {"Describe", "Read"}
    assert {right for right in found if right[0] == "cluster"} == {
        ("cluster", "", "", "Describe"),
        ("cluster", "", "", "DescribeConfigs"),
    }
    second = {"settings": {"probe": {"acks_one": {"enabled": True}}}}
    assert {right[2] for right in acls(helm, second) if right[3] == "Write"} == {
        "kafka-sentinel-probe",
        "kafka-sentinel-probe-acks1",
    }


def test_the_table_of_what_a_user_may_do_is_the_charts(helm):
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:4]]
        for line in (ROOT / "docs" / "security.md").read_text().splitlines()
        if line.startswith(("| topic |", "| group |", "| cluster |"))
    ]
    told = set()
    for kind, text, operations in rows:
        name, _, prefix = text.partition("` (")
        pattern = "prefix" if prefix else "literal" if name else ""
        told |= {(kind, pattern, name, operation) for operation in operations.split(", ")}
    assert told == acls(helm)


def test_a_user_may_not_alter_topics_that_strimzi_owns(helm):
    owned = acls(helm, {"strimzi": {"kafkaTopic": {"create": True}}})
    assert not {right for right in owned if right[3] in {"Create", "Alter"}}


def test_without_authorization_in_kafka_a_user_has_no_acls(helm):
    plain = {"strimzi": {"kafkaUser": {"create": True, "acls": False}}}
    user = helm.template(SCRAM, plain, namespace="kafka", serves=STRIMZI_V1).one("KafkaUser")
    assert "authorization" not in user["spec"]


# --- what is printed


def test_notes_say_what_it_does_now(helm):
    item = {"name": "kill-leader", "fault": FaultKind.POD_CRASH.value, "target": "leader", "every": "6h"}

    def notes(experiments: dict) -> str:
        return helm.notes(THREE, {"settings": {"experiments": experiments}})

    assert "It breaks nothing: experiments are not armed" in notes({"items": [item]})
    rehearsal = notes({"armed_for": "lkc-1", "items": [item]})
    assert re.search(r"rehearsal \(dry_run\) for the Kafka cluster id\s+lkc-1", rehearsal)
    assert "ARMED" not in rehearsal
    armed = notes({"armed_for": "lkc-1", "dry_run": False, "items": [item]})
    assert "ARMED: it breaks brokers of the Kafka cluster id lkc-1" in armed
    assert "kill-leader: pod-crash, target leader, every 6h" in armed
    assert "settings.experiments.items is empty" in notes({"armed_for": "lkc-1", "dry_run": False})


def test_notes_give_the_line_that_pauses_and_say_what_stays(helm):
    said = helm.notes(THREE)
    state = "sentinel-kafka-sentinel-state"
    assert f'kubectl annotate configmap {state} -n monitoring --overwrite kafka-sentinel.io/pause="by $USER"' in said
    assert f"kubectl delete configmap,lease {state} -n monitoring" in said
    assert "the topics kafka-sentinel-probe" in said
    assert "helm test sentinel -n monitoring" in said
    assert "WARNING" not in said
    assert "--no-hooks" not in said
    file = helm.notes(THREE, {"settings": {"state": {"file": "/state/state.json"}}})
    assert "kubectl annotate" not in file
    assert "WARNING: no state is kept in Kubernetes" in file
    topics = helm.notes({"kafka": {"clusterName": "c"}, "strimzi": {"kafkaTopic": {"create": True}}})
    assert "Strimzi deletes the probe topics with their KafkaTopics" in topics


def test_notes_say_what_a_job_does_before_it_is_uninstalled_and_how_to_do_without(helm):
    armed = {"settings": {"experiments": {"armed_for": "lkc-1", "dry_run": False}}}
    said = helm.notes(THREE, armed)
    assert "helm uninstall sentinel -n monitoring --no-hooks" in said
    assert re.search(r"The pause stays with the state:\s+a later installation under this name", said)
    assert "the job sentinel-kafka-sentinel-undo, if it failed" in said


def test_notes_say_that_the_image_has_to_be_brought_unless_one_is_named(helm):
    said = helm.notes(THREE)
    assert "ImagePullBackOff" in said
    assert f"kafka-sentinel:{__version__} is published nowhere" in said
    assert "--set image.repository=REGISTRY/kafka-sentinel" in said
    assert "ImagePullBackOff" not in helm.notes(THREE, {"image": {"repository": "registry.test/kafka-sentinel"}})


def test_notes_warn_of_what_nobody_has_tried_and_of_listeners_with_peers(helm):
    quiet = helm.notes(THREE)
    assert "networkPolicyPeers" not in quiet
    assert "NetworkPolicy" not in quiet
    strimzi = {"strimzi": {"enabled": True}}
    objects = helm.template(THREE, strimzi)
    said = helm.notes(THREE, strimzi, {"networkPolicy": {"enabled": True}})
    peer = yaml.safe_load(re.search(r"podSelector: (\{.*\})$", said, re.MULTILINE)[1])
    assert peer["matchLabels"].items() <= objects.deployment["spec"]["template"]["metadata"]["labels"].items()
    assert "kubernetes.io/metadata.name: monitoring" in said
    assert "was never tried on a network that enforces one" in said

"""The daemon's own loader takes the configuration that is rendered, from the files that the pod would see."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chart.rendering import STRIMZI_OLD, STRIMZI_V1, THREE, Objects

from kafka_sentinel.settings import Settings, load

ROOT = "/etc/kafka-sentinel"


def loaded(objects: Objects, root: Path) -> Settings:
    """Load the configuration as in the container: its variables, and the files that its volumes mount."""
    volumes = {each["name"]: each for each in objects.pod["volumes"]}
    for mount in objects.container["volumeMounts"]:
        folder = root / mount["mountPath"].lstrip("/")
        folder.mkdir(parents=True)
        volume = volumes[mount["name"]]
        for name, text in _content(objects, volume).items():
            (folder / name).write_text(text.replace(ROOT, str(root) + ROOT))
    environ = {each["name"]: each["value"].replace(ROOT, str(root) + ROOT) for each in objects.container["env"]}
    return load(None, environ, needs_kafka=True)


def _content(objects: Objects, volume: dict) -> dict[str, str]:
    if "configMap" in volume:
        return objects.one("ConfigMap", lambda each: each["metadata"]["name"] == volume["configMap"]["name"])["data"]
    return {item["path"]: f"the {item['key']}" for item in volume["secret"]["items"]}


def secrets(objects: Objects) -> dict[str, str]:
    return {each["name"]: each["secret"]["secretName"] for each in objects.pod["volumes"] if "secret" in each}


def test_three_values_are_a_whole_and_harmless_configuration(helm, tmp_path):
    settings = loaded(helm.template(THREE), tmp_path)
    assert settings.kafka.bootstrap_servers == "broker-1:9092,broker-2:9092"
    assert settings.kafka.cluster_name == settings.kubernetes.cluster == "stage"
    assert (settings.kubernetes.enabled, settings.kubernetes.namespace) == (True, "kafka")
    assert settings.kubernetes.flavour == "auto"
    assert settings.config_map == "sentinel-kafka-sentinel-state"
    assert settings.experiments.dry_run
    assert settings.experiments.may_be_done == frozenset()
    assert settings.remarks() == []


def test_with_strimzi_one_value_is_enough(helm, tmp_path):
    settings = loaded(
        helm.template({"kafka": {"clusterName": "my-cluster"}}, namespace="kafka", serves=STRIMZI_V1), tmp_path
    )
    assert settings.kafka.bootstrap_servers == "my-cluster-kafka-bootstrap.kafka.svc:9092"
    assert settings.kafka.cluster_name == settings.kubernetes.cluster == "my-cluster"
    assert (settings.kubernetes.namespace, settings.kubernetes.flavour) == ("kafka", "strimzi")


def test_strimzi_may_be_old_or_said_to_be_there(helm, tmp_path):
    one = {"kafka": {"clusterName": "c"}}
    asked = helm.template(one, {"strimzi": {"enabled": True}}).config
    assert helm.template(one, serves=STRIMZI_OLD).config == asked
    assert asked["kafka"]["bootstrap_servers"] == "c-kafka-bootstrap.monitoring.svc:9092"


def test_a_kafka_that_is_not_strimzis_may_stand_beside_strimzi(helm):
    """Its servers are given: neither flavour nor CA is guessed from an operator that is there."""
    tls = {"kafka": {"tls": {"enabled": True}}}
    beside = helm.template(THREE, tls, serves=STRIMZI_V1)
    assert "flavour" not in beside.config["kubernetes"]
    assert secrets(beside) == {}
    said = helm.template(THREE, tls, {"strimzi": {"enabled": True}}, namespace="kafka")
    assert said.config["kubernetes"]["flavour"] == "strimzi"
    assert secrets(said) == {"ca": "stage-cluster-ca-cert"}
    none = {"kafka": {"clusterName": "c"}, "strimzi": {"enabled": False}}
    assert "kafka.bootstrapServers is missing" in helm.refused(none, serves=STRIMZI_V1)


def test_what_is_set_wins_over_what_the_chart_works_out(helm, tmp_path):
    ours = {
        "name": "other",
        "kafka": {"bootstrap_servers": "elsewhere:9094", "cluster_name": "shown", "properties": {"client.id": "x"}},
        "group_consumer": {"group_id": "ours", "enabled": False},
        "kubernetes": {"namespace": "brokers", "cluster": "set", "flavour": "statefulset", "first_id": 3},
        "state": {"config_map": "kept", "namespace": "here"},
        "http": {"port": 8080},
        "probe": {"interval": "250ms", "manage_topic": False},
        "log": {"level": "debug"},
    }
    settings = loaded(helm.template(THREE, {"settings": ours}), tmp_path)
    shown = settings.masked()
    for section, values in ours.items():
        assert (shown[section] | values if isinstance(values, dict) else values) == shown[section]


@pytest.mark.parametrize(
    "experiments",
    [
        {
            "fleet": "msk",
            "msk": {"cluster_arn": "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"},
            "items": [{"name": "reboot", "fault": "msk-reboot", "every": "1d"}],
        },
        {
            "fleet": "command",
            "items": [{"name": "kill", "fault": "command", "command": ["ssh", "b-{id}", "x"], "every": "1d"}],
        },
        {"fleet": "none"},
    ],
)
def test_beside_brokers_that_are_no_pods_the_chart_runs_it_with_a_volume_for_its_state(helm, tmp_path, experiments):
    """As docs/msk.md says: no rights, no ConfigMap for the state."""
    ours = {"kubernetes": {"enabled": False}, "experiments": experiments, "state": {"file": "/state/state.json"}}
    found = helm.template(THREE, {"settings": ours})
    settings = loaded(found, tmp_path)
    assert (settings.fleet, settings.cannot_break, settings.config_map) == (experiments["fleet"], "", None)
    assert "kind: Role" not in found.text


def test_what_is_set_to_false_nothing_or_zero_counts_as_set(helm, tmp_path):
    ours = {
        "kubernetes": {"enabled": False},
        "incidents": {"recheck_margin": 0},
        "experiments": {"daily_budget": 0, "dry_run": False},
        "slo": {"produce": 1, "recovery": {"lag": "1.5m"}},
    }
    settings = loaded(helm.template(THREE, {"settings": ours}), tmp_path)
    assert settings.kubernetes.enabled is False
    assert settings.config_map is None
    assert (settings.incidents.recheck_margin, settings.experiments.daily_budget) == (0, 0)
    assert settings.experiments.dry_run is False
    assert (settings.slo.produce, settings.slo.recovery.lag) == (1.0, 90.0)


def test_great_numbers_and_words_that_yaml_takes_for_something_else_arrive_as_they_were(helm, tmp_path):
    ours = {
        "recheck": {"chunk_records": 1_000_000},
        "probe": {"record_size": 65_535, "topic": "1e6"},
        "kubernetes": {"spot_labels": {"pool": "on", "generation": "2"}},
        "experiments": {
            "blackouts": [{"from": "22:00", "to": "06:00", "dates": ["2026-12-24"]}],
            "items": [{"name": "leader", "fault": "pod-crash", "schedule": "0 10 * * mon-fri", "load": 20_000}],
        },
    }
    settings = loaded(helm.template(THREE, {"settings": ours}), tmp_path)
    assert settings.recheck.chunk_records == 1_000_000
    assert (settings.probe.record_size, settings.probe.topic) == (65_535, "1e6")
    assert settings.kubernetes.spot_labels == {"pool": "on", "generation": "2"}
    assert settings.experiments.blackouts[0].start == "22:00"
    assert settings.experiments.blackouts[0].dates == ["2026-12-24"]
    assert settings.experiments.items[0].load == 20_000


def test_variables_win_over_the_file(helm, tmp_path):
    extra = {"extraEnv": [{"name": "KAFKA_SENTINEL__PROBE__INTERVAL", "value": "2s"}]}
    values = {"settings": {"probe": {"interval": "1s"}}}
    assert loaded(helm.template(THREE, values, extra), tmp_path).probe.interval == 2.0


def test_a_change_of_the_configuration_replaces_the_pod_and_another_change_does_not(helm):
    def checksum(*layers: dict) -> str:
        return helm.template(THREE, *layers).deployment["spec"]["template"]["metadata"]["annotations"][
            "checksum/config"
        ]

    assert checksum() != checksum({"settings": {"probe": {"interval": "1s"}}})
    assert checksum() != checksum({"kafka": {"bootstrapServers": "broker-3:9092"}})
    assert checksum() == checksum({"deploymentLabels": {"team": "streams"}})


def test_encrypted_with_the_ca_of_strimzi_or_one_of_ones_own_or_of_the_system(helm, tmp_path):
    tls = {"kafka": {"clusterName": "c", "tls": {"enabled": True}}}
    objects = helm.template(tls, namespace="kafka", serves=STRIMZI_V1)
    settings = loaded(objects, tmp_path / "strimzi")
    assert settings.kafka.bootstrap_servers == "c-kafka-bootstrap.kafka.svc:9093"
    assert settings.kafka.security.protocol == "SSL"
    assert settings.kafka.security.ca_file.read_text() == "the ca.crt"
    assert secrets(objects) == {"ca": "c-cluster-ca-cert"}

    own = helm.template(THREE, tls, {"kafka": {"tls": {"existingSecret": "ours", "caKey": "root.pem"}}})
    assert loaded(own, tmp_path / "own").kafka.security.ca_file.read_text() == "the root.pem"
    assert secrets(own) == {"ca": "ours"}

    system = helm.template(THREE, tls)
    assert loaded(system, tmp_path / "system").kafka.security.ca_file is None
    assert secrets(system) == {}


def test_a_kafka_user_signs_in_by_the_certificate_strimzi_makes(helm, tmp_path):
    values = {"kafka": {"clusterName": "c", "auth": {"type": "tls"}}, "strimzi": {"kafkaUser": {"create": True}}}
    objects = helm.template(values, namespace="kafka", serves=STRIMZI_V1)
    user = objects.one("KafkaUser")
    assert user["spec"]["authentication"] == {"type": "tls"}
    assert secrets(objects) == {"ca": "c-cluster-ca-cert", "auth": user["metadata"]["name"]}
    security = loaded(objects, tmp_path).kafka.security
    assert security.protocol == "SSL"
    assert security.cert_file.read_text() == "the user.crt"
    assert security.key_file.read_text() == "the user.key"


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_kafka_user_signs_in_by_the_password_strimzi_makes(helm, tmp_path, encrypted):
    values = {
        "kafka": {"clusterName": "c", "auth": {"type": "scram-sha-512"}, "tls": {"enabled": encrypted}},
        "strimzi": {"kafkaUser": {"create": True, "name": "probe-user"}},
    }
    objects = helm.template(values, namespace="kafka", serves=STRIMZI_V1)
    assert objects.one("KafkaUser")["metadata"]["name"] == "probe-user"
    security = loaded(objects, tmp_path).kafka.security
    assert security.protocol == ("SASL_SSL" if encrypted else "SASL_PLAINTEXT")
    assert (security.mechanism, security.username) == ("SCRAM-SHA-512", "probe-user")
    assert security.read_password() == "the password"
    assert secrets(objects)["auth"] == "probe-user"


@pytest.mark.parametrize("kind", ["plain", "scram-sha-256", "scram-sha-512"])
def test_a_user_of_ones_own_signs_in_by_an_existing_secret(helm, tmp_path, kind):
    auth = {"type": kind, "username": "me", "existingSecret": "theirs", "passwordKey": "pw"}
    objects = helm.template(THREE, {"kafka": {"auth": auth}})
    security = loaded(objects, tmp_path).kafka.security
    assert (security.mechanism, security.username, security.read_password()) == (kind.upper(), "me", "the pw")
    assert secrets(objects) == {"auth": "theirs"}


def test_a_certificate_of_ones_own_signs_in_by_the_keys_of_its_secret(helm, tmp_path):
    auth = {"type": "tls", "existingSecret": "theirs", "certKey": "tls.crt", "keyKey": "tls.key"}
    objects = helm.template(THREE, {"kafka": {"auth": auth}})
    security = loaded(objects, tmp_path).kafka.security
    assert (security.cert_file.read_text(), security.key_file.read_text()) == ("the tls.crt", "the tls.key")
    assert secrets(objects) == {"auth": "theirs"}


def test_a_ca_file_of_ones_own_needs_no_secret_of_strimzis(helm):
    tls = {"kafka": {"tls": {"enabled": True}}, "strimzi": {"enabled": True}}
    own = {"settings": {"kafka": {"security": {"ca_file": "/ca/root.pem"}}}}
    objects = helm.template(THREE, tls, own)
    assert secrets(objects) == {}
    assert objects.config["kafka"]["security"]["ca_file"] == "/ca/root.pem"


def test_a_kafka_outside_of_kubernetes_may_have_any_name(helm, tmp_path):
    outside = {
        "kafka": {"bootstrapServers": "b-1.example:9092"},
        "settings": {"kubernetes": {"enabled": False}, "kafka": {"cluster_name": "Prod MSK"}},
    }
    settings = loaded(helm.template(outside), tmp_path)
    assert settings.kafka.cluster_name == "Prod MSK"
    assert settings.config_map is None


def test_no_secret_is_in_any_object(helm):
    auth = {"type": "plain", "username": "me", "existingSecret": "theirs"}
    assert helm.template(THREE, {"kafka": {"auth": auth}}).of("Secret") == []

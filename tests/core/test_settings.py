"""Defaults, durations, variables and what the settings hand to Kafka clients."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import ConfigurationError, Settings, load
from kafka_sentinel.settings.base import format_duration, parse_duration
from kafka_sentinel.settings.describe import allowed, keys, variables
from kafka_sentinel.settings.kafka import MASK, OWN_KEYS, REFUSED_KEYS

SERVERS = {"KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS": "a:9092,b:9093"}
BEARER = {"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER"}
ASKED = {"token_url": "https://a/token", "client_id": "sentinel", "client_secret": "hunter2"}
MSK = {"protocol": "SASL_SSL", "mechanism": "AWS_MSK_IAM", "aws_region": "eu-north-1"}
SASL = {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "username": "sentinel"}


def kafka(**given):
    return Settings.model_validate({"kafka": {"bootstrap_servers": "a:1", **given}}).kafka


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("7d", 604800),
        ("1.5s", 1.5),
        ("10", 10),
        (3, 3),
        (0.1, 0.1),
    ],
)
def test_a_duration_is_text_with_a_unit_or_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1w", "-1s", "1s2", "1 h 2", None, True, [], "nan", "1e3"])
def test_anything_else_is_not_a_duration(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=400 * 86_400_000))
def test_a_formatted_duration_reads_back(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_settings_made_in_code_see_no_environment(monkeypatch):
    monkeypatch.setenv("KAFKA_SENTINEL__NAME", "from-the-environment")
    assert Settings().name == "kafka-sentinel"
    assert Settings.model_validate({"name": "x"}).name == "x"


def test_the_detector_is_drilled_every_hour_by_default_or_not_at_all():
    assert engine_config(Settings()).selftest_interval == 3600.0
    assert engine_config(Settings.model_validate({"selftest": {"interval": "5m"}})).selftest_interval == 300.0
    assert engine_config(load(None, {"KAFKA_SENTINEL__SELFTEST__INTERVAL": "null"})).selftest_interval is None


def test_experiments_are_off_by_default():
    settings = Settings().experiments
    assert settings.armed_for is None
    assert settings.dry_run
    assert not settings.items


def test_what_show_prints_is_a_valid_file(tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump(Settings().masked()))
    assert load(file, {}) == Settings()


def test_the_schema_accepts_the_defaults_and_refuses_unknown_keys():
    validator = Draft202012Validator(Settings.model_json_schema())
    validator.validate(Settings().masked())
    assert list(validator.iter_errors({"probe": {"topik": "x"}}))


def test_every_key_says_what_it_takes_and_means():
    for key in keys():
        assert allowed(key.field), key.name
        assert key.field.description, key.name


def test_every_key_can_be_given_by_its_variable():
    values = Settings().masked()
    for name, key in variables().items():
        value = values
        for step in key.path:
            value = value[step]
        text = value if isinstance(value, str) else json.dumps(value)
        assert load(None, {name: text}) == Settings(), name


def test_a_variable_wins_over_the_file_key_by_key(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("probe: {interval: 1s, partitions: 4}\nkafka: {properties: {client.dns.lookup: x, debug: y}}\n")
    environ = {
        "KAFKA_SENTINEL__PROBE__INTERVAL": "2s",
        "KAFKA_SENTINEL__KAFKA__PROPERTIES": '{"debug": "z"}',
        "KAFKA_SENTINEL__SLO__RECOVERY__FULL": "30m",
    }
    settings = load(file, environ)
    assert settings.probe.interval == 2.0
    assert settings.probe.partitions == 4
    assert settings.kafka.properties == {"debug": "z"}
    assert settings.slo.recovery.full == 1800
    assert settings.slo.recovery.isr == Settings().slo.recovery.isr


def test_null_in_a_variable_takes_back_what_the_file_says(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("probe: {partitions: 4}\n")
    assert load(file, {"KAFKA_SENTINEL__PROBE__PARTITIONS": "null"}).probe.partitions is None


def test_the_option_wins_over_the_variable_that_names_a_file(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("name: one\n")
    two.write_text("name: two\n")
    assert load(None, {"KAFKA_SENTINEL_CONFIG": str(one)}).name == "one"
    assert load(two, {"KAFKA_SENTINEL_CONFIG": str(one)}).name == "two"


def test_servers_are_needed_only_where_kafka_is():
    assert load(None, {}).kafka.bootstrap_servers == ""
    assert load(None, SERVERS, needs_kafka=True).kafka.bootstrap_servers == "a:9092,b:9093"
    with pytest.raises(ConfigurationError, match="bootstrap_servers is missing: set it"):
        load(None, {}, needs_kafka=True)


@pytest.mark.parametrize("servers", ["a:1", "a:1, b:2", ["a:1", "b:2"], "[::1]:9092", "my_host.example-x.org:65535"])
def test_servers_are_host_and_port(servers):
    assert " " not in kafka(bootstrap_servers=servers).bootstrap_servers


@pytest.mark.parametrize("servers", ["a", "a:", ":1", "a:0", "a:65536", "a:1;b:2", "a:1,", "http://a:1"])
def test_other_servers_are_refused(servers):
    with pytest.raises(ValueError):
        kafka(bootstrap_servers=servers)


@pytest.mark.parametrize("key", sorted({*OWN_KEYS, *REFUSED_KEYS}))
def test_a_property_that_is_ours_is_refused_by_name(key):
    environ = {"KAFKA_SENTINEL__KAFKA__PROPERTIES": json.dumps({key: "hunter2"})}
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ)
    assert key in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_other_properties_reach_every_client_as_text():
    config = kafka(properties={"socket.keepalive.enable": True, "client.dns.lookup": "x", "metadata.max.age.ms": 5})
    assert config.client_config() == {
        "bootstrap.servers": "a:1",
        "security.protocol": "PLAINTEXT",
        "socket.keepalive.enable": "true",
        "client.dns.lookup": "x",
        "metadata.max.age.ms": "5",
    }


def test_a_password_file_is_read_again_each_time(tmp_path):
    file = tmp_path / "password"
    file.write_text("first\n")
    config = kafka(security={**SASL, "password_file": str(file)})
    assert config.client_config()["sasl.password"] == "first"
    file.write_text("second\n")
    assert config.client_config()["sasl.password"] == "second"
    assert config.quorum_config()["sasl_plain_password"] == "second"
    assert config.secrets() == ("second",)


def test_masks_hide_every_secret():
    settings = Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": "a:1",
                "security": {**SASL, "password": "hunter2"},
                "properties": {"ssl.keystore.password": "hunter2", "sasl.oauthbearer.config": "hunter2"},
            }
        }
    )
    assert "hunter2" not in json.dumps(settings.masked())
    assert "hunter2" not in json.dumps(settings.kafka.masked_client_config())
    assert "hunter2" not in repr(settings.kafka.security)
    assert settings.kafka.masked_client_config()["sasl.password"] == MASK
    assert settings.kafka.client_config()["sasl.password"] == "hunter2"


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"protocol": "SASL_SSL"}, "needs mechanism, username and password"),
        ({**SASL, "password": "hunter2", "password_file": "/dev/null"}, "not both"),
        ({"password": "hunter2"}, "not used with protocol PLAINTEXT"),
        ({"ca_file": "/dev/null"}, "not used with protocol PLAINTEXT"),
        ({"protocol": "SSL", "cert_file": "/dev/null"}, "belong together"),
        (BEARER, "OAUTHBEARER needs token_file, or token_url, client_id and client_secret"),
        ({**BEARER, **ASKED, "token_file": "/dev/null"}, "OAUTHBEARER needs token_file, or token_url"),
        ({**BEARER, **ASKED, "client_secret_file": "/dev/null"}, "client_secret or client_secret_file, not both"),
        ({**BEARER, **ASKED, "username": "x"}, "username and password are not used with mechanism OAUTHBEARER"),
        ({**BEARER, **ASKED, "aws_region": "x"}, "aws_region is for AWS_MSK_IAM, found OAUTHBEARER"),
        ({**SASL, "password": "hunter2", **ASKED}, "token_file, token_url and client_id are for OAUTHBEARER"),
        ({**SASL, "mechanism": "AWS_MSK_IAM", "username": None}, "AWS_MSK_IAM needs aws_region"),
        ({**MSK, "protocol": "SASL_PLAINTEXT"}, "AWS_MSK_IAM needs protocol SASL_SSL"),
        ({"aws_region": "eu-north-1"}, "not used with protocol PLAINTEXT"),
        ({"token_file": "/dev/null"}, "not used with protocol PLAINTEXT"),
        ({**BEARER, **ASKED, "token_url": "https://me:hunter2@a"}, "should match pattern"),
    ],
)
def test_security_that_does_not_fit_together_is_refused(security, words):
    with pytest.raises(ValueError, match=words) as caught:
        kafka(security=security)
    assert "hunter2" not in str(caught.value)


def test_security_that_fits_is_taken(tmp_path):
    file = tmp_path / "pem"
    file.write_text("x")
    both = {"cert_file": str(file), "key_file": str(file), "ca_file": str(file), "key_password": "hunter2"}
    config = kafka(security={"protocol": "SSL", **both}).client_config()
    assert config["ssl.certificate.location"] == config["ssl.key.location"] == config["ssl.ca.location"] == str(file)
    assert config["ssl.key.password"] == "hunter2"


@pytest.mark.parametrize("security", [{**BEARER, **ASKED}, {**BEARER, "token_file": "/dev/null"}, MSK])
def test_who_signs_in_by_token_is_a_bearer_of_one_to_both_libraries(security):
    config = kafka(security=security)
    assert config.client_config()["sasl.mechanism"] == config.quorum_config()["sasl_mechanism"] == "OAUTHBEARER"
    assert config.secrets() == (("hunter2",) if "client_secret" in security else ())
    assert "hunter2" not in json.dumps(Settings.model_validate({"kafka": config.model_dump()}).masked())


def test_groups_by_protocol():
    def group(**given):
        return Settings.model_validate({"group_consumer": given}).group_consumer

    assert (group().enabled, group().protocol, group().group_id) == (True, "classic", "kafka-sentinel")
    assert group(protocol="consumer").protocol == "consumer"


def test_experiments_become_specifications_of_the_core():
    settings = Settings.model_validate(
        {
            "experiments": {
                "armed_for": "abc",
                "blackouts": [
                    {"days": ["sat", "sun"]},
                    {"dates": ["2026-12-24..2026-12-26"], "from": "22:00", "to": "06:00"},
                ],
                "items": [
                    {"name": "a", "fault": "process-kill", "target": "leader", "schedule": "0 10 * * mon-fri"},
                    {"name": "b", "fault": "process-pause", "every": "25s", "duration": "5s"},
                ],
            }
        }
    ).experiments
    first, second = (item.spec() for item in settings.items)
    assert str(first.schedule) == "0 10 * * mon-fri UTC"
    assert str(second.schedule) == "every 25s"
    assert (second.fault, str(second.target), second.duration) == ("process-pause", "any", 5.0)
    guards = settings.guards()
    assert guards.armed_for == "abc"
    assert guards.dry_run
    assert [window.start for window in guards.blackouts] == [0, 22 * 60]


def test_remarks_name_what_is_allowed_but_risky(tmp_path):
    assert any("state.file" in remark for remark in Settings().remarks())
    safe = {"state": {"file": str(tmp_path / "s")}}
    assert Settings.model_validate(safe).remarks() == []
    equal = {**safe, "probe": {"min_insync_replicas": 3}}
    assert "cannot be written" in Settings.model_validate(equal).remarks()[0]


def test_faults_of_pods_are_taken_where_pods_are_watched():
    items = [
        {"name": "a", "fault": "pod-crash", "target": "zone:A", "every": "1h"},
        {"name": "b", "fault": "node-reclaim", "target": "leader", "every": "1h"},
        {"name": "c", "fault": "rolling-restart", "target": "all", "every": "1h"},
        {"name": "d", "fault": "pod-delete", "target": "zookeeper", "every": "1h"},
    ]
    on = {"kubernetes": {"enabled": True, "namespace": "kafka"}, "experiments": {"items": items}}
    specs = [item.spec() for item in Settings.model_validate(on).experiments.items]
    assert [str(spec.target) for spec in specs] == ["zone:A", "leader", "all", "zookeeper"]


def test_each_fault_is_held_and_announced_as_long_as_its_table_says_unless_the_experiment_does():
    items = [
        {"name": "a", "fault": "pod-crash", "every": "1h"},
        {"name": "b", "fault": "node-reclaim", "every": "1h"},
        {"name": "c", "fault": "node-reclaim", "every": "1h", "notice": 0, "duration": "1m"},
        {"name": "d", "fault": "node-reclaim", "every": "1h", "notice": "30s", "drain": "30s", "load": 500},
        {"name": "e", "fault": "rolling-restart", "target": "all", "every": "1d"},
    ]
    on = {"kubernetes": {"enabled": True, "namespace": "kafka"}, "experiments": {"items": items}}
    specs = [item.spec() for item in Settings.model_validate(on).experiments.items]
    assert [(spec.duration, spec.notice, spec.drain, spec.load) for spec in specs] == [
        (10, 0, 0, None),
        (300, 120, 0, None),
        (60, 0, 0, None),
        (300, 30, 30, 500),
        (1800, 0, 0, None),
    ]


def test_kubernetes_is_off_by_default_and_becomes_a_specification_of_the_core():
    assert Settings().kubernetes.fleet() is None
    given = {"enabled": True, "namespace": "kafka", "selector": {"app": "kafka", "tier": 1}, "first_id": 1}
    spec = Settings.model_validate(
        {"kubernetes": {**given, "spot_labels": {"pool": True}, "late_signals": 30}}
    ).kubernetes.fleet()
    assert (spec.namespace, spec.flavour, spec.cluster, spec.first_id) == ("kafka", "auto", None, 1)
    assert spec.selector.matches({"app": "kafka", "tier": "1"})
    assert spec.spot_labels == {"pool": "true"}
    assert spec.late_signals == 30


CLUSTER = {"enabled": True, "namespace": "kafka"}


@pytest.mark.parametrize(
    ("given", "config_map", "interval"),
    [
        ({}, None, None),
        ({"state": {"file": "/s"}}, None, 5.0),
        ({"kubernetes": CLUSTER}, "kafka-sentinel-state", 60.0),
        ({"kubernetes": CLUSTER, "name": "orders"}, "orders-state", 60.0),
        ({"kubernetes": CLUSTER, "state": {"config_map": "mine"}}, "mine", 60.0),
        ({"kubernetes": CLUSTER, "state": {"checkpoint_interval": "90s"}}, "kafka-sentinel-state", 90.0),
        ({"kubernetes": CLUSTER, "state": {"file": "/s"}}, None, 5.0),
        ({"kubernetes": {**CLUSTER, "kubeconfig": "/dev/null"}}, None, None),
        (
            {"kubernetes": {**CLUSTER, "kubeconfig": "/dev/null"}, "state": {"namespace": "o"}},
            "kafka-sentinel-state",
            60.0,
        ),
    ],
)
def test_the_state_is_in_one_place_and_in_a_pod_that_is_a_config_map(given, config_map, interval):
    settings = Settings.model_validate(given)
    assert (settings.config_map, settings.checkpoint_interval) == (config_map, interval)
    assert any("state.file" in remark for remark in settings.remarks()) == (interval is None)


@pytest.mark.parametrize(
    ("given", "done"),
    [
        ({}, set()),
        ({"armed_for": "abc"}, set()),
        ({"dry_run": False}, set()),
        ({"armed_for": "abc", "dry_run": False}, {"process-kill"}),
    ],
)
def test_only_what_is_armed_and_no_rehearsal_may_really_be_done(given, done):
    items = [{"name": "a", "fault": "process-kill", "every": "1h"}]
    assert Settings.model_validate({"experiments": {"items": items, **given}}).experiments.may_be_done == done


ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"
RUN = {"name": "a", "fault": "command", "command": ["stop", "{id}"], "every": "1h"}


def test_a_command_and_its_times_reach_the_core_and_the_usual_times_are_the_documented_ones():
    items = [RUN, {**RUN, "name": "b", "heal": ["start"], "timeout": "5s", "confirm": "9s", "duration": "1m"}]
    first, second = Settings.model_validate({"experiments": {"fleet": "command", "items": items}}).experiments.items
    assert (first.spec().timeout, first.spec().confirm, first.spec().duration, first.heal) == (30, 60, 10, None)
    assert (second.spec().timeout, second.spec().confirm, second.spec().duration) == (5, 9, 60)
    plain = Settings.model_validate({"experiments": {"items": [{"name": "k", "fault": "process-kill", "every": "1h"}]}})
    assert (plain.experiments.items[0].spec().timeout, plain.experiments.items[0].spec().confirm) == (0, 0)


def test_a_reboot_by_msk_waits_a_quarter_of_an_hour_for_its_sign():
    item = {"name": "a", "fault": "msk-reboot", "every": "1d"}
    settings = Settings.model_validate({"experiments": {"fleet": "msk", "msk": {"cluster_arn": ARN}, "items": [item]}})
    spec = settings.experiments.items[0].spec()
    assert (spec.timeout, spec.confirm, spec.duration) == (0, 900, 1800)
    assert settings.experiments.msk.region == "eu-west-1"


KILL = {"name": "a", "fault": "process-kill", "every": "1h"}
CRASH = {"name": "a", "fault": "pod-crash", "every": "1h"}
WATCHED = {"enabled": True, "namespace": "kafka"}


@pytest.mark.parametrize(
    ("given", "fleet", "why"),
    [
        ({}, "lab", ""),
        ({"kubernetes": WATCHED, "experiments": {"items": [CRASH]}}, "kubernetes", ""),
        ({"kubernetes": WATCHED, "experiments": {"fleet": "kubernetes", "items": [CRASH]}}, "kubernetes", ""),
        ({"experiments": {"fleet": "command", "items": [RUN]}}, "command", ""),
        ({"experiments": {"fleet": "none"}}, "none", ""),
        ({"experiments": {"items": [KILL]}}, "lab", "experiments.fleet is auto, and kubernetes.enabled is off"),
        ({"experiments": {"fleet": "none", "items": [KILL]}}, "none", "experiments.fleet is none: probe only"),
        ({"kubernetes": WATCHED, "experiments": {"fleet": "none", "items": [CRASH]}}, "none", "probe only"),
        ({"experiments": {"fleet": "none", "items": [RUN, {**RUN, "name": "b"}]}}, "none", "of the 2 experiments"),
    ],
)
def test_what_breaks_brokers_is_named_or_follows_and_what_cannot_is_said(given, fleet, why):
    settings = Settings.model_validate(given)
    assert settings.fleet == fleet
    assert why in settings.cannot_break
    assert bool(why) == bool(settings.cannot_break)


def test_a_map_in_a_variable_replaces_that_of_the_file(tmp_path):
    file = tmp_path / "sentinel.yaml"
    file.write_text("kubernetes: {spot_labels: {a: b}}")
    settings = load(file, {"KAFKA_SENTINEL__KUBERNETES__SPOT_LABELS": '{"c": "d"}'})
    assert settings.kubernetes.spot_labels == {"c": "d"}


def test_keys_of_kubernetes_without_enabled_are_remarked_on(tmp_path):
    safe = {"state": {"file": str(tmp_path / "s")}}
    off = {**safe, "kubernetes": {"namespace": "kafka"}}
    assert Settings.model_validate(off).remarks() == [
        "kubernetes.enabled is off: the other keys of kubernetes are not used"
    ]
    on = {**safe, "kubernetes": {"namespace": "kafka", "enabled": True}}
    assert Settings.model_validate(on).remarks() == []

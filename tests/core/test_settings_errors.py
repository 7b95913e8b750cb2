"""A wrong configuration is a sentence: the key, where it stands, what was found, what is allowed. Never a secret."""

import pytest

from kafka_sentinel.settings import ConfigurationError, load
from kafka_sentinel.settings.environment import is_service_link
from kafka_sentinel.settings.problems import nearest

PREFIX = "KAFKA_SENTINEL__"


def problems(tmp_path, text="", **environ):
    file = tmp_path / "sentinel.yaml"
    if isinstance(text, bytes):
        file.write_bytes(text)
    else:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ)
    assert all("\n" not in problem for problem in caught.value.problems)
    return "\n".join(caught.value.problems)


ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"
ON_KUBERNETES = "kubernetes: {enabled: true, namespace: kafka}"


def command(rest: str) -> str:
    return f"experiments: {{fleet: command, items: [{{name: a, fault: command, {rest}}}]}}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prob: {}", ["line 1", "prob is not a known key", "did you mean probe?"]),
        (
            "\nkafka:\n  bootstrapServers: a:1",
            ["line 3", "kafka.bootstrapServers", "did you mean kafka.bootstrap_servers?"],
        ),
        ("kafka: {password: x}", ["did you mean kafka.security.password?"]),
        ("kafka: {zzzzqqq: x}", ["kafka.zzzzqqq is not a known key (allowed here: bootstrap_servers,"]),
        ("http: {port: 99999}", ["line 1", "http.port: found 99999", "a whole number from 0 to 65535"]),
        ("http: {port: eighty}", ["found 'eighty'", "a whole number"]),
        ("http: {port: 1.5}", ["found 1.5"]),
        ("http: {port: null}", ["found null"]),
        ("http: 9464", ["http: found a number", "a section with the keys host, port"]),
        ("http:", ["http: found nothing"]),
        ("name: 5", ["name: found 5", "text"]),
        ("log: {level: loud}", ["found 'loud'", "one of debug, info, warning, error"]),
        ("group_consumer: {enabled: perhaps}", ["true or false"]),
        ("probe: {interval: fast}", ["found 'fast' (not a duration)", "from 1ms to 1m"]),
        ("probe: {interval: 2h}", ["found '2h' (out of range)"]),
        ("probe: {topic: a/b}", ["not a topic name", "A-Z a-z 0-9"]),
        ("probe: {record_size: 10}", ["a whole number from 176 to 65535"]),
        ("probe: {replication_factor: 1}", ["probe: min_insync_replicas (2) is above replication_factor (1)"]),
        ("probe: {delivery_timeout: 2s}", ["delivery_timeout (2s) must be above socket_timeout"]),
        ("probe: {acks_one: {enabled: true, topic: kafka-sentinel-probe}}", ["are the same"]),
        ("selftest: {interval: 2h}", ["selftest.interval: found '2h' (out of range)", "from 1m to 1h"]),
        ("slo: {overdue: 1s}", ["overdue must not be below consume"]),
        ("slo: {availability: 0.999}", ["slo.availability: found 0.999; allowed: a number from 90 to 99.999"]),
        ("incidents: {settle: 1s}", ["incidents: settle must not be below slo.produce and slo.consume (2s)"]),
        ("kafka: {bootstrap_servers: foo}", ["found 'foo'", "host:port"]),
        ("kafka: {security: {ca_file: /nowhere/ca.crt}}", ["/nowhere/ca.crt", "cannot be read: No such file"]),
        ("kubernetes: {enabled: true}", ["line 1", "kubernetes: enabled needs namespace"]),
        ("kubernetes: {namespace: Kafka}", ["kubernetes.namespace: found 'Kafka' (not a namespace)", "a-z 0-9 -"]),
        ("kubernetes: {cluster: my_kafka}", ["kubernetes.cluster: found 'my_kafka' (not a name)"]),
        ("kubernetes: {flavour: stimzi}", ["found 'stimzi'", "one of auto, strimzi, bitnami, statefulset"]),
        ("kubernetes: {flavor: strimzi}", ["did you mean kubernetes.flavour?"]),
        ("kubernetes: {context: stage}", ["kubernetes: context is one of a kubeconfig: set kubeconfig"]),
        ("kubernetes: {kubeconfig: /nowhere}", ["kubernetes.kubeconfig", "/nowhere", "cannot be read"]),
        ("kubernetes: {flavour: statefulset}", ["needs cluster (the name of the StatefulSet) or selector"]),
        ("kubernetes: {flavour: strimzi, selector: {app: kafka}}", ["selector is for flavour statefulset"]),
        ("kubernetes: {flavour: bitnami, first_id: 1}", ["first_id is for flavour statefulset, found bitnami"]),
        (
            "kubernetes: {flavour: bitnami, zookeeper: zk}",
            ["zookeeper and zookeeper_selector are for flavour statefulset"],
        ),
        (
            "kubernetes: {flavour: auto, zookeeper: zk, zookeeper_selector: {app: zk}}",
            ["zookeeper and zookeeper_selector exclude each other"],
        ),
        ("kubernetes: {spot_labels: spot}", ["kubernetes.spot_labels", "a map from text to text"]),
        ("state: {file: /s, config_map: s}", ["line 1", "state: file and config_map exclude each other"]),
        ("state: {file: /s, namespace: own}", ["state: namespace is that of a ConfigMap: with file there is none"]),
        ("state: {config_map: s}", ["state: a ConfigMap needs kubernetes.enabled"]),
        ("state: {namespace: own}", ["state: a ConfigMap needs kubernetes.enabled"]),
        ("state: {config_map: My_state}", ["state.config_map: found 'My_state' (not a name)"]),
        (
            "kubernetes: {enabled: true, namespace: kafka, kubeconfig: /dev/null}\nstate: {config_map: s}",
            ["line 2", "with kubernetes.kubeconfig, config_map needs namespace"],
        ),
        (
            "name: Orders\nkubernetes: {enabled: true, namespace: kafka}\nstate: {checkpoint_interval: 90s}",
            ["state: no ConfigMap can be named 'Orders-state', after name: set config_map, or file"],
        ),
        ("experiments: {accept_unavailable: topic}", ["found 'topic'", "a list of"]),
        (
            "experiments: {items: [{name: A b, fault: f, every: 1s}]}",
            ["items[0].name", "items[0].fault", "process-kill"],
        ),
        ("experiments: {items: [{}]}", ["items[0].name is missing", "items[0].fault is missing"]),
        ("experiments: {items: [{name: a, fault: process-kill}]}", ["exactly one of `schedule`", "`every`"]),
        ("experiments: {items: [{name: a, fault: process-kill, every: 5x}]}", ['every "5x" is not an interval']),
        ("experiments: {items: [{name: a, fault: process-kill, every: 5s, zone: Mars}]}", ['zone "Mars" is not known']),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, target: zookeeper}]}",
            ["experiments.items[0]: fault process-kill cannot be done to target zookeeper; its targets are any, broke"],
        ),
        (
            "experiments: {items: [{name: a, fault: rolling-restart, every: 5s}]}",
            ["experiments.items[0]: fault rolling-restart cannot be done to target any; its targets are all"],
        ),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s}, {name: b, fault: pod-crash, every: 5s}]}",
            ["experiments: items: b has fault pod-crash; with kubernetes.enabled off, the faults allowed are process-"],
        ),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, target: me}]}",
            ['target "me"', "controller"],
        ),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, notice: 1m}]}",
            ["notice is for the fault node-reclaim, found process-kill"],
        ),
        (
            "experiments: {items: [{name: a, fault: node-reclaim, every: 5s, notice: 1m, drain: 2m}]}",
            ["drain is 120 s, longer than the notice of 60 s"],
        ),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, load: 20001}]}",
            ["items[0].load: found 20001", "from 1 to 20000"],
        ),
        ("experiments: {blackouts: [{from: 25:00}]}", ['blackout time "25:00"', "00:00 to 24:00"]),
        ("experiments: {blackouts: [{days: [sat], dates: [2026-01-01]}]}", ["either `days` or `dates`"]),
        (
            f"{ON_KUBERNETES}\nexperiments: {{items: [{{name: a, fault: process-kill, every: 1h}}]}}",
            ["line 2", "a has fault process-kill; with kubernetes.enabled on, the faults allowed are pod-delete, "],
        ),
        ("experiments: {daily_budget: -1}", ["experiments.daily_budget: found -1"]),
        (
            "experiments: {fleet: ssh}",
            ["experiments.fleet: found 'ssh'", "one of auto, kubernetes, msk, command, none"],
        ),
        ("experiments: {fleet: kubernetes}", ["experiments: fleet kubernetes needs kubernetes.enabled on"]),
        (f"{ON_KUBERNETES}\nexperiments: {{fleet: command}}", ["fleet command is for brokers that are no pods"]),
        ("experiments: {fleet: msk}", ["fleet msk needs msk.cluster_arn"]),
        (f"experiments: {{msk: {{cluster_arn: {ARN}}}}}", ["experiments: msk is for fleet msk, found auto"]),
        (
            "experiments: {fleet: msk, msk: {cluster_arn: orders}}",
            ["msk.cluster_arn: found 'orders' (not an ARN of an MSK cluster); allowed: the ARN of an MSK cluster"],
        ),
        (
            f"experiments: {{fleet: msk, msk: {{cluster_arn: {ARN}, endpoint_url: ftp://x}}}}",
            ["msk.endpoint_url", "a web address without a path"],
        ),
        (
            "experiments: {items: [{name: a, fault: command, command: [stop], every: 5s}]}",
            ["a has fault command; with kubernetes.enabled off, the faults allowed are", "command needs fleet command"],
        ),
        (
            "experiments: {fleet: command, items: [{name: a, fault: process-kill, every: 5s}]}",
            ["with kubernetes.enabled off and fleet command, the faults allowed are command"],
        ),
        (command("every: 5s"), ["items[0]: fault command needs `command`, the program to run"]),
        (command("every: 5s, command: []"), ["items[0].command: found a list (it has 0 words; allowed is a list of 1"]),
        (command("every: 5s, command: kill -9"), ["items[0].command: found 'kill -9'; allowed: a list of 1 to 64 wor"]),
        (
            command('every: 5s, command: [ssh, "{name}"]'),
            ["items[0].command", "word 1 has the placeholder {name}; allowed are {id}, {host}, {port}"],
        ),
        (command('every: 5s, command: [stop], heal: ["{id}"]'), ["items[0].heal", "word 0 is no name of a program"]),
        (command("every: 5s, command: [stop], timeout: 10m"), ["items[0].timeout", "from 1s to 5m"]),
        (command("every: 5s, command: [stop], confirm: 1h"), ["items[0].confirm", "from 1s to 30m"]),
        (command("every: 5s, command: [stop], target: pool:a"), ["fault command cannot be done to target pool:a"]),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, command: [stop], timeout: 5s}]}",
            ["items[0]: command, timeout is for the fault command, found process-kill"],
        ),
        (
            "experiments: {items: [{name: a, fault: process-kill, every: 5s, confirm: 5s}]}",
            ["items[0]: confirm is for the fault command or msk-reboot, found process-kill"],
        ),
        ("cluster: {zookeeper: [zk-1]}", ["cluster.zookeeper[0]: found 'zk-1' (not an address)", "zookeeper-1:2181"]),
        ("cluster: {zookeeper: ['zk-1:²']}", ["cluster.zookeeper[0]: found 'zk-1:²' (not an address)"]),
        (
            f"cluster: {{zookeeper: ['zk-1:{'2' * 5_000}']}}",
            ["cluster.zookeeper[0]: found 'zk-1:222", "not an address"],
        ),
        ('cluster: {zookeeper: ["zk-1:0"]}', ["cluster.zookeeper[0]: found 'zk-1:0'"]),
    ],
)
def test_a_wrong_file_is_named_by_line_key_and_what_is_allowed(tmp_path, text, words):
    said = problems(tmp_path, text)
    assert str(tmp_path / "sentinel.yaml") in said
    for word in words:
        assert word in said


def test_numeric_weekdays_are_refused_and_names_asked_for(tmp_path):
    said = problems(tmp_path, "experiments: {items: [{name: a, fault: process-kill, schedule: 0 10 * * 1-5}]}")
    assert "experiments.items[0].schedule" in said
    assert "write names" in said
    assert "mon" in said


def test_two_experiments_of_one_name_are_refused(tmp_path):
    item = "{name: a, fault: process-kill, every: 1h}"
    assert "two items have the same name: a" in problems(tmp_path, f"experiments: {{items: [{item}, {item}]}}")


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    assert len(problems(tmp_path, "http: {port: x}\nlog: {level: x}\nnam: x").splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line 1, column 5: not valid YAML"),
        ("kafka:\n\tx: 1", "line 2, column 1: not valid YAML"),
        ("- a", "found a list"),
        ("hello", "found a single value"),
        ("http: {port: 1}\nhttp: {port: 2}", "line 2: http is given twice, first on line 1"),
        ("http: {port: 1, port: 2}", "http.port is given twice"),
        ("? [a]\n: b", "a key that is a list"),
        ("a: &a [*a]", "nested deeper"),
        (b"\xff\xfe\xfa", "not UTF-8"),
        (b"a: \x00", "not valid YAML"),
        ("# " + "x" * 1_048_576, "larger than"),
        ("a: 1\n---\nb: 1", "not valid YAML"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_said_so(tmp_path, text, words):
    assert words in problems(tmp_path, text)


def test_aliases_cannot_expand_without_bound(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "more than 100000 values" in problems(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ConfigurationError, match="cannot be read: "):
        load(tmp_path / name, {})


def test_an_empty_file_is_the_defaults_and_plain_words_stay_text(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("")
    assert load(file, {}) == load(None, {})
    file.write_bytes(b"\xef\xbb\xbfname: on\nkafka: {cluster_name: 12:30}\nexperiments: {armed_for: 2026-12-24}\n")
    settings = load(file, {})
    assert (settings.name, settings.kafka.cluster_name, settings.experiments.armed_for) == ("on", "12:30", "2026-12-24")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("KAFKA_SENTINEL__HTTP__PROT", "1", "did you mean KAFKA_SENTINEL__HTTP__PORT?"),
        ("KAFKA_SENTINEL__EXPERIMENTS__ARMED", "1", "did you mean KAFKA_SENTINEL__EXPERIMENTS__ARMED_FOR?"),
        ("KAFKA_SENTINEL_HTTP_PORT", "9000", "did you mean KAFKA_SENTINEL__HTTP__PORT?"),
        ("kafka_sentinel__http__port", "9000", "did you mean KAFKA_SENTINEL__HTTP__PORT?"),
        ("KAFKA_SENTINEL_CONFIGS", "x", "did you mean KAFKA_SENTINEL_CONFIG?"),
        ("KAFKA_SENTINELHTTP", "x", "names no key"),
        ("KAFKA_SENTINEL__HTTP", "{}", "names a whole section; set its keys: KAFKA_SENTINEL__HTTP__HOST"),
        ("KAFKA_SENTINEL__HTTP__PORT", "x", "environment variable KAFKA_SENTINEL__HTTP__PORT: http.port: found 'x'"),
        ("KAFKA_SENTINEL__HTTP__PORT", "", "found ''"),
        ("KAFKA_SENTINEL__EXPERIMENTS__ITEMS", "nope", "KAFKA_SENTINEL__EXPERIMENTS__ITEMS is not JSON"),
        ("KAFKA_SENTINEL__EXPERIMENTS__ITEMS", '{"a": 1}', "a list of at most 50 sections"),
        ("KAFKA_SENTINEL__EXPERIMENTS__ITEMS", '[{"nam": 1}]', "did you mean experiments.items[0].name?"),
        ("KAFKA_SENTINEL__KAFKA__PROPERTIES__DEBUG", "x", "names no key"),
    ],
)
def test_a_wrong_variable_is_named(name, value, words):
    with pytest.raises(ConfigurationError) as caught:
        load(None, {name: value})
    assert name in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_SENTINEL_PORT", "tcp://10.0.0.1:9464"),
        ("KAFKA_SENTINEL_SERVICE_HOST", "10.0.0.1"),
        ("KAFKA_SENTINEL_SERVICE_PORT", "9464"),
        ("KAFKA_SENTINEL_SERVICE_PORT_HTTP", "9464"),
        ("KAFKA_SENTINEL_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
        ("KAFKA_SENTINEL_PORT_9464_TCP_PROTO", "tcp"),
        ("KAFKA_SENTINEL_PORT_9464_TCP_PORT", "9464"),
        ("KAFKA_SENTINEL_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("KAFKA_SENTINEL_METRICS_SERVICE_HOST", "fd00::1"),
        ("KAFKA_SENTINEL_METRICS_PORT", "tcp://[fd00::1]:9464"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_ignored(name, value):
    assert is_service_link(name, value)
    load(None, {name: value, "KAFKANESS": "x", "PATH": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("KAFKA_SENTINEL_PORT", "9464"), ("KAFKA_SENTINEL__PORT", "tcp://1.2.3.4:5"), ("KAFKA_SENTINEL", "x")],
)
def test_what_only_looks_like_a_service_is_an_error(name, value):
    with pytest.raises(ConfigurationError, match=name):
        load(None, {name: value})


SECRET = "hunter2"  # the one that must not show up


@pytest.mark.parametrize(
    "text",
    [
        "kafka: hunter2",
        "kafka: {security: hunter2}",
        "kafka: {security: {password: [hunter2]}}",
        "kafka: {security: {password: {a: hunter2}}}",
        "kafka: {security: {pasword: hunter2}}",
        "kafka: {password: hunter2}",
        "kafka: {security: {password: hunter2}}",
        "kafka: {security: {password: *hunter2}}",
        "kafka: {security: {password: !hunter2 x}}",
        "kafka: {security: {password: &hunter2 x, key_password: &hunter2 x}}",
        "kafka: {security: {password: @hunter2}}",
        "kafka: {security: {password: %hunter2}}",
        "kafka: {security: {password: 'hunter2}}",
        'kafka: {security: {password: "\\qhunter2"}}',
        "kafka: {properties: {sasl.password: hunter2}}",
        "kafka: {properties: {x: [hunter2]}}",
        "kafka: {properties: hunter2}",
    ],
)
def test_no_error_in_a_file_repeats_a_secret(tmp_path, text):
    assert SECRET not in problems(tmp_path, text)


@pytest.mark.parametrize(
    "name",
    ["KAFKA__SECURITY__PASSWORD", "KAFKA__SECURITY__PASWORD", "KAFKA__SECURITY", "KAFKA__PROPERTIES", "PASSWORD"],
)
def test_no_error_in_a_variable_repeats_a_secret(tmp_path, name):
    assert SECRET not in problems(tmp_path, "", **{PREFIX + name: SECRET})


def test_a_file_of_more_than_anybody_writes_is_not_read_to_its_end(tmp_path):
    found = problems(tmp_path, "kafka: [" + "[]," * 30_000 + "\n: what comes then is no YAML")
    assert "more than 20000 keys and values" in found


def test_a_long_name_is_not_compared_with_those_that_there_are():
    assert nearest("a" * 99, ["a" * 100]) == "a" * 100
    assert nearest("a" * 499, ["a" * 500]) is None

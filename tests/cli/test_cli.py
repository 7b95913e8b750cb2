"""The commands as a user meets them: what they print, and the exit code."""

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import yaml

from kafka_sentinel.cli import main
from kafka_sentinel.settings import Settings, load

SERVERS = "KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS"


@pytest.fixture
def config(tmp_path):
    def write(text):
        file = tmp_path / "sentinel.yaml"
        file.write_text(text)
        return file

    return write


@contextmanager
def daemon(answer, status=200):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/api/v1/experiments" else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *given):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def closed_port():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return nobody.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["check"],
        ["demo"],
        ["config"],
        ["config", "show"],
        ["config", "schema"],
        ["experiments", "explain"],
    ],
)
def test_every_command_explains_itself(sentinel, command):
    code, out, _ = sentinel(*command, "--help")
    assert code == 0
    assert "Usage: kafka-sentinel" in out


def test_help_names_the_exit_codes_and_shows_examples(sentinel):
    _, out, _ = sentinel("--help")
    assert "Exit codes: 0 fine, 1 failed check, 2 usage or configuration, 3 runtime" in out
    assert "  kafka-sentinel run --config sentinel.yaml\n" in out


@pytest.mark.parametrize(
    "command", [["nope"], ["run", "--nope"], ["demo", "--duration", "soon"], ["demo", "--rate", "0"]]
)
def test_wrong_usage_is_exit_code_2(sentinel, command):
    code, _, err = sentinel(*command)
    assert code == 2
    assert "Error: " in err


@pytest.mark.parametrize("command", [["run"], ["check"], ["config", "show"], ["experiments", "list"], ["demo"]])
def test_a_wrong_configuration_is_a_sentence_and_exit_code_2(sentinel, monkeypatch, command):
    monkeypatch.setenv("KAFKA_SENTINEL__HTTP__PROT", "1")
    code, out, err = sentinel(*command)
    assert (code, out) == (2, "")
    assert err.startswith("kafka-sentinel: environment variable KAFKA_SENTINEL__HTTP__PROT names no key; did you mean")


@pytest.mark.parametrize("command", ["run", "check"])
def test_run_and_check_need_servers(sentinel, command):
    code, _, err = sentinel(command)
    assert code == 2
    assert "kafka.bootstrap_servers is missing" in err


def run_in_a_process(**environ):
    """`run` sets up the log of its whole process, so it gets one of its own."""
    command = [sys.executable, "-m", "kafka_sentinel", "run"]
    return subprocess.run(command, env={**os.environ, **environ}, check=False, capture_output=True, text=True)


def test_run_names_a_property_the_client_does_not_take():
    done = run_in_a_process(**{SERVERS: "a:1", "KAFKA_SENTINEL__KAFKA__PROPERTIES": '{"no.such.thing": "1"}'})
    assert done.returncode == 2
    assert 'No such configuration property: "no.such.thing"' in done.stderr
    assert "Traceback" not in done.stderr


def test_run_says_that_there_is_no_folder_for_its_state(tmp_path):
    file = str(tmp_path / "none" / "state")
    done = run_in_a_process(**{SERVERS: f"127.0.0.1:{closed_port()}", "KAFKA_SENTINEL__STATE__FILE": file})
    assert done.returncode == 3
    assert f"there is no folder {tmp_path / 'none'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_show_prints_what_is_in_effect_without_secrets(sentinel, config, monkeypatch):
    file = config("http: {port: 1234}\nkafka: {properties: {ssl.keystore.password: hunter2}}\n")
    monkeypatch.setenv("KAFKA_SENTINEL__NAME", "stage")
    for more, parse in ([], yaml.safe_load), (["--json"], json.loads):
        code, out, _ = sentinel("config", "show", "--config", file, *more)
        shown = parse(out)
        assert (code, shown["http"]["port"], shown["name"]) == (0, 1234, "stage")
        assert "hunter2" not in out


def test_show_can_be_given_back(sentinel, config):
    _, out, _ = sentinel("config", "show")
    assert load(config(out), {}) == Settings()


def test_schema_is_json_schema(sentinel):
    code, out, _ = sentinel("config", "schema")
    assert code == 0
    assert json.loads(out)["properties"]["kafka"]


def test_check_of_an_unreachable_kafka_fails_with_a_sentence(sentinel, monkeypatch):
    server = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv(SERVERS, server)
    code, out, err = sentinel("check", "--timeout", "1s")
    assert code == 1
    assert f"FAIL  kafka: nothing listens at {server} (connection refused): start the broker" in out
    assert err == "kafka-sentinel: 1 of the checks failed\n"


def test_audit_of_an_unreachable_kafka_says_why_as_check_does(sentinel, monkeypatch):
    server = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv(SERVERS, server)
    code, out, err = sentinel("audit", "--timeout", "1s")
    assert code == 3
    assert "no broker answered within 1 s" in out
    said = f"kafka-sentinel: Kafka: nothing listens at {server} (connection refused): start the broker"
    assert err.splitlines()[-1].startswith(said)


def test_version(sentinel):
    code, out, _ = sentinel("version")
    assert code == 0
    assert out.startswith("kafka-sentinel 0.")
    assert "librdkafka 2." in out


def test_list_shows_the_next_runs(sentinel, config):
    file = config(
        "experiments:\n  items:\n"
        "    - {name: leader, fault: process-kill, target: leader, schedule: 0 10 * * mon}\n"
        "    - {name: pause, fault: process-pause, every: 1h}\n"
    )
    code, out, _ = sentinel("experiments", "list", "--config", file)
    assert code == 0
    leader = next(line for line in out.splitlines() if line.startswith("leader"))
    assert leader.count("Mon ") == leader.count("10:00:00") == 3
    assert "not armed (experiments.armed_for); dry run on: nothing is injected" in out


def test_list_says_that_there_are_none(sentinel):
    assert sentinel("experiments", "list")[1] == "no experiments are configured (experiments.items)\n"


PROBE_ONLY = (
    "experiments.fleet is none: probe only; none of the 1 experiments can be done: take them out of experiments.items, "
    "or set experiments.fleet to kubernetes, msk or command"
)


def test_list_says_that_nothing_can_be_broken_where_that_is_so(sentinel, config):
    file = config("experiments: {fleet: none, items: [{name: kill, fault: process-kill, every: 1h}]}\n")
    code, out, _ = sentinel("experiments", "list", "--config", file)
    assert code == 0
    assert f"\n{PROBE_ONLY}; `kafka-sentinel run` refuses to start\n" in out
    file = config("experiments: {fleet: none}\n")
    said = "no experiments are configured (experiments.items); experiments.fleet is none: probe only\n"
    assert sentinel("experiments", "list", "--config", file)[1] == said
    file = config("experiments: {fleet: command, items: [{name: a, fault: command, command: [x], every: 1h}]}\n")
    assert "probe only" not in sentinel("experiments", "list", "--config", file)[1]


def test_run_refuses_experiments_that_nothing_can_do(sentinel, config):
    file = config(
        "kafka: {bootstrap_servers: 127.0.0.1:1}\n"
        "experiments: {fleet: none, items: [{name: kill, fault: process-kill, every: 1h}]}\n"
    )
    assert sentinel("run", "--config", file) == (2, "", f"kafka-sentinel: {PROBE_ONLY}\n")


ITEM = {
    "name": "kill",
    "fault": "process-kill",
    "target": "leader",
    "schedule": "every 60s",
    "next_run": 0.0,
    "last_run": None,
    "last_result": None,
    "last_skip": None,
    "targets": [2],
    "pods": [],
    "node": None,
    "allowed": False,
    "first_denial": "steady",
    "guards": [
        {"guard": "armed", "allowed": True, "seen": "abc", "threshold": "a cluster id", "reason": ""},
        {"guard": "steady", "allowed": False, "seen": "3 s", "threshold": ">= 60 s", "reason": "not steady: 3 s"},
    ],
}


def view(*items):
    return json.dumps({"armed": True, "dry_run": True, "paused": False, "latched": None, "items": items}).encode()


def test_explain_names_the_pods_and_the_node_that_would_be_hit(sentinel):
    item = {**ITEM, "targets": [1, 2], "pods": ["kafka-1", "kafka-2", "zookeeper-0"], "node": "n1"}
    with daemon(view(item)) as url:
        _, out, _ = sentinel("experiments", "explain", "--url", url)
    assert "would hit broker 1, 2; pod kafka-1, kafka-2, zookeeper-0; node n1; would not" in out


def test_explain_says_what_cut_the_last_run_short(sentinel):
    item = {**ITEM, "last_run": 60.0, "last_result": "aborted", "last_reason": "not confirmed: broker 1"}
    with daemon(view(item, {**ITEM, "name": "other", "last_reason": ""})) as url:
        _, out, _ = sentinel("experiments", "explain", "--url", url)
    assert "\nlast run Thu 1970-01-01 00:01:00: aborted: not confirmed: broker 1\n" in out
    assert out.count("last run ") == 1


def test_explain_names_the_zookeeper_server_that_would_be_hit(sentinel):
    with daemon(view({**ITEM, "targets": [], "servers": ["zk-1:2181"]})) as url:
        _, out, _ = sentinel("experiments", "explain", "--url", url)
    assert "would hit ZooKeeper server zk-1:2181; would not" in out


def test_explain_prints_every_guard(sentinel):
    with daemon(view(ITEM)) as url:
        code, out, _ = sentinel("experiments", "explain", "--url", url)
    assert code == 0
    assert "armed, dry run\n" in out
    assert "kill: process-kill of leader, every 60s, next run Thu 1970-01-01 00:00:00" in out
    assert "would hit broker 2; would not run now: steady" in out
    heading, _, *answers = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()[-4:]]
    assert [heading, *answers] == [
        ["guard", "allows", "seen", "wanted", "reason"],
        ["armed", "yes", "abc", "a cluster id"],
        ["steady", "NO", "3 s", ">= 60 s", "not steady: 3 s"],
    ]


def test_explain_without_judged_guards_tells_the_last_skip(sentinel):
    skipped = {"guard": "paused", "reason": "paused", "at": 0.0}
    bare = {key: value for key, value in ITEM.items() if key != "guards"} | {"last_skip": skipped}
    with daemon(view(bare)) as url:
        assert "last skipped Thu 1970-01-01 00:00:00 by paused" in sentinel("experiments", "explain", "--url", url)[1]


def test_explain_of_an_unknown_name_lists_the_known(sentinel):
    with daemon(view(ITEM)) as url:
        code, _, err = sentinel("experiments", "explain", "nope", "--url", url)
    assert code == 2
    assert "there is no experiment nope; the daemon knows: kill" in err


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b"<html>", 200, "is not Kafka Sentinel"),
        (b"[]", 200, "is not Kafka Sentinel"),
        (b"", 404, "answered 404"),
        (b"", 503, "it has only just started; try again"),
    ],
)
def test_explain_of_something_else_is_a_sentence(sentinel, answer, status, words):
    with daemon(answer, status) as url:
        code, _, err = sentinel("experiments", "explain", "--url", url)
    assert code == 3
    assert words in err


@pytest.mark.parametrize(("url", "code"), [("http://127.0.0.1:{port}", 3), ("file:///etc/passwd", 2), ("nonsense", 2)])
def test_explain_without_a_daemon_is_a_sentence(sentinel, url, code):
    found, _, err = sentinel("experiments", "explain", "--url", url.format(port=closed_port()))
    assert found == code
    assert "no daemon answers at" in err or "is not a web address" in err


def test_a_failure_inside_is_exit_code_3_not_that_of_a_failed_check(monkeypatch, capsys):
    monkeypatch.setattr("kafka_sentinel.cli.commands.load_settings", lambda *_given, **_named: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["kafka-sentinel", "config", "show"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "internal failure: ZeroDivisionError" in capsys.readouterr().err


def test_ctrl_c_is_clean():
    hanging = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{hanging.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "kafka_sentinel", "check", "--timeout", "5s"],
        env={**os.environ, SERVERS: address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    connection, _ = hanging.accept()  # the check waits for an answer now
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    connection.close()
    hanging.close()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err


def test_a_reader_that_stops_reading_is_no_error():
    command = f"{sys.executable} -m kafka_sentinel config schema | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=False, capture_output=True, text=True)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr

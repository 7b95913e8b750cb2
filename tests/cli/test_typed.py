"""What the documents tell people to type is typed here, word for word, and does what they say without a broker.

Ports that a test cannot count on are replaced by its own, and files are where they are said to be.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from tests.cli.test_checks import Kafka
from tests.cli.test_cli import closed_port
from tests.cli.test_guides_elsewhere import blocks
from tests.core.report.worlds import document
from tests.typed import ROOT, typed
from tests.web.sample import status
from tests.web.test_http import Site

from kafka_sentinel import __version__
from kafka_sentinel.adapters import check_client

SECONDS, INSTALLED_WITHIN = 60.0, 600.0
PORT = 9464
BOOTSTRAP = "KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder to type in, with the configuration file of the guides."""
    (tmp_path / "sentinel.yaml").write_text("kafka: {bootstrap_servers: 127.0.0.1:1}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def site():
    """A daemon's page and API, at a port of their own."""
    site = Site()
    site.snapshot.publish({**status("calm"), **document()})
    site.server.start()
    yield site
    site.server.stop()


def words(line: str) -> list[str]:
    """Return the words after the program's name."""
    return shlex.split(line)[1:]


@pytest.mark.parametrize("line", typed("make demo"))
def test_make_demo_is_the_demo(line: str):
    """What make would do is printed and not done: the demo itself is that of tests/kafka/test_demo.py."""
    command = [*shlex.split(line), "--dry-run", "--old-file=.venv/.ready", "--no-print-directory"]
    without = {name: value for name, value in os.environ.items() if name != "ARGS"}  # whoever runs the tests may set it
    done = subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    given = dict(word.split("=", 1) for word in words(line) if "=" in word).get("ARGS", "")
    assert done.stdout.strip() == f".venv/bin/kafka-sentinel demo {given}".strip()


@pytest.mark.full
@pytest.mark.timeout(2 * INSTALLED_WITHIN)
def test_what_is_installed_from_the_checkout_is_the_command(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", "src"):
        there = ROOT / name
        if there.is_dir():
            shutil.copytree(there, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(there, tmp_path)
    lines = "\n".join(["set -e", *typed("install")])
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    command = ["bash", "-c", lines.replace("python3", sys.executable)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=INSTALLED_WITHIN, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"kafka-sentinel {__version__} (librdkafka ")
    assert (tmp_path / "venv/bin/kafka-sentinel").is_file()


@pytest.mark.parametrize("line", typed("export"))
def test_what_is_exported_is_in_effect(line: str):
    show = f"{line} && {sys.executable} -m kafka_sentinel config show --json"
    done = subprocess.run(["bash", "-c", show], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    effect = json.loads(done.stdout)
    for name, value in (word.split("=", 1) for word in words(line)):
        found = effect
        for key in name.removeprefix("KAFKA_SENTINEL__").lower().split("__"):
            found = found[key]
        assert found == yaml.safe_load(value)


@pytest.mark.parametrize("line", typed("check"))
def test_check_looks_at_all_there_is(sentinel, here, monkeypatch, line: str):
    monkeypatch.setattr(check_client, "KafkaAnswers", lambda *_, **__: Kafka())
    if "--config" not in line:
        monkeypatch.setenv(BOOTSTRAP, "broker-1:9092")
    code, out, err = sentinel(*words(line))
    assert (code, err) == (0, "")
    looked_at = [row[6:].partition(":")[0] for row in out.splitlines() if row.startswith(("OK", "WARN"))]
    assert looked_at == [
        "configuration",
        "kafka",
        *["topic kafka-sentinel-probe"] * 2,
        "cost",
        "group kafka-sentinel",
        "groups kafka-sentinel-*",
        "quorum",
        "other topics",
        "cluster",
    ]


@pytest.mark.parametrize("line", typed("run"))
def test_run_is_a_daemon_that_answers_until_it_is_told_to_end(here, line: str):
    port = closed_port()
    environment = {**os.environ, BOOTSTRAP: "127.0.0.1:1", "KAFKA_SENTINEL__HTTP__PORT": str(port)}
    command = [sys.executable, "-m", "kafka_sentinel", *words(line)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, said


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == HTTPStatus.OK
    except OSError:
        return False


@pytest.mark.parametrize("line", typed("experiments"))
def test_experiments_are_listed(sentinel, here, line: str):
    """The file is what docs/plain-machines.md shows just before."""
    shown = blocks("plain-machines.md", "yaml")[0].replace("/run/secrets/kafka-password", str(here / "password"))
    (here / "password").write_text("x")
    (here / "sentinel.yaml").write_text(shown)
    code, out, err = sentinel(*words(line))
    assert (code, err) == (0, "")
    for item in yaml.safe_load(shown)["experiments"]["items"]:
        assert item["name"] in out


@pytest.mark.parametrize("line", typed("report"))
def test_reports_are_made_of_what_answers(sentinel, here, site, line: str):
    (here / "evidence.json").write_text(json.dumps(document()))
    code, out, err = sentinel(*words(line.replace(f":{PORT}", f":{site.server.port}")))
    assert (code, err) == (0, "")
    file = words(line)[-1] if "--output" in line else None
    made = out if file is None else (here / file).read_text()
    assert "Kafka Sentinel: report on stage" in made
    assert made.startswith("<!doctype html>" if "--format html" in line else "# ")


@pytest.mark.parametrize("line", typed("curl"))
def test_what_is_fetched_is_answered(here, site, line: str):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    command = shlex.split(line.replace(f":{PORT}", f":{site.server.port}"))
    done = subprocess.run([*command, "--fail"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    made = (here / command[command.index("-o") + 1]).read_text() if "-o" in command else done.stdout
    assert json.loads(made)

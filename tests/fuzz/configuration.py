"""Any configuration file and any variables: settings, or sentences; never more work than the file's size warrants."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import yaml
from tests.fuzz.choices import Choices, changed
from tests.fuzz.harness import Harness

from kafka_sentinel.core.text import STEERING
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import ConfigurationError, SecuritySettings, Settings, load
from kafka_sentinel.settings.describe import variables

SECRET = "hunter2-hunter2"
SHOWN = SecuritySettings.model_fields.keys() - {"password", "client_secret"}
LONGEST_SENTENCE = 4_000  # characters: the longest names all keys of the largest section, and how they are written
MOST_SENTENCES = 2_000
WHOLE: dict[str, Any] = {
    "name": "stage",
    "kafka": {
        "bootstrap_servers": "broker-1:9092,broker-2:9092",
        "security": {
            "protocol": "SASL_SSL",
            "mechanism": "SCRAM-SHA-512",
            "username": "sentinel",
            "password": SECRET,
        },
        "properties": {"socket.keepalive.enable": True, "client.dns.lookup": "use_all_dns_ips"},
    },
    "probe": {"topic": "probe", "interval": "250ms", "acks_one": {"enabled": True}},
    "slo": {"availability": 99.9, "produce": "5s", "recovery": {"produce": "30s"}},
    "incidents": {"settle": "30s"},
    "http": {"host": "127.0.0.1", "port": 9464},
    "log": {"format": "json", "level": "info"},
    "state": {"file": "/var/lib/sentinel/state"},
    "experiments": {
        "armed_for": "cluster",
        "dry_run": True,
        "blackouts": [{"days": ["fri"], "from": "22:00", "to": "06:00"}],
        "items": [
            {"name": "kill", "fault": "pod-delete", "schedule": "0 10 * * mon-fri", "target": "any"},
        ],
    },
    "kubernetes": {"enabled": True, "namespace": "kafka", "flavour": "statefulset", "selector": {"app": "kafka"}},
}
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 9)) for letter in range(98, 107)
)


class Memory:
    """A file that is none: what `read_yaml` asks of a path."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)

    def __str__(self) -> str:
        return "sentinel.yaml"


def check(data: bytes) -> None:
    choices = Choices(data)
    mode = choices.below(4)
    environ: dict[str, str] = {}
    content = b""
    if mode == 0:
        content = choices.rest()
    else:
        environ = _variables(choices) if mode == 2 else {}
        try:
            document = _secret_in_its_place(changed(WHOLE, choices))
            content = (json.dumps(document) if mode == 3 else yaml.safe_dump(document)).encode("utf-8", "surrogatepass")
        except (RecursionError, ValueError, yaml.YAMLError):
            return  # what cannot be written cannot be read
    judge(content, environ)


def _secret_in_its_place(document: Any, path: tuple[object, ...] = ()) -> Any:
    """Take copies of the secret away that stand where anybody may see them: as the level of the log, say."""
    if isinstance(document, dict):
        return {name: _secret_in_its_place(each, (*path, name)) for name, each in document.items()}
    if isinstance(document, list):
        return [_secret_in_its_place(each, (*path, "[]")) for each in document]
    hidden = path[:2] == ("kafka", "security") and len(path) == 3 and path[2] not in SHOWN
    return "x" if document == SECRET and not hidden else document


def judge(content: bytes, environ: dict[str, str]) -> None:
    try:
        settings = load(cast("Path", Memory(content)), environ, needs_kafka=True)
    except ConfigurationError as error:
        _judge_sentences(error.problems)
        return
    assert isinstance(settings, Settings)
    engine_config(settings)


def _judge_sentences(problems: tuple[str, ...]) -> None:
    assert 1 <= len(problems) <= MOST_SENTENCES, f"{len(problems)} sentences"
    for problem in problems:
        assert problem.strip()
        assert len(problem) <= LONGEST_SENTENCE, f"a sentence of {len(problem)} characters"
        assert SECRET not in problem, "a secret was repeated"
        assert not STEERING.search(problem), "a sentence of more than one line, or one that steers a terminal"


def _variables(choices: Choices) -> dict[str, str]:
    names = [*variables(), "KAFKA_SENTINEL__", "KAFKA_SENTINEL__KAFKA", "KAFKA_SENTINEL_CONFIGS"]
    values = ("", "1", "true", "5s", "[]", "{}", "[[", "null", "NaN", "1e400", '{"a": {"a": 1}}', "[" * 3_000)
    return {choices.pick(names): choices.pick((*values, choices.text())) for _ in range(1 + choices.below(4))}


def seeds() -> Iterable[bytes]:
    yield b"\x00" + yaml.safe_dump(WHOLE).encode()
    yield b"\x00" + json.dumps(WHOLE).encode()
    yield b"\x00" + BOMB
    yield b"\x00" + b"a: " + b"[" * 300
    yield b"\x00" + b"? [a]\n: !!python/object:os.system x\n<<: *y\n"
    for mode in (1, 2, 3):
        yield from (bytes((mode, *range(step, step + 12))) for step in range(0, 200, 20))


HARNESS = Harness(check, seeds, longest=2_048)

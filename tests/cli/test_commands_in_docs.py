"""What the documents tell people to type exists: commands, options, make's verbs, addresses, variables, values.

And each of it is executed by a test, which tests/typed.py names.
"""

from __future__ import annotations

import ast
import re
import shlex
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml
from tests.typed import DOCUMENTS, KINDS, ROOT, commands, everything, kinds_of, typed

from kafka_sentinel.adapters.kubernetes.orders import PAUSE, annotation
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.web import Snapshot, WebApp
from kafka_sentinel.cli.commands import cli
from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.core.types import OrderKind
from kafka_sentinel.settings.describe import keys

CHART = ROOT / "helm" / "kafka-sentinel"
KUBECTL = {"annotate", "apply", "delete", "describe", "exec", "get", "label", "logs", "port-forward", "taint"}


def problem(command: str) -> str | None:
    """Return what is wrong with a command, or None."""
    words = shlex.split(command, comments=True)
    program, arguments = Path(words[0]).name, words[1:]
    judges = {
        "kafka-sentinel": sentinel,
        "make": make,
        "export": export,
        "curl": curl,
        "helm": helm,
        "kubectl": kubectl,
        "python3": lambda _: None,  # it and pip are run, and nothing but run
        "pip": lambda _: None,
    }
    return judges[program](arguments) if program in judges else f"nobody knows what {program} is"


def sentinel(arguments: list[str]) -> str | None:
    try:
        command: click.Command = cli
        with click.Context(cli) as context:
            while isinstance(command, click.Group):
                name, command, arguments = command.resolve_command(context, arguments)
            command.make_context(name, list(arguments), parent=context)
    except click.ClickException as error:
        return error.format_message()
    return None


def make(arguments: list[str]) -> str | None:
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    unknown = [each for each in arguments if "=" not in each and each not in verbs]
    return f"make has no {', '.join(unknown)}" if unknown else None


def export(arguments: list[str]) -> str | None:
    known = {key.variable for key in keys()}
    unknown = [name for name in (each.partition("=")[0] for each in arguments) if name not in known]
    return f"no setting is called {', '.join(unknown)}" if unknown else None


def curl(arguments: list[str]) -> str | None:
    paths = [urlsplit(each).path for each in arguments if each.startswith("http")]
    unknown = [path for path in paths if not _answers(path)]
    return f"nothing answers at {', '.join(unknown)}" if unknown or not paths else None


def _answers(path: str) -> bool:
    """Ask the application itself. What is still starting answers, too."""
    said: list[str] = []
    app = WebApp(Snapshot(), Metrics("stage").registry, lambda: 0.0)
    app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, _: said.append(status))
    return not said[0].startswith("404")


def helm(arguments: list[str]) -> str | None:
    verb, *rest = arguments
    if verb not in {"install", "upgrade", "test", "uninstall"}:
        return f"helm has no {verb} for us"
    if verb in {"install", "upgrade"} and "helm/kafka-sentinel" not in rest:
        return "it names no chart of ours"
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    given = [pair for option, text in pairwise(rest) if option == "--set" for pair in text.split(",")]
    unknown = [path for path in (pair.partition("=")[0] for pair in given) if not _is_value(values, path.split("."))]
    return f"the chart has no {', '.join(unknown)}" if unknown else None


def _is_value(values: dict, path: list[str]) -> bool:
    for key in path:
        if path[0] == "settings":
            return True
        if key not in values:
            return False
        values = values[key]
    return True


def kubectl(arguments: list[str]) -> str | None:
    if "--" in arguments:
        inner = arguments[arguments.index("--") + 1 :]
        if arguments[0] != "exec" or inner[:1] != ["kafka-sentinel"]:
            return "only our own program is run in a pod"
        return sentinel(inner[1:])
    verbs = [each for each in arguments if each in KUBECTL]
    if len(verbs) != 1:
        return f"one verb of kubectl is wanted, not {verbs}"
    marks = {name for each in arguments for name in re.findall(r"kafka-sentinel\.io/[a-z-]*[a-z]", each)}
    unknown = marks - {PAUSE, RECLAIM, *map(annotation, OrderKind)}
    return f"nothing reads {', '.join(sorted(unknown))}" if unknown else None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_tells_to_type_exists(path: Path):
    assert {command: wrong for command in commands(path.read_text()) if (wrong := problem(command))} == {}


def test_there_are_commands_to_look_at():
    assert sum(len(commands(path.read_text())) for path in DOCUMENTS) > 30


@pytest.mark.parametrize(
    "command",
    [
        "kafka-sentinel chekc",
        "kafka-sentinel pause --because x",
        "make everything",
        "export KAFKA_SENTINEL__KAFKA__SERVERS=a:1",
        "curl -s http://localhost:9464/api/v2/status",
        "helm install sentinel helm/kafka-sentinel --set kafka.name=my-cluster",
        "kubectl exec deploy/sentinel -- kafka-sentinel explain",
        "kubectl annotate configmap state kafka-sentinel.io/stop=now",
        "minikube start",
    ],
)
def test_what_does_not_exist_is_noticed(command: str):
    assert problem(command) is not None


@pytest.mark.parametrize(
    "text",
    ["```console\n$ make demo  # until Ctrl-C\n```\n", "- a\n\n  ```console\n  $ make \\\n      demo\n  ```\n"],
)
def test_commands_are_found(text: str):
    (command,) = commands(text)
    assert shlex.split(command, comments=True) == ["make", "demo"]


# --- and is executed


def source(place: str) -> str | None:
    """Return the source of a function, as file::name with its decorators, or of a file; None if it is not there."""
    path, _, name = place.partition("::")
    if not (ROOT / path).is_file():
        return None
    text = (ROOT / path).read_text()
    if not name:
        return text
    found = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef) and one.name == name]
    lines = text.splitlines()
    of_function = [lines[min(each.lineno for each in (one, *one.decorator_list)) - 1 : one.end_lineno] for one in found]
    return "\n".join(line for each in of_function for line in each) if found else None


def test_every_command_is_of_one_kind():
    assert {command: kinds for command in everything() if len(kinds := kinds_of(command)) != 1} == {}


def test_what_no_test_executes_is_noticed():
    assert kinds_of("kafka-sentinel version") == []
    assert kinds_of("helm rollback sentinel") == []
    assert kinds_of("kafka-sentinel demo") == [], "without brokers it is make's"
    assert source("tests/kafka/test_demo.py::test_gone") is None
    assert source("tests/kafka/test_gone.py::test_x") is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_executed_by_a_test_that_takes_it_from_the_documents_or_says_it_itself(kind: str):
    assert typed(kind) != []
    by, done_in = KINDS[kind].by, KINDS[kind].done_in
    assert by or done_in
    if by is not None:
        assert by.partition("::")[2].startswith("test_")
        assert f'typed("{kind}")' in (source(by) or ""), f"{by} does not take them"
    for place, says in done_in:
        assert says in (source(place) or ""), f"{place} does not say {says}"

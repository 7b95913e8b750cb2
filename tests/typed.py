"""What the documents tell people to type, and by which tests each of it is executed.

A test that executes commands takes them from here word for word: `typed("curl")`. What needs brokers or a cluster is,
besides or instead, done by tests that are there for more than that; they are named with what they say in their source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "helm/**/*.md") for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^( *)```console\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
REMARK = re.compile(r"\s+# .*$")
SENTINEL = r"^(?:\.venv/bin/)?kafka-sentinel "


@dataclass(frozen=True)
class Kind:
    """`by`: the test that takes these commands from here. `done_in`: functions, by file, and what their source says."""

    pattern: str
    by: str | None
    done_in: tuple[tuple[str, str], ...] = ()


CHART, CLI = "tests/chart/test_typed.py", "tests/cli/test_typed.py"
ONE_VALUE = "test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state"
INSTALLED = f"tests/kubernetes/test_chart.py::{ONE_VALUE}"
OBSERVED = "tests/kubernetes/test_observing.py::test_check_in_the_pod_prints_the_brokers_pods_and_misses_no_permission"

KINDS = {
    "helm": Kind(
        r"^helm (install|upgrade) ", "tests/chart/test_typed.py::test_what_is_typed_to_install_it_installs_it"
    ),
    "helm test": Kind(r"^helm test sentinel -n kafka$", None, ((INSTALLED, 'release.helm("test", RELEASE)'),)),
    "helm uninstall": Kind(
        r"^helm uninstall sentinel -n kafka$",
        None,
        (("tests/kubernetes/deploy/release.py::installed", 'release.helm("uninstall", name, "--wait")'),),
    ),
    "make demo": Kind(
        r"^make demo\b",
        f"{CLI}::test_make_demo_is_the_demo",
        (("tests/kafka/test_demo.py::__init__", '"kafka_sentinel", "demo", "--json", str(self.json), *options'),),
    ),
    "make test": Kind(r"^make test$", None, ((".ci/run", "exec make test"),)),
    "make image": Kind(r"^make image$", None, (("tests/image/built.py::_make", '["make", "image", '),)),
    "install": Kind(
        r"^python3 -m venv |^venv/bin/(pip|kafka-sentinel) ",
        f"{CLI}::test_what_is_installed_from_the_checkout_is_the_command",
    ),
    "export": Kind(r"^export ", f"{CLI}::test_what_is_exported_is_in_effect"),
    "check": Kind(
        SENTINEL + "check",
        f"{CLI}::test_check_looks_at_all_there_is",
        ((OBSERVED, 'sentinel.exec("kafka-sentinel", "check")'),),
    ),
    "run": Kind(
        SENTINEL + "run(?! *-now)",
        f"{CLI}::test_run_is_a_daemon_that_answers_until_it_is_told_to_end",
        (("tests/kafka/sentinel.py::__init__", '["-m", "kafka_sentinel", "run", "--config", str(self._file)]'),),
    ),
    "demo": Kind(
        SENTINEL + r"demo --bootstrap-servers \S+ --duration \S+$",
        None,
        (
            (
                "tests/kafka/test_demo.py::test_demo_breaks_nothing_on_a_kafka_of_the_users_own",
                'demo("--bootstrap-servers", lab_combined.bootstrap_servers, "--duration", "15s")',
            ),
        ),
    ),
    "audit": Kind(
        SENTINEL + "audit",
        "tests/kube_api/test_audit_objects.py::test_what_the_documents_tell_to_type_is_audited",
        (
            (
                "tests/kafka/test_audit.py::run",
                '[sys.executable, "-m", "kafka_sentinel", "audit", *arguments]',
            ),
        ),
    ),
    "experiments": Kind(SENTINEL + "experiments list", f"{CLI}::test_experiments_are_listed"),
    "orders": Kind(
        SENTINEL + "(pause|resume|run-now|heal)",
        "tests/kube_api/test_control_commands.py::test_what_the_documents_tell_to_type_is_taken",
    ),
    "report": Kind(SENTINEL + "report", f"{CLI}::test_reports_are_made_of_what_answers"),
    "curl": Kind(r"^curl ", f"{CLI}::test_what_is_fetched_is_answered"),
    "kubectl": Kind(r"^kubectl ", "tests/kubernetes/test_typed.py::test_what_is_typed_to_kubectl_is_done"),
}


def commands(text: str) -> list[str]:
    """Return what is to be typed: lines with a prompt, continued lines joined, as they stand."""
    found = []
    for block in BLOCK.finditer(text):
        joined = block[2].replace("\\\n", " ")
        found += [line.strip()[2:] for line in joined.splitlines() if line.strip().startswith("$ ")]
    return found


def everything() -> list[str]:
    """Return each command of the documents once, in their order, without remarks."""
    found = [REMARK.sub("", command) for path in DOCUMENTS for command in commands(path.read_text())]
    return list(dict.fromkeys(" ".join(command.split()) for command in found))


def kinds_of(command: str) -> list[str]:
    """Return which kinds a command is of: one, or something is wrong."""
    return [name for name, kind in KINDS.items() if re.search(kind.pattern, command)]


def typed(kind: str) -> list[str]:
    """Return the commands of a kind, in the documents' order."""
    return [command for command in everything() if re.search(KINDS[kind].pattern, command)]

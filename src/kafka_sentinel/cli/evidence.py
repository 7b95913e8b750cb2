"""Where the evidence of a report comes from. Every way in which it may not be had is a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka_sentinel import __version__
from kafka_sentinel.cli.common import RUNTIME_FAILURE, USAGE, Trouble, load_settings
from kafka_sentinel.cli.experiments import MAX_ANSWER_BYTES, answer
from kafka_sentinel.core.checkpoint import StateError
from kafka_sentinel.core.report.evidence import Evidence, EvidenceError, parse
from kafka_sentinel.core.report.from_state import document
from kafka_sentinel.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """`saved`: made long ago, perhaps, so that the report is of then and not of now."""

    evidence: Evidence
    saved: bool = False


def from_url(url: str) -> Source:
    """Ask a running daemon."""
    found = answer(url, "evidence")
    if found.get("health") == "standby":
        reason = "another one holds the Lease, and has the evidence"
        raise Trouble(f"the Kafka Sentinel at {url} stands by: {reason}", code=RUNTIME_FAILURE)
    try:
        return Source(parse(found))
    except EvidenceError as error:
        raise Trouble(f"what answers at {url} gives no evidence: {error}", code=RUNTIME_FAILURE) from None


def from_file(file: Path) -> Source:
    """Read a saved answer of /api/v1/evidence."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_ANSWER_BYTES)
    except OSError as error:
        raise Trouble(f"--from {file} cannot be read: {error.strerror}", code=USAGE) from None
    try:
        return Source(parse(json.loads(content)), saved=True)
    except EvidenceError as error:
        raise Trouble(f"--from {file} is not evidence: {error}", code=USAGE) from None
    except (ValueError, RecursionError):
        raise Trouble(f"--from {file} is not JSON; save an answer of /api/v1/evidence", code=USAGE) from None


def from_state(config: Path | None) -> Source:
    """Read the state that the configuration names, and change nothing; a daemon may be running on it."""
    from kafka_sentinel.adapters.state_shape import checked  # noqa: PLC0415 - builds a large model

    settings = load_settings(config)
    title, state = _state(settings)
    slo = settings.slo
    objectives = {
        "availability": slo.availability,
        "produce": slo.produce,
        "consume": slo.consume,
        "recovery": slo.recovery.model_dump(),
    }
    try:
        return Source(parse(document(checked(state), slo=objectives, version=__version__)))
    except (EvidenceError, StateError) as error:
        raise Trouble(f"{title}: {error}", code=RUNTIME_FAILURE) from None


def _state(settings: Settings) -> tuple[str, Mapping[str, Any]]:
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - loads the Kubernetes client
    from kafka_sentinel.adapters.state_file import StateFile, StateFileError  # noqa: PLC0415 - as above

    try:
        if settings.state.file is not None:
            return f"state file {settings.state.file}", StateFile(settings.state.file).peek()
        if settings.config_map is not None:
            return _state_of_config_map(settings)
    except StateFileError as error:
        raise Trouble(str(error), code=RUNTIME_FAILURE) from None
    except ApiError as error:
        raise Trouble(f"kubernetes: {error}", code=USAGE) from None
    raise Trouble(
        "the configuration names no state (state.file): name a running daemon with --url, or a saved "
        "answer with --from",
        code=USAGE,
    )


def _state_of_config_map(settings: Settings) -> tuple[str, Mapping[str, Any]]:
    from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap  # noqa: PLC0415 - as above
    from kafka_sentinel.kubernetes_wiring import connect, place  # noqa: PLC0415 - as above

    api = connect(settings.kubernetes)
    try:
        namespace, name = place(settings)
        store = StateConfigMap(api, namespace, name, writer="", holds=lambda: False)
        return f"ConfigMap {namespace}/{name}", store.peek()
    finally:
        api.close()

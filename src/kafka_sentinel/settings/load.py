"""The configuration of one process: defaults, then the file, then the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kafka_sentinel.settings.describe import variables
from kafka_sentinel.settings.environment import CONFIG_VARIABLE, read_environment
from kafka_sentinel.settings.model import Settings
from kafka_sentinel.settings.problems import ConfigurationError, sentences
from kafka_sentinel.settings.problems import Path as KeyPath
from kafka_sentinel.settings.yaml_file import YamlFile, read_yaml

MAPS = frozenset({"properties", "selector", "spot_labels"})  # keys that take a map, which is no section
NO_SERVERS = (
    "kafka.bootstrap_servers is missing: set it in the configuration file or as "
    'KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS, for example "broker-1:9092,broker-2:9092"'
)


def load(file: Path | None, environ: Mapping[str, str], *, needs_kafka: bool = False) -> Settings:
    """Read `file` (else the one that KAFKA_SENTINEL_CONFIG names, else none) and the variables, which win.

    `needs_kafka`: kafka.bootstrap_servers must be given. Raises ConfigurationError with a sentence for every problem
    of the first of these that has any: the environment's names, the file's YAML, the values.
    """
    given = read_environment(environ)
    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    content = read_yaml(file) if file is not None else YamlFile({}, {})
    try:
        settings = Settings.model_validate(_merge(content.data, given))
    except ValidationError as error:
        raise ConfigurationError(sentences(error, _Sources(file, content, environ).of)) from None
    if needs_kafka and not settings.kafka.bootstrap_servers:
        raise ConfigurationError([NO_SERVERS])
    return settings


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key; lists and maps of a key are replaced as a whole."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        is_section = isinstance(value, dict) and isinstance(below, dict) and name not in MAPS
        merged[name] = _merge(below, value) if is_section and below is not None else value
    return merged


class _Sources:
    """Where each key was given."""

    def __init__(self, file: Path | None, content: YamlFile, environ: Mapping[str, str]) -> None:
        self._file = file
        self._lines = content.lines
        self._variables: dict[KeyPath, str] = {key.path: name for name, key in variables().items() if name in environ}

    def of(self, path: KeyPath) -> str:
        """Return words for the nearest place known: a variable, a line of the file, or "" for neither."""
        for length in range(len(path), 0, -1):
            head = path[:length]
            if head in self._variables:
                return f"environment variable {self._variables[head]}"
            if head in self._lines:
                return f"{self._file} line {self._lines[head]}"
        return ""

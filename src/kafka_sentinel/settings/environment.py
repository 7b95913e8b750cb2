"""Configuration from environment variables: KAFKA_SENTINEL__SECTION__KEY, each of which must mean something."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from kafka_sentinel.settings.describe import allowed, section_of, variables
from kafka_sentinel.settings.model import ENV_DELIMITER, ENV_PREFIX, Settings
from kafka_sentinel.settings.problems import ConfigurationError, locate, nearest

OUR_NAME = "KAFKA_SENTINEL"
FORM = f"names are {ENV_PREFIX}SECTION{ENV_DELIMITER}KEY, in capitals"
CONFIG_VARIABLE = "KAFKA_SENTINEL_CONFIG"
# What Kubernetes puts into every pod of a namespace with a Service called kafka-sentinel or kafka-sentinel-SOMETHING.
# The value is looked at as well: KAFKA_SENTINEL_HTTP_PORT=9000 is a misspelt key, not a Service called http.
SERVICE_LINKS = (
    (re.compile(r"_SERVICE_HOST"), re.compile(r"[0-9a-fA-F.:]+|None")),
    (re.compile(r"_SERVICE_PORT(_[A-Z0-9_]+)?"), re.compile(r"\d+")),
    (re.compile(r"_PORT(_\d+_(TCP|UDP|SCTP))?"), re.compile(r"(tcp|udp|sctp)://\S+")),
    (re.compile(r"_PORT_\d+_(TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp")),
    (re.compile(r"_PORT_\d+_(TCP|UDP|SCTP)_PORT"), re.compile(r"\d+")),
    (re.compile(r"_PORT_\d+_(TCP|UDP|SCTP)_ADDR"), re.compile(r"[0-9a-fA-F.:]+")),
)
SERVICE = re.compile(rf"{OUR_NAME}(?:_[A-Z0-9]+)*?")


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the nested values that variables of ours give. Raises ConfigurationError naming each one that is wrong."""
    ours = {name: value for name, value in environ.items() if name.upper().startswith(OUR_NAME)}
    problems = [problem for name, value in sorted(ours.items()) if (problem := _problem(name, value)) is not None]
    if problems:
        raise ConfigurationError(problems)
    return _Variables({name: value for name, value in ours.items() if name in variables()})()


def _problem(name: str, value: str) -> str | None:
    key = variables().get(name)
    if key is not None:
        return _json_problem(name, value) if key.is_structured else None
    if name == CONFIG_VARIABLE or is_service_link(name, value):
        return None
    path = tuple(name.removeprefix(ENV_PREFIX).lower().split(ENV_DELIMITER)) if name.startswith(ENV_PREFIX) else ()
    field, section = locate(path)
    if path and field is not None and section is not None and section_of(field) is section:
        inside = ", ".join(known for known in variables() if known.startswith(name + ENV_DELIMITER))
        return f"environment variable {name} names a whole section; set its keys: {inside}"
    meant = nearest(name, [*variables(), CONFIG_VARIABLE])
    question = f"; did you mean {meant}?" if meant is not None else ""
    return f"environment variable {name} names no key{question} ({FORM})"


def _json_problem(name: str, value: str) -> str | None:
    try:
        json.loads(value)
    except (ValueError, RecursionError):  # its text may quote the value
        return f"environment variable {name} is not JSON; allowed: {allowed(variables()[name].field)}, written as JSON"
    return None


def is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes set this variable because of a Service whose name begins like ours."""
    if ENV_DELIMITER in name:
        return False
    return any(
        re.fullmatch(SERVICE.pattern + suffix.pattern, name) is not None and content.fullmatch(value) is not None
        for suffix, content in SERVICE_LINKS
    )


class _Variables(EnvSettingsSource):
    """pydantic-settings' reading of variables, given them instead of taking the process's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._environ, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str)

"""Configuration from a YAML file, with the line of every key, and without what YAML 1.1 makes of plain words.

Only `true`, `false`, `null` and decimal numbers are more than text: `on`, `22:00` and `2026-12-24` stay what they look
like. Aliases are expanded within a bound; merge keys and tags are not understood.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml

from kafka_sentinel.settings.problems import ConfigurationError, Path, dotted

MAX_BYTES = 1_048_576
MAX_WRITTEN = 20_000  # keys and values in the file
MAX_NODES = 100_000  # aliases count each time, so that a few lines cannot expand to gigabytes
MAX_DEPTH = 20
# What stands in quotes in these may be the value of a secret (`password: *x`); own words instead.
SAFE_WORDS: dict[type[yaml.YAMLError], str] = {
    yaml.composer.ComposerError: "a value begins with & or * (an anchor or alias) that does not fit; quote it",
    yaml.constructor.ConstructorError: "a value begins with ! (a tag), which is not understood here; quote it",
}


class YamlFile(NamedTuple):
    data: dict[str, Any]
    lines: dict[Path, int]  # path of a key or list item → its line, from 1


class _TooMuchError(Exception):
    """More is written than is read."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - declared so by PyYAML

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._written = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read on, as long as there is no more than anybody writes: it costs more than anything that follows."""
        self._written += 1
        if self._written > MAX_WRITTEN:
            raise _TooMuchError
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False|TRUE|FALSE)$"), "tfTF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$"),
    "-+0123456789",
)


def read_yaml(file: FilePath) -> YamlFile:
    """Read a mapping. An empty file is an empty mapping. Raises ConfigurationError, naming file, line and column."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError([f"configuration file {file} cannot be read: {error.strerror}"]) from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError([f"configuration file {file} is larger than {MAX_BYTES} bytes"])
    try:
        text = content.decode("utf-8-sig")
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(file, loader)
        data = reader.read(node, ()) if node is not None else {}
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{file}: not UTF-8 text (byte {error.start})"]) from None
    except _TooMuchError:
        raise ConfigurationError([f"{file}: more than {MAX_WRITTEN} keys and values"]) from None
    except RecursionError:
        raise ConfigurationError([_too_much(file)]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([_syntax_problem(file, error)]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise ConfigurationError([f"{file}: found {kind}; allowed: sections (mappings), for example `kafka:`"])
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return YamlFile(data, reader.lines)


def _too_much(file: FilePath) -> str:
    return f"{file}: more than {MAX_NODES} values, or nested deeper than {MAX_DEPTH} levels"


def _syntax_problem(file: FilePath, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{file} line {mark.line + 1}, column {mark.column + 1}" if mark is not None else str(file)
    problem = SAFE_WORDS.get(type(error)) or getattr(error, "problem", None) or "characters that YAML does not allow"
    return f"{where}: not valid YAML: {problem}"


class _Reader:
    def __init__(self, file: FilePath, loader: _Loader) -> None:
        self._file = file
        self._loader = loader
        self._nodes = 0
        self.lines: dict[Path, int] = {}
        self.problems: list[str] = []

    def read(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - plain data of any shape; the model judges it
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigurationError([_too_much(self._file)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._loader.construct_object(node)

    def _item(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - as above
        self.lines[path] = node.start_mark.line + 1
        return self.read(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{self._file} line {line}: a key that is a list or a section; allowed: text")
                continue
            key = key_node.value
            here = (*path, key)
            if key in found:
                self.problems.append(
                    f"{self._file} line {line}: {dotted(here)} is given twice, first on line {self.lines[here]}"
                )
                continue
            self.lines[here] = line
            found[key] = self.read(value_node, here)
        return found

"""values.yaml, its schema, the README's table, the chart's version and the program say the same."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.chart.rendering import CHART
from tests.go_programs import ROOT

from kafka_sentinel.settings import Settings

sys.path.insert(0, str(ROOT / "tools"))
import chart as tool

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def leaves(values: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def undocumented(text: str) -> list[tuple[str, ...]]:
    """Return the values that have no comment, and are in nothing that has one."""
    documented = {value.path for value in tool.values(text)}
    return [
        path
        for path in leaves(yaml.safe_load(text))
        if not any(path[:length] in documented for length in range(1, len(path) + 1))
    ]


def test_every_value_is_documented():
    assert undocumented(VALUES) == []
    assert undocumented("a:\n  # Says what it is.\n  b: 1\n  c: 2\n# A whole.\nd:\n  e: 1\nf: 3\n") == [
        ("a", "c"),
        ("f",),
    ]


def test_schema_and_readme_are_current():
    schema, readme = ((CHART / name).read_text() for name in ("values.schema.json", "README.md"))
    assert tool.schema(schema) == schema
    assert tool.readme(readme, VALUES) == readme


def test_the_readmes_table_has_every_value_with_its_default():
    readme = (CHART / "README.md").read_text()
    for value in tool.values(VALUES):
        assert f"| `{'.'.join(value.path)}` | `{json.dumps(value.default)}` |" in readme


def test_a_schema_or_a_table_that_is_out_of_date_is_noticed():
    changed = json.loads(json.dumps(SCHEMA))
    del changed["$defs"]["ProbeSettings"]["properties"]["interval"]
    text = json.dumps(changed, indent=2) + "\n"
    assert tool.schema(text) != text
    assert tool.schema(text) == (CHART / "values.schema.json").read_text()
    readme = (CHART / "README.md").read_text()
    assert tool.readme(readme, VALUES + "# New.\nnew: 1\n") != readme


def test_the_schema_is_one_and_takes_the_defaults():
    Draft202012Validator.check_schema(SCHEMA)
    assert list(Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(VALUES))) == []


def test_the_schema_takes_what_config_show_prints():
    shown = Settings().masked()
    assert list(Draft202012Validator(SCHEMA).iter_errors({"settings": shown})) == []
    shown["probe"]["interval"] = "soon"
    assert list(Draft202012Validator(SCHEMA).iter_errors({"settings": shown})) != []


def test_the_settings_of_the_schema_are_the_model():
    model = Settings.model_json_schema(ref_template="#/$defs/{model}")
    assert SCHEMA["properties"]["settings"] == {"$ref": "#/$defs/Settings"}
    assert {name for name in SCHEMA["$defs"] if name[0].isupper()} == {"Settings", *model["$defs"]}
    for name, section in model.pop("$defs").items():
        assert SCHEMA["$defs"][name] == section
    assert SCHEMA["$defs"]["Settings"] == model


def closed(schema: dict, path: str = "") -> Iterator[str]:
    """Yield the sections that would take any key."""
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield path
    for word in ("properties", "$defs"):
        for key, below in schema.get(word, {}).items():
            yield from closed(below, f"{path}/{key}")
    for below in (*filter(None, [schema.get("items")]), *schema.get("anyOf", [])):
        yield from closed(below, path)


def test_no_section_takes_a_key_it_does_not_know():
    assert list(closed(SCHEMA)) == []
    assert list(closed({"properties": {"a": {"properties": {}}}, "additionalProperties": False})) == ["/a"]


def known(path: tuple[str, ...]) -> bool:
    schema = SCHEMA
    for key in path:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if key not in schema.get("properties", {}):
            return schema.get("properties") is None  # what Kubernetes defines is left to Kubernetes
        schema = schema["properties"][key]
    return True


def keys(schema: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for key, below in schema.get("properties", {}).items():
        yield (*path, key)
        if key != "settings":
            yield from keys(below, (*path, key))


def test_the_schema_knows_every_value_and_no_other():
    values = yaml.safe_load(VALUES)
    assert [path for path in leaves(values) if not known(path)] == []
    assert not known(("kafka", "nothing"))
    for path in keys(SCHEMA):
        if path == ("global",) or path[0] in {"livenessProbe", "readinessProbe"}:
            continue  # what Helm adds to a chart within another, and what Kubernetes takes besides
        default = values
        for key in path:
            assert key in default, path
            default = default[key]


@pytest.mark.parametrize("field", ["version", "appVersion"])
def test_the_chart_has_the_programs_version(field):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())[field] == project["version"]

"""Names and texts of others, made to break what shows them: log, terminal, metrics, report, sentences and programs."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from tests.page.outside import named
from tests.web.sample import status

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.report.blocks import Answer, Document, Paragraph, Points, Table
from kafka_sentinel.adapters.report.html import html
from kafka_sentinel.adapters.report.markdown import markdown
from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.cli import commands
from kafka_sentinel.cli.common import RUNTIME_FAILURE, Trouble, say
from kafka_sentinel.cli.experiments import table
from kafka_sentinel.core.commandline import CommandLineError, fill
from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.kubernetes.objects import Kind, ObjectError
from kafka_sentinel.core.kubernetes.objects import parse as parse_object
from kafka_sentinel.core.text import STEERING, one_line
from kafka_sentinel.settings import ConfigurationError, LogSettings, load

NAMES = {
    "escape sequences": "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "ends of lines": "a\nb\r\nc\u2028d\u2029e\x85f\x0bg",
    "quotes": "'\"`\\'\\\"",
    "a template": "{{ 7 * 7 }}${jndi:ldap://x}%s{0}",
    "markup": "</script><img src=x onerror=alert(1)><!--",
    "marks of direction": "\u202ecba\u2066x\u2069\u200f\u061c",
    "not to be seen": "a\u200bb\ufeff\u00ad\U000e0041",
    "a shell": "$(id);`id`|id&&id>/tmp/x #",
    "an option": "--help",
    "a fence": "```\n# heading\n- point",
    "a table": "| a | b |\n|---|---|",
    "half a character": "\ud800x\udfff",
    "NUL": "a\x00b",
    "very long": "x" * 100_000,
}
SHOWN = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


@SHOWN
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_line_is_one_line_and_steers_nothing(form, name):
    stream = io.StringIO()
    logs.configure(LogSettings(format=form), stream=stream)
    logs.write("warning", name, {"pod": name, "nested": {name: [name]}, "error": ValueError(name)})
    [line] = stream.getvalue().splitlines()
    assert not STEERING.search(line)
    assert len(line) < 40_000
    line.encode()
    if form == "json":
        assert json.loads(line)["level"] == "warning"


@SHOWN
def test_metrics_are_read_back_as_they_were_said(name):
    said = one_line(name, 1_000)
    metrics = Metrics(said, known={"experiment": [said]})
    metrics.apply(Count("kafka_errors_total", (("code", said),)))
    for text, read in ((generate_latest, parse), (openmetrics, parse_openmetrics)):
        families = list(read(text(metrics.registry).decode()))
        values = {value for one in families for sample in one.samples for value in sample.labels.values()}
        assert said in values


@SHOWN
def test_an_answer_of_the_api_is_json_whatever_is_in_it(name):
    snapshot = Snapshot()
    snapshot.publish(named(status("loss"), name))
    for view in VIEWS:
        body = snapshot.body(view)
        assert body is not None
        assert json.loads(body.plain)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, sorted(name for name, _ in attrs)))


def report_of(name):
    rows = (("broker", name), (name, "1"))
    blocks = (Paragraph(name), Points((name, name)), Answer(name, "good", (name,)), Table(name, ("a", name), rows))
    return Document(name, blocks)


@SHOWN
def test_a_report_has_the_tags_it_has_of_a_plain_name(name):
    plain, hostile = (html(report_of(each)) for each in ("plain", name))
    without_code = [tag for tag in Tags(hostile).tags if tag[0] != "code"]
    assert [tag for tag, _ in without_code] == [tag for tag, _ in Tags(plain).tags]
    assert not STEERING.search(hostile.replace("\n", ""))


@SHOWN
def test_a_report_in_markdown_has_the_lines_it_has_of_a_plain_name(name):
    plain, hostile = (markdown(report_of(each)).splitlines() for each in ("plain", name))
    assert len(plain) == len(hostile)
    for line in hostile:
        assert not STEERING.search(line)
        assert not re.search(r"(?<![\\`])``|(?<!\\)<", re.sub(r"`[^`]+`", "", line))
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in hostile]
    assert bars == [len(re.findall(r"(?<!\\)\|", line)) for line in plain]


@SHOWN
def test_what_is_printed_steers_no_terminal(name, capsys, monkeypatch):
    def fail(**_given):
        raise Trouble(name, code=RUNTIME_FAILURE)

    monkeypatch.setattr(commands.cli, "main", fail)
    assert commands._exit_code() == RUNTIME_FAILURE
    assert len(capsys.readouterr().err.splitlines()) == 1
    say(name)
    assert not STEERING.search(capsys.readouterr().out.replace("\n", ""))
    assert len(table(("name", "pod"), [(name, name)]).split("\n")) == 3


@SHOWN
def test_an_error_about_an_object_is_one_short_line(name):
    with pytest.raises(ObjectError) as caught:
        parse_object(Kind.POD, {"metadata": {"name": name, "namespace": name, "uid": 1, "labels": {name: name}}})
    assert len(str(caught.value)) < 600
    assert not STEERING.search(str(caught.value))


@SHOWN
def test_an_error_about_a_key_is_one_line(name, tmp_path):
    (tmp_path / "f.yaml").write_text(json.dumps({name: {name: 1}, "http": {name: 1}}))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "f.yaml", {})
    for problem in caught.value.problems:
        assert not STEERING.search(problem)
        assert len(problem) < 3_200


@SHOWN
def test_nothing_of_it_becomes_a_word_of_a_command(name):
    with pytest.raises(CommandLineError) as caught:
        fill(["ssh", "{host}", "stop"], {"host": name})
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_what_is_plain_is_left_as_it_is():
    for text in ("kafka-0", "wo\u0308rter ü 漢字 🙂", "a `b` c", ""):
        assert one_line(text) == text
    assert one_line("x" * 10, 4) == "xxxx… (10 characters)"

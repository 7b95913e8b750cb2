"""`kafka-sentinel report` as a user meets it: where evidence comes from, what is made of it, and what goes wrong."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from tests.core.engine_world import Sentinel
from tests.core.kubernetes_world import KubernetesWorld
from tests.core.report.worlds import NOW, QUICK, day, document, incident, natural, report
from tests.web.sample import status
from tests.web.test_http import Site

from kafka_sentinel.adapters.report.as_json import as_json
from kafka_sentinel.adapters.report.blocks import Answer, Document, Paragraph, Table
from kafka_sentinel.adapters.report.document import document as words_of
from kafka_sentinel.adapters.report.html import html
from kafka_sentinel.adapters.report.markdown import markdown
from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.core.checkpoint import to_state
from kafka_sentinel.core.report.weakness import Finding

NASTY = "<script>alert(1)</script> | *b* `c` [d](e)"


@pytest.fixture
def sentinel(sentinel):
    return lambda *arguments: sentinel("report", *arguments)


@pytest.fixture
def saved(tmp_path):
    def write(given=None):
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(document() if given is None else given))
        return file

    return write


@pytest.fixture
def configured(tmp_path):
    """A configuration with a state file, which is written from an engine."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(f"slo: {{availability: 95}}\nstate: {{file: {tmp_path / 'state'}}}")

    def write(engine):
        store = StateFile(tmp_path / "state")
        store.open()
        store.save(json.loads(json.dumps(to_state(engine))))
        store.close()

    return file, write


# --- where it comes from


def test_a_saved_answer_is_reported_as_of_then(sentinel, saved):
    code, out, _ = sentinel("--from", saved())
    assert code == 0
    assert out.startswith("# Kafka Sentinel: report on stage\n\n**Good enough**\n")
    assert "from 2026-10-30 to 2026-11-29 12:00" in out


def test_the_state_that_the_configuration_names_is_read_and_left_alone(sentinel, configured, tmp_path):
    world = Sentinel()
    world.live(30)
    file, write = configured
    write(world.engine)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = sentinel("--config", file, "--since", "400d")
    assert (code, err) == (0, "")
    assert "0 lost of 60 acknowledged records" in out
    assert "95 % are to be" in out
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_state_of_a_running_daemon_may_be_read(sentinel, configured, tmp_path):
    file, write = configured
    write(Sentinel().engine)
    running = StateFile(tmp_path / "state")
    running.open()
    assert sentinel("--config", file, "--since", "400d")[0] == 0
    running.close()


def test_a_running_daemon_is_asked(sentinel):
    world = KubernetesWorld()
    world.run(20)
    site = Site()
    site.snapshot.publish(world.status)
    site.server.start()
    try:
        code, out, _ = sentinel("--url", f"http://127.0.0.1:{site.server.port}", "--since", "400d", "--format", "json")
    finally:
        site.server.stop()
    assert code == 0
    assert json.loads(out)["records"][0]["sent"] == world.records["sent"]


def test_the_zone_and_the_cost_are_the_users(sentinel, saved):
    options = ("--zone", "Asia/Tokyo", "--cost-self", "300", "--cost-managed", "1100", "--currency", "EUR")
    _, out, _ = sentinel("--from", saved(), *options)
    assert "to 2026-11-29 21:00" in out
    assert "times are of Asia/Tokyo" in out
    assert "the own are 800.00 EUR cheaper, 73% of that" in out
    _, out, _ = sentinel("--from", saved(), "--cost-self", "1500", "--cost-managed", "1000")
    assert "the own are 500.00 USD dearer" in out


def test_the_objective_may_be_given(sentinel, saved):
    worse = document(days=[day(ago, produce_bad=50) for ago in range(30)])
    assert "**Good enough**" in sentinel("--from", saved(worse))[1]
    assert "**Not yet, because**" in sentinel("--from", saved(worse), "--slo-availability", "99.99")[1]


def test_it_is_written_to_a_file(sentinel, saved, tmp_path):
    code, out, _ = sentinel("--from", saved(), "--format", "html", "--output", tmp_path / "report.html")
    assert (code, out) == (0, "")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("given", "fail_on", "code"),
    [
        (document(), "not-yet", 0),
        (document(), "not-good-enough", 0),
        (document(incidents=[]), "not-yet", 0),
        (document(incidents=[]), "not-good-enough", 1),
        (document(days=[day(0, lost_all=1)]), "not-yet", 1),
        (document(days=[day(0, lost_all=1)]), None, 0),
    ],
)
def test_the_exit_code_follows_the_verdict_only_if_asked_to(sentinel, saved, given, fail_on, code):
    options = () if fail_on is None else ("--fail-on", fail_on)
    found, out, err = sentinel("--from", saved(given), *options)
    assert found == code
    assert out.startswith("# Kafka Sentinel")
    assert (err != "") == (code == 1)


# --- what goes wrong


def wrong(answer, code, *words):
    found, out, err = answer
    assert (found, out) == (code, "")
    assert all(word in err for word in words), err
    assert len(err.strip().splitlines()[-1]) < 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "yesterday"), "'yesterday' is not a duration"),
        (("--since", "500d"), "longer than the 400 days that are remembered"),
        (("--since", "0s"), "not a duration"),
        (("--zone", "Mars/Olympus"), "'Mars/Olympus' is not a time zone"),
        (("--zone", "../../etc/passwd"), "is not a time zone"),
        (("--format", "pdf"), "'pdf' is not one of"),
        (("--slo-availability", "101"), "not in the range"),
        (("--cost-self", "300"), "--cost-self and --cost-managed go together"),
        (("--cost-self", "-1", "--cost-managed", "1"), "not in the range"),
        (("--url", "http://localhost:1", "--from", "x.json"), "--url and --from exclude each other"),
        (("--fail-on", "anything"), "'anything' is not one of"),
    ],
)
def test_a_wrong_option_is_a_sentence_and_exit_code_2(sentinel, options, words):
    wrong(sentinel(*options), 2, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON; save an answer of /api/v1/evidence"),
        ("[" * 100_000, "is not JSON"),
        ("\xff", "is not JSON"),
        ("[]", "is not evidence: the document is a list, not an object"),
        ('{"schema": 2}', "its schema is 2, this Kafka Sentinel reads 1"),
        (json.dumps(document(incidents=[incident(cause="x")])), "incidents[0].cause is 'x'; allowed: unknown"),
    ],
)
def test_a_file_that_is_no_evidence_is_a_sentence_and_exit_code_2(sentinel, tmp_path, content, words):
    file = tmp_path / "evidence.json"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    wrong(sentinel("--from", file), 2, f"--from {file}", words)


def test_no_state_and_no_source_says_what_there_is(sentinel):
    wrong(sentinel(), 2, "the configuration names no state (state.file)", "--url", "--from")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no state: the file is empty"),
        (b"hello\n", "holds no state: it was not written by Kafka Sentinel"),
        (b'{"magic": "kafka-sentinel-state", "version": 9}\n{}\n', "its version is 9, this Kafka Sentinel reads 1"),
    ],
)
def test_a_state_that_cannot_be_used_is_a_sentence_and_stays(sentinel, configured, tmp_path, content, words):
    if content is not None:
        (tmp_path / "state").write_bytes(content)
    wrong(sentinel("--config", configured[0]), 3, f"state file {tmp_path / 'state'}", words)
    assert content is None or (tmp_path / "state").read_bytes() == content


def test_a_state_of_before_there_were_days_is_a_sentence(sentinel, configured, tmp_path):
    state = json.loads(json.dumps(to_state(Sentinel().engine)))
    del state["days"]
    store = StateFile(tmp_path / "state")
    store.open()
    store.save(state)
    store.close()
    wrong(sentinel("--config", configured[0]), 3, "kept no totals by day; run this version once")


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("localhost:9464", 2, "is not a web address"),
        ("http://127.0.0.1:1", 3, "no daemon answers at http://127.0.0.1:1"),
    ],
)
def test_an_address_where_nobody_answers_is_a_sentence(sentinel, url, code, words):
    wrong(sentinel("--url", url), code, words)


def test_a_daemon_that_is_only_starting_says_so(sentinel):
    site = Site()
    site.server.start()
    try:
        wrong(sentinel("--url", f"http://127.0.0.1:{site.server.port}"), 3, "it has only just started")
        wrong(
            sentinel("--url", f"http://127.0.0.1:{site.server.port}/elsewhere"), 3, "answered 404", "too old for this"
        )
    finally:
        site.server.stop()


def test_one_that_stands_by_has_no_evidence(sentinel):
    site = Site()
    site.snapshot.publish(status() | {"health": "standby"})
    site.server.start()
    try:
        wrong(sentinel("--url", f"http://127.0.0.1:{site.server.port}"), 3, "stands by: another one holds the Lease")
    finally:
        site.server.stop()


def test_where_nothing_can_be_written_is_a_sentence(sentinel, saved, tmp_path):
    wrong(sentinel("--from", saved(), "--output", tmp_path / "no" / "report.md"), 2, "cannot be written")
    wrong(sentinel("--from", saved(), "--output", tmp_path), 2, "cannot be written")


# --- what it looks like


def rich():
    """A report in which every section has something to say."""
    slow = {**QUICK, "produce": 22.0, "isr": 412.0, "full": 412.0}
    incidents = [
        *(incident(number, days_ago=number) for number in range(1, 13)),
        incident(20, days_ago=2.5, load=5_000.0, phases={**QUICK, "produce": 9.0}),
        natural(21, days_ago=4.5, phases=slow, verdict="failed", reasons=["isr took 412.0 s, the objective is 300 s"]),
        natural(22, "drain", days_ago=6.5, phases={}),
        natural(23, "crash", days_ago=0.1, closed_at=None, verdict=None, phases={"detected": 1.0}),
        incident(24, days_ago=8.5, target=NASTY, lost_by_acks={"all": 0, "1": 12}),
    ]
    days = [day(ago, sent_1=900, acked_1=900, verified_1=888, lost_1=12, duplicated_all=3) for ago in range(30)]
    return report(incidents=incidents, days=days, acks=["all", "1"])


class Page(HTMLParser):
    """What a browser would find: whether tags match, and what is loaded."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_loads_nothing():
    text = html(words_of(rich()))
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name in {"src", "href", "style"}]
    assert not re.search(r"@import|url\(", text)
    assert "default-src 'none'" in text


def test_charts_have_names_and_say_nothing_that_no_table_says():
    page = Page(html(words_of(rich())))
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 4
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def test_names_from_outside_are_text_and_nothing_else():
    made = words_of(rich())
    assert "<script>" not in html(made)
    assert "alert(1)" in Page(html(made)).text
    line = next(line for line in markdown(made).splitlines() if "alert(1)" in line)
    assert r"\<script\>alert(1)\</script\> \| \*b\* `c` \[d\](e)" in line


def test_headings_skip_no_level():
    page = Page(html(words_of(rich())))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def test_tables_are_as_wide_as_their_heads():
    tables = [block for block in words_of(rich()).blocks if isinstance(block, Table)]
    assert len(tables) > 8
    assert all(len(row) == len(table.head) for table in tables for row in table.rows)


@pytest.mark.parametrize(
    "words",
    [
        "Not yet, because",
        "1 of 15 judged disruptions failed: spot (1)",
        "0 lost of 3,000,000 acknowledged records at acks=all. At 95 %, the share that is lost is below 3/3,000,000 = ",
        "This vouches for 100.00 % of the records acknowledged; 0 expired unread, 0 cannot be accounted for, and ",
        "90 extra copies stand in the log",
        "360 of 27,000 acknowledged records were lost; at acks=all, 0 of 3,000,000",
        "It lost records in 1 of 16 disruptions",
        "The published SLA of Amazon MSK over several availability zones is 99.9 % a month, 43 min of 30 days",
        "Announced, come to nothing, and counted nowhere: 1.",
        "`spot` of broker 2 on 2026-11-25 00:00 missed its objectives most",
        "`produce`: 22.0 s, 147% of its objective of 15 s",
        "Not known, and never guessed",
    ],
)
def test_the_report_says(words):
    assert words in " ".join(markdown(words_of(rich())).replace("\\", "").split())


def test_too_little_is_said_to_be_too_little():
    text = markdown(words_of(report(incidents=[incident()], days=[day(0, lived=3_600.0)])))
    assert "**Not enough evidence: run 9 more experiments**" in text
    assert "Too few disruptions to tell a trend of recoveries from: 1." in text
    assert "Not measured: no experiment ran under load" in text
    assert "Not measured: `probe.acks_one.enabled` is off" in text
    assert "0 of 1 judged ones lost any; at 95 %, fewer than 95.00 % of such disruptions do" in text


def test_nothing_at_all_is_a_report_too():
    made = report(days=[], incidents=[])
    for text in (markdown(words_of(made)), html(words_of(made)), as_json(made)):
        assert "not enough evidence" in text.lower()


def test_findings_are_told_with_the_weakest_point_they_explain():
    finding = Finding("shared-node", "brokers 1 and 2 share a node", frozenset({2}))
    made = report({"findings": (finding,)}, incidents=[incident(verdict="failed")])
    assert "\n- shared-node: brokers 1 and 2 share a node\n" in markdown(words_of(made))
    assert json.loads(as_json(made))["explained"][made.disruptions[0].id][0]["brokers"] == [2]
    assert "explained" not in json.loads(as_json(rich()))


FOUND = {"severity": "warning", "phases": ["produce"], "kinds": ["process-kill"], "loss": False, "several": False}
SHARED = {"rule": "shared-node", "what": "brokers 2 and 3 share a node", "brokers": [2, 3], **FOUND}


def test_a_bad_disruption_is_tied_to_what_the_audit_found(sentinel, saved):
    late = incident(1, phases={**QUICK, "produce": 40.0}, verdict="failed")
    other = incident(2, phases={**QUICK, "consume": 40.0}, verdict="failed", brokers=[1])
    given = document(incidents=[late, other], audit={"at": NOW, "findings": [SHARED]})
    _, text, _ = sentinel("--from", saved(given))
    assert "2 disruptions failed, or lost records at acks=all. What the last audit found would explain 1 of 2:" in text
    assert "\n- `shared-node`, 1 of 2: brokers 2 and 3 share a node\n" in text
    assert sum(line.endswith("| `shared-node` |") for line in text.splitlines()) == 1
    made = json.loads(sentinel("--from", saved(given), "--format", "json")[1])
    assert {name: [one["id"] for one in found] for name, found in made["explained"].items()} == {
        late["id"]: ["shared-node"],
        other["id"]: [],
    }


def test_a_finding_about_what_went_well_is_not_told(sentinel, saved):
    _, text, _ = sentinel("--from", saved(document(audit={"at": NOW, "findings": [SHARED]})))
    assert "shared-node" not in text
    assert "the last audit" not in text


def test_it_says_when_the_audit_found_nothing_and_when_none_is_known(sentinel, saved):
    bad = [incident(phases={**QUICK, "produce": 40.0}, verdict="failed")]
    _, text, _ = sentinel("--from", saved(document(incidents=bad, audit={"at": NOW, "findings": []})))
    assert (
        "1 disruption failed, or lost records at acks=all. Nothing that the last audit found would explain it." in text
    )
    _, text, _ = sentinel("--from", saved(document(incidents=bad)))
    assert "Whether an audit found what would explain what went badly is not known here" in text
    assert "| audit |" not in text


def test_json_has_every_number_and_a_schema():
    found = json.loads(as_json(rich()))
    assert found["schema"] == 1
    assert found["judgement"]["word"] == "not yet"
    assert found["records"][1] | {"lost": 360, "judged": 27_000} == found["records"][1]
    assert found["span"]["first"] == "2026-10-31"
    assert found["natural"][0]["seconds"]["count"] == 2
    assert found["zone"] == "UTC"
    assert found["span"]["now"] == NOW


def test_the_same_evidence_gives_the_same_bytes():
    for make in (lambda made: markdown(words_of(made)), lambda made: html(words_of(made)), as_json):
        assert make(rich()) == make(rich())


def test_each_block_is_shown_by_both():
    blocks = [Paragraph("one `code` <two>"), Answer("Good", "good", ["three"]), Table("C", ["a", "b"], [["x", "1"]])]
    made = Document("T", blocks)
    lines = ["# T", "one `code` \\<two\\>", "**Good**", "- three", "C:", "| a | b |\n|---|---:|\n| x | 1 |"]
    assert markdown(made) == "\n\n".join(lines) + "\n"
    assert "<p>one <code>code</code> &lt;two&gt;</p>" in html(made)

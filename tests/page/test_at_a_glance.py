"""What the page says: each answer at a glance, and each part of it, both ways.

`PICTURES=FOLDER` keeps the pictures that are taken of each scene.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.core.kubernetes_world import NOTICE, KubernetesWorld
from tests.page import picture
from tests.page.chromium import DESKTOP, PHONE, SCENES, Chromium, Tab, page, scene
from tests.web.sample import NODE, incident, status

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)])
def test_each_scene_is_told_within_the_first_screen(
    chromium: Chromium, pictures: Path, name: str, size: tuple[int, int], dark: bool
) -> None:
    with scene(chromium, name, size, dark=dark) as tab:
        file = pictures / f"{name}-{size[0]}-{'dark' if dark else 'light'}.png"
        tab.picture(file)
        assert file.read_bytes().startswith(b"\x89PNG")
        assert tab.run("document.getElementById('state').getBoundingClientRect().bottom <= innerHeight")
        told = {"calm": "ok", "incident": "incident", "loss": "loss", "gone": "gone"}
        assert tab.run("document.documentElement.dataset.state") == told[name]
        assert tab.run("document.getElementById('incident').hidden") == (name != "incident")
        assert tab.run("document.getElementById('loss').hidden") == (name != "loss")


def glance(tab: Tab) -> dict[str, str]:
    """Return what the answers say, with their mood."""
    found: dict[str, str] = tab.run(
        "Object.fromEntries([...document.querySelectorAll('#glance a')].filter((each) => !each.hidden)"
        ".map((each) => [each.firstChild.data.trim(), `${each.querySelector('b span').className}: "
        "${each.querySelector('b').textContent}`.replaceAll('\\u202f', ' ')]))"
    )
    return found


def test_the_six_answers_when_all_is_well(chromium: Chromium) -> None:
    with scene(chromium, "calm") as tab:
        assert glance(tab) == {
            "Lost": "fine: 0 of 4 104 203",
            "Writes": "fine: 12 of 12 work",
            "Reads": "fine: 12 of 12 work",
            "Brokers": "fine: 3 of 3 up",
            "Nodes": "fine: 3 of 3 ready",
            "Next experiment": ": in 11 min",
        }


def test_the_six_answers_when_nothing_is(chromium: Chromium) -> None:
    with scene(chromium, "loss") as tab:
        assert glance(tab) == {
            "Lost": "bad: 137 of 4 104 203",
            "Writes": "bad: 2 of 12 fail",
            "Reads": "bad: 2 of 12 fail",
            "Brokers": "bad: 2 of 3 up",
            "Nodes": "bad: 1 pod stuck",
            "Next experiment": "bad: held until resumed",
        }


def test_a_blind_sentinel_claims_nothing_about_now(chromium: Chromium) -> None:
    with page(chromium, status("blind")) as tab:
        told = glance(tab)
        assert {told["Writes"], told["Reads"], told["Brokers"]} == {": not known"}


# --- nodes


STATES = [
    ({}, "fine: ready"),
    ({"disruption": "risk"}, "warn: may go"),
    ({"disruption": "drain", "closed": True}, "bad: being drained"),
    ({"disruption": "notice"}, "bad: to go"),
    ({"disruption": "gone", "ready": False}, "bad: gone"),
    ({"ready": False}, "bad: not ready"),
    ({"closed": True}, "warn: closed to new pods"),
    ({"ready": None, "closed": None, "capacity": "unknown", "zone": None}, ": state not known"),
]


def test_a_node_is_shown_with_its_state_capacity_zone_and_brokers(chromium: Chromium) -> None:
    facts = status()
    like = facts["kubernetes"]["nodes"][1]
    facts["kubernetes"]["nodes"] = [like | {"name": f"n{index}"} | more for index, (more, _) in enumerate(STATES)]
    facts["kubernetes"]["pods"] = [facts["kubernetes"]["pods"][1] | {"node": "n0"}]
    facts["kubernetes"]["sides"] = []
    with page(chromium, facts) as tab:
        cards: list[list[str]] = tab.run(
            "[...document.querySelectorAll('#nodes > li')].map((each) => [`${each.className}: "
            "${each.querySelector('p b').textContent}`, each.querySelector('p small').textContent, "
            "each.querySelector('ul').innerText])"
        )
    assert [state for state, _, _ in cards] == [words for _, words in STATES]
    assert cards[0][1] == "spot, zone eu-west-1b"
    assert cards[-1][1] == "capacity and zone not known"
    assert "Broker 1 ready" in cards[0][2]
    assert "data goes with the node" in cards[0][2]
    assert [inside for _, _, inside in cards[1:]] == [""] * 7


def test_what_the_engine_itself_publishes_is_shown(chromium: Chromium) -> None:
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(5)
    with page(chromium, world.status) as tab:
        cards = tab.run(
            "[...document.querySelectorAll('#nodes > li')].map((each) => each.innerText.replace(/\\s+/g, ' '))"
        )
        said = tab.text("disruptions")
        answer = glance(tab)["Nodes"]
        complaints = tab.complaints()
    assert [card[:21] for card in cards] == ["n1 to go spot, zone a", "n3 ready spot, zone a"]
    assert "Broker 1 ready" in cards[0]
    assert "Broker 2 ready" in cards[0]
    assert "n1 is to go: spot reclaim" in said
    assert answer == "bad: 1 of 2 to go"
    assert complaints == []


def test_a_pod_that_cannot_come_back_is_shown_on_no_node_with_the_reason(chromium: Chromium) -> None:
    with scene(chromium, "incident") as tab:
        last = tab.run("document.querySelector('#nodes > li:last-child').innerText.replace(/\\s+/g, ' ')")
    assert last.startswith("On no node waiting Broker 2 cannot come back")
    assert f"Its volume pv-2 is on node {NODE.format(2)}, which does not exist" in last


def test_what_may_not_be_watched_is_said_and_what_is_not_there_is_not(chromium: Chromium) -> None:
    facts = status()
    watch = {"synced_at": None, "problem": "no"}
    facts["kubernetes"]["watches"] = [
        watch | {"resource": "nodes", "code": "403"},
        watch | {"resource": "nodeclaims", "code": "404"},
    ]
    with page(chromium, facts) as tab:
        said = tab.text("nodes-notes")
    assert "Nodes cannot be watched (403)" in said
    assert "claims" not in said


def test_without_kubernetes_nothing_is_said_of_nodes(chromium: Chromium) -> None:
    with page(chromium, status() | {"kubernetes": None}) as tab:
        assert tab.run("document.getElementById('nodes-part').hidden")
        assert "Nodes" not in glance(tab)


# --- incidents, history, experiments


def test_the_line_of_time_shows_each_incident_and_lets_the_failed_stand_out(chromium: Chromium) -> None:
    with scene(chromium, "incident") as tab:
        marks = tab.run(
            "[...document.querySelectorAll('.event')].map((each) => [each.classList[1], each.height.baseVal.value])"
        )
        told = tab.run("document.querySelector('#timeline svg').getAttribute('aria-label')")
        gaps = tab.run("document.querySelectorAll('#timeline .unseen').length")
    assert sorted(marks) == [["bad", 28], *[["fine", 16]] * 7, ["warn", 28]]
    assert told.endswith(": 9 incidents, 1 failed, 1 open or inconclusive.")
    assert gaps == 2 + 1  # before the history, within it, and in the legend


def test_without_an_incident_the_line_is_empty(chromium: Chromium) -> None:
    with page(chromium, status() | {"incidents": []}) as tab:
        assert tab.run("document.querySelectorAll('.event').length") == 0
        assert ": 0 incidents." in tab.run("document.querySelector('#timeline svg').getAttribute('aria-label')")


def test_the_line_of_time_goes_back_to_what_happened_before_this_process(chromium: Chromium) -> None:
    facts = status()
    facts["history"] = facts["history"][-5:]
    facts["incidents"] = [incident(number, facts["now"] - hours * 3600) for number, hours in ((2, 11), (1, 13))]
    with page(chromium, facts) as tab:
        told = tab.run("document.querySelector('#timeline svg').getAttribute('aria-label')")
        blank = tab.run("document.querySelector('#timeline .unseen').width.baseVal.value")
        assert told.startswith("From 02:13:21 to now: 1 incident.")
        assert blank > 1000  # of these hours there are no figures


def test_every_phase_that_was_reached_is_drawn_to_one_scale(chromium: Chromium) -> None:
    first = incident(2, status()["now"] - 600) | {"phases": {"detected": 1.0, "produce": 4.0, "full": 8.0}}
    second = incident(1, status()["now"] - 900) | {"phases": {"produce": 2.0, "full": None}}
    with page(chromium, status() | {"incidents": [first, second]}) as tab:
        widths = tab.run(
            "[...document.querySelectorAll('#incidents tbody .bars svg')].map((each) => Object.fromEntries("
            "[...each.children].map((bar) => [bar.className.baseVal, bar.width.baseVal.value])))"
        )
        said = tab.run("document.querySelector('#incidents .bars svg').getAttribute('aria-label')")
    assert widths == [{"phase-detected": 25, "phase-produce": 100, "phase-full": 200}, {"phase-produce": 50}]
    assert "writes back 4.0\u202fs" in said


def test_latency_availability_and_lag_are_drawn_over_the_whole_history(chromium: Chromium) -> None:
    facts = status()
    facts["history"][-1] |= {"lag_records": 4_321, "produce_good": 0.5, "produce_p99": 2.5}
    with page(chromium, facts) as tab:
        told = tab.run("[...document.querySelectorAll('#charts svg')].map((each) => each.getAttribute('aria-label'))")
        drawn = tab.run(
            "[...document.querySelectorAll('#charts path')].map((each) => each.getAttribute('d').length > 1000)"
        )
    assert "to acknowledgement: 2.5\u202fs now" in told[0]
    assert "writes: 50.000\u202f% now" in told[1]
    assert "records not read yet: 4\u202f321 now, worst 4\u202f321" in told[2]
    assert drawn == [True] * 5


def test_the_next_experiment_comes_first_with_what_denies_it_and_why_the_last_was_skipped(chromium: Chromium) -> None:
    facts = status()
    facts["experiments"]["items"].reverse()
    with page(chromium, facts) as tab:
        rows = tab.run("[...document.querySelectorAll('#experiments tbody tr')].map((each) => each.innerText)")
    assert [row.split("\t")[0] for row in rows] == ["kill-a-leader", "pause-the-controller"]
    assert "every guard allows it" in rows[0]
    assert "not skipped yet" in rows[0]
    assert "denied by min_gap: a broker was lost 47 min ago" in rows[1]
    assert "steady: partition 5 was not writable 12 s ago" in rows[1]


@pytest.mark.parametrize(
    ("change", "at_a_glance", "sentence"),
    [
        ({"latched": "137 records lost"}, "bad: held until resumed", "Held until resumed: 137 records lost."),
        ({"paused": True, "paused_by": "anna"}, "warn: paused", "Paused: anna."),
        ({"not_permitted": ["delete pods"]}, ": in 11 min", "Not permitted: delete pods."),
        ({"dry_run": True}, ": rehearsal in 11 min", "Rehearsal only: guards are asked, nothing is injected."),
        ({"items": []}, ": none configured", "Armed: faults are injected when every guard allows it."),
    ],
)
def test_what_holds_the_experiments_is_said(
    chromium: Chromium, change: dict[str, Any], at_a_glance: str, sentence: str
) -> None:
    facts = status()
    with page(chromium, facts | {"experiments": facts["experiments"] | change}) as tab:
        assert glance(tab)["Next experiment"] == at_a_glance
        assert tab.text("experiments-state") == sentence


def test_an_experiment_that_is_due_is_said_to_wait(chromium: Chromium) -> None:
    facts = status()
    facts["experiments"]["items"][0]["next_run"] = facts["now"] - 5
    with page(chromium, facts) as tab:
        assert glance(tab)["Next experiment"] == ": due"
        assert "due, waits for the guards" in tab.text("experiments")


def test_an_experiment_that_is_under_way_is_said(chromium: Chromium) -> None:
    facts = status()
    facts["experiments"]["items"][1] |= {"run": "r-1", "state": "injected"}
    with page(chromium, facts) as tab:
        assert glance(tab)["Next experiment"] == "warn: pause-the-controller under way"
        assert "under way: injected" in tab.text("experiments")


MOODS = "[...document.querySelectorAll('#audit-state span')].map((each) => each.className)"


def findings(tab: Tab) -> list[str]:
    found: list[str] = tab.run(
        "[...document.querySelectorAll('#audit > li')].map((each) => each.innerText.replace(/\\s+/g, ' '))"
    )
    return found


def test_the_audit_is_counted_and_its_worst_findings_come_first(chromium: Chromium) -> None:
    with page(chromium, status()) as tab:
        told, moods = tab.text("audit-state"), tab.run(MOODS)
        said, more = findings(tab), tab.run("document.getElementById('audit-more').hidden")
    assert told == "1 critical, 2 warnings, 6 for information, at 14:01:20. 2 rules could not be judged."
    assert moods == ["bad", "warn"]
    assert said[0] == (
        "critical Several brokers on one node Brokers 1 and 2 are on node ip-10-0-1-12 brokers-share-node"
    )
    assert [each.split()[0] for each in said] == ["critical", "warning", "warning", "info", "5"]
    assert said[-1] == "5 more findings."
    assert not more


def test_an_audit_without_findings_and_none_at_all_are_told_apart(chromium: Chromium) -> None:
    nothing = {"counts": {"critical": 0, "warning": 0, "info": 0}, "findings": [], "left_out": 0, "not_judged": []}
    with page(chromium, status() | {"audit": status()["audit"] | nothing}) as tab:
        assert tab.text("audit-state").startswith("0 critical, 0 warnings, 0 for information, at ")
        assert tab.run(MOODS) == ["fine", "fine"]
        assert findings(tab) == []
        assert tab.run("document.getElementById('audit-more').hidden")
    with page(chromium, status() | {"audit": None}) as tab:
        assert tab.text("audit-state") == "None was made yet."
        assert findings(tab) == []


def test_of_many_findings_a_few_are_shown_and_the_rest_is_counted(chromium: Chromium) -> None:
    audit = status()["audit"]
    many = audit | {"findings": audit["findings"][:1] * 50, "left_out": 7}
    with page(chromium, status() | {"audit": many}) as tab:
        said = findings(tab)
    assert len(said) == 7
    assert said[-1] == "51 more findings."


def test_the_evidence_of_a_loss_names_where_it_stood_and_what_stands_there(chromium: Chromium) -> None:
    with scene(chromium, "loss") as tab:
        first, second = tab.run("[...document.querySelectorAll('#losses tbody tr')].map((each) => each.innerText)")
    for words in ("96", "682\u202f011 to 682\u202f106", "682\u202f044", "record 682140 of run", "i-0040"):
        assert words in first
    assert "nothing: the log ends before" in second


def test_counts_that_never_were_are_one_sentence_until_they_are(chromium: Chromium) -> None:
    facts = status()
    with page(chromium, facts) as tab:
        assert "corrupted" in tab.text("records-note")
        assert "Corrupted" not in tab.text("records")
    facts["records"]["all"]["corrupted"] = 2
    with page(chromium, facts) as tab:
        assert "corrupted" not in tab.text("records-note")
        assert "Corrupted" in tab.text("records")


def test_a_daemon_that_is_gone_leaves_what_was_known_readable(chromium: Chromium) -> None:
    with scene(chromium, "gone") as tab:
        assert tab.text("headline").startswith("No answer from the daemon for")
        assert "no acknowledged record lost" in tab.text("summary")
        assert tab.run("document.title").startswith("No answer from the daemon")
        assert "3 of 3 up" in tab.text("glance")


def test_the_picture_of_the_readme_is_taken_by_one_command_and_is_small(tmp_path: Path) -> None:
    file = tmp_path / "page.png"
    assert picture.main(file) == 0
    kept = ROOT / "docs" / "page.png"
    for each in (file, kept):
        assert each.stat().st_size < picture.MAX_BYTES
        assert struct.unpack(">8s8x2I", each.read_bytes()[:24]) == (b"\x89PNG\r\n\x1a\n", *picture.SIZE)
    for document in (ROOT / "README.md", ROOT / "docs" / "page.md"):
        links = re.findall(r"!\[[^]]{20,}\]\(([^)]+)\)", document.read_text())
        assert [(document.parent / link).resolve() for link in links] == [kept]


def test_a_picture_that_is_too_large_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(picture, "MAX_BYTES", 1_000)
    assert picture.main(tmp_path / "page.png") == 1

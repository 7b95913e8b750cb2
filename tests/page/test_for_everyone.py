"""The page for everyone: on a phone, by keyboard, by screen reader, in the dark, and while it changes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.page.chromium import GONE, NARROW, PHONE, SCENES, Chromium, Daemon, answers, page, scene
from tests.page.outside import named
from tests.web.sample import status

CONTRAST = Path(__file__).with_name("contrast.js").read_text()
LONG = "ip-10-0-1-1." + "a" * 180 + ".compute.internal"


# --- contrast


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("dark", [False, True])
def test_everything_can_be_told_from_its_ground(chromium: Chromium, name: str, dark: bool) -> None:
    with scene(chromium, name, dark=dark) as tab:
        found = tab.run(CONTRAST)
    assert found["short"] == []
    assert found["measured"] > 200


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("byId('summary').style.color = '#8a8a8a'", "acknowledged"),
        ("byId('nodes').style.opacity = '0.5'", "ready"),
        ("document.querySelector('.event.bad').style.fill = '#f0c0c0'", "event bad"),
    ],
)
def test_what_is_too_faint_is_found(chromium: Chromium, script: str, complaint: str) -> None:
    with scene(chromium, "calm") as tab:
        tab.run(script.replace("byId(", "document.getElementById("))
        assert any(complaint in each for each in tab.run(CONTRAST)["short"])


# --- phones


WIDE = "document.documentElement.scrollWidth"


@pytest.mark.parametrize("name", SCENES)
def test_nothing_runs_over_the_edge_of_a_narrow_phone(chromium: Chromium, name: str) -> None:
    with scene(chromium, name, NARROW) as tab:
        assert tab.run(WIDE) == 320
        assert tab.run("[...document.querySelectorAll('[tabindex=\"0\"]')].map((each) => each.textContent)") == []
        sizes = tab.run("[...document.querySelectorAll('svg text')].map((each) => each.getBoundingClientRect().height)")
        assert min(sizes) >= 11  # px: drawings are not scaled down


def test_no_name_is_too_long_for_a_narrow_phone(chromium: Chromium) -> None:
    facts = named(status("loss"), LONG)
    with page(chromium, facts, NARROW) as tab:
        assert tab.run(WIDE) == 320
        tab.run("document.getElementById('nodes').style.minWidth = '900px'")  # what this would look like
        assert tab.run(WIDE) > 320


def test_drawings_take_the_width_there_is(chromium: Chromium) -> None:
    with scene(chromium, "calm") as tab:
        before = tab.run("document.querySelector('#timeline svg').viewBox.baseVal.width")
        tab.resize(*PHONE)
        drawn = "document.querySelector('#timeline svg').viewBox.baseVal.width"
        tab.wait_for("a narrower line of time", f"{drawn} < 400")
        assert before > 1000
        assert tab.run(WIDE) == PHONE[0]


# --- keyboard


FOCUSED = (
    "(() => { const node = document.activeElement; const style = getComputedStyle(node); const box ="
    " node.getBoundingClientRect(); return [node.innerText?.split('\\n')[0].trim(), node === document.body,"
    " style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, box.width > 0 && box.left >= 0]; })()"
)


def test_everything_can_be_reached_by_keyboard_in_the_order_it_is_seen(chromium: Chromium) -> None:
    names = []
    with scene(chromium, "calm") as tab:
        for _ in range(30):
            tab.press("Tab")
            name, is_body, outlined, visible = tab.run(FOCUSED)
            if is_body:
                break
            assert outlined, f"{name} has focus and does not show it"
            assert visible, f"{name} has focus and is not seen"
            names.append(name)
    glances = ["Lost", "Writes", "Reads", "Brokers", "Nodes", "Next experiment"]
    assert names == ["Skip to the state", *glances, "Metrics", "Status", "Incidents", "Experiments", "Schema"]


def test_the_skip_link_goes_to_the_state(chromium: Chromium) -> None:
    with scene(chromium, "calm") as tab:
        tab.press("Tab")
        tab.press("Enter")
        tab.wait_for("focus on the main part", "document.activeElement.id === 'main'")


def test_an_answer_leads_to_what_it_rests_on(chromium: Chromium) -> None:
    with scene(chromium, "calm") as tab:
        targets = tab.run(
            "[...document.querySelectorAll('#glance a')].map((each) => document.querySelector(each.hash)?.innerText)"
        )
        for _ in range(6):
            tab.press("Tab")
        tab.press("Enter")
        tab.wait_for("the nodes", "Math.abs(document.getElementById('nodes-title').getBoundingClientRect().top) < 100")
    assert [each.capitalize() for each in targets] == [
        *("Records", "Probe partitions", "Probe partitions", "Brokers", "Nodes", "Experiments")
    ]


def test_what_scrolls_can_be_reached_by_keyboard_only_while_it_scrolls(chromium: Chromium) -> None:
    reached = "[...document.querySelectorAll('.scroll[tabindex]')].map((each) => each.getAttribute('aria-labelledby'))"
    with scene(chromium, "loss") as tab:
        assert tab.run(reached) == []
        tab.resize(700, 900)
        tab.wait_for("a table that scrolls", f"{reached}.includes('loss-title')")


# --- screen readers


def test_a_screen_reader_finds_landmarks_headings_and_names(chromium: Chromium) -> None:
    with scene(chromium, "loss") as tab:
        tree = tab.heard_of()
    found = [(node["role"], node["name"]) for node in tree]
    roles = [role for role, _ in found]
    assert [roles.count(each) for each in ("main", "banner", "contentinfo", "navigation")] == [1, 1, 1, 2]
    assert [(name, node["level"]) for node in tree if (name := node["name"]) and node["role"] == "heading"][:3] == [
        ("137 acknowledged records lost", 1),
        ("Evidence of loss", 2),
        ("Service", 2),
    ]
    regions = [name for role, name in found if role == "region"]
    assert len(regions) == len(set(regions))
    assert {"Evidence of loss", "Nodes", "Incidents", "Experiments", "Probe partitions"} < set(regions)
    named_roles = {"link", "img", "image", "table", "region", "navigation", "group", "columnheader", "rowheader"}
    corner = ("columnheader", "")  # of the table of records
    assert [one for one in found if one[0] in named_roles and not one[1].strip()] in ([], [corner])
    assert ("link", "Brokers 2 of 3 up") in found
    assert ("link", "Nodes 1 pod stuck") in found


def test_levels_of_headings_skip_none(chromium: Chromium) -> None:
    with scene(chromium, "incident") as tab:
        levels = [node["level"] for node in tab.heard_of() if node["role"] == "heading"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_change_of_state_is_told_once_and_nothing_else_is(chromium: Chromium) -> None:
    daemon = Daemon(status())
    with page(chromium, daemon) as tab:
        live = [node for node in tab.heard_of() if node.get("live") not in (None, "off")]
        assert {node["role"] for node in live} <= {"status", "StaticText", "InlineTextBox"}
        tab.run(
            "window.told = []; new MutationObserver(() => told.push(document.getElementById('live').textContent))"
            ".observe(document.getElementById('live'), { childList: true, characterData: true, subtree: true })"
        )
        answers(tab, daemon, 2)
        assert tab.run("told") == []
        daemon.facts = status("incident")
        tab.wait_for("the incident", "document.documentElement.dataset.state === 'incident'")
        answers(tab, daemon, 3)
        assert tab.run("told") == ["Incident: experiment, process-kill"]
        daemon.stop()
        tab.wait_for("that the daemon is gone", GONE)
        assert tab.run("told.at(-1)") == "No answer from the daemon"


# --- while it changes


def test_who_has_focus_selects_or_reads_is_left_alone(chromium: Chromium) -> None:
    daemon = Daemon(status())
    with page(chromium, daemon) as tab:
        tab.run("document.querySelector('#glance a[href=\"#brokers-title\"]').focus()")
        tab.run("window.cell = document.querySelector('#records tbody td'); window.was = cell.textContent; ''")
        changed = status("incident")
        changed["records"]["all"]["sent"] += 1_000
        daemon.facts = changed
        tab.wait_for("the new count", "cell.textContent !== was")
        assert tab.run("document.activeElement.innerText.replace(/\\s+/g, ' ')") == "Brokers 2 of 3 up"
        assert tab.run("cell.isConnected")


SHIFTS = """
window.shifts = 0;
const add = (list) => list.getEntries().forEach((each) => { shifts += each.value; });
new PerformanceObserver(add).observe({ type: 'layout-shift' });
"""
DIGITS = 0.001  # what a number that gets longer moves at most; a row that comes or goes moves several times as much
WHOLE = [(1280, 3600), (390, 7600)]  # px: only what is within the window counts as moved


@pytest.mark.parametrize("size", WHOLE)
def test_nothing_moves_while_numbers_change(chromium: Chromium, size: tuple[int, int]) -> None:
    daemon = Daemon(status("incident"))
    with page(chromium, daemon, size) as tab:
        answers(tab, daemon, 1)
        tab.run(SHIFTS)
        for turn in range(3):
            daemon.facts["records"]["all"] |= {
                "sent": 5_000_000 + 997 * turn,
                "awaiting": 90 * turn,
                "overdue": 5 * turn,
            }
            answers(tab, daemon, 1)
        assert tab.run("shifts") < DIGITS
        tab.run("document.getElementById('summary').style.paddingBottom = '29px'; 1")  # what a shift would look like
        tab.wait_for("a shift", f"shifts > 2 * {DIGITS}")


def test_nothing_is_animated(chromium: Chromium) -> None:
    moving = (
        "[document.getAnimations().length, [...document.querySelectorAll('*')].filter((each) => { const style ="
        " getComputedStyle(each); return style.transitionDuration !== '0s' || style.animationName !== 'none'"
        " || style.scrollBehavior === 'smooth'; }).length]"
    )
    with scene(chromium, "incident") as tab:
        assert tab.run(moving) == [0, 0]
        tab.run("document.body.style.transitionDuration = '1s'")
        assert tab.run(moving) == [0, 1]

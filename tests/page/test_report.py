"""The report as HTML, in a browser: from a file, with nothing to load, in the light and in the dark, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.test_report import rich
from tests.core.report.worlds import report
from tests.page.chromium import DESKTOP, NARROW, Chromium, Tab
from tests.page.test_for_everyone import CONTRAST, WIDE

from kafka_sentinel.adapters.report.document import document
from kafka_sentinel.adapters.report.html import html

REPORTS = {"rich": rich, "good": report, "nothing": lambda: report(days=[], incidents=[])}
CHARTS = {"rich": 4, "good": 3, "nothing": 0}


@contextmanager
def shown(
    chromium: Chromium, folder: Path, name: str = "rich", size: tuple[int, int] = DESKTOP, **how: bool
) -> Iterator[Tab]:
    file = folder / "report.html"
    file.write_text(html(document(REPORTS[name]())))
    tab = chromium.open(file.as_uri(), *size, **how)
    try:
        tab.wait_for("the report", "document.querySelector('main > :last-child') && document.readyState === 'complete'")
        yield tab
    finally:
        tab.close()


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("dark", [False, True])
def test_everything_can_be_told_from_its_ground(chromium: Chromium, tmp_path: Path, name: str, dark: bool) -> None:
    with shown(chromium, tmp_path, name, dark=dark) as tab:
        found = tab.run(CONTRAST)
        assert tab.complaints() == []
        dark_ground = tab.run("getComputedStyle(document.documentElement).backgroundColor")
    assert found["short"] == []
    assert found["measured"] > 60
    assert (dark_ground == "rgb(21, 20, 18)") is dark


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("document.querySelector('.dot.good').style.fill = '#d0e0d0'", "dot good"),
        ("document.querySelector('caption').style.color = '#bbb'", "All of the time"),
    ],
)
def test_what_is_too_faint_is_found(chromium: Chromium, tmp_path: Path, script: str, complaint: str) -> None:
    with shown(chromium, tmp_path) as tab:
        tab.run(script.replace("document.querySelector('caption')", "[...document.querySelectorAll('caption')][1]"))
        assert any(complaint in each for each in tab.run(CONTRAST)["short"])


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_runs_over_the_edge_of_a_narrow_phone(chromium: Chromium, tmp_path: Path, name: str) -> None:
    with shown(chromium, tmp_path, name, NARROW) as tab:
        assert tab.run(WIDE) == 320


@pytest.mark.parametrize("name", REPORTS)
def test_a_screen_reader_finds_headings_tables_and_charts(chromium: Chromium, tmp_path: Path, name: str) -> None:
    with shown(chromium, tmp_path, name) as tab:
        tree = tab.heard_of()
    heard = [(node["role"], node["name"]) for node in tree]
    assert [role for role, _ in heard].count("main") == 1
    assert sum(role in {"image", "img"} for role, _ in heard) == CHARTS[name]
    assert [
        one for one in heard if one[0] in {"image", "img", "table", "region", "heading"} and not one[1].strip()
    ] == []
    assert ("heading", "Weakest point") in heard


def test_what_scrolls_can_be_reached_by_keyboard(chromium: Chromium, tmp_path: Path) -> None:
    focused = "[document.activeElement.className, document.activeElement.getAttribute('aria-label') !== null]"
    with shown(chromium, tmp_path, "rich", NARROW) as tab:
        regions = tab.run("document.querySelectorAll('.scroll').length")
        found = []
        for _ in range(regions):
            tab.press("Tab")
            found.append(tab.run(focused))
    assert found == [["scroll", True]] * regions

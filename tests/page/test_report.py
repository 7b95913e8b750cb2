"""The report as HTML in a real browser: that of a recorded run (tests/cli/fixtures/report), opened as the file it is.

`PICTURES=FOLDER` keeps the pictures that are taken of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.page.chromium import DESKTOP, NARROW, PHONE, Chromium, Tab
from tools.record_report import FIXTURE, REPORTS

FILE = FIXTURE / REPORTS["html"]
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
WIDE = "document.documentElement.scrollWidth"
SIZES = (DESKTOP, PHONE, NARROW)


@contextmanager
def opened(chromium: Chromium, file: Path, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Iterator[Tab]:
    tab = chromium.open("about:blank", *size, dark=dark)
    tab.call("Network.enable")
    tab.call("Page.navigate", url=file.as_uri())
    try:
        tab.wait_for("the report", "document.readyState === 'complete' && document.querySelector('h1') !== null")
        yield tab
    finally:
        tab.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_its_screen_and_can_be_told_from_its_ground(
    chromium: Chromium, pictures: Path, size: tuple[int, int], dark: bool
) -> None:
    with opened(chromium, FILE, size, dark=dark) as tab:
        tab.picture(pictures / f"report-{size[0]}-{'dark' if dark else 'light'}.png")
        assert tab.run(WIDE) == size[0]
        contrast = tab.run(CONTRAST)
        ground = tab.run("getComputedStyle(document.documentElement).backgroundColor")
    assert contrast["short"] == []
    assert contrast["measured"] > 100
    assert (sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 200) is dark


def test_what_is_wider_than_a_phone_scrolls_within_itself_and_not_the_page(chromium: Chromium) -> None:
    with opened(chromium, FILE, PHONE) as tab:
        inner = tab.run("[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).length")
        assert inner > 0
        tab.run("document.querySelector('table').parentElement.style.overflow = 'visible'")  # what this would look like
        tab.run("document.querySelector('table').style.minWidth = '900px'")
        assert tab.run(WIDE) > PHONE[0]


def test_it_asks_nobody_for_anything(chromium: Chromium, tmp_path: Path) -> None:
    with opened(chromium, FILE) as tab:
        assert tab.requests() == [FILE.as_uri()]
        assert tab.complaints() == []
        assert tab.run("document.scripts.length") == 0
    asking = tmp_path / "asking.html"
    asking.write_text(FILE.read_text().replace("</main>", '<img src="picture.png"></main>'))
    with opened(chromium, asking) as tab:
        assert any("Content Security Policy" in each for each in tab.complaints())


def test_its_charts_are_drawn(chromium: Chromium) -> None:
    with opened(chromium, FILE) as tab:
        drawn = tab.run(
            "[...document.querySelectorAll('figure svg')].map((one) => [...one.querySelectorAll('rect, circle, path')]"
            ".filter((each) => { const box = each.getBoundingClientRect(); return box.width > 0 && box.height > 0; })"
            ".length)"
        )
        names = tab.run("[...document.querySelectorAll('figcaption b')].map((each) => each.innerText)")
    assert len(drawn) == len(names) >= 2
    assert min(drawn) > 0
    assert "Seconds until every partition could be written again" in names

"""What comes from outside is text, and the page keeps to its policy: no answer of anybody is ever run or parsed."""

from __future__ import annotations

import pytest
from tests.page.chromium import DESKTOP, PHONE, Chromium, page, scene
from tests.page.outside import named
from tests.web.sample import status

HOSTILE = '<img src=x onerror="document.title=1"><b>kafka</b>'


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_hostile_name_is_text_wherever_it_stands(chromium: Chromium, size: tuple[int, int]) -> None:
    with page(chromium, named(status("loss"), HOSTILE), size) as tab:
        times = tab.run("document.body.textContent").count(HOSTILE)
        made = tab.run(
            "[...document.querySelectorAll('main img, main b')].filter((each) => each.textContent === 'kafka').length"
        )
        assert times >= 15
        assert made == 0
        assert tab.run("document.querySelectorAll('img').length") == 1  # our own mark
        assert tab.run("document.title").endswith("Kafka Sentinel")
        assert tab.complaints() == []


@pytest.mark.parametrize("name", ["calm", "incident", "loss"])
def test_the_page_keeps_to_its_policy(chromium: Chromium, name: str) -> None:
    with scene(chromium, name) as tab:
        assert tab.complaints() == []


def test_the_policy_is_in_force(chromium: Chromium) -> None:
    with scene(chromium, "calm") as tab:
        tab.run(
            "const bad = document.createElement('script'); bad.text = 'window.hit = 1'; document.body.append(bad); ''"
        )
        tab.run("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
        assert tab.run("window.hit") is None
        assert sum("Content Security Policy" in each for each in tab.complaints()) == 2

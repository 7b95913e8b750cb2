"""What others wrote is shown on one line, bounded, and steers no terminal."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.text import one_line


@pytest.mark.parametrize("text", ["", "kafka-1:9092", "Zürich, 東京, 🚀", "a\\n", "it's"])
def test_what_is_plain_stays_as_it_is(text):
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("left\u202eright", "left\\u202eright"),
        ("\ufeffx\ud800", "\\ufeffx\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_steers_is_shown_as_in_a_literal(text, shown):
    assert one_line(text) == shown


def test_what_is_longer_than_it_may_be_is_cut_and_its_length_is_told():
    assert one_line("abc\n", 4) == "abc\\n"
    assert one_line("a\nbcd", 3) == "a\\nb… (5 characters)"

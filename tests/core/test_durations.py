from __future__ import annotations

import pytest

from kafka_sentinel.core.durations import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0s"), (0.0004, "0s"), (0.001, "1ms"), (0.25, "250ms"), (1.5, "1500ms"), (0.999, "999ms")),
        *((1.0, "1s"), (30.0, "30s"), (59.0, "59s"), (61.0, "61s"), (60.0, "1m"), (90 * 60.0, "90m")),
        *((3_600.0, "1h"), (25 * 3_600.0, "25h"), (86_400.0, "1d"), (7 * 86_400.0, "7d"), (86_401.0, "86401s")),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_that_needs_no_fraction(seconds, text):
    assert format_duration(seconds) == text

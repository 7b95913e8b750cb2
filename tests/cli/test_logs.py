"""One line per event, readable or JSON, and never a secret."""

import io
import json
import logging
import warnings

import pytest

from kafka_sentinel.adapters import logs
from kafka_sentinel.settings import LogSettings


class Terminal(io.StringIO):
    def isatty(self):
        return True


def configured(stream=None, *, secrets=(), **given):
    stream = stream if stream is not None else io.StringIO()
    logs.configure(LogSettings(**given), secrets=secrets, stream=stream)
    return stream


def fail(why):
    raise ValueError(why)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_there_is_no_terminal():
    stream = configured()
    logs.get_logger().info("started", run="ab", count=3)
    (line,) = lines(stream)
    assert (line["level"], line["event"], line["run"], line["count"]) == ("info", "started", "ab", 3)
    assert line["timestamp"].endswith("Z")
    assert next(iter(line)) == "timestamp"


def test_console_on_a_terminal():
    stream = configured(Terminal())
    logs.get_logger().info("started", run="ab")
    assert "started" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        lines(stream)


@pytest.mark.parametrize(("chosen", "stream"), [("json", Terminal()), ("console", io.StringIO())])
def test_a_format_that_is_asked_for_wins(chosen, stream):
    configured(stream, format=chosen)
    logs.get_logger().info("started")
    assert stream.getvalue().startswith("{") is (chosen == "json")


@pytest.mark.parametrize("chosen", ["json", "console"])
def test_every_event_is_one_line_whatever_it_holds(chosen):
    stream = configured(format=chosen)
    logger = logs.get_logger()
    logger.info("a\nb", text="c\r\nd\u2028e\x1b[31m", nested={"x": ["y\nz"]}, object=ValueError("f\ng"))
    try:
        fail("first\nsecond")
    except ValueError:
        logger.exception("failed")
        logging.getLogger("urllib3.connection").exception("library\nfailed")
    logger.warning("failed", exc_info=ValueError("third"))
    assert len(stream.getvalue().splitlines()) == 4
    assert "\x1b" not in stream.getvalue()


def test_an_exception_is_named_with_where_it_came_from():
    stream = configured()
    try:
        fail("why")
    except ValueError:
        logs.get_logger().exception("failed")
    (line,) = lines(stream)
    assert line["raised"] == "ValueError: why"
    assert "test_logs.py" in line["traceback"]


def test_levels_below_the_chosen_one_are_not_written():
    stream = configured(level="warning")
    logs.get_logger().info("no")
    logs.get_logger().warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_libraries_are_heard_from_warnings_upwards():
    stream = configured(level="debug")
    logging.getLogger("apscheduler.scheduler").info("no")
    logging.getLogger("urllib3.pool").warning("yes %d", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    found = lines(stream)
    assert [(line["library"], line["level"]) for line in found] == [("urllib3", "warning"), ("py", "warning")]
    assert found[0]["event"] == "yes 1"


def test_no_secret_is_written_wherever_it_hides():
    stream = configured(secrets=["hunter2", "", "hunter2-long"])
    logs.get_logger().info(
        "login hunter2",
        text="xhunter2y",
        sasl_password="abc",
        deep={"token": "abc", "l": ["hunter2-long"]},
        o=ValueError("hunter2"),
    )
    logging.getLogger("urllib3").error("bad %s", "hunter2")
    try:
        fail("hunter2")
    except ValueError:
        logs.get_logger().exception("failed")
    written = stream.getvalue()
    assert "hunter2" not in written
    assert "-long" not in written
    assert "abc" not in written
    assert lines(stream)[0]["text"] == "x**********y"


def test_what_is_no_secret_stays():
    stream = configured(secrets=["hunter2"])
    logs.get_logger().info("read", password=None, count=2, ok=True, share=0.5, nothing=None)
    (line,) = lines(stream)
    assert (line["password"], line["count"], line["ok"], line["share"], line["nothing"]) == (None, 2, True, 0.5, None)


def test_a_line_has_an_end_even_if_its_value_has_none():
    stream = configured()
    endless = []
    endless.append(endless)
    logs.get_logger().info("big", text="x" * 1_000_000, endless=endless)
    assert len(stream.getvalue()) < 20_000


def test_fields_of_the_engine_cannot_hide_the_event():
    stream = configured()
    logs.write("warning", "lost", {"event": "x", "level": "y", "partition": 3})
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["event_"], line["partition"]) == ("lost", "warning", "x", 3)

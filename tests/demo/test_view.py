import dataclasses

import pytest
from rich.console import Console
from tests.web.sample import incident, status

from kafka_sentinel.demo.frame import Frame, broker_state, clock, reached, upcoming
from kafka_sentinel.demo.lines import Lines
from kafka_sentinel.demo.view import render


def frame(scene="calm", **changes):
    given = {"status": status(scene), "kafka": "apache-kafka 4.3.1", "elapsed": 47.0, "duration": 120.0}
    return Frame(**(given | {"page": "http://127.0.0.1:4711/"} | changes))


def shown(given, width=80, height=24):
    console = Console(width=width, height=height, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - nobody reads it
    console.print(render(given, height))
    return console.export_text()


def six(given):
    """The lab's six partitions."""
    partitions = [one for one in given.status["partitions"] if one["acks"] == "all"]
    return dataclasses.replace(given, status=given.status | {"partitions": partitions})


@pytest.mark.parametrize("scene", ["calm", "incident", "loss", "blind", "starting"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_every_state_fits_the_terminal(scene, width, height):
    lines = shown(six(frame(scene)), width, height).rstrip("\n").splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_the_head_tells_kafka_time_and_page():
    head = shown(frame()).splitlines()[0]
    assert "apache-kafka 4.3.1  00:47 of 02:00  http://127.0.0.1:4711/" in head


def test_an_open_incident_shows_what_is_reached_and_ticks_for_the_rest():
    given = six(frame("incident"))
    given.status["incidents"][0]["phases"]["consume"] = None
    text = shown(given, 120)
    assert "open incident: process-kill of broker 2, leader of partitions 2, 5, for 6.2 s" in text
    assert "2.1 s" in text
    assert "6.2 …" in text
    assert "partition 5 has no leader; broker 2 is down" in text


def test_without_an_incident_nothing_is_claimed_that_is_not_so():
    assert "none: every partition can be written and read" in shown(frame())
    assert "none so far" in shown(frame("starting"))


def test_losses_are_shown():
    assert "137" in shown(frame("loss"), 120)


def test_replicas_that_lag_behind_are_dots():
    assert "0 1 ·" in shown(frame("incident"))
    assert "·" not in shown(frame())


def test_a_broker_is_what_its_process_is_and_then_what_the_cluster_sees():
    seen, unseen = {"id": 1, "up": True}, {"id": 1, "up": False}
    assert broker_state(frame(processes={1: "stopped"}), seen) == "killed"
    assert broker_state(frame(processes={1: "paused"}), seen) == "paused"
    assert broker_state(frame(processes={1: "running"}), unseen) == "starting"
    assert broker_state(frame(processes={1: "running"}), seen) == "up"
    assert broker_state(frame(), unseen) == "down"


def test_the_isr_is_not_told_before_it_can_have_shrunk():
    given = incident(1, 0.0) | {"closed_at": None, "state": "open"}
    phases = given["phases"]
    early = given | {"phases": phases | {"produce": None, "consume": None}}
    assert (reached(early, "isr"), reached(early, "lag"), reached(early, "detected")) == (
        None,
        None,
        phases["detected"],
    )
    assert (reached(given, "isr"), reached(given, "lag")) == (None, phases["lag"])
    assert reached(given | {"state": "settling"}, "isr") == phases["isr"]
    assert reached(early | {"state": "closed"}, "isr") == phases["isr"]


def waiting(due=-3.0, answers=(), **held):
    given = frame()
    item = {"name": "kill-leader", "next_run": given.status["now"] + due, "guards": list(answers)}
    experiments = {"armed": True, "dry_run": False, "paused": False, "latched": None, "items": [item]} | held
    return dataclasses.replace(given, status=given.status | {"experiments": experiments})


def answer(guard, reason="", threshold=""):
    return {"guard": guard, "allowed": not reason, "seen": "", "threshold": threshold, "reason": reason}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (waiting(12), "kill-leader in 12 s"),
        (waiting(-1, [answer("armed")]), "kill-leader now"),
        (waiting(-1), "kill-leader now"),
        (waiting(-1, [answer("schedule", "not due")]), "kill-leader now"),
        (waiting(-1, [answer("one_at_a_time", "x is under way")]), "kill-leader once the one before is over"),
        (
            waiting(-1, [answer("min_gap", "a broker was lost 12 s ago", ">= 20 s")]),
            "kill-leader waits: a broker was lost 12 s ago (wanted: >= 20 s)",
        ),
        (waiting(latched="experiment x failed"), "nothing more: experiment x failed"),
        (waiting(paused=True), "nothing more: this is about to end"),
        (waiting(items=[]), "nothing is broken here on purpose"),
    ],
)
def test_the_view_says_what_comes_next_and_why_it_waits(given, words):
    assert upcoming(given) == words


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3_725, "1:02:05")])
def test_time_is_written_as_people_do(seconds, text):
    assert clock(seconds) == text


# --- plain lines


def said(*frames):
    found = []
    lines = Lines(found.append)
    for each in frames:
        lines.show(each)
    return found


def test_lines_tell_each_event_once():
    given = frame("incident")
    found = said(given, given, given)
    assert len(found) == len(set(found))
    assert sum("incident i-0041: process-kill of broker 2" in line for line in found) == 1
    assert sum("incident i-0041: produce after 3.4 s" in line for line in found) == 1
    assert found[0] == "00:47  page: http://127.0.0.1:4711/"


def test_lines_tell_the_verdict_and_its_reasons():
    closed = incident(7, 0.0, scale=3.3)
    given = frame()
    given = dataclasses.replace(given, status=given.status | {"incidents": [closed]})
    assert [line for line in said(given, given) if "failed" in line] == [
        "00:47  incident i-0007: failed, lost 0 (produce took 11.2 s; the objective is 10 s)"
    ]


def test_figures_come_every_few_seconds_and_not_with_every_frame():
    frames = [frame(elapsed=second / 4) for second in range(60)]
    assert sum("acked" in line for line in said(*frames)) == 3


def test_lines_tell_what_the_ending_waits_for():
    found = said(frame(), frame(stage="reading the last records", elapsed=48.0))
    assert "00:48  ending: reading the last records" in found

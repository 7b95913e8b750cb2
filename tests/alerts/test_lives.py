"""What fires, and what does not, over whole lives of the production engine, whose own metrics the rules are fed."""

from __future__ import annotations

import math
import re

from tests.alerts import promtool
from tests.alerts.lives import SCRAPE, Life
from tests.alerts.promtool import ROOT

from kafka_sentinel.core.commands import SaveState
from kafka_sentinel.core.ledger import PartitionLedger

PAGE = (ROOT / "docs/alerts.md").read_text()
QUIET = ("n1", "n2", "n3")
# All brokers are on spot nodes of one zone: known, said, and nobody's alarm.
KNOWN = {"KafkaSentinelPlacementExposed (info)"}
BEFORE = 2000  # seconds: half of the error budget's hour has to be seen before it counts
AFTER = 1200  # longer than any alert of a quiet life would wait
LOST = "KafkaSentinelMessageLossAfterSpotReclaim (critical)"


def fired(life, tmp_path, *moments):
    """Return the names of the alerts that fire at each moment, in seconds; without moments, those that ever did."""
    end = (len(life.scrapes) - 1) * SCRAPE
    now, ever = 'ALERTS{alertstate="firing"}', f'last_over_time(ALERTS{{alertstate="firing"}}[{end + 60:.0f}s])'
    questions = [
        {
            "expr": f"group by (alertname, severity) ({now if moments else ever})",
            "eval_time": f"{moment:.0f}s",
            "exp_samples": [{"labels": "never", "value": 0}],  # so that it tells what there is instead
        }
        for moment in moments or (end,)
    ]
    case = {
        "name": "life",
        "interval": f"{SCRAPE:.0f}s",
        "evaluation_interval": "30s",
        "input_series": life.input_series(),
        "promql_expr_test": questions,
    }
    answers = promtool.run(case, tmp_path).split("got:")[1:]
    assert len(answers) == len(questions)
    named = re.compile(r'alertname="(\w+)", severity="(\w+)"')
    found = [{f"{name} ({level})" for name, level in named.findall(answer)} for answer in answers]
    return found if moments else found[0]


def expected(moment):
    """Return what docs/alerts.md says."""
    section = PAGE.partition("## After a node with two of three brokers was reclaimed")[2]
    row = next(line for line in section.splitlines() if line.startswith(f"| {moment} "))
    return set(re.findall(r"KafkaSentinel\w+ \(\w+\)", row)) | (KNOWN if "(info)" in row else set())


def test_a_rolling_restart_that_goes_well_wakes_nobody(tmp_path):
    life = Life(places=QUIET)
    life.run(BEFORE)
    for broker in (1, 2, 3):
        life.roll(broker)
    life.run(AFTER)
    assert [(one["cause"], one["verdict"]) for one in life.incidents] == [("rollout", "passed")] * 3
    assert fired(life, tmp_path) == KNOWN


def test_a_rolling_restart_and_an_experiment_just_after_the_start_wake_nobody_either(tmp_path):
    life = Life(places=QUIET)
    life.run(60)
    for broker in (1, 2, 3):
        life.roll(broker)
    life.run(60)
    life.crash_by_experiment(1)
    life.run(AFTER)
    assert fired(life, tmp_path) == KNOWN


def test_an_experiment_that_passes_wakes_nobody(tmp_path):
    life = Life(places=QUIET)
    life.run(BEFORE)
    life.crash_by_experiment(1)
    life.run(AFTER)
    assert [(one["cause"], one["verdict"]) for one in life.incidents] == [("experiment", "passed")]
    assert life.counts["experiments_total kill passed"] == 1
    assert fired(life, tmp_path) == KNOWN


def test_a_sentinel_that_moves_to_another_node_wakes_nobody(tmp_path):
    life = Life(places=QUIET)
    life.run(BEFORE)
    life.restart(away=180)
    life.run(AFTER)
    assert fired(life, tmp_path) == KNOWN


def test_a_loss_is_told_within_ninety_seconds_and_nothing_else_is(tmp_path):
    """The leader goes with its node; a follower that lacked the last records takes over at once."""
    life = Life(places=QUIET)
    life.run(BEFORE)
    life.reclaim_and_lose("n1", 1, leader=2, lost=10)
    life.come_back(1, on="n9")
    life.run(AFTER)
    [loss] = life.status["losses"]
    assert (loss["count"], loss["cause"]) == (10, "spot")
    proved = loss["proved_at"] - life.born
    before, after = fired(life, tmp_path, proved - SCRAPE, proved + 90)
    assert before == KNOWN
    assert after == {LOST, *KNOWN}
    assert fired(life, tmp_path) == {LOST, *KNOWN}


def test_a_reclaim_that_is_known_as_one_too_late_leaves_its_loss_under_unknown(tmp_path):
    life = Life(places=QUIET)
    life.run(60)
    life.lose_power_and_records("n1", 1, leader=2, lost=10)
    life.come_back(1, on="n9")
    life.run(180)
    [incident] = life.incidents
    assert (incident["cause"], incident["cause_revised"]) == ("unknown", "spot")
    assert fired(life, tmp_path) == {"KafkaSentinelMessageLoss (critical)"}


def test_a_loss_that_no_scrape_has_seen_alerts_when_sentinel_is_back(tmp_path):
    life = Life(places=QUIET)
    life.run(BEFORE)
    life._next_scrape = math.inf
    life.reclaim_and_lose("n1", 1, leader=2, lost=10)
    assert life.status["losses"]
    silent = life.wall - life.born
    life.scrapes += [{}] * round(silent / SCRAPE - len(life.scrapes))
    assert not any("last_loss" in name for scrape in life.scrapes for name, _ in scrape)
    life.restart()
    life.come_back(1, on="n9")
    back = life.wall - life.born
    life.run(120)
    before, after = fired(life, tmp_path, back - SCRAPE, back + 90)
    assert LOST not in before
    assert LOST in after


def test_what_fires_together_is_what_the_page_says(tmp_path):
    """Two of three brokers go with their node, their pods wait for its disk, and what they had is not all there."""
    life = Life(places=("n1", "n1", "n3"))
    life.run(BEFORE)
    life.reclaim("n1", 1, 2, leader=3)
    down = life.wall - life.born - 40
    life.run(680)
    life.truncate(10)
    life.come_back(1, 2, on="n9")
    life.run(1300)
    [loss] = life.status["losses"]
    proved = loss["proved_at"] - life.born
    moments = {
        "before": down - 60,
        "two minutes after the node went": down + 120,
        "after twelve minutes": proved - 15,
        "within 90 s of the proof of the loss": proved + 90,
        "twenty minutes later": proved + 1200,
    }
    found = dict(zip(moments, fired(life, tmp_path, *moments.values()), strict=True))
    assert found == {moment: expected(moment) for moment in moments}


def test_a_detector_that_misses_what_it_is_drilled_with_is_told_within_a_minute_and_nothing_else_is(
    tmp_path, monkeypatch
):
    """By the first drill of a life; that of the next life finds everything, and takes nothing back."""
    life = Life(places=QUIET)
    with monkeypatch.context() as broken:
        broken.setattr(PartitionLedger, "_count_copies", lambda self, found: None)
        life.run(120)
    life.restart()
    life.run(120)
    named = "KafkaSentinelSelftestMissed (warning)"
    assert fired(life, tmp_path, 60, 200) == [{named}, {named}]
    assert fired(life, tmp_path) == {named}
    assert life.engine.status()["selftest"]["missed"] == []


class Kept(Life):
    """`saved`: the losses in the state that was asked to be kept last."""

    saved: tuple[dict, ...] = ()

    def step(self, event):
        commands = super().step(event)
        for command in commands:
            if isinstance(command, SaveState):
                self.saved = tuple(command.state["losses"])
        return commands


def test_what_is_proved_to_be_lost_is_kept_at_once_for_its_finder_may_die():
    """The first of them latches the experiments, which is kept at once as well; the next one changes nothing there."""
    life = Kept(places=QUIET)
    life.run(60)
    for times in (1, 2):
        life.truncate(10)
        known = len(life.saved)
        while len(life.status["losses"]) == known:
            life.run(1)
        life.run(1)
        assert life.saved == tuple(life.status["losses"]), f"loss {times}"
        life.run(10)

"""The report of a Sentinel that runs, asked by its address as a user asks: its numbers are its metrics."""

from __future__ import annotations

import json
import urllib.request

import pytest
from click.testing import CliRunner
from tests.cli.same_numbers import Scrape, same_records, same_recoveries, same_service, same_sight, same_verdicts
from tests.kafka.sentinel import Sentinel, configuration, wait_for

from kafka_sentinel.cli.commands import cli
from kafka_sentinel.core.engine import Engine

SESSION = {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5}


@pytest.mark.full
def test_the_report_of_a_running_sentinel_says_what_its_metrics_say(lab_combined, make_topic):
    topic = make_topic(lab_combined)
    config = configuration(lab_combined.bootstrap_servers, topic, probe={"manage_topic": False}, cluster=SESSION)
    with Sentinel(config) as sentinel:
        sentinel.wait_verified(50)
        lab_combined.kill(1)
        wait_for(lambda: any(1 in one["brokers"] for one in sentinel.incidents()), 60, "an incident")
        lab_combined.start(1)
        lab_combined.wait_ready([1])
        wait_for(lambda: sentinel.runtime.ask(calm), 120, "its end")
        made, scrape = sentinel.runtime.ask(lambda engine: fetched(sentinel, engine), timeout=240)
    [struck] = [one for one in made["disruptions"] if 1 in one["brokers"]]
    assert struck["phases"]["produce"] > 0
    assert any(service["bad"] for service in made["services"])
    same_records(made, scrape, "all")
    for operation in ("produce", "consume"):
        same_service(made, scrape, operation)
    same_sight(made, scrape)
    same_verdicts(made, scrape, natural=True)
    same_recoveries(made, scrape, natural=True)


def calm(engine: Engine) -> bool:
    return not engine.incidents.open


def fetched(sentinel: Sentinel, engine: Engine) -> tuple[dict, Scrape]:
    """Return report and metrics of one moment: the engine, whose thread this is, stands still meanwhile."""
    sentinel.runtime.display.publish_engine(engine, waiting=0)
    url = f"http://127.0.0.1:{sentinel.runtime.web.port}"
    done = CliRunner().invoke(cli, ["report", "--url", url, "--format", "json"], catch_exceptions=False)
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        return json.loads(done.stdout), Scrape(answer.read().decode())

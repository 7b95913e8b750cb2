"""The report of a Sentinel beside real brokers says what its metrics say, and what happened to the brokers."""

from __future__ import annotations

import json

import pytest
from tests.core.report.scraped import Scraped, differences
from tests.kafka.sentinel import Sentinel, configuration, wait_for
from tools.record_report import taken

from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.core.report.evidence import parse
from kafka_sentinel.core.report.from_state import document
from kafka_sentinel.core.report.report import Wish, build
from kafka_sentinel.core.types import Acks

LOAD = 600.0


def report(found):
    evidence = parse(json.loads(json.dumps(found)))
    return build(evidence, Wish(now=evidence.until, since=86_400.0))


@pytest.mark.timeout(400)
def test_the_report_of_a_failover_under_load_is_what_the_metrics_say(lab_combined, make_topic, tmp_path):
    lab = lab_combined
    topic = make_topic(lab, [[1, 2, 3], [2, 3, 1], [3, 1, 2]], config={"min.insync.replicas": "2"})
    item = {"name": "kill", "fault": "process-kill", "target": "leader", "every": "15s", "grace": 600, "duration": 4}
    items = [{**item, "load": LOAD}]
    experiments = {"armed_for": lab.cluster_id, "dry_run": False, "warm_up": 5, "steady": 3, "items": items}
    state = tmp_path / "state.json"
    config = configuration(
        lab.bootstrap_servers, topic, experiments=experiments, state={"file": str(state), "checkpoint_interval": 1}
    )

    def fleet(post, now, on_death):
        return LocalFleet(lab, post=post, now=now, on_death=on_death)

    with Sentinel(config, fleet=fleet) as sentinel:
        wait_for(lambda: [one for one in sentinel.incidents() if one["verdict"]], 240, "an experiment with a verdict")
        sentinel.runtime.ask(lambda engine: engine.resume_with(engine.experiments.pause(engine.now, "enough")))
        wait_for(lambda: not [one for one in sentinel.incidents() if not one["closed_at"]], 120, "no incident open")
        sentinel.quiesce()
        registry = sentinel.runtime.metrics.registry
        recorded = sentinel.runtime.ask(lambda engine: taken(engine, registry))
        status = sentinel.status
    made = report(recorded.evidence)
    assert differences(made, Scraped(recorded.metrics)) == {}
    figures = status["records"]["all"]
    (records,) = made.records
    assert (records.acks, records.lost) == (Acks.ALL, figures["lost"])
    assert (records.sent, records.acked, records.verified) == tuple(
        figures[name] for name in ("sent", "acked", "verified")
    )
    (loaded,) = made.under_load
    assert (loaded.kind, loaded.load) == ("process-kill", LOAD)
    store = StateFile(state)
    kept = report(document(store.peek(), slo=status["slo"], version=status["version"]))
    assert kept.disruptions == made.disruptions
    assert kept.records == made.records

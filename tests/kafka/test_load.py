"""An experiment that raises the probe rate as far as it may: it passes, and the load ends with it."""

from __future__ import annotations

import pytest
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.core.faults import MAX_LOAD


@pytest.mark.full
def test_an_experiment_under_the_highest_load_ends_and_its_load_with_it(lab_separate, make_topic, tmp_path):
    lab = lab_separate
    topic = make_topic(lab, [[1, 2, 3], [2, 3, 1], [3, 1, 2]], config={"min.insync.replicas": "2"})
    kill = {"name": "kill", "fault": "process-kill", "target": "leader:0", "duration": 3, "load": MAX_LOAD}
    items = [{**kill, "every": "3s", "grace": 600}]
    recovery = dict.fromkeys(("detected", "leader", "produce", "consume", "isr", "lag", "full"), 600)
    config = configuration(
        lab.bootstrap_servers,
        topic,
        probe={"manage_topic": False, "delivery_timeout": 120},
        slo={"recovery": recovery},
        incidents={"settle": 3},
        cluster={"session_timeout": 3},
        experiments={"armed_for": lab.cluster_id, "dry_run": False, "warm_up": 5, "steady": 3, "items": items},
        state={"file": str(tmp_path / "state.json")},
    )

    def fleet(post, now, on_death) -> LocalFleet:
        return LocalFleet(lab, post=post, now=now, on_death=on_death)

    with Sentinel(config, fleet=fleet) as sentinel:
        sentinel.wait_verified(50)
        wait_for(lambda: sentinel.status["experiments"]["items"][0]["last_result"], 240, sentinel.incidents)
        [item] = sentinel.status["experiments"]["items"]
        assert item["last_result"] == "passed", sentinel.incidents()
        incident = next(one for one in sentinel.incidents() if one["cause"] == "experiment")
        assert (incident["load"], incident["lost"]) == (MAX_LOAD, 0)
        assert sentinel.runtime._adapters._load is None
        assert_identities(sentinel.quiesce(120))

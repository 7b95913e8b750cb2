"""Metrics, alerts and dashboards in use: the chart's own objects, found by a real Prometheus operator.

What the operator's Prometheus scrapes and evaluates, what the dashboards then show, and what reaches somebody through
Alertmanager.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.alerts import boards
from tests.alerts.client import Client
from tests.alerts.contract import (
    NOTHING_YET,
    WITHOUT_CERTIFICATES,
    check_known_in_advance,
    check_labels,
    check_metadata,
    unheard,
)
from tests.alerts.delivered import OF_A_LOSS, OF_A_WEAKER_LOSS, expected
from tests.alerts.promtool import ALERTS, BASE, ROOT, RULES
from tests.alerts.shown import Shown, empty, strange, values
from tests.chart.helm import MAJORS
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.monitoring import NAME, NAMESPACE, Monitoring
from tests.kubernetes.deploy.receiver import Delivered
from tests.kubernetes.deploy.release import Release, installed
from tests.kubernetes.deploy.shared import SMALL_TEAM, SharedKafka
from tests.kubernetes.deploy.waiting import say, wait_for
from tests.kubernetes.monitored import BROKERS, SAFE, THIN, WEAK, Told, play, seen_by
from tests.kubernetes.pod_record import PodRecord

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE

pytestmark = [pytest.mark.full, pytest.mark.timeout(1_500)]  # the first of them waits until all of it has happened
SECONDS = 120.0
LIMIT = 512 << 20  # bytes of memory: the chart's
FOUND = 300.0  # seconds; a kubelet takes a minute or two to show a pod its changed Secret
OF_TARGET = {"namespace", "pod", "container", "endpoint", "job", "instance"}  # labels Prometheus gives a series
OF_KIND = {"podMonitor": set(), "serviceMonitor": {"service"}}


@pytest.fixture(scope="module")
def monitoring(_shared_kafka: SharedKafka) -> Iterator[Monitoring]:
    with Monitoring(_shared_kafka.get(SMALL_TEAM).cluster) as subject:
        yield subject


@pytest.fixture(scope="module")
def told(_shared_kafka: SharedKafka, monitoring: Monitoring, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What became of a reclaim: played once, for all who ask about it."""
    return play(_shared_kafka.get(SMALL_TEAM), monitoring, tmp_path_factory.mktemp("releases"))


# --- found, scraped, evaluated


@pytest.mark.parametrize("monitor", ["podMonitor", "serviceMonitor"])
def test_the_operators_prometheus_finds_the_pod_and_knows_every_metric_with_type_help_and_labels(
    shared_kafka: Kafka, monitoring: Monitoring, tmp_path: Path, monitor: str
):
    prometheus = monitoring.prometheus
    with installed(shared_kafka, MAJORS[0], tmp_path, forgetting=True, **seen_by(monitor)) as release:
        wait_for(release.verified, "the first verified record", SECONDS)
        own = wait_for(
            lambda: scraped(prometheus, release, monitor), "the pod to be scraped", FOUND, monitoring.standing
        )
        wait_for(lambda: missing(prometheus, own) == set(), "every metric", SECONDS, lambda: missing(prometheus, own))
        check_metadata(prometheus)
        check_labels(prometheus, SAFE, OF_TARGET | OF_KIND[monitor], **own)
        check_known_in_advance(prometheus, **own)
        wait_for(lambda: len(prometheus.rules()) == len(RULES), "the rules to be loaded", SECONDS)
        wait_for(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "each to be tried", SECONDS)
        assert {rule["name"]: rule.get("lastError") for rule in prometheus.rules() if rule["health"] != "ok"} == {}
        check_dashboards(release)
    # What is still looked for would find the next release too, and its last samples would be seen for five minutes.
    wait_for(lambda: prometheus.scrape_pools() == [], "it to be looked for no more", FOUND, prometheus.scrape_pools)


def scraped(prometheus: Client, release: Release, monitor: str) -> dict[str, str]:
    """Return the labels of the one target, which is the release's pod, found by that monitor and well; {} before."""
    targets = prometheus.targets()
    found = [(each["scrapePool"].split("/")[0], each["scrapeUrl"], each["health"]) for each in targets]
    if found != [(monitor, f"http://{release.address}/metrics", "up")]:
        return {}
    [target] = targets
    return {name: target["labels"][name] for name in ("job", "instance")}


def missing(prometheus: Client, target: dict[str, str]) -> set[str]:
    return unheard(prometheus, **target) - NOTHING_YET - WITHOUT_CERTIFICATES


def check_dashboards(release: Release) -> None:
    """Each dashboard is a ConfigMap that Grafana's sidecar takes, and in it what `grafana/` has."""
    path = f"/api/v1/namespaces/{release.namespace}/configmaps"
    found = release.lab.api.list(path, labelSelector="grafana_dashboard=1")
    texts = [text for each in found for text in each["data"].values()]
    shown = sorted((json.loads(text) for text in texts), key=lambda board: board["uid"])
    assert shown == [boards.load(file) for file in boards.FILES]


# --- what the dashboards show of a reclaim


def test_before_the_first_incident_every_panel_is_sane_and_shows_what_there_is(told: Told):
    assert empty({query: result for query, result in told.calm.items() if not query.waits}) == []
    assert strange(told.calm) == []
    assert total(told.calm, "No writes on") == total(told.calm, "Lost (acks=all)") == 0


def test_while_the_node_is_away_the_dashboards_show_the_outage_and_its_cause(told: Told):
    assert strange(told.down) == []
    assert total(told.down, "No writes on") > 0
    assert by(told.down, "Open incidents, by cause", "cause")["spot"] == 1
    assert by(told.down, "Brokers", "state") == {"up": 1, "down": 2}
    assert total(told.down, "Pods stuck") == len(BROKERS)


def test_afterwards_the_dashboards_show_phases_cause_and_warning_and_that_nothing_was_lost(told: Told):
    after = told.after
    assert strange(after) == []
    assert total(after, "Lost (acks=all)") == total(after, "Lost by reclaims (acks=all)") == 0
    assert by(after, "Incidents, by cause", "cause") == pytest.approx(
        {
            **dict.fromkeys(_CAUSES, 0),
            "spot": 1,
            "experiment": 1,
            "rollout": len(rollouts(told)),
            "unknown": len(moves(told)),
        }
    )
    phases = {
        each["metric"]["phase"]: float(each["value"][1])
        for each in result(after, "Last incident of each cause")
        if each["metric"]["cause"] == "spot"
    }
    measured = {name: seconds for name, seconds in told.incident["phases"].items() if seconds is not None}
    assert phases == pytest.approx(measured, abs=0.01)
    without = by(after, "Without writes, by cause", "cause")
    assert without["spot"] == pytest.approx(total(after, "Without writes by reclaims"))
    assert without["spot"] > 60
    assert total(after, "Reclaimed") == pytest.approx(1)
    assert total(after, "Without a word") == 0
    assert by(after, "Restarts, by cause", "cause")["spot"] == pytest.approx(len(BROKERS))


def test_afterwards_no_panel_is_dead(told: Told):
    """Of the user's release all but what waits for a loss; and of the other that, too."""
    losses = {"Last loss (acks=all)", "annotation Losses"}
    assert {query.panel for query, found in told.after.items() if not found} == losses
    assert {query.panel for query, found in told.thin.items() if not found} & losses == set()
    assert told.unheard == WITHOUT_CERTIFICATES
    lost = told.thin_status["records"]["all"]["lost"]
    assert total(told.thin, "Lost (acks=all)") == pytest.approx(lost)
    assert lost > 0


def test_the_reclaim_was_one_incident_and_nothing_that_was_acknowledged_is_lost(told: Told):
    assert (told.incident["cause"], told.incident["lost"]) == ("spot", 0)
    assert set(told.incident["brokers"]) == set(BROKERS)
    figures = told.status["records"]["all"]
    assert (figures["lost"], figures["suspected"], figures["unaccounted"]) == (0, 0, 0)
    assert figures["verified"] == figures["acked"] - figures["awaiting"]


# --- what reaches somebody


def test_a_passed_experiment_told_nobody_but_what_acks_1_lost_by_it(told: Told):
    assert set(told.quiet) <= {OF_A_WEAKER_LOSS}, "a leader that is killed takes what only it had"


def test_a_healthy_rolling_restart_of_all_brokers_wakes_nobody(told: Told):
    assert {broker for one in rollouts(told) for broker in one["brokers"]} == {0, 1, 2}
    assert {(one["verdict"], one["lost"]) for one in rollouts(told)} == {("passed", 0)}
    assert {severity for _, severity in told.rolled.delivered} <= {"info"}, told.rolled.delivered


def rollouts(told: Told) -> list[dict]:
    return [one for one in told.rolled.incidents if one["cause"] == "rollout"]


def moves(told: Told) -> list[dict]:
    """Return the incidents in which only leaders moved: as Kafka has it every few minutes; acks=1 may lose."""
    unknown = [one for one in told.status["incidents"] if one["cause"] == "unknown"]
    return [one for one in unknown if any("leaders moved while no broker was missed" in why for why in one["reasons"])]


def test_an_outage_is_delivered_as_the_rule_says_and_so_is_its_end(told: Told):
    [fired] = told.monitoring.receiver.got("firing", alertname="KafkaSentinelWritesDown", kafka_cluster=SAFE)
    [over] = told.monitoring.receiver.got("resolved", alertname="KafkaSentinelWritesDown", kafka_cluster=SAFE)
    check_delivered(fired, {"kafka_cluster": SAFE})
    assert over.labels == fired.labels
    assert fired.at > told.lost + 60  # for a minute
    assert over.at > fired.at


def test_a_real_loss_after_a_real_reclaim_is_delivered_with_its_cause(told: Told):
    name = OF_A_LOSS
    [fired] = told.monitoring.receiver.got("firing", alertname=name)
    check_delivered(fired, {"kafka_cluster": THIN, "cause": "spot"})
    assert told.monitoring.receiver.got("resolved", alertname=name) == []


def test_a_loss_that_was_proved_just_before_the_death_of_its_finder_is_told_by_the_next_life(told: Told):
    assert told.thin_status["run"] != told.proved["run"]
    assert records(told.proved) <= records(told.thin_status)
    newest = max(loss["proved_at"] for loss in told.thin_status["losses"])
    assert told.last_loss == pytest.approx(newest, abs=1)
    name = "KafkaSentinelMessageLossAfterSpotReclaim"
    assert len(told.monitoring.receiver.got("firing", alertname=name)) == 1
    assert told.monitoring.receiver.got("resolved", alertname=name) == []


def records(status: dict) -> set[tuple[int, int, int]]:
    """Return (partition, run, sequence) of everything that a status says was lost."""
    return {
        (loss["partition"], int(loss["run"], 16), loss["first_sequence"] + index)
        for loss in status["losses"]
        for index in range(loss["count"])
    }


def test_what_acks_1_lost_is_what_its_log_lacks_and_is_no_more_than_information(told: Told):
    figures = told.status["records"][WEAK]
    assert_identities(figures)
    lost = records(told.status)
    assert lost <= told.missing
    never = figures["rejected"] + figures["absent"]
    assert (figures["lost"], len(told.missing)) == (len(lost), len(lost) + never)
    assert {loss["acks"] for loss in told.status["losses"]} <= {WEAK}
    say(f"acks=1 lost {len(lost)} of {figures['acked']} acknowledged records")
    fired = {one.labels["cause"]: one for one in told.monitoring.receiver.got("firing", alertname=OF_A_WEAKER_LOSS)}
    known = {"experiment", "rollout", "spot", *(one["cause"] for one in moves(told))}
    assert set(fired) == {loss["cause"] for loss in told.status["losses"]} <= known
    for cause, one in fired.items():
        check_delivered(one, {"kafka_cluster": SAFE, "cause": cause})
        assert one.labels["severity"] == "info"


def test_with_it_come_exactly_the_expected_others(told: Told):
    fired = {(one.name, one.labels["kafka_cluster"]) for one in told.monitoring.receiver.got("firing")}
    weaker = told.status["records"][WEAK]["lost"] > 0
    assert fired == {
        *((name, SAFE) for name in expected(lost=False, lost_weaker=weaker)),
        *((name, THIN) for name in expected(lost=True, lost_weaker=False)),
    }
    slow = told.monitoring.receiver.got("firing", alertname="KafkaSentinelSlowRecovery")
    for one in slow:
        check_delivered(one, {name: one.labels[name] for name in ("kafka_cluster", "phase")} | {"cause": "spot"})
    assert {one.labels["phase"] for one in slow if one.labels["kafka_cluster"] == SAFE} == {slowest(told)}


def slowest(told: Told) -> str:
    """Return the phase that took the most times its objective."""
    limits, phases = by(told.after, "Objectives", "phase"), told.incident["phases"]
    return max(limits, key=lambda phase: (phases[phase] or 0) / limits[phase])


# --- and Sentinel itself


def test_no_pod_of_it_was_started_again_or_wanted_more_memory_than_it_may_use(told: Told):
    for memory in told.memory:
        assert (memory.limit, memory.refused, memory.killed) == (LIMIT, 0, 0)
        assert 0 < memory.peak < LIMIT
        say(f"memory: {memory.peak >> 20} MiB at most")
    other, users = sorted(told.pods.names, key=lambda name: not name.startswith("thin"))
    assert ends(told.pods, users) == set()
    assert not any(seen.is_going for seen in told.pods.events(users))
    assert ends(told.pods, other) <= {"Error"}, "it was killed, by the test"


def ends(record: PodRecord, name: str) -> set[str]:
    """Return the reasons for which a container of that pod ended."""
    containers = [one for seen in record.events(name) for one in seen.pod["status"].get("containerStatuses", [])]
    states = [one[state] for one in containers for state in ("state", "lastState")]
    return {state["terminated"]["reason"] for state in states if "terminated" in state}


def check_delivered(one: Delivered, labels: dict[str, str]) -> None:
    """The labels are the rule's, its query's and that of the Prometheus; the annotations are the rule's, filled in."""
    [rule] = [each for each in ALERTS if each["alert"] == one.name]
    ours = {"alertname": one.name, "prometheus": f"{NAMESPACE}/{NAME}", **rule["labels"]}
    assert one.labels == {**ours, **labels}
    assert set(one.annotations) == set(rule["annotations"])
    assert one.annotations["summary"] == rule["annotations"]["summary"]
    assert one.annotations["runbook_url"] == rule["annotations"]["runbook_url"]
    assert (ROOT / "docs/runbooks" / one.annotations["runbook_url"].removeprefix(BASE)).is_file()
    assert f"Kafka cluster {labels['kafka_cluster']}" in one.annotations["description"]
    assert "{{" not in one.annotations["description"]


def result(shown: Shown, panel: str) -> list[dict]:
    """Return what the only query of a panel found."""
    [found] = [found for query, found in shown.items() if query.panel == panel]
    return found


def total(shown: Shown, panel: str) -> float:
    return sum(values(result(shown, panel)))


def by(shown: Shown, panel: str, label: str) -> dict[str, float]:
    """Return what a panel shows now by the value of a label."""
    return {each["metric"][label]: list(values([each]))[-1] for each in result(shown, panel)}


_CAUSES = next(label.values for label in CATALOGUE["incidents_total"].labels if label.name == "cause")

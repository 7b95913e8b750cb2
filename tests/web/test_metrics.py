import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from tests.web.sample import NOW, status

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.adapters.metrics import CatalogueError, Metrics
from kafka_sentinel.core.commands import Count, Observe

PREFIX = "kafka_sentinel_"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("stage", known={"experiment": ["kill-a-leader"]})


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(PREFIX + name, {"kafka_cluster": "stage", **labels})


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return the series of a metric by their label values without the constant one."""
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == PREFIX + name:
                found[tuple(v for k, v in sample.labels.items() if k != "kafka_cluster")] = sample.value
    return found


def test_known_series_start_at_zero_and_others_are_absent(metrics: Metrics) -> None:
    assert value(metrics, "records_lost_total", acks="all", cause="spot", seen="before") == 0
    assert value(metrics, "recovery_seconds_count", cause="spot", phase="pod") == 0
    assert value(metrics, "experiments_total", experiment="kill-a-leader", result="aborted") == 0
    assert value(metrics, "kafka_errors_total", code="other") == 0
    for name in ("last_loss_timestamp_seconds", "checkpoint_last_success_timestamp_seconds", "partitions_offline"):
        assert series(metrics, name) == {}


def test_only_the_levels_in_use_start_at_zero() -> None:
    metrics = Metrics("stage", acks=("all",))
    assert value(metrics, "records_sent_total", acks="all") == 0
    assert value(metrics, "records_sent_total", acks="1") is None


def test_every_series_bears_the_cluster_and_the_text_parses_in_both_formats(metrics: Metrics) -> None:
    metrics.update_from_status(status("loss"))
    families = list(parse(generate_latest(metrics.registry).decode()))
    assert all(sample.labels["kafka_cluster"] == "stage" for family in families for sample in family.samples)
    assert {family.name for family in parse_openmetrics(generate_openmetrics(metrics.registry).decode())} >= {
        PREFIX + name.removesuffix("_total") for name in CATALOGUE
    }


def test_there_are_no_created_series(metrics: Metrics) -> None:
    assert "_created" not in generate_latest(metrics.registry).decode()


def test_two_instances_share_nothing(metrics: Metrics) -> None:
    other = Metrics("stage")
    other.apply(Count("leader_changes_total", ()))
    assert value(metrics, "leader_changes_total") == 0


def test_counts_and_samples_add_up_whatever_the_order_of_labels(metrics: Metrics) -> None:
    metrics.apply(Count("probe_slots_total", (("operation", "produce"), ("result", "bad")), 3))
    metrics.apply(Count("probe_slots_total", (("result", "bad"), ("operation", "produce")), 2))
    assert value(metrics, "probe_slots_total", operation="produce", result="bad") == 5
    metrics.apply(Observe("produce_ack_latency_seconds", (("acks", "all"),), (0.001, 0.03, 400.0)))
    assert value(metrics, "produce_ack_latency_seconds_bucket", acks="all", le="0.002") == 1
    assert value(metrics, "produce_ack_latency_seconds_bucket", acks="all", le="300.0") == 2
    assert value(metrics, "produce_ack_latency_seconds_count", acks="all") == 3


@pytest.mark.parametrize(
    "command",
    [
        Count("no_such_metric_total", ()),
        Count("records_sent_total", ()),
        Count("records_sent_total", (("acks", "all"), ("cause", "spot"))),
        Count("records_sent_total", (("acks", "all"), ("acks", "all"))),
        Count("records_sent_total", (("acks", "2"),)),
        Count("incidents_total", (("cause", "gremlins"), ("verdict", "passed"))),
        Count("records_awaiting", (("acks", "all"),)),
        Count("produce_ack_latency_seconds", (("acks", "all"),)),
        Observe("records_sent_total", (("acks", "all"),), (1.0,)),
    ],
)
def test_what_the_catalogue_does_not_have_is_an_error(metrics: Metrics, command: Count | Observe) -> None:
    with pytest.raises(CatalogueError):
        metrics.apply(command)


def test_a_wrong_kind_is_an_error_for_gauges_too(metrics: Metrics) -> None:
    with pytest.raises(CatalogueError):
        metrics.set_gauge("records_sent_total", {"acks": "all"}, 1)
    with pytest.raises(CatalogueError):
        metrics.clear("records_sent_total")


def test_an_open_counter_label_gathers_what_exceeds_its_limit(metrics: Metrics) -> None:
    for number in range(250):
        metrics.apply(Count("kafka_errors_total", (("code", f"E{number}"),)))
    found = series(metrics, "kafka_errors_total")
    assert len(found) == 101
    assert found[("other",)] == 150
    assert sum(found.values()) == 250


def test_an_open_gauge_label_leaves_out_what_exceeds_its_limit_and_gets_its_room_back(metrics: Metrics) -> None:
    metrics.replace("consumer_lag_records", {("verifier", str(number)): 1 for number in range(1200)})
    assert len(series(metrics, "consumer_lag_records")) == 1000
    assert ("verifier", "other") not in series(metrics, "consumer_lag_records")
    metrics.replace("consumer_lag_records", {("verifier", "5000"): 7})
    assert series(metrics, "consumer_lag_records") == {("verifier", "5000"): 7}


def test_status_sets_the_gauges(metrics: Metrics) -> None:
    metrics.update_from_status(status("incident"))
    assert value(metrics, "records_overdue", acks="all") == 61
    assert value(metrics, "partitions_unavailable", operation="produce") == 2
    assert value(metrics, "probe_partitions") == 12
    assert value(metrics, "brokers", state="down") == 1
    assert value(metrics, "incidents_open", cause="experiment") == 1
    assert value(metrics, "incidents_open", cause="spot") == 0
    assert value(metrics, "consumer_lag_seconds", reader="verifier", partition="5") == 6.1
    assert value(metrics, "experiments_armed") == 1
    assert value(metrics, "experiments_latched") == 0
    assert value(metrics, "experiment_last_success_timestamp_seconds", experiment="kill-a-leader") == NOW - 47 * 60
    assert value(metrics, "recovery_last_seconds", cause="rollout", phase="produce") == 11.22
    assert value(metrics, "recovery_last_seconds", cause="oom", phase="produce") is None


def test_a_broker_that_leads_no_probe_partition_is_counted(metrics: Metrics) -> None:
    facts = status()
    for partition in facts["partitions"]:
        partition["leader"] = 0
    metrics.update_from_status(facts)
    assert value(metrics, "brokers_unprobed") == 2


def test_what_is_not_known_any_more_has_no_series(metrics: Metrics) -> None:
    metrics.update_from_status(status("calm"))
    assert value(metrics, "partitions_offline") == 0
    metrics.update_from_status(status("blind"))
    assert value(metrics, "partitions_offline") is None
    assert series(metrics, "brokers") == {}


def test_a_partition_that_went_takes_its_series_along_and_leaves_those_of_the_other_reader(metrics: Metrics) -> None:
    metrics.set_gauge("consumer_lag_records", {"reader": "group", "partition": "0"}, 4)
    metrics.update_from_status(status())
    metrics.update_from_status(status() | {"partitions": []})
    assert series(metrics, "consumer_lag_records") == {("group", "0"): 4}


def test_the_last_loss_keeps_its_time_per_cause(metrics: Metrics) -> None:
    metrics.update_from_status(status("loss"))
    assert series(metrics, "last_loss_timestamp_seconds") == {("all", "spot"): NOW - 210}


def test_the_last_loss_keeps_its_cause_when_its_incident_is_listed_no_more(metrics: Metrics) -> None:
    metrics.update_from_status(status("loss") | {"incidents": []})
    assert series(metrics, "last_loss_timestamp_seconds") == {("all", "spot"): NOW - 210}


def test_an_earlier_success_stands_when_a_later_run_fails(metrics: Metrics) -> None:
    facts = status()
    metrics.update_from_status(facts)
    facts["experiments"]["items"][0] |= {"last_result": "failed", "last_run": NOW}
    metrics.update_from_status(facts)
    assert value(metrics, "experiment_last_success_timestamp_seconds", experiment="kill-a-leader") == NOW - 47 * 60


def test_build_info_names_the_versions(metrics: Metrics) -> None:
    assert list(series(metrics, "build_info").values()) == [1]

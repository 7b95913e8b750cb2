import pytest

from kafka_sentinel.demo.plan import TOPIC, lab_settings, own_settings, pace
from kafka_sentinel.lab.topology import _COMMON
from kafka_sentinel.settings import ConfigurationError, Settings, load


def lab(tmp_path, **changes):
    given = {
        "bootstrap_servers": "127.0.0.1:9092",
        "cluster_id": "lab",
        "folder": tmp_path,
        "http_port": 0,
        "rate": None,
    }
    return lab_settings(**(given | changes))


def own(tmp_path, settings=None, **changes):
    given = {"bootstrap_servers": "kafka:9092", "folder": tmp_path, "http_port": 0, "rate": None}
    return own_settings(settings or Settings.model_validate({}), **(given | changes))


def test_the_lab_is_broken_for_real_and_only_the_lab(tmp_path):
    found = lab(tmp_path, cluster_id="this-lab").experiments
    assert (found.armed_for, found.dry_run) == ("this-lab", False)
    assert {(item.fault, item.target) for item in found.items} == {
        ("process-kill", "leader"), ("process-pause", "any"), ("process-kill", "controller"),
    }  # fmt: skip


def test_a_broker_is_away_for_longer_than_its_session(tmp_path):
    session = float(_COMMON["broker.session.timeout.ms"]) / 1000
    settings = lab(tmp_path)
    assert settings.cluster.session_timeout == session
    assert all(item.duration > session for item in settings.experiments.items)


def test_the_lab_page_is_for_this_machine_only(tmp_path):
    assert lab(tmp_path, http_port=8080).http.model_dump() == {"host": "127.0.0.1", "port": 8080}


def test_nothing_is_broken_on_a_kafka_of_the_users_own(tmp_path):
    configured = {
        "armed_for": "prod",
        "dry_run": False,
        "items": [{"name": "a", "fault": "process-kill", "every": "1h"}],
    }
    settings = Settings.model_validate({"experiments": configured})
    found = own(tmp_path, settings).experiments
    assert (found.armed_for, found.items) == (None, [])


def test_a_demo_beside_a_daemon_keeps_out_of_its_way(tmp_path):
    settings = Settings.model_validate({"name": "stage", "state": {"file": "/var/lib/state.json"}})
    found = own(tmp_path, settings)
    assert (found.name, found.probe.topic) == ("stage-demo", TOPIC)
    assert found.state.file == tmp_path / "state.json"


def test_a_configured_topic_security_and_properties_count_for_the_users_own_kafka(tmp_path):
    settings = load(
        None,
        {
            "KAFKA_SENTINEL__PROBE__TOPIC": "mine",
            "KAFKA_SENTINEL__PROBE__REPLICATION_FACTOR": "1",
            "KAFKA_SENTINEL__PROBE__MIN_INSYNC_REPLICAS": "1",
            "KAFKA_SENTINEL__KAFKA__SECURITY__PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SENTINEL__KAFKA__SECURITY__MECHANISM": "PLAIN",
            "KAFKA_SENTINEL__KAFKA__SECURITY__USERNAME": "me",
            "KAFKA_SENTINEL__KAFKA__SECURITY__PASSWORD": "hidden",
            "KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS": "other:9092",
        },
    )
    found = own(tmp_path, settings)
    assert (found.probe.topic, found.probe.replication_factor) == ("mine", 1)
    assert found.kafka.client_config()["sasl.password"] == "hidden"
    assert found.kafka.bootstrap_servers == "kafka:9092"


def test_wrong_servers_are_a_sentence_that_names_the_option(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        own(tmp_path, bootstrap_servers="nowhere")
    assert caught.value.problems[0].startswith("--bootstrap-servers: kafka.bootstrap_servers: found 'nowhere'")


@pytest.mark.parametrize("rate", [1, 7, 59, 60, 200, 5_000, 99_999, 100_000])
def test_the_rate_is_kept_and_the_settings_allow_it(tmp_path, rate):
    probe = lab(tmp_path, rate=rate).probe
    assert probe.records_per_interval / probe.interval * 6 == pytest.approx(rate)


def test_without_a_rate_the_usual_one_counts():
    assert pace(None, 6) == {}

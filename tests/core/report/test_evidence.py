"""Evidence: what is published is read, what is wrong is named, and the state says the same as the API."""

from __future__ import annotations

import json
from datetime import date

import pytest
from tests.core.engine_world import Sentinel
from tests.core.report.worlds import document, incident
from tests.kube_api.test_state_size import lived_through

from kafka_sentinel.adapters.snapshot import VIEWS
from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.days import Days
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.incident_book import MAX_CLOSED, MAX_OLDER
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import Day, Disruption, Evidence, EvidenceError, Finding, Slo, parse
from kafka_sentinel.core.report.from_state import document as from_state
from kafka_sentinel.core.types import Acks, Instant

FINDING = {"rule": "r", "what": "w", "brokers": [], "phases": [], "kinds": [], "loss": False, "several": True}


def lived(incidents):
    engine = lived_through(incidents)
    engine.casebook.losses = []  # made up there, for their size alone
    return engine


def published(engine):
    return json.loads(json.dumps(VIEWS["evidence"](engine.status())))


def saved(engine):
    state = json.loads(json.dumps(checkpoint.to_state(engine)))
    status = engine.status()
    return from_state(state, slo=status["slo"], version=status["version"])


def test_the_state_says_what_the_api_says():
    world = Sentinel()
    world.live(30)
    first = world.suffer(8)
    world.uncertain(first, 16)
    world.live(60)
    assert world.status["incidents"][0]["closed_at"] is not None or world.status["incidents"][0]["state"] == "open"
    assert parse(saved(world.engine)).days == parse(published(world.engine)).days
    assert parse(saved(world.engine)).slo == parse(published(world.engine)).slo


def test_many_incidents_are_remembered_in_short_and_say_the_same_in_both():
    engine = lived(MAX_CLOSED + 30)
    there, kept = parse(published(engine)), parse(saved(engine))
    assert len(there.disruptions) >= MAX_CLOSED + 30
    assert there.disruptions == kept.disruptions
    lost = [one.lost[Acks.ALL] for one in there.disruptions if one.cause is Cause.SPOT]
    assert lost == sorted(lost)
    assert lost[:3] == [0, 1, 2]


def test_no_more_are_remembered_than_that():
    engine = lived(MAX_CLOSED + MAX_OLDER + 30)
    found = parse(published(engine)).disruptions
    assert len([one for one in found if one.closed is not None]) == MAX_CLOSED + MAX_OLDER
    state = json.loads(json.dumps(checkpoint.to_state(engine)))
    engine.incidents.restore(state["incidents"], Instant(0.0, engine.now.wall))
    assert parse(published(engine)).disruptions == found


def test_an_incident_under_load_says_so_in_both():
    world = Sentinel()
    world.live(5)
    world.engine.incidents.on_fault(
        world.now(), experiment_run="r", fault="process-kill", target="broker 1", brokers={1}, load=5_000.0
    )
    assert [one.load for one in parse(published(world.engine)).disruptions] == [5_000.0]
    assert [one.load for one in parse(saved(world.engine)).disruptions] == [5_000.0]


def test_a_state_without_days_says_what_to_do():
    state = json.loads(json.dumps(checkpoint.to_state(Sentinel().engine)))
    del state["days"]
    with pytest.raises(EvidenceError, match="kept no totals by day"):
        from_state(state, slo={}, version="0")


@pytest.mark.parametrize("broken", [{"days": {"rows": []}}, {"incidents": {}}, {"truth": None}, {"alive_at": ...}])
def test_a_state_that_is_not_one_is_a_sentence(broken):
    state = json.loads(json.dumps(checkpoint.to_state(Sentinel().engine)))
    state = {**state, **broken}
    state = {key: value for key, value in state.items() if value is not ...}
    with pytest.raises(EvidenceError, match="the state is not as this version writes it"):
        from_state(state, slo={}, version="0")


def test_disruptions_come_in_the_order_of_their_start():
    given = [incident(days_ago=1, id="1"), incident(days_ago=3, id="2"), incident(days_ago=2, id="3")]
    assert [one.id for one in parse(document(incidents=given)).disruptions] == ["2", "3", "1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "its schema is 2, this Kafka Sentinel reads 1"),
        ({"schema": "1"}, "schema is '1', not a whole number"),
        ({"now": "noon"}, "now is 'noon', not a number"),
        ({"now": True}, "now is True, not a number"),
        ({"now": float("inf")}, "now is inf, not a number"),
        ({"acks": ["all", "2"]}, "acks is '2'; allowed: all, 1"),
        ({"acks": []}, "acks is without all"),
        ({"days": []}, "days is a list, not an object"),
        ({"days": {"since": 1, "items": [{"day": "yesterday", "counts": {}}]}}, "not a day as 2026-01-31"),
        (
            {"days": {"since": 1, "items": [{"day": "2026-01-31", "counts": {"sent_all": None}}]}},
            "counts.sent_all is None",
        ),
        ({"incidents": [{}]}, "incidents[0].phases is missing"),
        ({"incidents": [incident(cause="gremlins")]}, "incidents[0].cause is 'gremlins'; allowed: unknown, crash"),
        ({"incidents": [incident(verdict="splendid")]}, "incidents[0].verdict is 'splendid'; allowed: passed"),
        ({"slo": {"availability": 99.9}}, "slo.recovery is missing"),
        ({"audit": []}, "audit is a list, not an object"),
        ({"audit": {"at": 1.0, "findings": [{}]}}, "audit.findings[0].rule is missing"),
        ({"audit": {"at": 1.0, "findings": [{**FINDING, "loss": 1}]}}, "findings[0].loss is 1, not true or false"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    with pytest.raises(EvidenceError) as error:
        parse({**document(), **change})
    assert words in str(error.value)


def test_evidence_of_before_there_were_findings_and_a_state_know_of_none():
    assert parse(document()).findings is None
    assert parse(document(audit=None)).findings is None
    assert parse(saved(Sentinel().engine)).findings is None
    [one] = parse(document(audit={"at": 1.0, "findings": [FINDING]})).findings
    assert (one.id, one.sentence, one.several, one.loss) == ("r", "w", True, False)
    assert parse(document(audit={"at": 1.0, "findings": []})).findings == ()


@pytest.mark.parametrize("nothing", [None, 4, "text", [], {}])
def test_what_is_no_evidence_is_refused(nothing):
    with pytest.raises(EvidenceError):
        parse(nothing)


# --- the whole of it

WRITTEN = {
    "schema": 1,
    "version": "1.2.3",
    "now": 2_000_000.0,
    "instance": "stage",
    "cluster_id": None,
    "acks": ["1", "all"],
    "slo": {"availability": 99.9, "produce": 1.0, "consume": 2, "recovery": {"full": 600.0, "later": 1.0}},
    "days": {
        "since": 1_000_000.0,
        "items": [{"day": "2026-02-01", "counts": {}}, {"day": "2026-01-31", "counts": {"sent_all": 5}}],
    },
    "incidents": [
        {
            "id": "i-2",
            "cause": "experiment",
            "fault": "process-kill",
            "target": "broker 2",
            "brokers": [3, 1, "x", 2],
            "load": 50.0,
            "started_at": 1_500_000.0,
            "closed_at": 1_500_060.0,
            "phases": {"produce": 3.5, "later": 9.0},
            "lost_by_acks": {"all": 2},
            "duplicated": 4,
            "verdict": "failed",
            "reasons": ["lost 2", 5],
        },
        {
            "id": "i-1",
            "cause": "spot",
            "brokers": [],
            "started_at": 1_500_000.0,
            "phases": {},
            "lost_by_acks": {},
            "duplicated": 0,
            "reasons": [],
        },
    ],
    "audit": {"findings": [{**FINDING, "brokers": [2, "x"], "phases": ["isr"], "kinds": ["spot"], "loss": True}]},
}


def test_the_whole_of_evidence():
    none = dict.fromkeys(PHASES)
    assert parse(WRITTEN) == Evidence(
        version="1.2.3",
        instance="stage",
        cluster_id=None,
        until=2_000_000.0,
        since=1_000_000.0,
        acks=(Acks.ALL, Acks.ONE),
        slo=Slo(99.9, 1.0, 2, {"full": 600.0}),
        days=(Day(date(2026, 1, 31), {"sent_all": 5}), Day(date(2026, 2, 1), {})),
        disruptions=(
            Disruption(
                id="i-1",
                cause=Cause.SPOT,
                fault=None,
                target=None,
                brokers=(),
                load=None,
                started=1_500_000.0,
                closed=None,
                phases=none,
                lost={Acks.ALL: 0, Acks.ONE: 0},
                duplicated=0,
                verdict=None,
                reasons=(),
            ),
            Disruption(
                id="i-2",
                cause=Cause.EXPERIMENT,
                fault="process-kill",
                target="broker 2",
                brokers=(1, 2, 3),
                load=50.0,
                started=1_500_000.0,
                closed=1_500_060.0,
                phases={**none, "produce": 3.5},
                lost={Acks.ALL: 2, Acks.ONE: 0},
                duplicated=4,
                verdict=Verdict.FAILED,
                reasons=("lost 2", "5"),
            ),
        ),
        findings=(Finding("r", "w", frozenset({2}), frozenset({"isr"}), frozenset({"spot"}), loss=True, several=True),),
    )


def test_a_level_that_was_not_probed_is_none_of_it():
    assert parse({**WRITTEN, "acks": ["all"]}).acks == (Acks.ALL,)


@pytest.mark.parametrize(
    ("change", "happened"),
    [
        ({}, False),
        ({"phases": {"full": 0.0}}, True),
        ({"lost_by_acks": {"1": 1}}, True),
        ({"lost_by_acks": {"all": 1}}, True),
    ],
)
def test_what_was_struck_or_lost_has_happened(change, happened):
    [found] = parse({**WRITTEN, "incidents": [{**WRITTEN["incidents"][1], **change}]}).disruptions
    assert found.happened is happened


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": True}, "schema is True, not a whole number"),
        ({"now": {}}, "now is an object, not a number"),
        ({"now": []}, "now is a list, not a number"),
        ({"now": "x" * 99}, f"now is '{'x' * 59}, not a number"),
        ({"slo": {"recovery": []}}, "slo.recovery is a list, not an object"),
        ({"instance": None}, "instance is None, not a text"),
    ],
)
def test_an_error_says_where_it_is_and_what_was_found(change, words):
    with pytest.raises(EvidenceError) as error:
        parse({**WRITTEN, **change})
    assert str(error.value) == words


def state(**more):
    days = Days(7.0)
    days.add("sent_all", 5, 0.0)
    return {
        "alive_at": 9.0,
        "name": "stage",
        "cluster_id": "c",
        "truth": {"partitions": []},
        "incidents": {"closed": [], "open": []},
        "days": days.to_state(),
        **more,
    }


def saved_incident(**more):
    return {
        "id": "i-1",
        "cause": "spot",
        "fault": None,
        "target": None,
        "brokers": [1],
        "verdict": None,
        "reasons": [],
        "recovery": {"started": 3.0},
        "closed": None,
        "final_phases": None,
        "lost": {"all": 2},
        "duplicated": {},
        **more,
    }


def test_the_whole_of_a_state():
    closed = saved_incident(
        id="i-0", closed=8.0, final_phases={"produce": 2.0}, duplicated={"all": 3, "1": 9}, load=4.0
    )
    found = from_state(
        state(incidents={"closed": [closed], "open": [saved_incident()], "older": [{"id": "i-9"}]}),
        slo={"availability": 99.9},
        version="1",
    )
    first, second, older = found.pop("incidents")
    assert found == {
        "schema": 1,
        "version": "1",
        "now": 9.0,
        "instance": "stage",
        "cluster_id": "c",
        "acks": ["all"],
        "slo": {"availability": 99.9},
        "days": {"since": 7.0, "items": [{"day": "1970-01-01", "counts": {"sent_all": 5}}]},
        "audit": None,
    }
    assert (first["id"], first["phases"], first["duplicated"], first["load"]) == ("i-0", {"produce": 2.0}, 3, 4.0)
    assert (first["started_at"], first["closed_at"], first["lost_by_acks"]) == (3.0, 8.0, {"all": 2})
    assert (second["id"], second["phases"], second["duplicated"]) == ("i-1", dict.fromkeys(PHASES), 0)
    assert older == {"id": "i-9"}


def test_a_state_tells_the_levels_that_were_probed():
    partitions = [{"acks": "1"}, {"acks": "all"}]
    assert from_state(state(truth={"partitions": partitions}), slo={}, version="1")["acks"] == ["all", "1"]

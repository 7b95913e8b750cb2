"""What a finding has to do with a disruption: which rules explain something, of whom, and what is handed to reports."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.core.audit.worlds import LOCAL, good, kafka, kubernetes, member, pods, topic
from tests.core.engine_world import Sentinel
from tests.core.report.worlds import QUICK, document, incident, natural

from kafka_sentinel.adapters.snapshot import VIEWS
from kafka_sentinel.core.audit.bearing import BEARINGS, MAX_BEARING, NONE, bearing
from kafka_sentinel.core.audit.finding import Finding, Severity
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.audit.rules import RULES
from kafka_sentinel.core.events import AuditDone
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import parse
from kafka_sentinel.core.report.report import Wish, build

LATE = {**QUICK, "produce": 40.0}


def found(facts):
    return {one["rule"]: one for one in bearing(audit(facts))}


def explained(facts, *incidents):
    """Return, of each of these incidents, the rules that the report ties it to."""
    given = document(incidents=list(incidents), audit={"at": 1.0, "findings": bearing(audit(facts))})
    evidence = parse(json.loads(json.dumps(given)))
    made = build(evidence, Wish(now=evidence.until, since=29 * 86_400.0, findings=evidence.findings))
    return {name: [one.id for one in findings] for name, findings in made.explained.items()}


def failed(number=1, made=incident, **more):
    return made(number, **{"phases": LATE, "verdict": "failed", **more})


def test_every_rule_either_explains_something_or_is_said_to_explain_nothing():
    ids = [rule.id for rule in RULES]
    assert sorted([*BEARINGS, *NONE]) == sorted(ids)


@pytest.mark.parametrize("rule", BEARINGS)
def test_what_a_rule_explains_can_happen(rule):
    one = BEARINGS[rule]
    assert one.phases <= set(PHASES)
    assert one.kinds <= {*map(str, Cause), *map(str, FaultKind)}
    assert one.phases or one.loss, "it would bear on everything"


def test_a_good_cluster_explains_nothing():
    assert found(good()) == {}
    assert list(explained(good(), failed()).values()) == [[]]


def test_brokers_are_known_by_their_pods_and_by_their_ids():
    shared = good(kubernetes_facts=kubernetes(member(1, node="n1"), member(2, node="n1"), member(3)))
    assert found(shared)["brokers-share-node"]["brokers"] == [1, 2]
    far = good(kubernetes_facts=kubernetes(member(8, node="n1"), member(1, node="n1"), member(3)))
    assert found(far)["brokers-share-node"]["brokers"] == [1, 8], "by number"
    abrupt = good(kafka(brokers={2: {"controlled.shutdown.enable": "false"}}))
    assert found(abrupt)["controlled-shutdown-off"]["brokers"] == [2]


def test_brokers_on_one_node_explain_the_reclaim_that_took_both_and_nothing_else():
    shared = good(kubernetes_facts=kubernetes(member(1, node="n1"), member(2, node="n1"), member(3)))
    both = failed(1, natural, cause="spot", brokers=[1, 2])
    assert "brokers-share-node" in explained(shared, both)[both["id"]]
    for other in (
        failed(2, natural, cause="spot", brokers=[1]),  # one alone: what they share did not matter
        failed(2, natural, cause="spot", brokers=[3, 4]),
        failed(2, natural, cause="oom", brokers=[1, 2]),  # the node did not go
        failed(2, natural, cause="spot", brokers=[1, 2], phases={**QUICK, "detected": 40.0}),  # only we were late
    ):
        assert "brokers-share-node" not in explained(shared, other)[other["id"]]


def test_a_broker_that_does_not_hand_over_explains_a_roll_and_no_kill():
    abrupt = good(kafka(brokers={2: {"controlled.shutdown.enable": "false"}}))
    roll = failed(1, natural, cause="rollout", brokers=[2])
    kill, elsewhere = failed(2, brokers=[2]), failed(3, natural, cause="rollout", brokers=[3])
    rules = explained(abrupt, roll, kill, elsewhere)
    assert "controlled-shutdown-off" in rules[roll["id"]]
    assert "controlled-shutdown-off" not in rules[kill["id"]] + rules[elsewhere["id"]]


def test_a_loss_is_explained_by_what_loses_and_not_by_what_only_delays():
    thin = good(kafka(topic("probe", min_isr=1), probes=frozenset({"probe"})))
    lossy = failed(1, phases=QUICK, lost_by_acks={"all": 3, "1": 0})
    late = failed(2)
    rules = explained(thin, lossy, late)
    assert rules[lossy["id"]] == ["topic-min-isr-1"]
    assert rules[late["id"]] == []


def test_a_loss_at_acks_1_alone_is_nothing_that_is_to_be_explained():
    thin = good(kafka(topic("probe", min_isr=1), probes=frozenset({"probe"})))
    assert explained(thin, failed(1, phases=QUICK, lost_by_acks={"all": 0, "1": 90})) == {failed(1)["id"]: []}


def test_topics_of_others_explain_nothing_that_was_measured_on_the_probes():
    other = good(kafka(topic("orders", replicas=(1,)), topic("probe"), probes=frozenset({"probe"})))
    assert "topic-single-replica" not in found(other)
    own = good(kafka(topic("probe", replicas=(1,)), probes=frozenset({"probe"})))
    assert "topic-single-replica" in found(own)


def test_a_controller_that_is_no_broker_explains_nothing_that_struck_brokers():
    assert "quorum-too-small" not in found(good(kafka(voters=(9,))))
    assert found(good(kafka(voters=(1,))))["quorum-too-small"]["brokers"] == [1]


def test_no_more_are_handed_over_than_that_and_the_worst_first():
    report = audit(good(kubernetes_facts=kubernetes(pods=pods(grace=1))))
    many = [
        Finding("grace-period-short", Severity.WARNING, "t", f"w{number}", "y", "m", (), 0, brokers=(1,))
        for number in range(MAX_BEARING + 5)
    ]
    assert len(bearing(replace(report, findings=tuple(many)))) == MAX_BEARING
    assert bearing(replace(report, findings=tuple(many)))[0]["what"] == "w0"


def test_the_daemon_hands_its_last_audit_over_and_none_before_the_first():
    world = Sentinel()
    world.live(5)
    assert VIEWS["evidence"](world.engine.status())["audit"] is None
    shared = good(kubernetes_facts=kubernetes(member(1, node="n1"), member(2, node="n1"), member(3)))
    world.engine.step(AuditDone(world.now(), audit(shared)))
    given = json.loads(json.dumps(VIEWS["evidence"](world.engine.status())))
    assert given["audit"]["at"] == world.engine.now.wall
    findings = parse(given).findings
    assert findings is not None
    assert "brokers-share-node" in {one.id for one in findings}
    assert "audit_for_reports" not in VIEWS["status"](world.engine.status())


def test_the_whole_of_what_is_handed_to_reports():
    def one(rule, **more):
        given = {"brokers": (2, 3), "probes": True, "subjects": ("s",), "subject_count": 1, **more}
        return Finding(rule, Severity.WARNING, "title", "what", "why.", "mend", **given)

    given = [one("operator-shares-node"), one("grace-period-short"), one("zone-takes-partitions"), one("no-authorizer")]
    given += [one("grace-period-short", brokers=()), one("zone-takes-partitions", probes=False)]
    handed = bearing(replace(audit(good()), findings=tuple(given)))
    assert [(each["rule"], each["brokers"]) for each in handed] == [
        ("operator-shares-node", []),
        ("grace-period-short", [2, 3]),
        ("zone-takes-partitions", []),
    ]
    assert handed[1] == {
        "rule": "grace-period-short",
        "severity": "warning",
        "what": "what",
        "brokers": [2, 3],
        "phases": sorted(BEARINGS["grace-period-short"].phases),
        "kinds": sorted(BEARINGS["grace-period-short"].kinds),
        "loss": False,
        "several": False,
    }
    assert len(handed[1]["phases"]) > 3
    assert len(handed[1]["kinds"]) > 3


def test_brokers_with_their_log_on_the_node_are_not_known_without_kubernetes():
    assert replace(good(), kubernetes=None).local_brokers() == frozenset()
    facts = good(kubernetes_facts=kubernetes(member(1, volumes=LOCAL), member(2), member(3)))
    assert facts.local_brokers() == {1}

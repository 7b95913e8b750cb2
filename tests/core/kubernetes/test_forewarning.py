"""What a node, a zone or the spot pool would take with it is logged before it happens; the log stays readable."""

from __future__ import annotations

from tests.core.kubernetes.raw import at
from tests.core.kubernetes.test_exposure import SPREAD, TOGETHER, cluster, fleet, topic
from tests.core.kubernetes_world import KubernetesWorld

from kafka_sentinel.core.kubernetes.exposure import exposure
from kafka_sentinel.core.kubernetes.forewarning import MAX_LINES, MAX_SAID, SAY_AGAIN, Forewarning


def said(forewarning, seconds, view, found, voters=()):
    logs = forewarning.take(exposure(view, found, voters), at(seconds))
    assert all(log.level == "warning" for log in logs)
    return [log.fields.get("risk") or log.fields["count"] for log in logs]


def apart(**places):
    """The brokers of TOGETHER in zones of their own, so that only nodes are at risk."""
    return fleet({number: (node, f"z{number}") for number, (node, _) in TOGETHER.items()}, **places)


def test_what_is_exposed_is_said_once_with_its_topics():
    forewarning = Forewarning()
    view = cluster(topic(), topic("payments"))
    risk = "if node n1 went, 2 partitions would fall below min.insync.replicas (topics orders, payments)"
    assert said(forewarning, 0, view, apart()) == [risk]
    assert said(forewarning, 5, view, apart()) == []
    assert said(forewarning, 5 + SAY_AGAIN, view, apart()) == []


def test_what_is_not_exposed_is_not_said():
    forewarning = Forewarning()
    assert forewarning.take(None, at(0)) == []
    assert said(forewarning, 0, cluster(topic()), fleet(SPREAD)) == []


def test_a_risk_that_ended_and_comes_back_is_news():
    forewarning = Forewarning()
    view = cluster(topic())
    assert len(said(forewarning, 0, view, apart())) == 1
    assert said(forewarning, 5, view, fleet(SPREAD)) == []
    assert len(said(forewarning, 10, view, apart())) == 1


def test_a_pod_on_its_way_is_not_the_end_of_a_risk():
    forewarning = Forewarning()
    view = cluster(topic())
    assert len(said(forewarning, 0, view, apart())) == 1
    moving = fleet({**SPREAD, 0: (None, None)})
    assert said(forewarning, 5, view, moving) == []
    assert said(forewarning, 10, view, apart()) == []


def test_a_risk_that_grows_is_said_again_after_a_while_and_one_that_shrinks_is_not():
    forewarning = Forewarning()
    few, more = cluster(topic()), cluster(topic(), topic("payments"))
    said(forewarning, 0, few, apart())
    assert said(forewarning, 5, more, apart()) == []
    assert len(said(forewarning, SAY_AGAIN, more, apart())) == 1
    assert said(forewarning, 3 * SAY_AGAIN, few, apart()) == []
    assert said(forewarning, 4 * SAY_AGAIN, more, apart()) == []


def test_the_quorum_alone_is_a_risk():
    found = fleet({0: ("n1", "a"), 1: ("n2", "b"), 2: ("n3", "c"), 3: ("n4", "d"), 4: ("n4", "e")}, controllers=(3, 4))
    [risk] = said(Forewarning(), 0, cluster(topic()), found, voters=(3, 4))[:1]
    assert "the KRaft quorum its majority" in risk


def test_lines_at_one_change_and_what_is_remembered_are_bounded(monkeypatch):
    forewarning = Forewarning()
    many = range(MAX_LINES + 4)
    view = cluster(topic(replicas=tuple((n,) for n in many), min_isr=1), brokers=many)
    found = fleet({n: (f"n{n}", None) for n in many})
    lines = said(forewarning, 0, view, found)
    assert (len(lines), lines[-1]) == (MAX_LINES + 1, 4)
    assert said(forewarning, 5, view, found) == []
    monkeypatch.setattr("kafka_sentinel.core.kubernetes.forewarning.MAX_SAID", 2)
    assert len(said(forewarning, 10, view, fleet({n: (f"m{n}", None) for n in many}))) == MAX_LINES + 1
    assert len(forewarning._said) == 2 < MAX_SAID


def test_the_daemon_says_it_before_anything_happens():
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(10)
    risks = [one.fields["risk"] for one in world.logs if one.event == "placement risk"]
    assert any(risk.startswith("if node n1 went") for risk in risks)
    assert world.incidents == []


def test_what_is_not_known_any_more_is_no_news():
    forewarning = Forewarning()
    said(forewarning, 0, cluster(topic()), apart())
    assert forewarning.take(None, at(5)) == []


def test_as_many_risks_as_are_said_leave_none_unnamed():
    many = range(MAX_LINES)
    view = cluster(topic(replicas=tuple((n,) for n in many), min_isr=1), brokers=many)
    lines = said(Forewarning(), 0, view, fleet({n: (f"n{n}", None) for n in many}))
    assert [line.split(" went")[0] for line in lines] == [f"if node n{n}" for n in many]

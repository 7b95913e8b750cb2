"""What the audit makes of the objects that were listed."""

from __future__ import annotations

from dataclasses import replace

from tests.core.audit.worlds import kafka
from tests.core.kubernetes.raw import Watches, node, pod

from kafka_sentinel.core.audit.placed import Listed, kubernetes_facts
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import Kind


def test_a_broker_that_is_down_is_no_mere_controller():
    """The quorum names it and metadata does not; but topics have replicas on it."""
    objects = [(Kind.POD, pod(f"kafka-{number}", on=f"n{number}", labels={"app": "kafka"})) for number in (1, 2, 3)]
    objects += [(Kind.NODE, node(f"n{number}")) for number in (1, 2, 3)]
    answers = kafka()
    up = {number: facts for number, facts in answers.brokers.items() if number != 3}
    spec = FleetSpec("kafka", flavour=Flavour.STATEFUL_SET, selector=Selector({"app": "kafka"}))
    found, _ = kubernetes_facts(Listed(Watches(*objects).inventory), spec, replace(answers, brokers=up))
    assert sorted(found.fleet.pods) == [1, 2, 3]

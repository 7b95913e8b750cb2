"""All rules, in the order in which they are said. docs/audit.md is made from this table."""

from __future__ import annotations

from kafka_sentinel.core.audit.finding import Rule
from kafka_sentinel.core.audit.rules_brokers import BROKER_RULES
from kafka_sentinel.core.audit.rules_placement import PLACEMENT_RULES
from kafka_sentinel.core.audit.rules_pods import POD_RULES
from kafka_sentinel.core.audit.rules_security import SECURITY_RULES
from kafka_sentinel.core.audit.rules_topics import TOPIC_RULES

SECTIONS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("Topics", TOPIC_RULES),
    ("Brokers", BROKER_RULES),
    ("Placement", PLACEMENT_RULES),
    ("Pods", POD_RULES),
    ("Security", SECURITY_RULES),
)
RULES: tuple[Rule, ...] = tuple(rule for _, rules in SECTIONS for rule in rules)

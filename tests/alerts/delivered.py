"""Which alerts reach somebody when a real node with two of three brokers is reclaimed (tests/kubernetes/monitored.py).

They are those of the whole play, the beginning and the end, whatever fired together. Docs/alerts.md lists them, too.
"""

from __future__ import annotations

ALWAYS = ("KafkaSentinelWritesDown", "KafkaSentinelReadsDown", "KafkaSentinelSlowRecovery")
OF_A_LOSS = "KafkaSentinelMessageLossAfterSpotReclaim"  # of what acks=all promised, where one replica was enough
OF_A_WEAKER_LOSS = "KafkaSentinelMessageLossAcksOne"  # where acks=1 lost anything


def expected(*, lost: bool, lost_weaker: bool) -> set[str]:
    """Return the names of the alerts for one Kafka cluster. `lost`: acks=all lost something; `lost_weaker`: acks=1."""
    return {*ALWAYS, *([OF_A_LOSS] if lost else []), *([OF_A_WEAKER_LOSS] if lost_weaker else [])}

"""Where a figure turns from good to bad: the defaults of the settings, and what alerts fire at.

A dashboard cannot know how a Sentinel is configured: who changes an objective finds it in the panels that show it, and
its colours as they are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka_sentinel.core.guard_input import GuardSettings
from kafka_sentinel.core.kubernetes.attribution import FRESH
from kafka_sentinel.core.report.verdict import Rules
from kafka_sentinel.settings.model import SloSettings

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
Steps = Sequence[tuple[float | None, str]]  # from which value on which colour; the first is that of all values below
Marks = Mapping[str, Steps]  # by the name of a series, or by a pattern between slashes

SLO = SloSettings()
PLAIN: Steps = ((None, BLUE),)  # a figure that is neither good nor bad
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))
NONE_IS_BETTER: Steps = ((None, GREEN), (1, YELLOW))
ANY_IS_BAD: Steps = ((None, GREEN), (0, RED))  # of a time: that there is one at all

BLIND: Steps = ((None, GREEN), (0.5, YELLOW))  # KafkaSentinelBlind
SEEN: Steps = ((None, RED), (0.5, YELLOW), (1 - Rules().blind_share, GREEN))  # below that, `report` has not seen enough
LAG: Steps = ((None, GREEN), (60, YELLOW))  # KafkaSentinelConsumerLag
PROBING: Steps = ((None, YELLOW), (0.001, GREEN))  # KafkaSentinelNotProbing: nothing at all
OVERDUE: Steps = ((None, RED), (-90_000, YELLOW), (0, GREEN))  # KafkaSentinelExperimentsStalled: by more than 25 hours
# "never", and from when on the guard `state_saved` denies. A minute below 0: clocks differ.
STATE: Steps = ((None, YELLOW), (-60, GREEN), (GuardSettings().max_state_age, YELLOW))
WATCHES: Steps = (
    (None, GREEN),
    (GuardSettings().max_watch_age, YELLOW),  # the guard `fresh_watches` denies
    (FRESH, RED),  # no cause is settled by what pods were
)

BURNS_FAST = 14.4  # KafkaSentinelErrorBudgetBurn, critical
ALLOWED = 1 - SLO.availability / 100  # share of slots that may fail
BURN: Steps = ((None, GREEN), (1, YELLOW), (BURNS_FAST, RED))
IN_TIME: Steps = ((None, RED), (round(1 - BURNS_FAST * ALLOWED, 6), YELLOW), (round(SLO.availability / 100, 6), GREEN))
LEFT: Steps = ((None, RED), (0, YELLOW), (0.25, GREEN))
LATENCY: Steps = ((None, GREEN), (SLO.produce, YELLOW), (SLO.consume, RED))
# A minute is what KafkaSentinelWritesDown waits for; the other is all that the objective allows in 30 days.
OUTAGE: Steps = ((None, GREEN), (60, YELLOW), (round(30 * 86_400 * ALLOWED), RED))
OUTAGE_WORDS = "Yellow from a minute, red from 43 minutes: all that 99.9 % leaves in 30 days."

# Phases of a recovery: red where SLO.recovery is missed, which fails the incident.
PHASES: Mapping[str, Steps] = {
    phase: ((None, GREEN), (seconds, RED)) for phase, seconds in SLO.recovery.model_dump().items()
}
# 30 s are what Kubernetes gives a pod to end; with a minute more, its partitions have been led elsewhere before.
WARNING: Steps = ((None, BLUE), (0, RED), (30, YELLOW), (90, GREEN))

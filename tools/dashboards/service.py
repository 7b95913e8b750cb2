"""Are writes and reads up, and what is left of the error budget?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from tools.dashboards.limits import (
    BURN,
    IN_TIME,
    LAG,
    LATENCY,
    LEFT,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    OUTAGE,
    OUTAGE_WORDS,
    PROBING,
)
from tools.dashboards.parts import bars, figure, lines
from tools.dashboards.queries import RATE, Query, added, new, quantile, series, share_failed

PERIOD = "30d"


def availability(board: dashboard.Dashboard) -> None:
    behind = f"sum({series('consumer_lag_records', reader='group')})"
    written = f"sum(rate({series('records_outcome_total', acks='all', outcome='acked')}[{RATE}]))"
    board.with_row(dashboard.Row("Are writes and reads up?"))
    for operation, title, runbook in (
        ("produce", "No writes on", "KafkaSentinelWritesDown"),
        ("consume", "No reads on", "KafkaSentinelReadsDown"),
    ):
        board.with_panel(
            figure(
                title,
                f"Probe partitions that fail to {operation} now.",
                Query(f"max({series('partitions_unavailable', operation=operation)})"),
                steps=NONE_IS_GOOD,
                see=runbook,
                width=3,
            )
        )
    board.with_panel(
        figure(
            "Brokers",
            "Brokers that are up and down, as Kafka's metadata has it.",
            Query(f"max by (state) ({series('brokers')})", "{{state}}"),
            marks={"down": NONE_IS_GOOD},
            see="KafkaSentinelBrokerStuck",
            width=6,
        )
    )
    board.with_panel(
        figure(
            "Probe partitions",
            "How many partitions are probed; each broker should lead one.",
            Query(f"max({series('probe_partitions')})", "partitions"),
            Query(f"max({series('brokers_unprobed')})", "brokers that lead none"),
            marks={"brokers that lead none": NONE_IS_BETTER},
            width=6,
            see="KafkaSentinelNotProbing",
        )
    )
    board.with_panel(
        figure(
            "Records per second",
            "Records sent, at both levels of acknowledgement.",
            Query(f"sum by (acks) (rate({series('records_sent_total')}[{RATE}]))", "acks={{acks}}"),
            width=6,
            decimals=1,
            steps=PROBING,
            see="KafkaSentinelNotProbing",
        )
    )
    board.with_panel(
        lines(
            "In time",
            "Share of slots that met their objective, of those in which Sentinel could see. Dashed: 99.9 %"
            " (slo.availability), and what uses up the budget 14.4 times too fast.",
            Query(f"1 - ({share_failed(RATE)})", "{{operation}}"),
            unit="percentunit",
            limit=1,
            steps=IN_TIME,
            see="KafkaSentinelErrorBudgetBurn",
        )
    )
    board.with_panel(
        lines(
            "Latency",
            "From the send of a record to its acknowledgement, and to its reading. Gaps: nothing was answered. Dashed:"
            " when a write is late (slo.produce, 1 s), and when a reading is (slo.consume, 2 s).",
            *(
                Query(quantile(share, metric, "acks", RATE), f"acks={{{{acks}}}} {what}, {share:.0%}")
                for metric, what in (("produce_ack_latency_seconds", "written"), ("end_to_end_latency_seconds", "read"))
                for share in (0.5, 0.99)
            ),
            unit="s",
            steps=LATENCY,
            see="KafkaSentinelErrorBudgetBurn",
        )
    )
    board.with_panel(
        lines(
            "Readers' lag",
            "How far readers are behind: of the verifier the age of the oldest acknowledged record that was not read,"
            " of the group what it has not read over the rate of writing. Gaps: nothing was written.",
            Query(f"max({series('consumer_lag_seconds', reader='verifier')})", "verifier"),
            Query(f"{behind} / ({written} > 0)", "group", events=True),
            unit="s",
            steps=LAG,
            see="KafkaSentinelConsumerLag",
        )
    )
    board.with_panel(
        lines(
            "Group consumer",
            "What applications feel: records not handed to the group yet, rebalances, records handed over again.",
            Query(f"sum({series('consumer_lag_records', reader='group')})", "lag", events=True),
            Query(f"sum({added('group_rebalances_total')})", "rebalances"),
            Query(f"sum({added('records_redelivered_total')})", "redelivered"),
            see="KafkaSentinelConsumerLag",
        )
    )


def budget(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Error budget"))
    # What slo.availability leaves over; also while Sentinel is away.
    allowed = f"on () group_left () (1 - max(last_over_time({series('slo_availability_ratio')}[1d])))"
    board.with_panel(
        figure(
            "Left of 30 days' budget",
            "What is left of what the objective allows to fail over 30 days (slo.availability; of 99.9 %, 43 minutes of"
            " full outage). Below 0 it was missed. Prometheus has to keep as much.",
            Query(f"1 - ({share_failed(PERIOD)}) / {allowed}", "{{operation}}"),
            unit="percentunit",
            steps=LEFT,
            see="KafkaSentinelErrorBudgetBurn",
            width=8,
            height=8,
            decimals=1,
        )
    )
    board.with_panel(
        lines(
            "Burn rate",
            "How many times faster than allowed the budget is used up, over an hour. At 1 it lasts 30 days exactly.",
            Query(f"({share_failed('1h')}) / {allowed}", "{{operation}}"),
            steps=BURN,
            see="KafkaSentinelErrorBudgetBurn",
            width=8,
        )
    )
    board.with_panel(
        bars(
            "Outage, by cause",
            f"Time within the time range in which any partition could not be written or read. {OUTAGE_WORDS}",
            Query(f"sum by (operation, cause) ({new('unavailable_seconds_total')})", "{{operation}}, {{cause}}"),
            unit="s",
            steps=OUTAGE,
            see="KafkaSentinelErrorBudgetBurn",
        )
    )

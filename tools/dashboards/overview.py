"""Are we losing messages? Are writes and reads up? What is wrong now? What is left of the error budget?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from tools.dashboards.parts import (
    GREEN,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    RATE,
    RED,
    RUNBOOKS,
    YELLOW,
    Query,
    added,
    bars,
    begin,
    figure,
    grid,
    lines,
    new,
    quantile,
    series,
    share_failed,
)

PERIOD = "30d"


def build() -> dashboard.Dashboard:
    board = begin(
        "kafka-sentinel-overview",
        "overview",
        "Whether acknowledged messages survive, whether Kafka can be written and read, and what is wrong.",
        since="now-24h",
    )
    losses(board)
    availability(board)
    now(board)
    budget(board)
    return board


def losses(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Are we losing messages?"))
    board.with_panel(
        figure(
            "Lost (acks=all)",
            "Acknowledged records that were proved to be gone from the log, within the time range. They are counted"
            " once the cause is settled, within ten minutes.",
            Query(f"sum({new('records_lost_total', acks='all')})"),
            steps=NONE_IS_GOOD,
            runbook="KafkaSentinelMessageLoss",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Last loss (acks=all)",
            "When a loss was last proved, as far back as Sentinel remembers; it is kept over restarts.",
            Query(f"max({series('last_loss_timestamp_seconds', acks='all')}) * 1000", events=True),
            unit="dateTimeFromNow",
            steps=((None, RED),),
            runbook="KafkaSentinelMessageLoss",
            nothing="none known",
        )
    )
    board.with_panel(
        figure(
            "Suspected",
            "Acknowledged records that may be lost; a fresh reader is about to prove it or clear them.",
            Query(f"sum({series('records_suspected', acks='all')})"),
            steps=NONE_IS_BETTER,
        )
    )
    board.with_panel(
        figure(
            "Seen",
            "Share of the time range, by slots, in which Sentinel could see. What it says holds for this share.",
            Query(
                f"sum(increase({series('probe_slots_total', result='!blind')}[$__range]))"
                f" / sum(increase({series('probe_slots_total')}[$__range]))"
            ),
            unit="percentunit",
            steps=((None, RED), (0.9, YELLOW), (0.99, GREEN)),
            runbook="KafkaSentinelBlind",
            decimals=2,
        )
    )
    board.with_panel(
        figure(
            "Duplicated, out of order, damaged",
            "Found in the log itself within the time range: extra copies and records out of order (acks=all), and"
            " damaged or contradictory ones.",
            Query(f"sum({new('records_duplicated_total', acks='all')})", "duplicated"),
            Query(f"sum({new('records_reordered_total', acks='all')})", "out of order"),
            Query(f"sum({new('records_corrupted_total')})", "damaged"),
            Query(f"sum({new('records_conflicting_total')})", "contradictory"),
            steps=NONE_IS_GOOD,
            runbook="KafkaSentinelRecordsDuplicated",
            width=8,
            decimals=0,
        )
    )
    board.with_panel(
        lines(
            "Losses, by cause",
            "Records proved lost, when they were counted; acks=1 promises less, and is there if it is probed.",
            Query(f"sum by (acks, cause) ({added('records_lost_total')})", "acks={{acks}} {{cause}}"),
            stacked=True,
            runbook="KafkaSentinelMessageLoss",
        )
    )
    board.with_panel(
        lines(
            "Records on their way (acks=all)",
            "Those that are not settled: overdue ones are awaited ones, suspected ones may be read or not.",
            *(
                Query(f"sum({series(f'records_{state}', acks='all')})", words)
                for state, words in (
                    ("in_flight", "not acknowledged yet"),
                    ("awaiting", "not read yet"),
                    ("overdue", "overdue"),
                    ("suspected", "suspected"),
                    ("uncertain_unresolved", "uncertain"),
                )
            ),
        )
    )
    board.with_panel(
        lines(
            "Outcome of sends (acks=all)",
            "Uncertain ones may or may not have been written; reading settles it.",
            Query(f"sum by (outcome) ({added('records_outcome_total', acks='all')})", "{{outcome}}"),
            stacked=True,
        )
    )
    board.with_panel(
        lines(
            "Blind",
            "Share of the time in which neither Kafka nor the API server answered Sentinel; after a restart, also of"
            " the time it was away.",
            Query(f"sum(rate({series('blind_seconds_total')}[{RATE}]))", "blind"),
            unit="percentunit",
            runbook="KafkaSentinelBlind",
        )
    )


def availability(board: dashboard.Dashboard) -> None:
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
                runbook=runbook,
                width=3,
            )
        )
    board.with_panel(
        figure(
            "Brokers",
            "Brokers that are up and down, as Kafka's metadata has it.",
            Query(f"max by (state) ({series('brokers')})", "{{state}}"),
            width=6,
        )
    )
    board.with_panel(
        figure(
            "Probe partitions",
            "How many partitions are probed; each broker should lead one.",
            Query(f"max({series('probe_partitions')})", "partitions"),
            Query(f"max({series('brokers_unprobed')})", "brokers that lead none"),
            width=6,
            runbook="KafkaSentinelNotProbing",
        )
    )
    board.with_panel(
        figure(
            "Records per second",
            "Records sent, at both levels of acknowledgement.",
            Query(f"sum by (acks) (rate({series('records_sent_total')}[$__rate_interval]))", "acks={{acks}}"),
            width=6,
            decimals=1,
            runbook="KafkaSentinelNotProbing",
        )
    )
    board.with_panel(
        lines(
            "In time",
            "Share of slots that met their objective, of those in which Sentinel could see.",
            Query(f"1 - ({share_failed(RATE)})", "{{operation}}"),
            unit="percentunit",
            limit=1,
            runbook="KafkaSentinelErrorBudgetBurn",
        )
    )
    board.with_panel(
        lines(
            "Latency",
            "From the send of a record to its acknowledgement, and to its reading. Gaps: nothing was answered.",
            *(
                Query(quantile(share, metric, "acks", RATE), f"acks={{{{acks}}}} {what}, {share:.0%}")
                for metric, what in (("produce_ack_latency_seconds", "written"), ("end_to_end_latency_seconds", "read"))
                for share in (0.5, 0.99)
            ),
            unit="s",
        )
    )
    board.with_panel(
        lines(
            "Verifier's lag",
            "Age of the oldest acknowledged record that was not read, the worst partition.",
            Query(f"max({series('consumer_lag_seconds', reader='verifier')})", "verifier"),
            unit="s",
            steps=((None, GREEN), (60, YELLOW)),
            runbook="KafkaSentinelConsumerLag",
        )
    )
    board.with_panel(
        lines(
            "Group consumer",
            "What applications feel: records not handed to the group yet, rebalances, records handed over again.",
            Query(f"sum({series('consumer_lag_records', reader='group')})", "lag", events=True),
            Query(f"sum({added('group_rebalances_total')})", "rebalances"),
            Query(f"sum({added('records_redelivered_total')})", "redelivered"),
            runbook="KafkaSentinelConsumerLag",
        )
    )


def now(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("What is wrong now?"))
    firing = 'ALERTS{alertname=~"KafkaSentinel.+", alertstate="firing", kafka_cluster=~"$kafka_cluster"}'
    board.with_panel(
        grid(
            "Alerts that fire",
            "Alerts of Kafka Sentinel, if its rules are loaded into this Prometheus. docs/alerts.md explains each.",
            Query(firing, events=True),
            nothing="none",
            hidden=("__name__", "alertstate", "kafka_cluster", "Value"),
            leads=f"{RUNBOOKS}${{__data.fields.alertname}}.md",
        )
    )
    board.with_panel(
        lines(
            "Partitions in trouble",
            "Of all topics: with a replica out of sync, below min.insync.replicas, without a leader. Each of them is"
            " among the one before.",
            Query(f"max({series('partitions_under_replicated')})", "under-replicated"),
            Query(f"max({series('partitions_under_min_isr')})", "below min ISR"),
            Query(f"max({series('partitions_offline')})", "offline"),
            runbook="KafkaSentinelWritesDown",
        )
    )
    board.with_panel(
        figure(
            "Open incidents",
            "Incidents that are not over, by the cause assumed so far.",
            Query(f"sum({series('incidents_open')})"),
            steps=NONE_IS_BETTER,
            runbook="KafkaSentinelNotRecovered",
        )
    )
    board.with_panel(
        figure(
            "Pods stuck",
            "Broker pods that cannot come back by themselves; not known without Kubernetes.",
            Query(f"sum({series('broker_pods_stuck')})"),
            steps=NONE_IS_GOOD,
            runbook="KafkaSentinelBrokerStuck",
        )
    )
    for metric, title, text, yes, no in (
        ("armed", "Experiments", "Whether experiments may inject faults, or only rehearse.", "armed", "rehearse only"),
        ("paused", "Paused", "Whether a person has paused the experiments.", "paused", "no"),
        ("latched", "Latched", "Whether a failed run or a loss holds them until resumed.", "latched", "no"),
    ):
        board.with_panel(
            figure(
                title,
                text,
                Query(f"max({series(f'experiments_{metric}')})"),
                words={"0": (no, GREEN), "1": (yes, "blue" if metric == "armed" else RED)},
                runbook="KafkaSentinelExperimentsSkipped",
            )
        )
    board.with_panel(
        figure(
            "State saved",
            "How long ago Sentinel's state was saved; what is found after that is lost with its process.",
            Query(f"time() - max({series('checkpoint_last_success_timestamp_seconds')})", events=True),
            unit="s",
            steps=((None, GREEN), (300, YELLOW), (900, RED)),
            nothing="never",
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
            steps=((None, RED), (0, YELLOW), (0.25, GREEN)),
            runbook="KafkaSentinelErrorBudgetBurn",
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
            steps=((None, GREEN), (1, YELLOW), (14.4, RED)),
            runbook="KafkaSentinelErrorBudgetBurn",
            width=8,
        )
    )
    board.with_panel(
        bars(
            "Outage, by cause",
            "Seconds within the time range in which any partition could not be written or read.",
            Query(f"sum by (operation, cause) ({new('unavailable_seconds_total')})", "{{operation}}, {{cause}}"),
            unit="s",
            runbook="KafkaSentinelErrorBudgetBurn",
        )
    )

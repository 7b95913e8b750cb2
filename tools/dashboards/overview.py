"""Are we losing messages? Are writes and reads up? What is wrong now? What is left of the error budget?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from tools.dashboards.limits import (
    ANY_IS_BAD,
    BLIND,
    BLUE,
    GREEN,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    RED,
    SEEN,
    STATE,
    YELLOW,
)
from tools.dashboards.pages import RUNBOOKS
from tools.dashboards.parts import figure, grid, lines
from tools.dashboards.queries import RANGE, RATE, Query, added, new, series
from tools.dashboards.service import availability, budget
from tools.dashboards.whole import begin


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
            see="KafkaSentinelMessageLoss",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Last loss (acks=all)",
            "When a loss was last proved, as far back as Sentinel remembers; it is kept over restarts.",
            Query(f"max({series('last_loss_timestamp_seconds', acks='all')}) * 1000", events=True),
            unit="dateTimeFromNow",
            steps=ANY_IS_BAD,
            see="KafkaSentinelMessageLoss",
            nothing="none known",
        )
    )
    board.with_panel(
        figure(
            "Suspected, overdue",
            "Acknowledged records that may be lost: a fresh reader is about to prove it or clear them. Overdue ones"
            " were not read in time (slo.overdue, 10 s); they are awaited, not lost.",
            Query(f"sum({series('records_suspected', acks='all')})", "suspected"),
            Query(f"sum({series('records_overdue', acks='all')})", "overdue"),
            steps=NONE_IS_BETTER,
            see="verdicts.md#what-raises-a-suspicion",
        )
    )
    board.with_panel(
        figure(
            "Seen",
            "Share of the time range, by slots, in which Sentinel could see. What it says holds for this share. Below"
            " 95 %, a report would call it too little.",
            Query(
                f"sum({added('probe_slots_total', RANGE, result='!blind')})"
                f" / (sum({added('probe_slots_total', RANGE)}) > 0)"
            ),
            unit="percentunit",
            steps=SEEN,
            see="KafkaSentinelBlind",
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
            see="KafkaSentinelRecordsDuplicated KafkaSentinelRecordsReordered KafkaSentinelRecordsCorrupted"
            " KafkaSentinelRecordsConflicting",
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
            steps=NONE_IS_GOOD,
            see="KafkaSentinelMessageLoss KafkaSentinelMessageLossAcksOne",
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
            see="verdicts.md#the-life-of-a-record",
        )
    )
    board.with_panel(
        lines(
            "Outcome of sends (acks=all)",
            "Uncertain ones may or may not have been written; reading settles it.",
            Query(f"sum by (outcome) ({added('records_outcome_total', acks='all')})", "{{outcome}}"),
            stacked=True,
            see="verdicts.md#acknowledged-rejected-uncertain",
        )
    )
    board.with_panel(
        lines(
            "Blind",
            "Share of the time in which neither Kafka nor the API server answered Sentinel; after a restart, also of"
            " the time it was away.",
            Query(f"sum(rate({series('blind_seconds_total')}[{RATE}]))", "blind"),
            unit="percentunit",
            steps=BLIND,
            see="KafkaSentinelBlind",
        )
    )


def now(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("What is wrong now?"))
    firing = 'ALERTS{alertname=~"KafkaSentinel.+", alertstate="firing", kafka_cluster=~"$kafka_cluster"}'
    board.with_panel(
        grid(
            "Alerts that fire",
            "Alerts of Kafka Sentinel, if its rules are loaded into this Prometheus. A click leads to the runbook.",
            Query(firing, events=True),
            nothing="none",
            hidden=("__name__", "alertstate", "kafka_cluster", "Value"),
            words={"severity": {"critical": ("critical", RED), "warning": ("warning", YELLOW), "info": ("info", BLUE)}},
            see="alerts.md",
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
            steps=NONE_IS_BETTER,
            see="KafkaSentinelWritesDown",
        )
    )
    board.with_panel(
        figure(
            "Open incidents",
            "Incidents that are not over, by the cause assumed so far.",
            Query(f"sum({series('incidents_open')})"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelNotRecovered",
            width=3,
        )
    )
    board.with_panel(
        figure(
            "Pods stuck",
            "Broker pods that cannot come back by themselves; not known without Kubernetes.",
            Query(f"sum({series('broker_pods_stuck')})"),
            steps=NONE_IS_GOOD,
            see="KafkaSentinelBrokerStuck",
            width=3,
        )
    )
    board.with_panel(
        figure(
            "Critical findings",
            "What the last audit found that loses acknowledged records, or stops writes at the first broker that goes."
            " `kafka-sentinel audit` says what, and how to mend it.",
            Query(f"max({series('audit_findings', severity='critical')})"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelAuditCritical audit.md",
            nothing="not audited yet",
            width=3,
            decimals=0,
        )
    )
    for metric, title, text, yes, no, page in (
        (
            "armed",
            "Experiments",
            "Whether experiments may inject faults, or only rehearse.",
            ("armed", BLUE),
            "rehearse only",
            "operating.md#from-watching-to-experiments",
        ),
        (
            "paused",
            "Paused",
            "Whether a person has paused the experiments.",
            ("paused", YELLOW),
            "no",
            "operating.md#pausing-everything",
        ),
        (
            "latched",
            "Latched",
            "Whether a failed run or a loss holds them until resumed.",
            ("latched", RED),
            "no",
            "experiments.md#what-a-person-can-say",
        ),
    ):
        board.with_panel(
            figure(
                title,
                text,
                Query(f"max({series(f'experiments_{metric}')})"),
                words={"0": (no, GREEN), "1": yes},
                see=f"KafkaSentinelExperimentsSkipped {page}",
                width=3,
            )
        )
    board.with_panel(
        figure(
            "State saved",
            "How long ago Sentinel's state was saved; what is found after that is lost with its process. After 3"
            " minutes experiments are held back.",
            Query(f"time() - max({series('checkpoint_last_success_timestamp_seconds')})", events=True),
            unit="s",
            steps=STATE,
            see="operating.md#its-own-restarts",
            nothing="never",
            width=3,
        )
    )
    board.with_panel(
        figure(
            "Self-test",
            "What Sentinel did not find, of what it was drilled with within the time range; and whether the next drill"
            " is two hours overdue (1). Then what it says of records is not to be trusted.",
            Query(f"sum({new('selftest_total', result='missed')})", "missed"),
            Query(f"time() - max({series('selftest_next_run_timestamp_seconds')}) > bool 7200", "overdue"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelSelftestMissed KafkaSentinelSelftestOverdue verdicts.md#the-self-test",
            width=3,
            decimals=0,
        )
    )

"""What happened, how long each phase of the recovery took and why, and what experiments proved."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from tools.dashboards.limits import (
    GREEN,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    OUTAGE,
    OUTAGE_WORDS,
    OVERDUE,
    PHASES,
    PLAIN,
    YELLOW,
)
from tools.dashboards.parts import bars, figure, grid, lines
from tools.dashboards.queries import Query, new, quantile, series
from tools.dashboards.whole import begin

MISSED = "Red is beyond the usual objective (slo.recovery)."


def build() -> dashboard.Dashboard:
    board = begin(
        "kafka-sentinel-incidents",
        "incidents and recovery",
        "Incidents by cause, the phases of their recovery against the objectives, and experiments.",
        since="now-7d",
    )
    timeline(board)
    recovery(board)
    experiments(board)
    return board


def timeline(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("What happened"))
    for verdict, steps, see in (
        ("passed", PLAIN, "reading-an-incident.md#is-it-over"),
        ("failed", NONE_IS_GOOD, "KafkaSentinelSlowRecovery reading-an-incident.md#is-it-over"),
        ("inconclusive", NONE_IS_BETTER, "reading-an-incident.md#is-it-over"),
    ):
        board.with_panel(
            figure(
                verdict.capitalize(),
                f"Incidents closed within the time range with the verdict {verdict}.",
                Query(f"sum({new('incidents_total', verdict=verdict)})"),
                steps=steps,
                see=see,
                decimals=0,
            )
        )
    board.with_panel(
        figure(
            "Open now",
            "Incidents that are not over.",
            Query(f"sum({series('incidents_open')})"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelNotRecovered",
        )
    )
    board.with_panel(
        figure(
            "Log went backwards",
            "Times within the time range that the log of a probe partition was seen to go backwards. What it"
            " dropped may never have been acknowledged.",
            Query(f"sum({new('log_truncations_total')})"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelMessageLoss",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Elections",
            "Changes of leader of probe partitions within the time range.",
            Query(f"sum({new('leader_changes_total')})"),
            see="reading-an-incident.md#how-long-were-we-down",
            decimals=0,
        )
    )
    board.with_panel(
        lines(
            "Open incidents, by cause",
            "The cause is the one assumed at that moment; it may have been found out later.",
            Query(f"max by (cause) ({series('incidents_open')})", "{{cause}}"),
            stacked=True,
            steps=NONE_IS_BETTER,
            see="KafkaSentinelNotRecovered",
        )
    )
    board.with_panel(
        lines(
            "Unavailable partitions",
            "Probe partitions that could not be written or read. The marks are incidents, losses and notices.",
            Query(f"max by (operation) ({series('partitions_unavailable')})", "{{operation}}"),
            steps=NONE_IS_GOOD,
            see="KafkaSentinelWritesDown KafkaSentinelReadsDown",
        )
    )
    board.with_panel(
        bars(
            "Incidents, by cause",
            "Closed within the time range, whatever their verdict.",
            Query(f"sum by (cause) ({new('incidents_total')})", "{{cause}}"),
            see="reading-an-incident.md#why",
        )
    )
    board.with_panel(
        bars(
            "Without writes, by cause",
            f"Time within the time range in which any partition could not be written. {OUTAGE_WORDS}",
            Query(f"sum by (cause) ({new('unavailable_seconds_total', operation='produce')})", "{{cause}}"),
            unit="s",
            steps=OUTAGE,
            see="KafkaSentinelWritesDown",
        )
    )
    board.with_panel(
        bars(
            "Without reads, by cause",
            f"Time within the time range in which any partition could not be read. {OUTAGE_WORDS}",
            Query(f"sum by (cause) ({new('unavailable_seconds_total', operation='consume')})", "{{cause}}"),
            unit="s",
            steps=OUTAGE,
            see="KafkaSentinelReadsDown",
        )
    )


def recovery(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("How long recovery took"))
    board.with_panel(
        grid(
            "Last incident of each cause",
            "Time from its beginning to the end of each phase; phases overlap and must not be added. None: there was"
            f" no such phase. {MISSED}",
            Query(f"max by (cause, phase) ({series('recovery_last_seconds')})", events=True),
            unit="s",
            nothing="none",  # which every empty cell shows
            matrix=("cause", "phase"),
            marks=PHASES,
            see="KafkaSentinelSlowRecovery reading-an-incident.md#how-long-were-we-down",
            width=16,
        )
    )
    board.with_panel(
        bars(
            "Objectives",
            "How long each phase may take, from the configuration (slo.recovery).",
            Query(f"max by (phase) ({series('slo_seconds')})", "{{phase}}"),
            unit="s",
            see="configuration.md#slorecovery",
        )
    )
    for share in (0.5, 0.9, 0.99):
        board.with_panel(
            bars(
                f"{share * 100:g} % of recoveries, by phase",
                f"{share * 100:g} % of the incidents that closed within the time range had reached the phase after this"
                f" time. Between the bounds of the histogram it is interpolated. {MISSED}",
                Query(quantile(share, "recovery_seconds", "phase"), "{{phase}}", events=True),
                unit="s",
                nothing="no incident in this time",
                marks=PHASES,
                see="KafkaSentinelSlowRecovery reading-an-incident.md#how-long-were-we-down",
            )
        )
    for phase, what in (("produce", "writes were back"), ("full", "all was well again")):
        board.with_panel(
            bars(
                f"Until {what}, by cause",
                f"90 % of the incidents that closed within the time range: time until {what} on every partition."
                f" {MISSED}",
                Query(
                    quantile(0.9, "recovery_seconds", "cause", phase=phase),
                    "{{cause}}",
                    events=True,
                ),
                unit="s",
                nothing="no incident in this time",
                steps=PHASES[phase],
                see="KafkaSentinelSlowRecovery reading-an-incident.md#why",
                width=12,
            )
        )


def experiments(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Experiments"))
    board.with_panel(
        grid(
            "Next run",
            "How long until each experiment is due next; below 0 it is overdue, by more than 25 hours it is stalled."
            " Whether the guards will allow it is seen then.",
            Query(f"max by (experiment) ({series('experiment_next_run_timestamp_seconds')}) - time()", events=True),
            unit="s",
            nothing="none configured",
            called="due in",
            marks={"due in": OVERDUE},
            width=8,
            see="KafkaSentinelExperimentsStalled experiments.md#when",
        )
    )
    board.with_panel(
        grid(
            "Last success",
            "When each experiment last passed. How long ago that may be depends on how often it is planned.",
            Query(f"max by (experiment) ({series('experiment_last_success_timestamp_seconds')}) * 1000", events=True),
            unit="dateTimeFromNow",
            nothing="none passed yet",
            called="passed",
            width=8,
            see="KafkaSentinelExperimentsSkipped experiments.md#when",
        )
    )
    board.with_panel(
        bars(
            "Runs, by result",
            "Experiments that ended within the time range.",
            Query(
                f"sum by (experiment, result) ({new('experiments_total')}) > 0",
                "{{experiment}}: {{result}}",
                events=True,
            ),
            marks={
                "/: passed$/": ((None, GREEN),),
                "/: failed$/": NONE_IS_GOOD,
                "/: (aborted|inconclusive)$/": NONE_IS_BETTER,
            },
            nothing="none in this time",
            see="experiments.md#the-life-of-a-run",
        )
    )
    board.with_panel(
        bars(
            "Skipped, by guard",
            "Runs within the time range that did not take place, by the first guard that denied.",
            Query(
                f"sum by (experiment, guard) ({new('experiments_skipped_total')}) > 0",
                "{{experiment}}: {{guard}}",
                events=True,
            ),
            steps=NONE_IS_BETTER,
            nothing="none in this time",
            see="KafkaSentinelExperimentsSkipped experiments.md#guards",
            width=12,
        )
    )
    board.with_panel(
        figure(
            "Held back",
            "Paused by a person; latched by a failed run or a loss.",
            Query(f"max({series('experiments_paused')})", "paused"),
            Query(f"max({series('experiments_latched')})", "latched"),
            words={"0": ("no", GREEN), "1": ("yes", YELLOW)},
            see="KafkaSentinelExperimentsSkipped experiments.md#what-a-person-can-say",
            width=12,
            height=8,
        )
    )

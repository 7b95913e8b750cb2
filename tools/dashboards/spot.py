"""What spot nodes do to this Kafka, and what the next one would take with it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from tools.dashboards.limits import (
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    OUTAGE,
    OUTAGE_WORDS,
    WARNING,
    WATCHES,
)
from tools.dashboards.parts import bars, figure, lines
from tools.dashboards.queries import Query, added, new, quantile, series
from tools.dashboards.whole import begin

UNKNOWN = "Not known without Kubernetes."
ENOUGH = "Below 30 s a pod cannot even end in good order; from 90 s on its partitions can be led elsewhere before."


def build() -> dashboard.Dashboard:
    board = begin(
        "kafka-sentinel-spot",
        "spot and placement",
        "Notices and losses of nodes, how much warning they gave, what they cost, and what is exposed to the next one.",
        since="now-7d",
    )
    placement(board)
    reclaims(board)
    restarts(board)
    return board


def placement(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("What would go at once"))
    for domain, what, steps in (
        ("node", "one node", NONE_IS_GOOD),
        ("zone", "one zone", NONE_IS_BETTER),
        ("spot_pool", "all spot nodes", NONE_IS_BETTER),
    ):
        board.with_panel(
            figure(
                f"Exposed to {what}",
                f"Partitions that would fall below min.insync.replicas if {what} went, the worst case. {UNKNOWN}",
                Query(f"max({series('partitions_exposed', domain=domain)})"),
                steps=steps,
                see="KafkaSentinelPlacementExposed",
            )
        )
    for metric, title, text, steps in (
        ("brokers_on_spot", "On spot nodes", "Brokers on spot nodes.", NONE_IS_BETTER),
        ("brokers_sharing_node", "Sharing a node", "Brokers that share their node with another one.", NONE_IS_GOOD),
        ("brokers_on_local_volume", "On local volumes", "Brokers whose log is bound to one node.", NONE_IS_BETTER),
    ):
        board.with_panel(
            figure(
                title,
                f"{text} {UNKNOWN}",
                Query(f"max({series(metric)})"),
                steps=steps,
                see="KafkaSentinelPlacementExposed",
            )
        )
    board.with_panel(
        lines(
            "Exposure",
            f"Partitions that would fall below min.insync.replicas; domains overlap and must not be added. {UNKNOWN}",
            Query(f"max by (domain) ({series('partitions_exposed')})", "{{domain}}"),
            steps=NONE_IS_BETTER,
            see="KafkaSentinelPlacementExposed",
        )
    )
    board.with_panel(
        lines(
            "Pods stuck, by reason",
            f"Broker pods that cannot come back by themselves. {UNKNOWN}",
            Query(f"max by (reason) ({series('broker_pods_stuck')})", "{{reason}}"),
            stacked=True,
            steps=NONE_IS_GOOD,
            see="KafkaSentinelBrokerStuck",
        )
    )


def reclaims(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Notices and losses of nodes"))
    board.with_panel(
        figure(
            "Reclaimed",
            "Spot nodes with brokers on them that went within the time range.",
            Query(f"sum({new('node_disruptions_total', cause='spot')})"),
            see="disruptions.md#is-a-node-spot-capacity",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Without a word",
            "Nodes with brokers on them that went within the time range, and no notice had come before.",
            Query(f"sum({new('node_disruptions_total', announced='false')})"),
            steps=NONE_IS_BETTER,
            see="disruptions.md#not-in-the-kubernetes-api",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Lost by reclaims (acks=all)",
            "Acknowledged records lost within the time range in incidents caused by spot reclaims.",
            Query(f"sum({new('records_lost_total', acks='all', cause='spot')})"),
            steps=NONE_IS_GOOD,
            see="KafkaSentinelMessageLossAfterSpotReclaim",
            decimals=0,
        )
    )
    board.with_panel(
        figure(
            "Without writes by reclaims",
            "Time within the time range in which any partition could not be written, caused by spot reclaims."
            f" {OUTAGE_WORDS}",
            Query(f"sum({new('unavailable_seconds_total', operation='produce', cause='spot')})"),
            unit="s",
            steps=OUTAGE,
            see="KafkaSentinelWritesDown",
        )
    )
    board.with_panel(
        figure(
            "Shortest warning",
            f"One in ten nodes went sooner after their notice than this, within the time range. {ENOUGH}",
            Query(quantile(0.1, "disruption_lead_seconds", ""), events=True),
            unit="s",
            nothing="none measured",
            steps=WARNING,
            see="disruptions.md",
        )
    )
    board.with_panel(
        figure(
            "Usual warning",
            f"Half of the nodes went sooner after their notice than this, within the time range. {ENOUGH}",
            Query(quantile(0.5, "disruption_lead_seconds", ""), events=True),
            unit="s",
            nothing="none measured",
            steps=WARNING,
            see="disruptions.md",
        )
    )
    board.with_panel(
        bars(
            "Notices, by source",
            "What was said of nodes with brokers on them within the time range; of one node perhaps several times.",
            Query(
                f"sum by (source, class) ({new('disruption_notices_total')}) > 0", "{{source}}: {{class}}", events=True
            ),
            nothing="none in this time",
            see="disruptions.md",
        )
    )
    board.with_panel(
        bars(
            "Nodes that went, by cause",
            "Nodes with brokers on them, within the time range, by whether a notice had come before.",
            Query(
                f"sum by (cause, announced) ({new('node_disruptions_total')}) > 0",
                "{{cause}}, announced: {{announced}}",
                events=True,
            ),
            marks={"/announced: false$/": NONE_IS_BETTER},
            nothing="none in this time",
            see="reading-an-incident.md#why",
        )
    )
    board.with_panel(
        bars(
            "Warning, by source",
            f"Half of the nodes went sooner after the notice of this source, within the time range. {ENOUGH}",
            Query(quantile(0.5, "disruption_lead_seconds", "source"), "{{source}}", events=True),
            unit="s",
            nothing="none measured",
            steps=WARNING,
            see="disruptions.md",
        )
    )


def restarts(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Restarts of brokers"))
    board.with_panel(
        bars(
            "Restarts, by cause",
            "Restarts of brokers within the time range. Yellow are those that nobody meant.",
            Query(f"sum by (cause) ({new('broker_restarts_total')})", "{{cause}}"),
            marks={"/^(crash|oom|node_failure)$/": NONE_IS_BETTER},
            see="reading-an-incident.md#why",
        )
    )
    board.with_panel(
        lines(
            "Restarts over time",
            "When they were counted: the cause is settled a minute after the restart, or later.",
            Query(f"sum by (cause) ({added('broker_restarts_total')})", "{{cause}}"),
            stacked=True,
            width=16,
            see="reading-an-incident.md#why",
        )
    )
    board.with_panel(
        lines(
            "Age of what Kubernetes told",
            "Time since each watch last told anything. Without Kubernetes there are none. Dashed: from 30 s on"
            " experiments are held back, from a minute on what pods were settles no cause.",
            Query(f"time() - max by (resource) ({series('watch_last_sync_timestamp_seconds')})", "{{resource}}"),
            unit="s",
            steps=WATCHES,
            see="permissions.md",
        )
    )
    board.with_panel(
        lines(
            "Trouble with the API server",
            "Watches that had to be started again, and failed requests. A resource that is not there is asked for again"
            " and again (404).",
            Query(f"sum by (resource) ({added('watch_restarts_total')})", "{{resource}}"),
            Query(f"sum by (code) ({added('kubernetes_errors_total')})", "error {{code}}"),
            see="KafkaSentinelBlind permissions.md",
        )
    )

"""What the dashboards are made of: variables, selectors, and panels that all look and behave alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

RUNBOOKS = "https://github.com/kafka-sentinel/kafka-sentinel/blob/main/docs/runbooks/"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
SCRAPED = 'job=~"$job", instance=~"$instance", kafka_cluster=~"$kafka_cluster"'
TAG = "kafka-sentinel"
RANGE, RATE = "$__range", "$__rate_interval"  # the range shown; what Grafana holds wide enough for rates
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel, table.Panel)
Steps = Sequence[tuple[float | None, str]]
PLAIN: Steps = ((None, BLUE),)  # a figure that is neither good nor bad
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))
NONE_IS_BETTER: Steps = ((None, GREEN), (1, YELLOW))


@dataclass(frozen=True)
class Query:
    """`events`: nothing is found until there was such an event; then the panel says so instead of a figure."""

    expr: str
    legend: str = ""
    events: bool = False


def series(metric: str, **labels: str) -> str:
    """Return a selector. A value that begins with `!` is one that the label must not have."""
    wanted = [f'{name}!="{value[1:]}"' if value[:1] == "!" else f'{name}="{value}"' for name, value in labels.items()]
    return f"kafka_sentinel_{metric}{{{', '.join((SCRAPED, *wanted))}}}"


def new(metric: str, **labels: str) -> str:
    """Return what was counted within the range, also by lives of Sentinel before they were scraped first.

    Lives that were seen within the day before it are not new: Prometheus may have been away when the range began.
    """
    one = series(metric, **labels)
    begun = f"last_over_time({one}[{RANGE}]) unless last_over_time({one}[1d] offset {RANGE})"
    return f"{begun} or increase({one}[{RANGE}])"


def added(metric: str, window: str = RATE, **labels: str) -> str:
    return f"increase({series(metric, **labels)}[{window}])"


def quantile(share: float, metric: str, by: str, window: str = RANGE, **labels: str) -> str:
    """Return a quantile of what was observed within the window; nothing where nothing was."""
    some = f"sum by ({by}) (increase({series(f'{metric}_count', **labels)}[{window}])) > 0"
    buckets = f"sum by ({', '.join(('le', *by.split()))}) (rate({series(f'{metric}_bucket', **labels)}[{window}]))"
    return f"histogram_quantile({share}, {buckets}) and on ({by}) {some}"


def share_failed(window: str) -> str:
    """Return the share of slots that failed, without those in which Sentinel could not see."""
    bad, seen = series("probe_slots_total", result="bad"), series("probe_slots_total", result="!blind")
    return f"sum by (operation) (rate({bad}[{window}])) / sum by (operation) (rate({seen}[{window}]))"


# --- panels


def _targets(queries: Sequence[Query], *, instant: bool, as_table: bool = False) -> list[Builder[Dataquery]]:
    targets: list[Builder[Dataquery]] = []
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id("ABCDEFGH"[number]).datasource(SOURCE)
        target = target.instant() if instant else target.range()
        target = target.legend_format(query.legend or "__auto")
        targets.append(target.format(PromQueryFormat.TABLE) if as_table else target)
    return targets


def _common(panel: P, title: str, text: str, *, unit: str, steps: Steps, runbook: str | None) -> P:
    panel.title(title).description(text).datasource(SOURCE).unit(unit)
    thresholds = [model.Threshold(value=value, color=color) for value, color in steps]
    panel.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds))
    if runbook is not None:
        panel.links([dashboard.DashboardLink("What to do").url(f"{RUNBOOKS}{runbook}.md").target_blank(True)])
    return panel


def figure(
    title: str,
    text: str,
    *queries: Query,
    unit: str = "short",
    steps: Steps = PLAIN,
    runbook: str | None = None,
    nothing: str = "not known",
    words: Mapping[str, tuple[str, str]] | None = None,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
) -> stat.Panel:
    """Return a panel with one big figure for each series. `words`: value → what is shown instead, and its colour."""
    panel = _common(stat.Panel(), title, text, unit=unit, steps=steps, runbook=runbook)
    panel.targets(_targets(queries, instant=True))
    panel.graph_mode(look.BigValueGraphMode.NONE).color_mode(look.BigValueColorMode.VALUE).no_value(nothing)
    panel.text_mode(look.BigValueTextMode.AUTO).reduce_options(_last()).span(width).height(height)
    if decimals is not None:
        panel.decimals(decimals)
    if words:
        options = {
            value: model.ValueMappingResult(text=shown, color=color, index=number)
            for number, (value, (shown, color)) in enumerate(words.items())
        }
        panel.mappings([model.ValueMap(options=options)])
    return panel


def bars(
    title: str,
    text: str,
    *queries: Query,
    unit: str = "short",
    steps: Steps = PLAIN,
    runbook: str | None = None,
    nothing: str = "none yet",
    width: int = 8,
) -> bargauge.Panel:
    """Return a panel with one bar for each series, as it is now or over the whole range."""
    panel = _common(bargauge.Panel(), title, text, unit=unit, steps=steps, runbook=runbook)
    panel.targets(_targets(queries, instant=True))
    panel.orientation(look.VizOrientation.HORIZONTAL).display_mode(look.BarGaugeDisplayMode.BASIC).no_value(nothing)
    return panel.reduce_options(_last()).span(width).height(8).min(0)


def lines(
    title: str,
    text: str,
    *queries: Query,
    unit: str = "short",
    steps: Steps = PLAIN,
    runbook: str | None = None,
    width: int = 12,
    stacked: bool = False,
    limit: float | None = None,
) -> timeseries.Panel:
    """Return a panel over time. Steps but the first are drawn as lines; `limit`: the highest value there can be."""
    panel = _common(timeseries.Panel(), title, text, unit=unit, steps=steps, runbook=runbook)
    panel.targets(_targets(queries, instant=False))
    panel.min(0).span(width).height(8).fill_opacity(40 if stacked else 5).line_width(1)
    panel.show_points(look.VisibilityMode.AUTO)
    legend = common.VizLegendOptions().show_legend(True).display_mode(look.LegendDisplayMode.LIST)
    panel.legend(legend.placement(look.LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING))
    if stacked:
        panel.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL))
    if limit is not None:
        panel.max(limit)
    if len(steps) > 1:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(look.GraphThresholdsStyleMode.DASHED))
    return panel


def grid(
    title: str,
    text: str,
    query: Query,
    *,
    unit: str = "short",
    steps: Steps = PLAIN,
    runbook: str | None = None,
    nothing: str = "none yet",
    width: int = 12,
    hidden: Sequence[str] = (),
    matrix: tuple[str, str] | None = None,
    called: str = "",
    leads: str | None = None,
) -> table.Panel:
    """Return a table: a row for each series, or, of `matrix`, one for each value of a label and columns of another.

    `called`: heading of the values. `leads`: where a click on a cell leads.
    """
    panel = _common(table.Panel(), title, text, unit=unit, steps=steps, runbook=runbook)
    panel.targets(_targets([query], instant=True, as_table=True)).no_value(nothing).span(width).height(8)
    panel.align(look.FieldTextAlignment.AUTO)
    if leads is not None:
        panel.data_links([dashboard.DashboardLink("What to do").url(leads).target_blank(True)])
    if matrix is not None:
        options: dict[str, Any] = {"rowField": matrix[0], "columnField": matrix[1], "valueField": "Value"}
        panel.with_transformation(model.DataTransformerConfig(id_val="groupingToMatrix", options=options))
        return panel
    excluded = dict.fromkeys(("Time", *hidden), True)
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize", options={"excludeByName": excluded, "renameByName": {"Value": called or "value"}}
        )
    )
    return panel


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


# --- whole dashboards


def begin(uid: str, title: str, text: str, *, since: str) -> dashboard.Dashboard:
    """Return a dashboard with the variables, links and annotations that all of them have."""
    board = dashboard.Dashboard(f"Kafka Sentinel: {title}").uid(uid).description(text).tags([TAG]).readonly()
    board.time(since, "now").refresh("30s").timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR)
    board.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    board.with_variable(_variable("kafka_cluster", "Kafka cluster", "", every=False))
    board.with_variable(_variable("job", "Job", 'kafka_cluster=~"$kafka_cluster"', every=True))
    board.with_variable(_variable("instance", "Instance", 'kafka_cluster=~"$kafka_cluster", job=~"$job"', every=True))
    link = dashboard.DashboardLink("Kafka Sentinel").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    board.link(link.as_dropdown(False).include_vars(True).keep_time(True))
    for name, color, expr in _happenings():
        note = dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).hide(False)
        board.annotation(note.icon_color(color).expr(expr))
    return board


def _happenings() -> list[tuple[str, str, str]]:
    opened = f"max by (cause) ({series('incidents_open')}) > 0"
    lost = f"sum by (cause) ({added('records_lost_total', '2m', acks='all')}) > 0"
    noticed = f"sum by (source, class) ({added('disruption_notices_total', '2m', **{'class': '!risk'})}) > 0"
    return [("Incidents", "orange", opened), ("Losses", "red", lost), ("Notices", "purple", noticed)]


def _variable(name: str, label: str, matchers: str, *, every: bool) -> dashboard.QueryVariable:
    query = f"label_values(kafka_sentinel_build_info{{{matchers}}}, {name})"
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if every:
        variable.multi(True).include_all(True).all_value(".+")
        variable.current(model.VariableOption(text="All", value="$__all", selected=True))
    return variable


def encoded(board: dashboard.Dashboard) -> str:
    built = board.build()
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

"""What the dashboards are made of: panels that all look and behave alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from tools.dashboards.limits import BLUE, GREEN, PLAIN, Marks, Steps
from tools.dashboards.pages import links
from tools.dashboards.queries import Query

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
Words = Mapping[str, tuple[str, str]]  # value → what is shown instead, and its colour
UNKNOWN = "not known"
COUNT = "locale"  # every digit of it: 12,034 lost, not 12 K
COLOURED = model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel, table.Panel)


def _targets(queries: Sequence[Query], *, instant: bool, as_table: bool = False) -> list[Builder[Dataquery]]:
    targets: list[Builder[Dataquery]] = []
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id("ABCDEFGH"[number]).datasource(SOURCE)
        target = target.instant() if instant else target.range()
        target = target.legend_format(query.legend or "__auto")
        targets.append(target.format(PromQueryFormat.TABLE) if as_table else target)
    return targets


def _common(
    panel: P,
    title: str,
    text: str,
    *,
    see: str,
    unit: str,
    steps: Steps = PLAIN,
    marks: Marks | None = None,
    also: Sequence[model.DynamicConfigValue] = (),
) -> P:
    """`also`: what else holds of each series or column that has a mark."""
    panel.title(title).description(text).datasource(SOURCE).unit(unit).links(list(links(see)))
    panel.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(_thresholds(steps)))
    for name, own in (marks or {}).items():
        value = model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=_thresholds(own))
        _mark(panel, name, model.DynamicConfigValue(id_val="thresholds", value=value), *also)
    return panel


def _thresholds(steps: Steps) -> list[model.Threshold]:
    return [model.Threshold(value=value, color=color) for value, color in steps]


def _mark(panel: P, name: str, *properties: model.DynamicConfigValue) -> None:
    """Have something else hold of the series of that name, or of those that fit a pattern between slashes."""
    if name.startswith("/"):
        panel.override_by_regexp(name, list(properties))
    else:
        panel.override_by_name(name, list(properties))


def _mappings(words: Words) -> list[model.ValueMap]:
    options = {
        value: model.ValueMappingResult(text=shown, color=color, index=number)
        for number, (value, (shown, color)) in enumerate(words.items())
    }
    return [model.ValueMap(options=options)]


def _if_known(steps: Steps) -> Steps:
    """Grafana gives "not known" the colour of the lowest step. That it is well is known from a figure, from 0 on."""
    (_, color), *more = steps
    return ((None, BLUE), (0, GREEN), *more) if color == GREEN else steps


def figure(
    title: str,
    text: str,
    *queries: Query,
    see: str,
    unit: str = COUNT,
    steps: Steps = PLAIN,
    marks: Marks | None = None,
    nothing: str = UNKNOWN,
    words: Words | None = None,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
) -> stat.Panel:
    """Return a panel with one big figure for each series. `words`: shown in their place."""
    steps = _if_known(steps) if nothing == UNKNOWN else steps
    panel = _common(stat.Panel(), title, text, unit=unit, steps=steps, marks=marks, see=see)
    panel.targets(_targets(queries, instant=True))
    panel.graph_mode(look.BigValueGraphMode.NONE).color_mode(look.BigValueColorMode.VALUE).no_value(nothing)
    panel.text_mode(look.BigValueTextMode.AUTO).reduce_options(_last()).span(width).height(height)
    if decimals is not None:
        panel.decimals(decimals)
    if words:
        panel.mappings(list(_mappings(words)))
    return panel


def bars(
    title: str,
    text: str,
    *queries: Query,
    see: str,
    unit: str = COUNT,
    steps: Steps = PLAIN,
    marks: Marks | None = None,
    nothing: str = UNKNOWN,
    width: int = 8,
) -> bargauge.Panel:
    """Return a panel with one bar for each series, as it is now or over the whole range."""
    steps = _if_known(steps) if nothing == UNKNOWN else steps
    panel = _common(bargauge.Panel(), title, text, unit=unit, steps=steps, marks=marks, see=see)
    panel.targets(_targets(queries, instant=True))
    panel.orientation(look.VizOrientation.HORIZONTAL).display_mode(look.BarGaugeDisplayMode.BASIC).no_value(nothing)
    if unit == COUNT:
        panel.decimals(0)  # increase() guesses what was counted between scrapes, and finds parts of a whole
    return panel.reduce_options(_last()).span(width).height(8).min(0)


def lines(
    title: str,
    text: str,
    *queries: Query,
    see: str,
    unit: str = "short",
    steps: Steps = PLAIN,
    width: int = 12,
    stacked: bool = False,
    limit: float | None = None,
) -> timeseries.Panel:
    """Return a panel over time. Steps but the first are drawn as lines; `limit`: the highest value there can be."""
    panel = _common(timeseries.Panel(), title, text, unit=unit, steps=steps, see=see)
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
    see: str,
    nothing: str,
    unit: str = "short",
    marks: Marks | None = None,
    words: Mapping[str, Words] | None = None,
    width: int = 12,
    hidden: Sequence[str] = (),
    matrix: tuple[str, str] | None = None,
    called: str = "",
    leads: str | None = None,
) -> table.Panel:
    """Return a table: a row for each series, or, of `matrix`, one for each value of a label and columns of another.

    `called`: heading of the values. `marks`, `words`: by the name of a column. `leads`: where a click on a cell leads.
    """
    panel = _common(table.Panel(), title, text, unit=unit, marks=marks, also=[COLOURED], see=see)
    panel.targets(_targets([query], instant=True, as_table=True)).no_value(nothing).span(width).height(8)
    panel.align(look.FieldTextAlignment.AUTO)
    for name, shown in (words or {}).items():
        _mark(panel, name, COLOURED, model.DynamicConfigValue(id_val="mappings", value=_mappings(shown)))
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

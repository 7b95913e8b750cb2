"""What all dashboards have: variables, links, and the marks of what happened."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from tools.dashboards.parts import SOURCE
from tools.dashboards.queries import added, series

TAG = "kafka-sentinel"


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

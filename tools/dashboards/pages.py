"""The pages that panels link to: runbooks by the name of their alert, other pages of docs/ by their file."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

DOCS = "https://github.com/kafka-sentinel/kafka-sentinel/blob/main/docs/"  # the chart replaces it (value `runbooks`)
RUNBOOKS = f"{DOCS}runbooks/"


def links(see: str) -> list[dashboard.DashboardLink]:
    """Return a link to each page of a list of words: `KafkaSentinelBlind` is a runbook, `verdicts.md#lost` a page."""
    return [_link(page) for page in see.split()]


def _link(page: str) -> dashboard.DashboardLink:
    if ".md" in page:
        name = page.partition(".md")[0].replace("-", " ")
        link = dashboard.DashboardLink(f"What it means: {name}").url(DOCS + page)
    else:
        link = dashboard.DashboardLink(f"What to do: {page}").url(f"{RUNBOOKS}{page}.md")
    return link.target_blank(True)

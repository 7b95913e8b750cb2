"""What PromQL expressions name: metrics, and the labels each of them is asked for. Enough for ours, no parser."""

from __future__ import annotations

import re

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.adapters.metric_labels import CLUSTER_LABEL, PREFIX, Kind

# Labels that Prometheus adds to what it scrapes, and that of a histogram's bucket.
SCRAPED = {"job", "instance"}
BUCKET = "le"
_SELECTOR = re.compile(rf"(?<![\w:])({PREFIX}\w+)\s*(?:\{{([^}}]*)\}})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_LISTED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def metric_of(series: str) -> str | None:
    """Return the metric in the catalogue that a series belongs to."""
    name = series.removeprefix(PREFIX)
    if name in CATALOGUE:
        return name
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    return family if family in CATALOGUE and CATALOGUE[family].kind is Kind.HISTOGRAM else None


def mistakes(expression: str) -> list[str]:
    """Return in words what the catalogue does not have: metrics, labels of them, values of these labels."""
    found, known = [], {CLUSTER_LABEL, *SCRAPED}
    for series, matchers in _SELECTOR.findall(expression):
        metric = metric_of(series)
        if metric is None:
            found.append(f"no metric {series}")
            continue
        labels = {label.name: label for label in CATALOGUE[metric].labels}
        known |= set(labels) | ({BUCKET} if series.endswith("_bucket") else set())
        for name, operator, text in _MATCHER.findall(matchers):
            if name not in {*labels, CLUSTER_LABEL, *SCRAPED}:
                found.append(f"{series} has no label {name}")
            elif name in labels and "$" not in text and not labels[name].limit:
                values = text.split("|") if "~" in operator else [text]
                found += [
                    f'{series}: {name} is never "{value}"' for value in values if value not in labels[name].values
                ]
    for listed in _LISTED.findall(expression):
        found += [f"label {name} is none of these metrics'" for name in re.findall(r"\w+", listed) if name not in known]
    return found

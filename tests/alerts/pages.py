"""What links lead to: the pages of docs/, and the places in them as GitHub names them."""

from __future__ import annotations

import re

from tests.alerts.promtool import ROOT

DOCS = "https://github.com/kafka-sentinel/kafka-sentinel/blob/main/docs/"


def dead(url: str) -> str:
    """Return in words why a link leads nowhere; "" if it does not."""
    page, _, place = url.removeprefix(DOCS).partition("#")
    path = ROOT / "docs" / page
    if not url.startswith(DOCS):
        return f"{url} is no page of docs"
    if ".." in page or not path.is_file():
        return f"there is no docs/{page}"
    if place and place not in places(path.read_text()):
        return f"docs/{page} has no place {place}"
    return ""


def places(text: str) -> set[str]:
    """Return the anchors of a page's headings. Of headings with the same words only the first one's is returned."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

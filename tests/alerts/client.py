"""What a Prometheus answers, asked over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

SECONDS = 30.0


class Client:
    """`url`: where it listens, as http://127.0.0.1:9090."""

    def __init__(self, url: str) -> None:
        self.url = url

    def is_ready(self) -> bool:
        return self._get("/-/ready", mistakes=False) is not None

    def now(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """Ask for what there is now, or was `at` (wall clock). Raises AssertionError if it cannot be asked."""
        return self._ask("query", query=expr, **({} if at is None else {"time": f"{at:.3f}"}))["result"]

    def lately(self, expr: str, seconds: float, until: float) -> list[dict[str, Any]]:
        """Ask for what there was in the seconds until an instant (wall clock)."""
        span = {"start": f"{until - seconds:.3f}", "end": f"{until:.3f}"}
        return self._ask("query_range", query=expr, **span, step="1")["result"]

    def label_values(self, name: str, selector: str) -> list[str]:
        return self._ask(f"label/{name}/values", **{"match[]": selector})

    def metadata(self) -> dict[str, list[dict[str, str]]]:
        """Return type and help by the name of the metric, as the targets that are scraped now tell them."""
        return self._ask("metadata")

    def targets(self) -> list[dict[str, Any]]:
        return self._ask("targets", state="active")["activeTargets"]

    def scrape_pools(self) -> list[str]:
        """Return the names of what it is configured to look for."""
        return self._ask("scrape_pools")["scrapePools"]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, kind: str, **what: str) -> Any:
        body = self._get(f"/api/v1/{kind}?{urllib.parse.urlencode(what)}")
        answer = json.loads(body or "{}")
        assert answer.get("status") == "success", f"{answer.get('error', body)}: {kind} {what}"
        assert not answer.get("warnings"), answer["warnings"]
        return answer["data"]

    def _get(self, path: str, *, mistakes: bool = True) -> str | None:
        """Return the answer, also one that tells of a mistake unless told not to; None if there is none."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=SECONDS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode() if mistakes else None
        except OSError:
            return None

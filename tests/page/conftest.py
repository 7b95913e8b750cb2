"""One Chromium for the tests of a file; each page it shows shares nothing with the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.page.chromium import CHROMIUM, Chromium


@pytest.fixture(autouse=True)
def stop_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_sentinel.adapters.web_server.POLL", 0.01)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: the page is not tried in a browser")
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures are written: `PICTURES`, else nowhere that stays."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder

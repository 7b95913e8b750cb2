from __future__ import annotations

from pathlib import Path

import pytest
from tests.chart import helm as programs
from tests.chart.rendering import Helm
from tests.go_programs import SECONDS

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Whichever test comes first may have to wait until both are built."""
    if any(not each.is_built for each in programs.PROGRAMS.values()):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.timeout(2 * SECONDS))


@pytest.fixture(scope="session", params=programs.MAJORS, ids=[f"helm{major}" for major in programs.MAJORS])
def helm(request, tmp_path_factory) -> Helm:
    """Each Helm in turn; built if it is missing."""
    programs.ensure()
    return Helm(request.param, tmp_path_factory.mktemp(f"helm{request.param}"))

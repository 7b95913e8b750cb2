from __future__ import annotations

import pytest
from tests.chart import helm as programs
from tests.chart.rendering import Helm


@pytest.fixture(scope="session", params=programs.MAJORS, ids=[f"helm{major}" for major in programs.MAJORS])
def helm(request, tmp_path_factory) -> Helm:
    """Each Helm in turn; built if it is missing."""
    programs.ensure()
    return Helm(request.param, tmp_path_factory.mktemp(f"helm{request.param}"))

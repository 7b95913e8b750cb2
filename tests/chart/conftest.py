from __future__ import annotations

from pathlib import Path

import pytest
from tests.chart import helm as programs
from tests.chart.rendering import Helm
from tests.conftest import FULL
from tests.go_programs import SECONDS

HERE = Path(__file__).parent
NEWEST = programs.MAJORS[-1]


def pytest_collection_modifyitems(config, items):
    """Under the older Helm each test has its first case alone, all of them in `make verify`.

    Whichever test comes first may have to wait until both are built.
    """
    left_out = [] if FULL else [item for item in items if HERE in item.path.parents and _is_repeated(item)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if any(not each.is_built for each in programs.PROGRAMS.values()):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.timeout(2 * SECONDS))


def _is_repeated(item) -> bool:
    """Whether an older Helm plays a later case of a test."""
    case = getattr(item, "callspec", None)
    if case is None or case.params.get("helm", NEWEST) == NEWEST:
        return False
    return any(index for name, index in case.indices.items() if name != "helm")


@pytest.fixture(scope="session", params=programs.MAJORS, ids=[f"helm{major}" for major in programs.MAJORS])
def helm(request, tmp_path_factory) -> Helm:
    """Each Helm in turn; built if it is missing."""
    programs.ensure()
    return Helm(request.param, tmp_path_factory.mktemp(f"helm{request.param}"))

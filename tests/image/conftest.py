"""The image of the Dockerfile, built for these tests and for the whole session."""

from __future__ import annotations

import os

import pytest
from tests.image.built import Built, image

from kafka_sentinel.lab.errors import LabError


@pytest.fixture(scope="session")
def built() -> Built:
    """The image is there: else skip, or fail in CI, where a missing tier is a failure."""
    try:
        return image()
    except LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(f"the image tier cannot run: {error}")

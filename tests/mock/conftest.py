"""Real librdkafka clients against librdkafka's in-process mock brokers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.mock.mailbox import Mailbox
from tests.mock.mock_cluster import MockCluster


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    assert not made.deaths


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        yield made

import pytest


@pytest.fixture(autouse=True)
def stop_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_sentinel.adapters.web_server.POLL", 0.01)

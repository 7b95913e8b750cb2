"""The command line as a user has it, without the environment of whoever runs the tests."""

import os
import sys

import pytest

from kafka_sentinel.cli import main


@pytest.fixture(autouse=True)
def _no_environment_of_ours(monkeypatch):
    for name in list(os.environ):
        if name.startswith("KAFKA_SENTINEL"):
            monkeypatch.delenv(name)


@pytest.fixture
def sentinel(monkeypatch, capsys):
    """Run `kafka-sentinel` in this process: `sentinel("check", "--help")` gives exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kafka-sentinel", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code or 0, out, err

    return run

"""Programs that Go builds are built once, and again when what they are built from has changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests import go_programs
from tests.go_programs import Program, ensure

from kafka_sentinel.lab.errors import LabError


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program of one line, whose source counts as a pin."""
    monkeypatch.setattr(go_programs, "CACHE", tmp_path)
    monkeypatch.setattr(go_programs, "BUILD", tmp_path / "go-build")
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "go.mod").write_text("module lab/one\n\ngo 1.24.0\n")
    write(pins, "first")
    return Program(tmp_path / "bin" / "one", pins, ".", cgo=False)


def write(pins: Path, word: str) -> None:
    (pins / "main.go").write_text(f'package main\n\nfunc main() {{ println("{word}") }}\n')


def said(program: Program) -> str:
    return subprocess.run([program.path], capture_output=True, text=True, check=True).stderr.strip()


def test_it_is_built_once_and_again_when_its_pins_have_changed(program: Program, capsys: pytest.CaptureFixture[str]):
    ensure([program])
    assert said(program) == "first"
    assert not go_programs.BUILD.exists()
    assert capsys.readouterr().out.startswith("build one (1 of 1) …")
    ensure([program])
    assert capsys.readouterr().out == ""
    write(program.pins, "second")
    assert not program.is_built
    ensure([program])
    assert (said(program), program.is_built) == ("second", True)


def test_one_that_cannot_be_built_is_named_with_what_go_said_and_does_not_count_as_built(program: Program):
    (program.pins / "main.go").write_text('package main\n\nimport "nowhere"\n')
    with pytest.raises(LabError, match=r"go build in \S+/pins failed with exit code 1:\n(.*\n)*.*main"):
        ensure([program])
    assert not program.is_built

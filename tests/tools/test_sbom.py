"""The bill of materials names what an installation consists of, each with the version that is locked."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
LOCKED = {one["name"]: one for one in LOCK["package"]}


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    assert shutil.which("make"), "make is needed"
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run(["make", "sbom", f"OUT={file}"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    return {one["name"]: one for one in json.loads(file.read_text())["components"]}


def test_it_names_everything_that_is_installed_and_nothing_of_the_tests(components):
    assert components.keys() == installed("kafka-sentinel") - {"kafka-sentinel"}
    assert "pytest" in LOCKED
    assert "pytest" not in components


def test_it_names_the_versions_that_are_locked(components):
    assert {name: one["version"] for name, one in components.items()} == {
        name: LOCKED[name]["version"] for name in components
    }


def test_whatever_is_installed_is_locked_with_its_hashes():
    packages = [one for one in LOCK["package"] if one["name"] != "kafka-sentinel"]
    files = [file for one in packages for file in (*one.get("wheels", ()), *filter(None, [one.get("sdist")]))]
    assert len(files) > len(packages) / 2
    assert all(file["hash"].startswith("sha256:") for file in files)


def installed(name: str) -> set[str]:
    """Return the package and all that it needs, with every extra."""
    found: set[str] = set()
    open_still = [name]
    while open_still:
        each = open_still.pop()
        if each in found:
            continue
        found.add(each)
        package = LOCKED[each]
        needed = [
            *package.get("dependencies", ()),
            *(one for extra in package.get("optional-dependencies", {}).values() for one in extra),
        ]
        open_still += [one["name"] for one in needed]
    return found

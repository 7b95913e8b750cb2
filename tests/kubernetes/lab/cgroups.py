"""The control groups of a lab: one for each node, in which its kubelet makes those of the pods.

Serves the layouts of Debian: one hierarchy (version 2), or a hierarchy for each controller (version 1).
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_VERSION_1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified")
_SHARES = 6 * 1024  # of the processor, for all of a lab; of its rivals on a busy machine each process has 1024
_REMOVE_SECONDS = 5.0  # an ended process leaves its group a moment later
_ROUND_SECONDS = 0.05


def make(tag: str, node: str) -> None:
    for hierarchy in _hierarchies():
        for group in (hierarchy / tag, hierarchy / tag / node):
            group.mkdir(exist_ok=True)
            _open(group)
        _weigh(hierarchy / tag)


def remove(tag: str, node: str = "") -> None:
    """Remove the groups of a node, or of the whole lab, once their processes have ended.

    What a killed node leaves must go before it boots, as it would: its kubelet tries for seconds to end those pods.
    """
    groups = [hierarchy / tag / node for hierarchy in _hierarchies()]
    deadline = time.monotonic() + _REMOVE_SECONDS
    while (groups := [group for group in groups if _is_left(group)]) and time.monotonic() < deadline:
        time.sleep(_ROUND_SECONDS)


def left(tag: str) -> list[Path]:
    return [hierarchy / tag for hierarchy in _hierarchies() if (hierarchy / tag).exists()]


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [ROOT / name for name in _VERSION_1 if (ROOT / name).is_dir()]


def _open(group: Path) -> None:
    """Let groups be made below this one with all that its parent controls."""
    if (ROOT / "cgroup.controllers").exists():
        wanted = " ".join(f"+{name}" for name in (group / "cgroup.controllers").read_text().split())
        (group / "cgroup.subtree_control").write_text(wanted)
    elif (group / "cpuset.cpus").exists():
        for name in ("cpuset.cpus", "cpuset.mems"):
            (group / name).write_text((group.parent / name).read_text())


def _weigh(lab: Path) -> None:
    """Have the lab's many processes count as many, not as one: else whatever else runs leaves them next to nothing."""
    if (lab / "cpu.shares").exists():
        (lab / "cpu.shares").write_text(str(_SHARES))
    elif (lab / "cpu.weight").exists():
        (lab / "cpu.weight").write_text(str(_SHARES * 100 // 1024))


def _is_left(group: Path) -> bool:
    if not group.exists():
        return False
    below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
    for each in [*below, group]:
        with contextlib.suppress(OSError):  # a process in it has not ended yet
            each.rmdir()
    return group.exists()

"""One node: namespaces on this machine in which containerd, kubelet and kube-proxy run as on a machine of their own."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from . import cgroups, network, node_files, processes
from .build import BIN
from .plan import Plan
from .shell import attempt, run

_INIT = Path(__file__).with_name("node_init.py")
_SECONDS = 30.0  # for anything below to happen on a busy machine
_ROUND_SECONDS = 0.05
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
_STANDING = ("T", "t", "Z", "X")  # states in which a thread does nothing


class Node:
    def __init__(self, plan: Plan, name: str) -> None:
        self.name = name
        self._plan = plan
        self._folder = plan.node_folder(name)

    @property
    def init_pid(self) -> int | None:
        """Process id, on the host, of the node's first process; None while the node is off."""
        for each in processes.of(self._plan.folder):
            if each.inner == 1 and str(_INIT) in each.arguments and str(self._folder) in each.arguments:
                return each.pid
        return None

    def start(self, labels: Mapping[str, str] | None = None) -> None:
        """Boot, with what its disks hold. `labels` are those it registers with, beside its zone and its own."""
        if self.init_pid is not None:
            raise LabError(f"node {self.name} cannot boot: it is on")
        plan = self._plan
        cgroups.remove(plan.tag, self.name)
        cgroups.make(plan.tag, self.name)
        node_files.write(plan, self.name)
        network.disconnect(plan, self.name)
        network.connect(plan, self.name)
        all_labels = plan.node_labels(self.name) | dict(labels or {})
        words = ",".join(f"{key}={value}" for key, value in all_labels.items())
        enter = ["nsenter", f"--net=/run/netns/{plan.namespace(self.name)}"]
        unshare = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        first = [
            sys.executable,
            "-I",
            str(_INIT),
            str(self._folder),
            self.name,
            str(BIN),
            plan.address(self.name),
            words,
        ]
        processes.start(plan.folder, [*enter, *unshare, *first], self._folder / "log" / "init.log")
        self._wait(lambda: self.init_pid is not None, "boot")

    def kill(self) -> None:
        """Take its power away. Whoever talks to it hears nothing any more."""
        pid = self._on()
        network.cut(self._plan, self.name)
        processes.kill([pid])
        network.disconnect(self._plan, self.name)

    def stop_kubelet(self) -> None:
        """SIGKILL the kubelet and keep it down; containers live on."""
        self._folder.joinpath("stop.kubelet").touch()
        wanted = f"--hostname-override={self.name}"
        found = processes.named(self._plan.folder, "kubelet")
        processes.kill([each.pid for each in found if wanted in each.arguments])

    def start_kubelet(self) -> None:
        self._folder.joinpath("stop.kubelet").unlink(missing_ok=True)

    def partition(self) -> None:
        self._on()
        network.cut(self._plan, self.name)

    def heal(self) -> None:
        self._on()
        network.mend(self._plan, self.name)

    def freeze(self) -> None:
        """Stop every process of the node, containers too; when it returns all threads stand."""
        pid = self._on()
        self._signal_all(pid, "STOP")
        self._wait(lambda: all(state in _STANDING for state in _thread_states(pid)), "stand still")

    def thaw(self) -> None:
        self._signal_all(self._on(), "CONT")

    def wipe(self, disk: str) -> None:
        """Empty a disk, as if the machine came back with a new one."""
        for each in self._plan.disk(self.name, disk).iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()

    def execute(self, *command: str) -> str:
        """Run a command in the node and return what it prints. Raises LabError if it fails."""
        return run("nsenter", "--target", str(self._on()), *_NAMESPACES, *command)

    def load_image(self, archive: Path) -> None:
        """Import an image, once the node's containerd answers."""
        prefix = ["nsenter", "--target", str(self._on()), *_NAMESPACES, "ctr"]
        self._wait(lambda: attempt(*prefix, "version"), "have a containerd that answers")
        run(*prefix, "--namespace", "k8s.io", "images", "import", str(archive))

    def _on(self) -> int:
        pid = self.init_pid
        if pid is None:
            raise LabError(f"node {self.name} is off")
        return pid

    @staticmethod
    def _signal_all(pid: int, name: str) -> None:
        run("nsenter", "--target", str(pid), "--pid", "sh", "-c", f"kill -{name} -1")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise LabError(
                    f"node {self.name} did not {what} within {_SECONDS:.0f} s; its log ends:\n{self.closing('init')}"
                )
            time.sleep(_ROUND_SECONDS)

    def closing(self, part: str) -> str:
        """Return the last lines that a part of the node has logged."""
        log = self._folder / "log" / f"{part}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "nothing"


def _thread_states(pid: int) -> list[str]:
    """Return the state of every thread of a node but its first process, seen through the node's own /proc."""
    states: list[str] = []
    for status in Path(f"/proc/{pid}/root/proc").glob("[0-9]*/task/*/stat"):
        if status.parts[-4] != "1":
            try:
                states.append(status.read_text().rpartition(")")[2].split()[0])
            except OSError:  # it ended meanwhile
                continue
    return states

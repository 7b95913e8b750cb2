"""The first process of a node: makes its mounts, starts containerd, kube-proxy and kubelet, and restarts what ends.

Run as `python -I node_init.py FOLDER NODE BIN ADDRESS LABELS`, as process 1 of new pid, mount, uts and ipc namespaces,
in the network namespace of the node. Killing it from outside is a power loss: the kernel ends whatever ran in the pid
namespace, containers included, at once, and drops all mounts. While a file `stop.NAME` lies in the node's folder, the
part NAME is not started again. Needs only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

_ROUND_SECONDS = 0.1
_RESTART_SECONDS = 0.5
_OPEN_FILES = 20_000
_SOCKET = Path("/run/containerd/containerd.sock")
# The kubelet insists on these. It is shown files that say so; the machine's own settings stay.
_KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


class Part:
    """One program that is kept running."""

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.name = name
        self._command = command
        self._log = folder / "log" / f"{name}.log"
        self._stop = folder / f"stop.{name}"
        self._pid: int | None = None
        self._not_before = 0.0

    def run(self) -> None:
        """Start it unless it runs, must not, or ended a moment ago."""
        if self._pid is not None or self._stop.exists() or time.monotonic() < self._not_before:
            return
        log = (os.POSIX_SPAWN_OPEN, 1, str(self._log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        actions = [log, (os.POSIX_SPAWN_DUP2, 1, 2)]
        self._pid = os.posix_spawnp(self._command[0], self._command, os.environ, file_actions=actions, setsid=True)

    def ended(self, pid: int) -> None:
        if pid == self._pid:
            self._pid = None
            self._not_before = time.monotonic() + _RESTART_SECONDS


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def make_mounts(folder: Path) -> None:
    mount("--make-rprivate", "/")
    mount("--make-rshared", "/")
    subprocess.run(["umount", "--recursive", "--lazy", "/run/netns"], check=False, capture_output=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for below in ("netns", "lock"):
        Path("/run", below).mkdir()
    for source, target in (("lib", "/var/lib"), ("log", "/var/log"), ("mnt", "/mnt")):
        mount("--bind", str(folder / source), target)
    for number, (name, value) in enumerate(_KERNEL.items()):
        shown = Path(f"/run/kernel.{number}")
        shown.write_text(f"{value}\n")
        mount("--bind", str(shown), f"/proc/sys/{name}")


def reap(parts: list[Part]) -> None:
    """Collect whatever ended: parts, and what containers left to this process."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            for part in parts:
                part.ended(pid)


def main() -> None:
    folder, node, programs, address, labels = (
        Path(sys.argv[1]),
        sys.argv[2],
        Path(sys.argv[3]),
        sys.argv[4],
        sys.argv[5],
    )
    socket.sethostname(node)
    make_mounts(folder)
    most = min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    kubelet = [
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
        f"--hostname-override={node}",
        f"--node-ip={address}",
        f"--node-labels={labels}",
    ]
    containerd = Part(folder, "containerd", "containerd", "--config", str(folder / "containerd.toml"))
    rest = [
        Part(folder, "kube-proxy", str(programs / "kube-proxy"), f"--config={folder / 'kube-proxy.yaml'}"),
        Part(folder, "kubelet", str(programs / "kubelet"), *kubelet),
    ]
    while True:
        containerd.run()
        if _SOCKET.exists():
            for part in rest:
                part.run()
        time.sleep(_ROUND_SECONDS)
        reap([containerd, *rest])


if __name__ == "__main__":
    main()

"""The programs of the lab: Debian's packages, installed if missing, and Kubernetes, etcd and CoreDNS built by Go.

`go.mod` and `go.sum` below `go/` pin every module. A second call takes a moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import go_programs
from tests.go_programs import Program, timed
from tests.needs import one_apt, problem

from kafka_sentinel.lab.errors import LabError

from .shell import run

HERE = Path(__file__).resolve().parent
ROOT = go_programs.ROOT
LAB_CACHE = go_programs.CACHE / "kubernetes-lab"
BIN = LAB_CACHE / "bin"

KUBERNETES = "1.34.2"
PACKAGES = (
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "gcc",
    "iproute2",
    "iptables",
    "kmod",
    "libc6-dev",
    "nftables",
    "openssl",
    "runc",
    "util-linux",
)
APT_SECONDS = 600.0
OLDEST_GO = (1, 24)

# Reasons why the lab cannot run, with what then fails.
_PROBES = {
    "the lab makes namespaces": ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "true"],
    "the lab makes control groups": ["test", "-w", "/sys/fs/cgroup"],
    "containers need the overlay file system": ["sh", "-c", "grep -qw overlay /proc/filesystems || modprobe overlay"],
}
_MAJOR, _MINOR, _ = KUBERNETES.split(".")
_VERSION = "k8s.io/component-base/version"
_KUBERNETES_FLAGS = (
    f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor={_MAJOR} -X {_VERSION}.gitMinor={_MINOR}"
)


def _program(name: str, module: str, package: str, flags: str = "-s -w") -> Program:
    return Program(BIN / name, HERE / "go" / module, package, flags)


def _kubernetes(name: str) -> Program:
    return _program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_FLAGS)


PROGRAMS = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    _kubernetes("kubectl"),
    _program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    _program("coredns", "coredns", "."),
)


def cannot_run() -> str | None:
    """Return why the lab cannot run on this machine, or None."""
    if os.geteuid() != 0:
        return "the lab makes namespaces, bridges and mounts, so it needs root"
    if shutil.which("apt-get") is None:
        return "the lab installs Debian packages, and there is no apt-get"
    for what, command in _PROBES.items():
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return f"{what}: {' '.join(command)} does not work"
    kind = subprocess.run(["stat", "-fc", "%T", ROOT], capture_output=True, text=True, check=False).stdout.strip()
    if kind == "overlayfs":
        return f"containers cannot lie on the overlay file system that {ROOT} is on"
    if all(each.is_built for each in PROGRAMS):
        return None
    return go_programs.cannot_build(f"Kubernetes {KUBERNETES}", OLDEST_GO)


def ensure() -> None:
    """Install and build what is missing, a line for each with its seconds. Raises LabError."""
    reason = cannot_run()
    if reason is not None:
        raise LabError(reason)
    install(PACKAGES)
    go_programs.ensure(PROGRAMS)
    if not (BIN / "pause").exists():
        run("gcc", "-Os", "-static", "-s", "-o", str(BIN / "pause"), str(HERE / "pause.c"))


def install(packages: Sequence[str]) -> None:
    """Have these Debian packages, as root. Raises LabError."""
    missing = [each for each in packages if not _is_installed(each)]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=180"]
    with one_apt(), timed(f"install {' '.join(missing)}"):
        run(*apt, "update", seconds=APT_SECONDS, environment=environment)
        run(*apt, "install", "-y", "--no-install-recommends", *missing, seconds=APT_SECONDS, environment=environment)


def _is_installed(package: str) -> bool:
    command = ["dpkg-query", "-W", "-f", "${Status}", package]
    return "ok installed" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(problem(ensure))

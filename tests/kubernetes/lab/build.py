"""The programs of the lab: Debian's packages, installed if missing, and Kubernetes, etcd and CoreDNS built by Go.

`go.mod` and `go.sum` beside this file pin every module. Each program bears a stamp of what it was built from, so a
second call takes a moment, a changed pin builds only what it concerns, and a build that was broken off goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CACHE = (ROOT / ".cache").resolve()  # Go builds anew what it finds under another path
LAB_CACHE = CACHE / "kubernetes-lab"
BIN = LAB_CACHE / "bin"
GO_BUILD = CACHE / "go-build"  # several GB: removed once all is built
GO_MODULES = CACHE / "go-mod"

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
GO_SECONDS = 1_800.0  # of one program, from nothing, on two slow cores
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


@dataclass(frozen=True, slots=True)
class Program:
    """One Go program: the folder below `go/` whose pins it is built by, and its package."""

    name: str
    module: str
    package: str
    flags: str = "-s -w"


def _kubernetes(name: str) -> Program:
    return Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_FLAGS)


PROGRAMS = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    _kubernetes("kubectl"),
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Program("coredns", "coredns", "."),
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
    return None if all(_is_built(each) for each in PROGRAMS) else _no_go()


def ensure() -> None:
    """Install and build what is missing, a line for each with its seconds. Raises LabError."""
    reason = cannot_run()
    if reason is not None:
        raise LabError(reason)
    install(PACKAGES)
    BIN.mkdir(parents=True, exist_ok=True)
    with (BIN / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [each for each in PROGRAMS if not _is_built(each)]
        for number, program in enumerate(missing, 1):
            with _timed(f"build {program.name} ({number} of {len(missing)})"):
                _build(program)
        if not (BIN / "pause").exists():
            _run(["gcc", "-Os", "-static", "-s", "-o", str(BIN / "pause"), str(HERE / "pause.c")], 60)
        if missing:
            shutil.rmtree(GO_BUILD, ignore_errors=True)


def _no_go() -> str | None:
    if shutil.which("go") is None:
        return "Kubernetes is built by Go, and there is no go on the PATH"
    words = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = tuple(int(part) for part in words.strip().removeprefix("go").split(".")[:2] if part.isdecimal())
    if found < OLDEST_GO:
        return f"Kubernetes {KUBERNETES} needs Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or later; go says {words.strip()!r}"
    return None


def install(packages: Sequence[str]) -> None:
    """Have these Debian packages, as root. Raises LabError."""
    missing = [each for each in packages if not _is_installed(each)]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=180"]
    with _timed(f"install {' '.join(missing)}"):
        _run([*apt, "update"], APT_SECONDS, environment)
        _run([*apt, "install", "-y", "--no-install-recommends", *missing], APT_SECONDS, environment)


def _is_installed(package: str) -> bool:
    command = ["dpkg-query", "-W", "-f", "${Status}", package]
    return "ok installed" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _stamp_file(program: Program) -> Path:
    return BIN / f".{program.name}.stamp"


def _stamp(program: Program) -> str:
    digest = hashlib.sha256(f"{program.package}\n{program.flags}\n".encode())
    for file in sorted((HERE / "go" / program.module).iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _is_built(program: Program) -> bool:
    stamp = _stamp_file(program)
    return (BIN / program.name).exists() and stamp.exists() and stamp.read_text() == _stamp(program)


def _build(program: Program) -> None:
    fresh = BIN / f".{program.name}.new"
    environment = {
        **os.environ,
        "CGO_ENABLED": "1",
        "GOCACHE": str(GO_BUILD),
        "GOMODCACHE": str(GO_MODULES),
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    command = ["go", "build", "-ldflags", program.flags, "-o", str(fresh), program.package]
    _run(command, GO_SECONDS, environment, HERE / "go" / program.module)
    fresh.replace(BIN / program.name)
    _stamp_file(program).write_text(_stamp(program))


def _run(
    command: list[str], seconds: float, environment: dict[str, str] | None = None, folder: Path | None = None
) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(command[:2])} took more than {seconds:.0f} s") from None
    if done.returncode != 0:
        closing = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{closing}")


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{what} …", end="", flush=True)
    yield
    print(f" {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    try:
        ensure()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

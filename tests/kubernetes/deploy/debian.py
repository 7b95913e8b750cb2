"""A root file system of a few Debian packages, as small as it can easily be: nodes load it several times over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

SUITE = "bookworm"  # a release that only gets security and point updates: as far as Debian allows pinning
SECONDS = 900.0
# What nothing in a running container reads.
USELESS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/i18n",
    "usr/share/bash-completion",
    "usr/share/lintian",
    "usr/share/common-licenses",
    "usr/share/perl5",
    "usr/lib/x86_64-linux-gnu/perl-base",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/apt",
    "var/lib/apt",
    "var/lib/dpkg/info",
    "var/cache",
    "var/log",
    "boot",
    "debootstrap",
)
SPECIAL = ("dev", "proc", "sys", "run", "tmp")  # empty in an image: the runtime fills them


def unpack(packages: tuple[str, ...], folder: Path, *, log: Path, debs: Path) -> None:
    """Have Debian's minimal system with `packages` in `folder`, which must not exist. Raises LabError.

    `debs` keeps what was fetched.
    """
    tool = shutil.which("debootstrap")
    if tool is None or os.geteuid() != 0:
        raise LabError("images are made by Debian's debootstrap, run by root")
    command = [tool, "--variant=minbase", f"--cache-dir={debs}", f"--include={','.join(packages)}", SUITE, str(folder)]
    debs.mkdir(exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=SECONDS, check=False
        )
    if done.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise LabError(f"debootstrap failed with exit code {done.returncode}: {' '.join(last)} (see {log})")
    _strip(folder)


def _strip(folder: Path) -> None:
    for name in USELESS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in SPECIAL:
        shutil.rmtree(folder / name)
        (folder / name).mkdir(mode=0o755)
    (folder / "tmp").chmod(0o1777)
    (folder / "var/log").mkdir()

"""Files that take long to make, kept under a hash of all they are made of."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_sentinel.lab.jars import default_cache

DIGITS = 16  # of the hash, in the name
KEPT = 4  # of each kind: several checkouts may share one cache


def kept(
    folder_name: str, kind: str, inputs: bytes, build: Callable[[Path, Path], None], *, suffix: str = ".tar"
) -> Path:
    """Return the file for these inputs; `build(work folder, file)` makes it once. The last few of its kind are kept.

    In a folder one is built at a time: its images share what debootstrap fetches.
    """
    folder = default_cache() / "kubernetes-lab" / folder_name
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{kind}.{digest(inputs)}{suffix}"
    with _alone(folder / "lock"):
        if not target.exists():
            print(f"building {folder_name}/{kind}", flush=True)  # noqa: T201 - it may take a minute or two
            with tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=folder) as work:
                out = Path(work, "out")
                build(Path(work), out)
                out.rename(target)
        target.touch()
        for old in sorted(folder.glob(f"{kind}.*{suffix}"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return target


def digest(inputs: bytes) -> str:
    return hashlib.sha256(inputs).hexdigest()[:DIGITS]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that holds it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""The wall clock of a pod, which a test may step: no other process of the machine sees it."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.lab.shell import run

SOURCE = Path(__file__).with_name("clock.c")
MOUNTED = "/clock"
LIBRARY, OFFSET = "clock.so", "offset"
NANOSECONDS = 1_000_000_000


class Clock:
    """Lies in a folder of a node, from which a pod there takes it (`values`)."""

    def __init__(self, lab: Cluster, node: str) -> None:
        self._folder = lab.disk(node, "d2") / "clock"
        self._folder.mkdir(exist_ok=True)
        self.set(0)
        library = str(self._folder / LIBRARY)
        run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, str(SOURCE), "-ldl")

    def set(self, seconds: int) -> None:
        """Have it differ from the machine's by so much, from now on."""
        path = self._folder / OFFSET
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:  # in place: it is mapped into the memory of who looks at it
            file.write(struct.pack("=q", seconds * NANOSECONDS))

    @staticmethod
    def values() -> dict[str, list[dict]]:
        """Return values of the chart that have the daemon go by it."""
        variables = {"LD_PRELOAD": f"{MOUNTED}/{LIBRARY}", "CLOCK_OFFSET": f"{MOUNTED}/{OFFSET}"}
        return {
            "extraEnv": [{"name": name, "value": value} for name, value in variables.items()],
            "extraVolumes": [{"name": "clock", "hostPath": {"path": "/mnt/disks/d2/clock", "type": "Directory"}}],
            "extraVolumeMounts": [{"name": "clock", "mountPath": MOUNTED, "readOnly": True}],
        }

"""How much memory the container of a release has used at most, as the kernel counts it: nothing of it is Sentinel's."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.kubernetes.deploy.release import Release

# Both versions of control groups. Prints [limit, peak, times it wanted more, processes killed for it].
_ASK = """
import json, os
def read(name):
    with open(f"/sys/fs/cgroup/{name}") as file:
        return file.read()
def of(text, name):
    return next(line.split()[1] for line in text.splitlines() if line.split()[0] == name)
if os.path.exists("/sys/fs/cgroup/memory.max"):
    events = read("memory.events")
    found = [read("memory.max"), read("memory.peak"), of(events, "max"), of(events, "oom_kill")]
else:
    names = ("limit_in_bytes", "max_usage_in_bytes", "failcnt")
    found = [*(read(f"memory/memory.{name}") for name in names), of(read("memory/memory.oom_control"), "oom_kill")]
print(json.dumps([int(each) for each in found]))
"""


class Memory(NamedTuple):
    """`limit` and `peak`: bytes, files that are cached included. `refused`: how many times it wanted more than that."""

    limit: int
    peak: int
    refused: int
    killed: int


def memory_of(release: Release) -> Memory:
    """Return it of the one pod of a release, since its container was started."""
    done = release.exec("python3", "-c", _ASK)
    assert done.returncode == 0, done.stdout + done.stderr
    return Memory(*json.loads(done.stdout))

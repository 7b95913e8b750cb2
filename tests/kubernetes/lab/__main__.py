"""The lab by hand: `python -m tests.kubernetes.lab up`, then kubectl, then `kill-node n2` and whatever else hurts."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from .build import BIN
from .cluster import GRACE_SECONDS, TOLERATION_SECONDS, Cluster

Verb = Callable[[Cluster, list[str]], object]
VERBS: dict[str, tuple[str, int, Verb]] = {
    "kill-node": ("NODE: power loss", 1, lambda lab, words: lab.kill_node(*words)),
    "start-node": ("NODE: boot", 1, lambda lab, words: lab.start_node(words[0])),
    "stop-kubelet": ("NODE: kubelet dead, containers live on", 1, lambda lab, words: lab.stop_kubelet(*words)),
    "start-kubelet": ("NODE", 1, lambda lab, words: lab.start_kubelet(*words)),
    "partition": ("NODE: its network goes silent", 1, lambda lab, words: lab.partition(*words)),
    "heal": ("NODE: end of partition", 1, lambda lab, words: lab.heal(*words)),
    "freeze": ("NODE: stop all its processes", 1, lambda lab, words: lab.freeze(*words)),
    "thaw": ("NODE: end of freeze", 1, lambda lab, words: lab.thaw(*words)),
    "wipe-disk": ("NODE DISK: empty disk d1 or d2", 2, lambda lab, words: lab.wipe_disk(*words)),
    "delete-node": ("NODE: delete the Node object", 1, lambda lab, words: lab.delete_node(*words)),
    "load-image": (
        "ARCHIVE: import an image into all nodes",
        1,
        lambda lab, words: lab.load_image(Path(words[0]).resolve()),
    ),
    "stop-api": (": kill the API server", 0, lambda lab, words: lab.stop_api()),
    "start-api": (": and start it again", 0, lambda lab, words: lab.start_api()),
}


def up(name: str, nodes: int, grace: int, tolerations: int) -> None:
    began = time.monotonic()
    lab = Cluster(nodes, name=name, grace=grace, tolerations=tolerations)
    lab.up()
    lab.keep()
    print(f"{nodes} nodes ready after {time.monotonic() - began:.0f} s; now")
    print(f"export KUBECONFIG={lab.kubeconfig} PATH={BIN}:$PATH")


def status(lab: Cluster) -> None:
    for node in lab.nodes:
        print(f"{node}: {'on' if lab.is_on(node) else 'off'}")
    print(lab.kubectl("get", "nodes", "--show-labels=false", "-o", "wide"), end="")


def act(name: str, verb: str, words: list[str]) -> None:
    lab = Cluster.attach(name)
    match verb:
        case "down":
            lab.down()
        case "status":
            status(lab)
        case "exec-node":
            print(lab.exec_node(*words), end="")
        case _:
            usage, count, call = VERBS[verb]
            if len(words) != count:
                raise LabError(f"usage: {verb} {usage}")
            call(lab, words)


def main() -> int:
    lines = [f"  {verb} {usage}" for verb, (usage, _, _) in VERBS.items()]
    lines = ["verbs:", "  up | down | status", *lines, "  exec-node NODE COMMAND …: run a command in a node"]
    parser = argparse.ArgumentParser(
        prog="python -m tests.kubernetes.lab",
        description=__doc__,
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="lab", help="which lab (default: lab)")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--grace", type=int, default=GRACE_SECONDS, help="seconds until a silent node is NotReady")
    parser.add_argument("--tolerations", type=int, default=TOLERATION_SECONDS, help="more until its pods are evicted")
    parser.add_argument("verb", choices=["up", "down", "status", "exec-node", *VERBS], metavar="VERB")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="…")
    given = parser.parse_args()
    try:
        if given.verb == "up":
            up(given.name, given.nodes, given.grace, given.tolerations)
        else:
            act(given.name, given.verb, given.words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

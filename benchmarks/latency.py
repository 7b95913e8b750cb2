"""What Sentinel adds to the latency that it measures: beside a client in C, in the same run on the same brokers.

`latency.c` sends as Sentinel does by default, ten records of 200 bytes a second to each of six partitions, each on its
way alone, and reads them back. It is compiled here and linked with the librdkafka that confluent-kafka brings. Both run
at the same time; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import confluent_kafka
from benchmarks import figures
from benchmarks.daemon import Daemon
from benchmarks.figures import Figure
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_sentinel.lab.cluster import LabCluster

SOURCE = Path(__file__).with_suffix(".c")
PARTITIONS, INTERVAL_MS = 6, 100
TOPIC = "latency"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="each with a daemon and a client anew (5)")
    parser.add_argument("--seconds", type=int, default=25, metavar="S", help="of a round, five of them to warm up (25)")
    figures.options(parser)
    given = parser.parse_args()
    rounds = []
    with LabCluster("combined") as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        program = _compiled(Path(folder))
        new = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=3, config={"min.insync.replicas": "2"})
        admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers})  # held: its futures die with it
        admin.create_topics([new])[TOPIC].result(30)
        for number in range(given.rounds):
            rounds.append(_round(lab.bootstrap_servers, program, Path(folder), given.seconds))
            print(f"{number + 1} {rounds[-1]}", flush=True)
    return figures.conclude("latency", _figures(rounds), {"rounds": rounds}, given)


def _figures(rounds: list[dict[str, dict[str, float]]]) -> list[Figure]:
    def median(who: str, what: str) -> float:
        return statistics.median(each[who][what] for each in rounds)

    def added(what: str) -> float:
        return statistics.median(each["sentinel"][what] - each["c"][what] for each in rounds)

    names = {"acked": "to the acknowledgement", "read": "to reading"}
    found = []
    for what, name in names.items():
        found += [Figure(f"{name}: {who}", median(who, what), "ms") for who in ("c", "sentinel")]
        found.append(Figure("… added", added(what), "ms", most=1))
    return found


def _compiled(folder: Path) -> Path:
    libraries = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = sorted(libraries.glob("librdkafka-*.so*"))
    if not found:
        raise SystemExit(f"latency: there is no librdkafka in {libraries}")
    program = folder / "latency"
    command = ["cc", "-O2", "-pthread", str(SOURCE), str(found[0]), f"-Wl,-rpath,{libraries}", "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"latency: {SOURCE} cannot be compiled\n{done.stderr}")
    return program


def _round(servers: str, program: Path, folder: Path, seconds: int) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        daemon = Daemon(servers, Path(own))
        with daemon.running():
            command = [str(program), servers, TOPIC, str(PARTITIONS), str(INTERVAL_MS), str(seconds)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            shown = daemon.status()["latency_seconds"]
    ours = {"acked": 1000 * shown["produce_p50"], "read": 1000 * shown["end_to_end_p50"]}
    return {"c": json.loads(done.stdout), "sentinel": {name: round(value, 3) for name, value in ours.items()}}


if __name__ == "__main__":
    sys.exit(main())

"""What Sentinel's default probe costs the cluster: processor time of the brokers, traffic, bytes in their logs.

The brokers are left alone and probed in turn; what they use while left alone is taken off. Traffic is what passes over
the loopback interface, each byte counted once: brokers, replicas and Sentinel are all on this machine. The estimates of
`kafka-sentinel check` stand beside it, without the background recheck, which has nothing to read in so young a log.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks import figures
from benchmarks.daemon import Daemon
from benchmarks.figures import Figure

from kafka_sentinel.core.probe_cost import probe_cost
from kafka_sentinel.engine_config import probe_load
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.settings import Settings

PARTITIONS, COPIES = 6, 3
WARM_UP = 10.0  # seconds, after Sentinel has started or ended
DAY = 86_400.0
RATES = ("cpu", "traffic", "stored", "verified")  # of what is used, those that are told a second


@dataclass(frozen=True)
class Used:
    """So far: seconds of processor time of all brokers, bytes over the loopback interface, bytes of probe records."""

    at: float
    cpu: float
    traffic: int
    stored: int
    verified: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each kind (5)")
    parser.add_argument("--seconds", type=float, default=25.0, metavar="S", help="of measuring, each round (25)")
    figures.options(parser)
    given = parser.parse_args()
    rounds = []
    with LabCluster("combined") as lab:
        for number in range(given.rounds):
            rounds.append({"alone": _measured(lab, None, given.seconds), "probed": _probed(lab, given.seconds)})
            print(f"{number + 1} {rounds[-1]}", flush=True)
    return figures.conclude("observer", _figures(rounds), {"rounds": rounds}, given)


def _figures(rounds: list[dict[str, dict[str, float]]]) -> list[Figure]:
    def more(key: str) -> float:
        return statistics.median(each["probed"][key] - each["alone"][key] for each in rounds)

    settings = Settings()
    expected = probe_cost(probe_load(settings, (COPIES,) * PARTITIONS))
    rate = statistics.median(each["probed"]["verified"] for each in rounds)
    return [
        Figure("records a second", rate),
        Figure("processor of the brokers, all three together", 100 * more("cpu"), "% of a core"),
        Figure("traffic", more("traffic") / 1e3, "kB/s"),
        Figure("… as `check` estimates it", expected.traffic / 1e3, "kB/s"),
        Figure("bytes in the logs, all replicas, per record", more("stored") / rate, "B"),
        Figure("bytes in the logs a day, all replicas", more("stored") * DAY / 1e9, "GB"),
        Figure("… as `check` estimates it", expected.stored * DAY / settings.probe.retention / 1e9, "GB"),
    ]


def _probed(lab: LabCluster, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        daemon = Daemon(lab.bootstrap_servers, Path(folder))
        with daemon.running():
            return _measured(lab, daemon, seconds)


def _measured(lab: LabCluster, daemon: Daemon | None, seconds: float) -> dict[str, float]:
    time.sleep(WARM_UP)
    before = _used(lab, daemon)
    time.sleep(seconds)
    after = _used(lab, daemon)
    passed = after.at - before.at
    return {key: round((getattr(after, key) - getattr(before, key)) / passed, 4) for key in RATES}


def _used(lab: LabCluster, daemon: Daemon | None) -> Used:
    processes = [psutil.Process(pid) for broker in lab.brokers if (pid := lab.pid(broker))]
    return Used(
        at=time.monotonic(),
        cpu=sum(sum(process.cpu_times()[:2]) for process in processes),
        traffic=psutil.net_io_counters(pernic=True)["lo"].bytes_sent,
        stored=sum(file.stat().st_size for file in lab.folder.rglob("kafka-sentinel-probe-*/*.log")),
        verified=0 if daemon is None else daemon.verified(),
    )


if __name__ == "__main__":
    sys.exit(main())

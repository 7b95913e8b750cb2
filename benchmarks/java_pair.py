"""Kafka's own verifiable clients: its VerifiableProducer and VerifiableConsumer, of Maven's kafka-tools.

They say on their standard outputs, one line each, which records were acknowledged and which were read. That is read
here and counted, and nothing is compared: whoever uses them for a proof still has that to do.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from kafka_sentinel.lab.jars import KAFKA_VERSION, fetch, fetch_kafka
from kafka_sentinel.lab.java import find_java

PINNED = Path(__file__).with_name("java")
CHUNK = 1 << 20  # bytes of output read at once
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
PREFIX = str(2**31 - 1)  # of each value, before a dot and a number: the longest that the tool takes


class JavaPair:
    def __init__(self, servers: str, topic: str, folder: Path) -> None:
        self._servers, self._topic, self._folder = servers, topic, folder
        jars, tools = fetch_kafka(), fetch(f"kafka-tools-{KAFKA_VERSION}", PINNED)
        self._java = [str(find_java()), "-cp", f"{tools}/*:{jars}/*"]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._seen: dict[bytes, int] = {}

    def start(self) -> None:
        consumer = self._run("VerifiableConsumer", "--group-id", self._topic, "--verbose", properties={})
        self._count(consumer, b'"partitions_assigned"', b'"record_data"')
        self._wait_for(b'"partitions_assigned"')
        batches = {"linger.ms": "5", "batch.size": "1000000", "buffer.memory": "67108864"}
        producer = self._run("VerifiableProducer", "--value-prefix", PREFIX, properties=batches)
        self._count(producer, b'"producer_send_success"')
        self._wait_for(b'"record_data"')

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(STOP_SECONDS)

    @property
    def acked(self) -> int:
        return self._seen.get(b'"producer_send_success"', 0)

    @property
    def read(self) -> int:
        return self._seen.get(b'"record_data"', 0)

    def cpu(self) -> float:
        """Return the seconds of processor time that both have used."""
        return sum(sum(psutil.Process(process.pid).cpu_times()[:2]) for process in self._processes)

    def _run(self, tool: str, *arguments: str, properties: dict[str, str]) -> IO[bytes]:
        config = self._folder / f"{tool}.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        command = [*self._java, f"org.apache.kafka.tools.{tool}", "--bootstrap-server", self._servers]
        command += ["--topic", self._topic, "--command-config", str(config), *arguments]
        with (self._folder / f"{tool}.err").open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        self._processes.append(process)
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, CHUNK)  # so that it seldom waits for us
        return process.stdout

    def _count(self, stream: IO[bytes], *marks: bytes) -> None:
        def work() -> None:
            rest = b""
            with suppress(OSError):
                while chunk := os.read(stream.fileno(), CHUNK):
                    lines, _, rest = (rest + chunk).rpartition(b"\n")
                    for mark in marks:
                        self._seen[mark] = self._seen.get(mark, 0) + lines.count(mark)

        threading.Thread(target=work, daemon=True).start()

    def _wait_for(self, mark: bytes) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._seen.get(mark):
            if time.monotonic() > deadline:
                said = "".join(path.read_text()[-2_000:] for path in self._folder.glob("*.err"))
                raise SystemExit(f"not within {READY_SECONDS:.0f} s from Kafka's own clients: {mark.decode()}\n{said}")
            time.sleep(0.05)

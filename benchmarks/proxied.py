"""A Kafka whose clients come in through a proxy, which interrupts one broker for exactly as long as it is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, TypeVar

from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.node import Node
from kafka_sentinel.lab.ports import HOST
from kafka_sentinel.lab.topology import NodeSpec, configuration, properties

CHUNK = 1 << 16  # bytes

Done = TypeVar("Done")


class Fault(StrEnum):
    HOLD = "hold"  # bytes wait, both ways, and go on afterwards: nothing is lost
    CUT = "cut"  # connections are closed, and new ones too
    SWALLOW = "swallow"  # bytes vanish, both ways; what was connected meanwhile is closed afterwards


class Proxy:
    """Passes connections to one port on to another, in a thread of its own."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self._target = port, target
        self._fault: Fault | None = None
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()  # whether bytes may pass
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def interrupt(self, fault: Fault, seconds: float) -> tuple[float, float]:
        """Interrupt for that long. Returns when it began and ended, in Unix time."""
        return self._do(self._interrupt(fault, seconds), seconds + 10)

    def _do(self, work: Coroutine[Any, Any, Done], timeout: float = 10.0) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _listen(self) -> None:
        self._open.set()
        await asyncio.start_server(self._connected, HOST, self.port)

    async def _interrupt(self, fault: Fault, seconds: float) -> tuple[float, float]:
        self._fault = fault
        self._open.clear()
        began = time.time()
        if fault is Fault.CUT:
            self._close()
        await asyncio.sleep(seconds)
        if fault is Fault.SWALLOW:
            self._close()
        self._fault = None
        self._open.set()
        return began, time.time()

    def _close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.CUT:
            writer.transport.abort()
            return
        onward, back = await asyncio.open_connection(HOST, self._target)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(onward, writer))
        finally:
            self._writers -= {writer, back}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                if self._fault is Fault.SWALLOW:
                    continue
                await self._open.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


class Proxied(LabCluster):
    """`bootstrap` leads to all brokers through `proxies`; brokers talk to each other without."""

    def __init__(self) -> None:
        super().__init__("combined")
        self.proxies: dict[int, Proxy] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{proxy.port}" for proxy in self.proxies.values())

    def __enter__(self) -> Self:
        super().__enter__()
        for proxy in self.proxies.values():
            proxy.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self.proxies.values():
            proxy.stop()
        super().__exit__(kind, error, trace)

    def _new_node(self, spec: NodeSpec) -> Node:
        assert self._installation is not None
        behind = self._ports.take()
        proxy = self.proxies[spec.id] = Proxy(self._ports.take(), behind)
        folder = self.folder / f"node-{spec.id}"
        found = configuration(spec, self._specs, folder, {})
        found |= {
            "listeners": f"{found['listeners']},CLIENTS://{HOST}:{behind}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{spec.broker_port},CLIENTS://{HOST}:{proxy.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }
        return Node(spec.id, self._installation, properties(found))

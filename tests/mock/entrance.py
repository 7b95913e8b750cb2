"""An address that leads to a broker until it is closed, and then takes connections and answers nothing.

So does the address of a service whose endpoints have died.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class Entrance:
    """Use as a context manager. `target`: "host:port"."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = True
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Go silent: connections that exist end, new ones are never answered."""
        self._open = False
        for each in self._sockets:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it is over
                return
            self._sockets.append(client)
            if self._open:
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for each in (source, sink):
            each.close()

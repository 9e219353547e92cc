"""Proxy TCP between two parts of the system, so that a test can cut, silence, slow and narrow their network."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

CHUNK = 65536


class Proxy:
    """Forward ``port`` to ``target`` on loopback, from threads of its own.

    Attributes:
        delay: seconds that each piece of data waits, each way.
        rate: bytes per second, each way and connection; 0 = no limit.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self.delay, self.rate = 0.0, 0
        self.connections = 0
        self._up = True
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections and accept no more."""
        self._up = False
        with self._lock:
            ending, self._open = self._open, set()
        for one in ending:
            _end(one)

    def silence(self) -> None:
        """Hold all data back without closing, as if every packet were lost, until :meth:`restore`."""
        self._flows.clear()

    def restore(self) -> None:
        """Restore the normal state: connections, no delay, full rate."""
        self._up, self.delay, self.rate = True, 0.0, 0
        self._flows.set()

    def close(self) -> None:
        self.cut()
        self._flows.set()
        _end(self._server)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if not self._up:
                _end(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                server.settimeout(None)
            except OSError:
                _end(client)
                continue
            self.connections += 1
            with self._lock:
                self._open |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._flows.wait()
                if self.delay:
                    time.sleep(self.delay)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _end(source)
        _end(sink)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

"""Find free ports, and name the process that holds a taken one."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

import psutil

from eddy.errors import StackError


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return ports that were free a moment ago, all different.

    They lie below the range from which the kernel takes ports for outgoing connections, so that none of our own
    clients can be given one of them before its server starts.
    """
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        first = 20_000 + (os.getpid() * 97) % 10_000  # runs side by side search from different places
        for offset in range(12_000):
            port = 20_000 + (first + offset) % 12_000
            if is_free(port, host):
                held.enter_context(_bound(port, host))
                ports.append(port)
                if len(ports) == count:
                    return ports
    raise StackError(f"no {count} free ports between 20000 and 32000 on {host}; end what holds them")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen there now."""
    try:
        _bound(port, host).close()
    except OSError:
        return False
    return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """Name the process that listens on a port: ``"pid 17 (java)"``; ``"another process"`` if that is hidden."""
    try:
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listening and connection.pid:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:  # other users' processes are not ours to see
        pass
    return "another process"


def require_free(ports: Mapping[str, int], host: str) -> None:
    """Check ports before a service starts.

    Args:
        ports: setting key -> port.
        host: address to listen on.

    Raises:
        StackError: one is taken; names it, its setting and its holder.
    """
    for key, port in ports.items():
        if not is_free(port, host):
            raise StackError(
                f"port {port} ({key}) is held by {holder(port)}; end that process or choose another port: --set {key}=…"
            )


def _bound(port: int, host: str) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: connections in TIME_WAIT do not count
        sock.bind((host, port))
        sock.listen(1)
    except OSError:
        sock.close()
        raise
    return sock

"""Stand in front of a registry as a company's gateway does: TLS, credentials, faults, and a count of requests."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

#: (status, content) in place of the registry's answer, or None
Answer = Callable[[str, str], tuple[int, bytes] | None]


class FrontDoor(ThreadingHTTPServer):
    """Pass requests on to an address, unless ``answer`` (path, Authorization) says otherwise."""

    daemon_threads = True

    def __init__(self, behind: str, answer: Answer | None, files: tuple[Path, Path, Path] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.answer = behind, answer
        self.paths: list[str] = []
        self.scheme = "http"
        if files:
            certificate, key, authority = files
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/apis/ccompat/v7"


class _Handler(BaseHTTPRequestHandler):
    server: FrontDoor

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        given = self.server.answer and self.server.answer(self.path, self.headers.get("Authorization", ""))
        if not given:
            behind = requests.get(self.server.behind + self.path, timeout=10)
            given = behind.status_code, behind.content
        self.send_response(given[0])
        self.send_header("Content-Length", str(len(given[1])))
        self.end_headers()
        self.wfile.write(given[1])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def front_door(
    behind: str = "", answer: Answer | None = None, files: tuple[Path, Path, Path] | None = None
) -> Iterator[FrontDoor]:
    server = FrontDoor(behind, answer, files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

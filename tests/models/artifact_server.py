"""Serve artifacts over HTTPS on loopback, with a certificate of our own and answers that a test chooses."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from eddy.settings import RegistrySettings
from tests.integration.certificates import Authority

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class ArtifactServer:
    """An HTTPS server whose answers a test chooses by path."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.close_connection = True
                outer.answers.get(self.path, _missing)(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        certificate, key = self.authority.issue("server", "IP:127.0.0.1,DNS:localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def settings(self, **changes: object) -> RegistrySettings:
        return RegistrySettings(ssl_cafile=str(self.authority.ca), **changes)

    def at(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _missing(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def status(code: int, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content_Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def body(content: bytes, announced: int | None = None, pause: float = 0.0, piece: int = 1 << 20) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if announced is not None:
            handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        for at in range(0, len(content), piece):
            try:
                handler.wfile.write(content[at : at + piece])
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(pause)

    return answer

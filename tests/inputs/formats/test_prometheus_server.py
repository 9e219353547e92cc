"""Check that what a real Prometheus sends by remote write is read, stale markers as well."""

from __future__ import annotations

import http.server
import math
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eddy.inputs.mapping import Observation
from eddy.stack.ports import free_ports
from tests.inputs.formats.reading import read

pytestmark = pytest.mark.stack  # where Prometheus is installed: './run test' sees to it


class Both(http.server.ThreadingHTTPServer):
    """Serves metrics that Prometheus scrapes, and takes what it writes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.metrics = ""
        self.written: queue.Queue[bytes] = queue.Queue()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Both

    def do_GET(self) -> None:
        self.answer(self.server.metrics.encode())

    def do_POST(self) -> None:
        assert self.headers["Content-Encoding"] == "snappy"
        self.server.written.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(b"")

    def answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed; './run test' installs it, or: apt-get install prometheus"
    server = Both()
    here = f"127.0.0.1:{server.server_port}"
    settings = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "external_labels": {"site": "n/1"}},
        "scrape_configs": [{"job_name": "plant", "static_configs": [{"targets": [here]}]}],
        "remote_write": [{"url": f"http://{here}/write", "queue_config": {"batch_send_deadline": "100ms"}}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    (port,) = free_ports(1)
    files = [f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [program, *files, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()
            thread.join()


def until(server: Both, source: dict[str, Any], series: str, wanted: Any, seconds: float = 60) -> Observation:
    """Read what comes until a series has a value."""
    deadline = time.monotonic() + seconds
    while True:
        written = server.written.get(timeout=max(deadline - time.monotonic(), 0.01))
        result = read({"format": "prometheus", **source}, written)
        assert not result.refusals, result.refusals
        for one in result.observations:
            if one.series == series and wanted(one.values["value"]):
                return one


def test_samples_of_a_real_prometheus_become_observations(both: Both) -> None:
    both.metrics = 'temp{pump="7",text="a\\"b"} 4.5\nother 1\n'
    target = f"127.0.0.1:{both.server_port}"
    labels = f'instance="{target}",job="plant",pump="7",site="n/1",text="a\\"b"'
    found = until(both, {}, f"temp{{{labels}}}", lambda value: value == 4.5)
    assert abs(found.ts - time.time() * 1000) < 60_000
    both.metrics = "other 1\n"  # the next scrape lacks the series: Prometheus marks it as stale
    until(both, {}, f"temp{{{labels}}}", math.isnan)
    source = {"where": {"name": "other"}, "series": "{labels.site}/{labels.job}", "values": {"value": "value"}}
    until(both, source, "n%2F1/plant", lambda value: value == 1)

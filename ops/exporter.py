"""Serve as Prometheus metrics what Flink's own reporter cannot know: trainer, Redis's memory, dashboard, disks.

Each scrape asks each of them anew, with short time-outs. One that does not answer is ``0`` in its ``…_up`` metric, and
its other metrics are left out.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import redis
from kafka.errors import KafkaError

from eddy.connections import redis_client
from eddy.errors import EddyError
from eddy.settings import Settings
from eddy.topic_reader import TopicReader
from eddy.training_request import TRAINER_GROUP

_SECONDS = 3.0  # that anyone asked has for an answer
#: name -> what it means; docs/operations.md has the same table
METRICS = {
    "eddy_kafka_up": "1 while the broker answers",
    "eddy_trainer_silent_seconds": "seconds since the trainer's last sign of life; it gives one every 20 s",
    "eddy_training_requests_waiting": "training requests that no trainer has settled",
    "eddy_redis_up": "1 while Redis answers",
    "eddy_redis_memory_bytes": "memory that Redis uses",
    "eddy_redis_max_memory_bytes": "its limit; 0 = none",
    "eddy_dashboard_up": "1 while the dashboard answers",
    "eddy_disk_free_bytes": "bytes free where a folder lies",
    "eddy_disk_size_bytes": "bytes in all",
}
Sample = tuple[str, str, float]  # name, labels as they are written, value


class Exporter:
    """Ask all sources and write what they said.

    Args:
        settings: connections and topics.
        disks: folders whose disks are watched.
        dashboard: ``host:port``; empty = as in the settings.
    """

    def __init__(self, settings: Settings, disks: Iterable[Path] = (), dashboard: str = "") -> None:
        short = {"request_timeout_ms": int(_SECONDS * 1000)}
        self._settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update=short)})
        self._disks = list(disks)
        self._dashboard = dashboard or f"{settings.dashboard.host}:{settings.dashboard.port}"
        self._redis = redis_client(settings.redis)
        self._training: TopicReader | None = None
        self._lock = threading.Lock()

    def text(self) -> str:
        """Return all metrics in Prometheus's text format."""
        with self._lock:  # one scrape at a time: a source that hangs must not collect waiting threads' connections
            samples = [*self._kafka(), *self._redis_memory(), *self._dashboard_answers(), *self._disk_space()]
        lines = []
        for name, meaning in METRICS.items():
            found = [f"{name}{labels} {value:.0f}" for of, labels, value in samples if of == name]
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *found] if found else []
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()
        self._forget_reader()

    def _forget_reader(self) -> None:
        if self._training is not None:
            with contextlib.suppress(KafkaError):
                self._training.close()
            self._training = None

    def _kafka(self) -> Iterator[Sample]:
        try:
            if self._training is None:
                self._training = TopicReader(self._settings, "training", TRAINER_GROUP)
            partition, *_ = self._training.partitions  # the trainer serves one
            begin, end = (
                read([partition])[partition]
                for read in (self._training.consumer.beginning_offsets, self._training.consumer.end_offsets)
            )
            committed = self._training.consumer.committed(partition, metadata=True)
        except (EddyError, KafkaError, OSError):
            self._forget_reader()
            yield "eddy_kafka_up", "", 0
            return
        yield "eddy_kafka_up", "", 1
        settled = begin if committed is None else max(begin, committed.offset)
        yield "eddy_training_requests_waiting", "", max(0, end - settled)
        if committed is not None and committed.metadata.isdecimal():
            yield "eddy_trainer_silent_seconds", "", max(0.0, time.time() - int(committed.metadata) / 1000)

    def _redis_memory(self) -> Iterator[Sample]:
        try:
            found: dict[str, Any] = self._redis.info("memory")
        except redis.RedisError:
            yield "eddy_redis_up", "", 0
            return
        yield "eddy_redis_up", "", 1
        yield "eddy_redis_memory_bytes", "", found["used_memory"]
        yield "eddy_redis_max_memory_bytes", "", found["maxmemory"]

    def _dashboard_answers(self) -> Iterator[Sample]:
        host, _, port = self._dashboard.rpartition(":")
        with contextlib.closing(http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_SECONDS)) as client:
            try:
                client.request("GET", "/")
                answered = client.getresponse().status < http.client.INTERNAL_SERVER_ERROR
            except (OSError, http.client.HTTPException):
                answered = False
        yield "eddy_dashboard_up", "", float(answered)

    def _disk_space(self) -> Iterator[Sample]:
        for folder in self._disks:
            with contextlib.suppress(OSError):
                found = shutil.disk_usage(folder)
                escaped = str(folder).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
                yield "eddy_disk_free_bytes", f'{{folder="{escaped}"}}', found.free
                yield "eddy_disk_size_bytes", f'{{folder="{escaped}"}}', found.total


class MetricsServer(ThreadingHTTPServer):
    """Serve an exporter at ``/metrics``.

    Args:
        exporter: what is served.
        host, port: address to listen on; port 0 = any that is free.
    """

    daemon_threads = True

    def __init__(self, exporter: Exporter, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.exporter = exporter


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = 10

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404)
            return
        content = self.server.exporter.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each scrape would be all that the log holds."""

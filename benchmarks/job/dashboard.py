"""Measure the cost of the dashboard: ``python -m benchmarks.job.dashboard``.

Writes 10,000 series and 100,000 recent points to a Redis of its own (without Kafka and Flink, which the dashboard
reports as away), serves the dashboard in a process of its own, and measures from outside:

- first paint: Chromium's first-contentful-paint and the moment at which the tiles show figures, cold cache;
- an update: server time of ``/live`` for each page right after the sources were read again, answers not cached;
- 20 clients that request all pages each second against 1: CPU time of the dashboard's process per second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from eddy.configuration import as_environment, load
from eddy.connections import redis_client
from eddy.redis_layout import Keys, Point, encode_recent, encode_series, recent_id
from eddy.settings import Settings
from eddy.stack.ports import answers, free_ports

SERIES, WATCHED, POINTS = 10_000, 50, 2_000  # 50 x 2,000 recent points
MINUTE = 60_000
EPOCH = 1_735_689_600_000
PATHS = ("/", "/series", "/series?q=99&sort=value", "/series/s-00003", "/incidents", "/models", "/dead-letters")


def fill(settings: Settings) -> None:
    """Write the documented keys as the job does, but at once."""
    client = redis_client(settings.redis)
    now = int(time.time() * 1000)
    pipeline = client.pipeline(transaction=False)
    keys = Keys(settings.redis.prefix)
    for k in range(SERIES):
        name = f"s-{k:05d}"
        newest = _point(name, EPOCH + POINTS * MINUTE, 5.1, 5.0)
        pipeline.hset(keys.series(name), mapping=encode_series(newest))
        pipeline.zadd(keys.live, {name: now})
        for p in range(POINTS if k < WATCHED else 0):
            wave = 5 + math.sin(p / 50)
            point = _point(name, EPOCH + p * MINUTE, wave + 0.3 * math.sin(p), wave)
            pipeline.xadd(keys.recent(name, "m"), encode_recent(point), id=recent_id(point.ts))
        if k % 500 == 0:
            pipeline.execute()
    pipeline.execute()
    client.close()


def _point(series: str, ts: int, value: float, expected: float) -> Point:
    numbers = ({"value": number} for number in (value, expected, expected - 1, expected + 1))
    return Point(series, ts, *numbers, score=1.0, limit=3.0, state="ok", model="m", version=1, imputed=0)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[Settings, psutil.Process]]:
    """Run the dashboard and its Redis as processes."""
    redis_port, page_port, kafka, flink = free_ports(4)
    settings = load(
        [f"redis.port={redis_port}", f"dashboard.port={page_port}", f"kafka.bootstrap_servers=127.0.0.1:{kafka}",
         f"dashboard.flink=127.0.0.1:{flink}"],
        environ={},
    ).settings  # fmt: skip
    command = ["redis-server", "--port", str(redis_port), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as store:
        wait(lambda: answers(redis_port))
        fill(settings)
        run = [sys.executable, "-c", "from eddy.cli.main import main; main()", "dashboard"]
        env = {**as_environment(settings), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(run, env=env, stderr=subprocess.DEVNULL) as page:
            wait(lambda: answers(page_port))
            wait(lambda: f"{SERIES:,}" in ask(settings, "/"))
            yield settings, psutil.Process(page.pid)
            page.terminate()
        store.terminate()


def wait(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def ask(settings: Settings, path: str) -> str:
    return timed(settings, path)[0]


def timed(settings: Settings, path: str) -> tuple[str, list[float]]:
    """Return the answer and the server's own timing: ms of wall clock, and of its CPU."""
    page, _, query = path.partition("?")
    connection = http.client.HTTPConnection("127.0.0.1", settings.dashboard.port, timeout=60)
    connection.request("GET", f"/live?path={page}&{query}&theme=dark")
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    return body, [float(part.split("=")[1]) for part in reply.headers["Server-Timing"].split(",")]


def update_times(settings: Settings, rounds: int) -> dict[str, list[float]]:
    """Return medians of wall clock and CPU per answer; rounds are farther apart than two reads of the sources."""
    for number in range(WATCHED):  # all recent points are requested
        ask(settings, f"/series/s-{number:05d}")
    found: dict[str, list[list[float]]] = {path: [] for path in PATHS}
    for _ in range(rounds):
        time.sleep(1.2 * settings.dashboard.refresh_ms / 1000)
        for path in PATHS:
            found[path].append(timed(settings, path)[1])
    return {path: [sorted(kind)[len(times) // 2] for kind in zip(*times, strict=True)] for path, times in found.items()}


def cpu_with(settings: Settings, process: psutil.Process, clients: int, seconds: float) -> float:
    """Return the share of a core that the dashboard's process uses while so many clients request all pages."""
    stop = threading.Event()

    def request_pages() -> None:
        while not stop.is_set():
            for path in PATHS:
                ask(settings, path)
            stop.wait(settings.dashboard.refresh_ms / 1000)

    threads = [threading.Thread(target=request_pages) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    return share


def first_paint(settings: Settings, folder: Path) -> dict[str, float]:
    """Return milliseconds from the request, cold cache; each the minimum of three, since other work only adds time."""
    from tests.dashboard.browser import Browser

    best: dict[str, float] = {}
    for k in range(3):
        browser = Browser(folder / f"profile{k}", f"http://127.0.0.1:{settings.dashboard.port}")
        try:
            browser.open("/")
            browser.sees(f"{SERIES:,}", "#tiles")
            script = (
                "const p = performance.getEntriesByName('first-contentful-paint')[0];"
                "return {paint: p ? p.startTime : NaN, server: performance.getEntriesByType('resource')"
                ".filter((e) => e.name.includes('/live')).map((e) => e.responseEnd - e.requestStart)[0],"
                " figures: performance.now()}"
            )
            for name, value in browser.script(script).items():
                best[name] = min(best.get(name, math.inf), float(value))
        finally:
            browser.close()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement with clients")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (settings, process):
        print(f"{SERIES:,} series, {WATCHED * POINTS:,} recent points")
        print(f"load of the machine: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
        for path, (wall, cpu) in update_times(settings, arguments.rounds).items():
            print(f"update {path:28} server {wall:7.1f} ms, of it CPU {cpu:6.1f} ms (medians, each answer made anew)")
        for clients in (0, 1, 20):
            share = cpu_with(settings, process, clients, arguments.seconds)
            print(f"{clients:3} clients, all pages each second: {100 * share:5.1f} % of a core")
        for name_of, value in first_paint(settings, Path(name)).items():
            print(f"{name_of:8} {value:7.0f} ms after the request, cold cache")
        print(f"memory of the page's process: {process.memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

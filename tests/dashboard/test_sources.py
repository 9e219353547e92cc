"""Check that the dashboard reports a source that goes away and recovers by itself when it is back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eddy.connections import redis_client
from eddy.dashboard.stores.collector import Collector
from eddy.settings import Settings
from eddy.stack.ports import free_ports
from tests.conftest import make_unique
from tests.dashboard.browser import Browser
from tests.dashboard.conftest import serving, with_page
from tests.dashboard.messages import alert
from tests.dashboard.world import World, point

pytestmark = pytest.mark.stack


class OwnRedis:
    """A Redis of the test's own, which it may stop."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port = str(self._settings.redis.port)
        command = ["redis-server", "--port", port, "--dir", str(self._folder), "--appendonly", "yes", "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client, deadline = redis_client(self._settings.redis), time.monotonic() + 30
        while True:
            try:
                client.ping()
                return
            except OSError:
                assert time.monotonic() < deadline
            except Exception:
                assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


@pytest.fixture
def own_redis(stack, tmp_path: Path) -> Iterator[tuple[OwnRedis, Settings]]:
    redis_port, page_port = free_ports(2)
    settings = with_page(make_unique(stack), port=page_port)
    settings = settings.model_copy(update={"redis": settings.redis.model_copy(update={"port": redis_port})})
    server = OwnRedis(settings, tmp_path)
    server.start()
    yield server, settings
    server.stop()


def test_dashboard_recovers_from_a_redis_outage(own_redis, tmp_path: Path) -> None:
    server, settings = own_redis
    world = World(settings)
    world.job([alert("before")], [point("before", 1, "open")])
    with serving(settings) as page:
        browser = Browser(tmp_path / "profile", page.url)
        try:
            browser.open("/")
            browser.sees("before", "#open-incidents")
            assert browser.text("#away") == ""
            server.stop()
            browser.sees("Redis is away since", "#away")
            assert "before" in browser.text("#open-incidents")  # what was known is still shown
            browser.until(lambda: browser.all(".source.away"), "the sign beside its name")
            server.start()
            browser.until(lambda: browser.text("#away") == "", "it is back")
            world.job([alert("after")], [point("after", 1, "open")])
            browser.sees("after", "#open-incidents")
            browser.sees("2", "#tiles .tile:nth-child(2)")
            assert browser.complaints() == []
        finally:
            browser.close()
    world.close()


def test_unreachable_kafka_and_flink_are_named_without_delaying_redis_data(stack) -> None:
    """Neither Kafka nor Flink answers; data of Redis are shown without delay."""
    nowhere, rest = free_ports(2)
    settings = with_page(make_unique(stack), flink=f"127.0.0.1:{rest}")
    world = World(settings)
    away = settings.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{nowhere}"})
    collector = Collector(settings.model_copy(update={"kafka": away}))
    collector.start()
    try:
        world.job([alert("a")], [point("a", 1, "open")])
        seen = until(lambda: collector.snapshot if "a" in collector.snapshot.series.index else None)
        seen = until(lambda: collector.snapshot if collector.snapshot.sources[1].ok is False else None)
        redis, kafka, flink = seen.sources
        assert (redis.ok, kafka.ok, flink.ok) == (True, False, False)
        assert kafka.reason
        assert flink.reason == "no connection"
        assert 0 < kafka.since <= seen.at
        number = seen.number
        until(lambda: collector.snapshot.number > number + 3)
        assert collector.snapshot.sources[1].since == kafka.since  # since it went, not since the last try
    finally:
        collector.close()
        world.close()


def until(condition):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found

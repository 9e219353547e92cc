"""Check the exporter on real parts: each metric has its value, and what is away is zero and delays nothing."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import pytest

from eddy.ops.exporter import METRICS, Exporter, MetricsServer
from eddy.settings import Settings
from eddy.stack.ports import free_ports
from eddy.training.registry.registry import Registry
from eddy.training.trainer.requests import send_request
from eddy.training.trainer.service import Trainer
from tests.dashboard.conftest import serving
from tests.integration import harness


def read(exporter: Exporter) -> dict[str, float]:
    """Scrape it over HTTP, as Prometheus does."""
    with MetricsServer(exporter, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{server.server_port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        server.shutdown()
        thread.join()
    found = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in found}


def without_labels(found: dict[str, float]) -> set[str]:
    return {name.partition("{")[0] for name in found}


@pytest.mark.stack
@pytest.mark.own_stack("asks Redis for its memory and limit as 'eddy up' sets it")
def test_every_metric_is_measured(unique_topics: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    page = unique_topics.dashboard.model_copy(update={"port": port})
    settings = unique_topics.model_copy(update={"dashboard": page})
    exporter = Exporter(settings, [tmp_path, tmp_path / "not there"])
    try:
        found = read(exporter)
        assert found["eddy_dashboard_up"] == 0
        assert "eddy_trainer_silent_seconds" not in found, "there never was a trainer"
        assert found["eddy_training_requests_waiting"] == 0

        manifest = harness.model()
        Registry(settings).publish(manifest, manifest.inline_artifact() or b"")
        send_request(settings, manifest.name)
        assert read(exporter)["eddy_training_requests_waiting"] == 1

        trainer = Trainer(settings)
        trainer._commit()  # as each round of its loop does; the training itself takes its time
        trainer.close()
        with serving(settings):
            found = read(exporter)
    finally:
        exporter.close()
    assert without_labels(found) == set(METRICS)
    assert found["eddy_trainer_silent_seconds"] < 60
    assert found["eddy_training_requests_waiting"] == 1, "it is not served yet"
    assert found["eddy_kafka_up"] == found["eddy_redis_up"] == found["eddy_dashboard_up"] == 1
    assert found["eddy_redis_max_memory_bytes"] == settings.stack.redis_memory_mb * 2**20
    assert 0 < found["eddy_redis_memory_bytes"] < found["eddy_redis_max_memory_bytes"]
    assert (
        0
        < found[f'eddy_disk_free_bytes{{folder="{tmp_path}"}}']
        <= found[f'eddy_disk_size_bytes{{folder="{tmp_path}"}}']
    )


def test_what_is_away_is_zero() -> None:
    kafka, redis, page = free_ports(3)
    settings = Settings()
    away = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{kafka}"}),
            "redis": settings.redis.model_copy(update={"port": redis}),
            "dashboard": settings.dashboard.model_copy(update={"port": page}),
        }
    )
    exporter = Exporter(away)
    assert read(exporter) == {"eddy_kafka_up": 0, "eddy_redis_up": 0, "eddy_dashboard_up": 0}
    exporter.close()

"""Check that an interval that does not fit the model is said wherever somebody may look: at publishing, by the job and
by ``eddy doctor``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from eddy.connections import kafka_client
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.ops.job_checks import examine_job
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

SAID = "series 'pump' has a point every 60 s, the model expects one every 600 s"


def model(minutes: int) -> Manifest:
    return harness.model(detector=RollingZScore(WindowSpec(10, interval_ms=minutes * 60_000)))


def publish(settings: Settings, manifest: Manifest, folder: Path, *more: str) -> str:
    """Publish a model as a user does; return what the command said beside its result."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(manifest.inline_artifact() or b"")
    (folder / "manifest.json").write_bytes(manifest.to_json())
    done = harness.eddy(settings, "models", "publish", str(folder), *more)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_interval_that_does_not_fit_is_said_at_publishing_and_by_the_doctor(
    stack: Stack, unique_topics: Settings, tmp_path: Path
) -> None:
    settings = unique_topics
    assert "note" not in publish(settings, model(10), tmp_path / "nothing-sent"), "nothing is known of any series"
    harness.send(settings, [harness.event("pump", START + i * STEP, float(i % 7)) for i in range(60)])
    assert "note" not in publish(settings, model(1), tmp_path / "fits")
    assert f"note: {SAID}" in publish(settings, model(10), tmp_path / "other")

    def doctor() -> list[str]:
        return [check.found for check in examine_job(settings) if check.name == "model z" and check.level == "warn"]

    assert doctor() == []
    with harness.running(stack, settings) as (cluster, number):
        (event,) = harness.until(lambda: harness.events(settings, "interval-mismatch"), "the job says it")
        assert event["reason"].startswith(SAID)
        (found,) = doctor()
        assert found.startswith(SAID)
        harness.until(lambda: cluster.metrics(number).get("interval_mismatch"), "it is counted")
        publish(settings, model(1), tmp_path / "mended")
        harness.until(lambda: doctor() == [], "the next version is well")


def test_publishing_knows_the_intervals_of_aggregated_events(unique_topics: Settings, tmp_path: Path) -> None:
    """Events come every second; what is scored, every minute. A topic that is not there hinders nothing."""
    topic = f"{unique_topics.topics.prefix}.requests"
    admin = KafkaAdminClient(**kafka_client(unique_topics.kafka))
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    with harness.producer(unique_topics) as client:
        for i in range(20):
            client.send(topic, json.dumps({"series": "pump", "ts": START // 1000 + i}).encode())

    def said(minutes: int, topic: str, name: str) -> str:
        source = {"topics": [topic], "aggregate": {"every": "1m", "values": {"requests": "count"}}}
        settings = Settings.model_validate({**unique_topics.model_dump(), "input": [source]})
        return publish(settings, model(minutes), tmp_path / name)

    assert f"note: {SAID}" in said(10, topic, "other")
    assert "note" not in said(1, topic, "fits")
    assert "note: whether the interval fits is not known: topic nowhere" in said(1, "nowhere", "away")

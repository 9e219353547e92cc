"""Check ``eddy job run --from-time``: read Kafka again from a time on, beside the running job."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from eddy.client import LiveState
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness

pytestmark = pytest.mark.stack

MIDDLE = harness.START + 30 * harness.STEP  # in event time
HOUR_MS = 3_600_000


def test_backfill_gives_the_same_alerts_without_affecting_the_running_job(
    stack: Stack, unique_topics: Settings
) -> None:
    settings, model = unique_topics, harness.model(limit=2.8)
    observations = harness.noise(["a", "b"], 60, {("a", 15): 9.0, ("b", 50): -9.0})
    harness.publish(settings, model)
    # Kafka took them in the last hour; older ones it would delete by their age.
    behind = round(time.time() * 1000) - HOUR_MS - harness.START
    with harness.producer(settings) as client:
        for series, ts, value in observations:
            key, event = harness.event(series, ts, value)
            client.send(settings.topics.name("observations"), key=key.encode(), value=event, timestamp_ms=ts + behind)
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, len(observations))
        harness.until(lambda: len(harness.alerts(settings)) == 4, "both incidents, opened and closed")
        first = harness.alerts(settings)

        again = harness.changed(settings, name=f"{settings.job.name}-backfill", bounded=True)
        start = datetime.fromtimestamp((MIDDLE + behind) / 1000, UTC).isoformat(timespec="milliseconds")
        done = harness.eddy(again, "job", "run", "--from-time", start)
        assert done.returncode == 0, done.stderr

        seen = Counter((alert.id, alert.state) for alert in harness.alerts(settings))
        late = [observation for observation in observations if observation[1] >= MIDDLE]
        expected = Counter((alert.id, alert.state) for alert in harness.offline([model], late))
        assert len(expected) == 2
        assert seen == Counter((alert.id, alert.state) for alert in first) + expected
        live = LiveState(settings)
        harness.until(lambda: len(live.alerts()) == 4, "Redis has each once")
        live.close()

        more = harness.noise(["a", "b"], 5, {}, start=60)
        harness.send(settings, [harness.event(*o) for o in more])
        harness.handled(cluster, number, len(observations) + len(more))
        assert cluster.exceptions(number) == []
        assert cluster.metrics(number).get("late", 0) == 0


def test_invalid_from_time_is_named(unique_topics: Settings) -> None:
    done = harness.eddy(unique_topics, "job", "run", "--from-time", "yesterday")
    assert done.returncode == 2
    assert "--from-time 'yesterday'" in done.stderr
    assert "expected ISO-8601 or epoch seconds" in done.stderr

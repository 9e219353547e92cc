"""Known anomalies become exactly the expected alerts, on every path and in every order of arrival."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from eddy.alert import incident_id
from eddy.connections import redis_client
from eddy.settings import Settings
from stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

NAMES = [f"s-{k}" for k in range(6)]
#: where the anomalies are: (series, index of the point) to value
SPIKES = {("s-0", 20): 9.0, ("s-1", 30): -9.0, ("s-1", 55): 9.0, ("s-4", 40): 12.0}
BOUND = 5 * STEP


def expected_ids() -> set[str]:
    return {incident_id(series, "z", START + index * STEP) for series, index in SPIKES}


def test_known_anomalies_become_exactly_the_expected_alerts(stack: Stack, unique_topics: Settings) -> None:
    observations = harness.noise(NAMES, 80, SPIKES)
    harness.publish(unique_topics, harness.model(limit=2.8))
    harness.send(unique_topics, [harness.event(*o) for o in observations])
    harness.run_to_end(stack, unique_topics)

    found = harness.alerts(unique_topics)
    assert {(a.id, a.state) for a in found} == {(i, s) for i in expected_ids() for s in ("open", "closed")}
    assert len(found) == 2 * len(SPIKES), "one message per transition, none twice"
    for alert in found:
        index = (alert.start - START) // STEP
        assert alert.values == {"value": SPIKES[alert.series, index]}
        assert alert.model["name"] == "z"
        assert not alert.lower["value"] <= alert.values["value"] <= alert.upper["value"]
    for record in harness.read(unique_topics, "alerts"):
        assert record.key.decode() in NAMES, "keyed by series"

    redis, prefix = redis_client(unique_topics.redis), unique_topics.redis.prefix
    entries = [fields for _, fields in redis.xrange(f"{prefix}:alerts")]
    assert {(e[b"id"].decode(), e[b"state"].decode()) for e in entries} == {(a.id, a.state) for a in found}
    assert redis.zcard(f"{prefix}:open") == 0, "all incidents were closed"
    assert redis.hget(f"{prefix}:series:s-3", "ts") == str(START + 79 * STEP).encode()
    assert 0 < redis.ttl(f"{prefix}:series:s-3") <= unique_topics.redis.ttl_seconds

    assert harness.plain(harness.offline([harness.model(limit=2.8)], observations)) == harness.plain(found)


def test_order_of_arrival_and_parallelism_change_nothing(stack: Stack, unique: Callable[[], Settings]) -> None:
    observations = harness.noise(NAMES, 80, SPIKES)
    rng = random.Random(3)
    shuffled = sorted(observations, key=lambda o: o[1] + rng.uniform(0, BOUND))
    assert shuffled != observations
    results = []
    for arrived, parallelism in ((observations, 1), (shuffled, 1), (observations, 2)):
        settings = harness.changed(unique(), out_of_orderness_ms=BOUND, parallelism=parallelism)
        harness.publish(settings, harness.model(limit=2.8))
        harness.send(settings, [harness.event(*o) for o in arrived])
        harness.run_to_end(stack, settings)
        assert harness.read(settings, "dlq") == []
        results.append(harness.plain(harness.alerts(settings)))
    assert {row["id"] for row in results[0]} == expected_ids()
    assert results[0] == results[1], "shuffled within the allowed lateness"
    assert results[0] == results[2], "parallelism 1 and 2"


def test_exactly_once_shows_each_alert_once(stack: Stack, unique_topics: Settings) -> None:
    settings = harness.changed(unique_topics, delivery="exactly-once", transaction_timeout_ms=60_000)
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*o) for o in harness.noise(NAMES, 80, SPIKES)])
    harness.run_to_end(stack, settings)
    found = [record.value for record in harness.read(settings, "alerts", isolation="read_committed")]
    assert len(found) == len(set(found)) == 2 * len(SPIKES)

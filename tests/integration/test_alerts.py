"""Check that known anomalies give exactly the expected alerts for every path and arrival order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from eddy.alert import Alert, incident_id
from eddy.alert_settings import AlertSettings
from eddy.client import LiveState
from eddy.connections import redis_client
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

NAMES = [f"s-{k}" for k in range(6)]
#: where the anomalies are: (series, index of the point) to value
SPIKES = {("s-0", 20): 9.0, ("s-1", 30): -9.0, ("s-1", 55): 9.0, ("s-4", 40): 12.0}
BOUND = 5 * STEP


def expected_ids() -> set[str]:
    return {incident_id(series, "z", START + index * STEP) for series, index in SPIKES}


def test_known_anomalies_give_exactly_the_expected_alerts(stack: Stack, unique_topics: Settings) -> None:
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
        lower, upper = alert.lower["value"], alert.upper["value"]
        assert lower is not None
        assert upper is not None
        assert not lower <= SPIKES[alert.series, index] <= upper
    for record in harness.read(unique_topics, "alerts"):
        assert record.key.decode() in NAMES, "keyed by series"

    redis, prefix = redis_client(unique_topics.redis), unique_topics.redis.prefix
    entries = [fields for _, fields in redis.xrange(f"{prefix}:alerts")]
    assert {(e[b"id"].decode(), e[b"state"].decode()) for e in entries} == {(a.id, a.state) for a in found}
    assert redis.zcard(f"{prefix}:open") == 0, "all incidents were closed"
    assert redis.hget(f"{prefix}:series:s-3", "ts") == str(START + 79 * STEP).encode()
    assert 0 < redis.ttl(f"{prefix}:series:s-3") <= unique_topics.redis.ttl_seconds

    assert harness.plain(harness.offline([harness.model(limit=2.8)], observations)) == harness.plain(found)


def test_alerts_do_not_depend_on_arrival_order_and_parallelism(stack: Stack, unique: Callable[[], Settings]) -> None:
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


def test_exactly_once_delivers_each_alert_once(stack: Stack, unique_topics: Settings) -> None:
    settings = harness.changed(unique_topics, delivery="exactly-once", transaction_timeout_ms=60_000)
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*o) for o in harness.noise(NAMES, 80, SPIKES)])
    harness.run_to_end(stack, settings)
    found = [record.value for record in harness.read(settings, "alerts", isolation="read_committed")]
    assert len(found) == len(set(found)) == 2 * len(SPIKES)


def test_exactly_once_shows_alerts_with_their_checkpoint_and_not_before(stack: Stack, unique_topics: Settings) -> None:
    """Delivery at least once shows them at once: after a failure, a second time."""
    settings = harness.changed(unique_topics, delivery="exactly-once", checkpoint_interval_ms=3_600_000)
    observations = harness.noise(NAMES, 80, SPIKES)
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*o) for o in observations])
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, len(observations))
        harness.until(lambda: len(harness.read(settings, "alerts")) == 2 * len(SPIKES), "the alerts are written")
        assert harness.read(settings, "alerts", "read_committed") == []
        cluster.stop(number)
    assert len(harness.read(settings, "alerts", "read_committed")) == 2 * len(SPIKES)


def test_simultaneous_incidents_stay_one_group_across_a_restart(stack: Stack, unique_topics: Settings) -> None:
    names = [f"s-{k}" for k in range(8)]
    observations = harness.noise(names, 60, {(name, 30): 9.0 for name in names})
    half = 31 * len(names)  # all incidents are open
    harness.publish(unique_topics, harness.model(limit=2.8))
    harness.send(unique_topics, [harness.event(*o) for o in observations[:half]])
    with harness.running(stack, unique_topics) as (cluster, number):
        harness.handled(cluster, number, half)
        harness.until(lambda: groups(unique_topics), "the group is there before the restart")
        path = cluster.stop(number)
    harness.send(unique_topics, [harness.event(*o) for o in observations[half:]])
    wider = harness.changed(unique_topics, parallelism=2)
    with harness.running(stack, wider, savepoint=path) as (cluster, number):
        harness.handled(cluster, number, len(observations) - half)
        cluster.stop(number, drain=True)
    first, last = groups(unique_topics)
    assert (first.state, last.state, first.id) == ("open", "closed", last.id)
    assert (first.kind, last.member_count) == ("group", len(names))
    assert {m["series"] for m in last.members} == set(names)
    found = harness.alerts(unique_topics)
    assert {m["id"] for m in last.members} == {a.id for a in found if a.kind == "incident"}
    expected = harness.offline([harness.model(limit=2.8)], observations)
    assert ids(found) == ids(expected)

    live = LiveState(unique_topics)
    assert live.alert(first.id) == last
    assert live.open_groups() == live.open_incidents() == []
    live.close()

    harness.run_to_end(stack, unique_topics)  # all of it once more, from the earliest event
    assert ids(harness.alerts(unique_topics)) == ids(found), "a replay makes no second incident, and no second group"


def groups(settings: Settings) -> list[Alert]:
    return [a for a in harness.alerts(settings) if a.kind == "group"]


def ids(alerts: Iterable[Alert]) -> set[tuple[str, str]]:
    return {(a.id, a.state) for a in alerts}


@pytest.mark.own_stack("the workers read files of this machine")
def test_job_applies_maintenance_calendars(stack: Stack, unique_topics: Settings, tmp_path: Path) -> None:
    """A broken calendar is reported and stops nothing."""
    good, broken = tmp_path / "plant.ics", tmp_path / "broken.ics"
    day = ["BEGIN:VEVENT", "UID:1", "DTSTART;VALUE=DATE:20250101", "DTEND;VALUE=DATE:20250102", "END:VEVENT"]
    good.write_text("\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *day, "END:VCALENDAR", ""]))
    broken.write_text("hello")
    calendars = [{"file": str(broken)}, {"file": str(good), "series": "s-1"}]
    alerts = AlertSettings.model_validate({"calendars": calendars})
    settings = unique_topics.model_copy(update={"alerts": alerts})
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*o) for o in harness.noise(NAMES, 50, SPIKES)])
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, 50 * len(NAMES))
        told = harness.until(
            lambda: [v for r in harness.read(settings, "events") if b"calendar-refused" in (v := r.value)], "told"
        )
        live = LiveState(settings)
        harness.until(lambda: len(live.alerts()) == 6, "two messages for each of three incidents")
    assert str(broken) in json.loads(told[0])["reason"]
    found = {(a.series, a.suppressed) for a in harness.alerts(settings)}
    assert found == {("s-0", None), ("s-1", "maintenance: plant"), ("s-4", None)}
    assert live.suppressed_incidents() == []
    live.close()

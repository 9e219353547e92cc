"""Check a running job: bad messages, disorder, model changes, savepoints, a Redis outage."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from eddy.connections import redis_client
from eddy.dashboard.sources import flink_rest
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.settings import RedisSettings, Settings
from eddy.stack.local import Stack
from eddy.stack.ports import free_ports
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

NAMES = ["a", "b"]
#: (key, value) to the reason under which it must be dead-lettered
BAD: dict[tuple[str | bytes | None, bytes], str] = {
    ("a", b"{broken"): "not-json",
    ("a", b""): "empty",
    ("a", b"[1, 2]"): "not-an-object",
    ("a", b"\xff\xfe\x00{}"): "not-json",
    ("a", b"[" * 100_000): "not-json",
    ("a", b'{"ts": 1735689600000, "value": 1}'): "bad-series",
    ("a", b'{"series": 7, "ts": 1735689600000, "value": 1}'): "bad-series",
    ("a\nb", b'{"series": "a\\nb", "ts": 1735689600000, "value": 1}'): "bad-series",
    ("a", b'{"series": "a", "value": 1}'): "bad-ts",
    ("a", b'{"series": "a", "ts": "tomorrow", "value": 1}'): "bad-ts",
    ("a", b'{"series": "a", "ts": 1e300, "value": 1}'): "bad-ts",
    ("a", b'{"series": "a", "ts": true, "value": 1}'): "bad-ts",
    ("a", b'{"series": "a", "ts": 1735689600000}'): "no-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "value": "high"}'): "bad-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "value": true}'): "bad-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "value": 1e999}'): "bad-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "value": Infinity}'): "bad-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "values": []}'): "bad-value",
    ("a", b'{"series": "a", "ts": 1735689600000, "values": {"x": "y"}}'): "bad-value",
    ("b", b'{"series": "a", "ts": 1735689600000, "value": 1}'): "key-mismatch",
    ("a", b'{"series": "a", "ts": 3999999999999, "value": 1}'): "future",
    ("a", b'{"series": "a", "ts": 1735689600000, "value": 1, "note": "' + b"x" * 2_000_000 + b'"}'): "oversized",
}
KEPT_BYTES = 4096  # of an oversized observation


def dead(settings: Settings) -> list[tuple[dict[str, str], Any]]:
    return [({k: v.decode() for k, v in r.headers}, r) for r in harness.read(settings, "dlq")]


def test_every_kind_of_bad_message_becomes_a_dead_letter(stack: Stack, unique_topics: Settings) -> None:
    # Without keys, a series spreads over the partitions: the bound puts it in order again.
    bound = 30 * STEP
    unique_topics = harness.changed(unique_topics, out_of_orderness_ms=bound)
    first = harness.noise(NAMES, 20, {})
    second = harness.noise(NAMES, 20, {("a", 30): 9.0}, start=20)
    harness.publish(unique_topics, harness.model(limit=2.8))
    harness.send(unique_topics, [harness.event(*o) for o in first])
    harness.send(unique_topics, BAD)
    harness.send(unique_topics, [("a", b"{" + str(k).encode()) for k in range(1000)])
    keyless = [(None, harness.event(*o)[1]) for o in second]
    harness.send(unique_topics, [*keyless, (None, b"?"), (None, b'{"series": "c", "ts": 1735689600000, "value": NaN}')])
    harness.run_to_end(stack, unique_topics)

    dead_letters = dead(unique_topics)
    assert len(dead_letters) == len(BAD) + 1000 + 1
    by_value = {record.value or b"": headers for headers, record in dead_letters}
    for (_, value), reason in BAD.items():
        headers = by_value[value[:KEPT_BYTES] if reason == "oversized" else value]
        assert headers["reason"] == reason, (value[:80], headers)
        assert "expected" in headers["detail"], headers
    keys = {record.value or b"": record.key for _, record in dead_letters}
    assert keys[b"{0"] == b"a"
    assert keys[b"?"] is None
    for headers, _ in dead_letters[:5]:
        assert headers["topic"] == unique_topics.topics.name("observations")
        assert int(headers["partition"]) >= 0
        assert int(headers["offset"]) >= 0
    expected = harness.offline([harness.model(limit=2.8)], first + second, bound)
    assert harness.plain(harness.alerts(unique_topics)) == harness.plain(expected)
    assert {(alert.series, alert.start) for alert in expected} == {("a", START + 30 * STEP)}


def test_late_early_and_duplicate_events_are_handled(stack: Stack, unique_topics: Settings) -> None:
    settings = harness.changed(unique_topics, out_of_orderness_ms=3 * STEP, hold_timeout_ms=0)
    observations = harness.noise(["a"], 40, {("a", 30): 9.0})
    late, early = observations[10], observations[29]
    arrived = [o for o in observations if o not in (late, early)]
    arrived.insert(arrived.index(observations[31]) + 1, early)  # two steps behind: still in time
    arrived.insert(20, observations[15])  # the same event once more
    arrived.append(late)
    with harness.running(stack, settings) as (cluster, number):
        harness.publish(settings, harness.model(limit=2.7))
        harness.send(settings, [harness.event(*o) for o in arrived])
        harness.handled(cluster, number, len(arrived))
        metrics = harness.until(lambda: (m := cluster.metrics(number)).get("late") and m, "the late event counted")
        assert metrics["duplicate"] == 1
        assert metrics["late"] == 1
        assert metrics["events"] == len(arrived)
        cluster.stop(number, drain=True)
    (headers, record), *others = dead(settings)
    assert not others
    assert headers["reason"] == "late"
    assert json.loads(record.value)["ts"] == late[1]
    in_time = [o for o in observations if o != late]
    expected = harness.offline([harness.model(limit=2.7)], in_time, bound=3 * STEP, hold=0)
    assert harness.plain(harness.alerts(settings)) == harness.plain(expected)
    assert {alert.start for alert in expected} == {START + 30 * STEP}


def test_models_can_be_added_replaced_and_withdrawn_while_events_flow(
    stack: Stack, unique_topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = unique_topics
    monkeypatch.setattr(flink_rest, "_NAMES_SECONDS", 0.5)
    page = flink_rest.FlinkRest(stack.flink_address, settings.job.name, settings.topics.name("observations"))
    topic = settings.topics.name("models")
    with harness.running(stack, settings) as (cluster, number):

        def events(*wanted: tuple[str, int | None]) -> bool:
            return {(e["event"], e.get("version")) for e in harness.events(settings)} >= set(wanted)

        # Data before any model: held, then scored.
        held = harness.noise(["a"], 30, {("a", 20): 9.0})
        late = harness.event("a", START - STEP, 0.0)
        harness.send(settings, [*(harness.event(*o) for o in held), late])
        harness.handled(cluster, number, len(held) + 1)
        assert harness.alerts(settings) == []
        seen = harness.until(lambda: (h := page.read()) and h.counters, "the page has the job's counters")
        assert "windows" not in seen
        harness.publish(settings, harness.model(version=1, limit=2.8))
        harness.until(lambda: len(harness.alerts(settings)) == 2, "the held spike alerted")
        ((headers, dead_letter),) = dead(settings)
        assert (headers["reason"], dead_letter.value) == ("late", late[1])
        assert headers["offset"] == str(len(held)), "its place is known although it waited"
        shown = harness.until(lambda: (h := page.read()) and h.counters.get("windows") and h.counters, "new counters")
        assert shown["late"] == 1

        # A version with another threshold takes over between two micro-batches; windows stay.
        harness.publish(settings, harness.model(version=2, limit=2.0))
        harness.until(lambda: events(("model-loaded", 2)), "version 2 loaded")
        more = harness.noise(["a"], 1, {("a", 30): 2.0}, start=30)
        quiet = harness.noise(["a"], 4, {}, start=31, seed=5)
        harness.send(settings, [harness.event(*o) for o in more + quiet])
        harness.until(lambda: len(harness.alerts(settings)) >= 3, "version 2 alerts at once: it kept the window")
        assert harness.alerts(settings)[2].model["version"] == 2

        # Broken ones are refused with a reason; the one in use stays.
        good = harness.model(version=3)
        for broken in (
            replace(good, sha256="0" * 64),
            replace(good, artifact=base64.b64encode(b"junk").decode()),
            replace(good, window=11),
            replace(good, threshold={"policy": "wish"}),
        ):
            harness.publish(settings, broken)
        with harness.producer(settings) as client:
            client.send(topic, key=b"z", value=b"{no json")
        harness.until(
            lambda: len([r for r in harness.read(settings, "events") if b"model-refused" in r.value]) == 5,
            "five refusals",
        )
        harness.until(lambda: cluster.metrics(number)["model_version"] == 2, "version 2 in the metrics")
        harness.until(lambda: cluster.metrics(number)["models_refused"] == 5, "refusals in the metrics")

        # Withdrawn: no more scores, and the job runs on.
        with harness.producer(settings) as client:
            client.send(topic, key=b"z", value=None)
        harness.until(lambda: events(("model-withdrawn", None)), "withdrawn")
        harness.until(lambda: cluster.metrics(number)["models"] == 0, "no model in use")
        assert cluster.state(number) == "RUNNING"


def test_job_restarts_with_another_parallelism_and_state_backend(stack: Stack, unique_topics: Settings) -> None:
    names = [f"s-{k}" for k in range(12)]
    spikes = {(names[3], 14): 9.0, (names[5], 15): 9.0, (names[7], 40): -9.0}
    observations = harness.noise(names, 60, spikes)
    half = 15 * len(names) + 6  # in the middle of an incident, windows of 10 just full
    settings = harness.changed(unique_topics, out_of_orderness_ms=2 * STEP)
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*o) for o in observations[:half]])
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, half)
        path = cluster.stop(number)
    harness.send(settings, [harness.event(*o) for o in observations[half:]])
    wider = harness.changed(settings, parallelism=2, state_backend="rocksdb")
    with harness.running(stack, wider, savepoint=path) as (cluster, number):
        harness.handled(cluster, number, len(observations) - half)
        harness.until(lambda: cluster.checkpoints(number)["counts"]["completed"], "a checkpoint of RocksDB")
        cluster.stop(number, drain=True)
    expected = harness.offline([harness.model(limit=2.8)], observations, bound=2 * STEP)
    assert {(a.series, a.start) for a in expected} == {(s, START + i * STEP) for s, i in spikes}
    assert harness.plain(harness.alerts(settings)) == harness.plain(expected)
    assert harness.read(settings, "dlq") == []


@pytest.mark.own_stack("ends and starts a Redis on this machine")
def test_redis_outage_delays_alerts_and_loses_none(stack: Stack, unique_topics: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = unique_topics.model_copy(update={"redis": unique_topics.redis.model_copy(update={"port": port})})
    client, prefix = redis_client(settings.redis), settings.redis.prefix
    server = start_redis(port, tmp_path)
    try:
        harness.publish(settings, harness.model(limit=2.8))
        with harness.running(stack, settings) as (cluster, number):
            harness.send(settings, [harness.event(*o) for o in harness.noise(NAMES, 20, {})])
            harness.until(lambda: client.exists(f"{prefix}:series:a"), "live state in Redis")
            server.kill()
            server.wait()
            harness.send(settings, [harness.event(*o) for o in harness.noise(NAMES, 10, {("a", 25): 9.0}, start=20)])
            harness.until(lambda: len(harness.alerts(settings)) == 2, "scoring goes on without Redis")
            before = cluster.checkpoints(number)["counts"]["completed"]
            harness.until(lambda: cluster.checkpoints(number)["counts"]["completed"] > before, "checkpoints go on")
            path = cluster.stop(number)
        with harness.running(stack, settings, savepoint=path):
            server = start_redis(port, tmp_path)
            harness.until(lambda: client.xlen(f"{prefix}:alerts") == 2, "the alerts come from the savepoint")
    finally:
        server.kill()
        server.wait()


def start_redis(port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    server = subprocess.Popen([*command, "--appendonly", "yes", "--appendfsync", "always"], stdout=subprocess.DEVNULL)
    client = redis_client(RedisSettings(port=port))
    harness.until(lambda: answers(client), "Redis answers")
    return server


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_model_with_unsent_features_reports_them_missing(stack: Stack, unique_topics: Settings) -> None:
    wrong = harness.model(detector=RollingZScore(WindowSpec(10, 1, ("temperature",))))
    harness.publish(unique_topics, wrong)
    harness.send(unique_topics, [harness.event(*o) for o in harness.noise(["a"], 20, {})])
    harness.run_to_end(stack, unique_topics)
    (missing,) = harness.events(unique_topics, "features-missing")
    assert missing["reason"] == "series a brings none of the model's features temperature"

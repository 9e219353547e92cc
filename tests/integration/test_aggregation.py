"""Check that events of a topic become observations of intervals in the job, as offline, and while they stop."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.connections import librdkafka_client, librdkafka_producer
from eddy.flink_job.client.cluster import Cluster
from eddy.inputs.clusters import joined_with
from eddy.inputs.interval_observations import IntervalObservations
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record
from eddy.models.core.detector import Ints
from eddy.producers.transport import connect
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START
from tests.integration.test_input import letters, send, with_input

pytestmark = pytest.mark.stack

MINUTE = 60_000
VALUES = {
    "value": "count", "failed": "count where status >= 500", "p90": "p90 of ms", "mean": "mean of ms",
    "users": "distinct of user", "share": "failed / value",
}  # fmt: skip
SHOPS: dict[str, Any] = {
    "series": "{shop}",
    "time": {"field": "at", "unit": "ms"},
    "aggregate": {"every": "1m", "wait": "20s", "empty": "zero", "values": VALUES},
}
MODEL: dict[str, Any] = {"window": 10, "limit": 2.75}


def requests(seed: int, minutes: int = 60) -> list[dict[str, Any]]:
    """Return the requests of three shops, out of order by seconds; berlin has none for two minutes."""
    rng = np.random.default_rng(seed)
    found = []
    for shop, rate in (("berlin", 20), ("paris", 40), ("rome", 8)):
        for minute in range(minutes):
            here = rate * (2 if (shop, minute) == ("paris", 45) else 1)
            number = 0 if shop == "berlin" and 40 <= minute < 42 else here + int(rng.integers(-1, 2))
            for _ in range(number):
                at = START + minute * MINUTE + int(rng.integers(0, MINUTE))
                status, ms = int(rng.choice([200, 404, 503])), round(float(rng.gamma(2, 20)), 2)
                found.append({"shop": shop, "at": at, "status": status, "ms": ms, "user": f"u{rng.integers(50)}"})
    return sorted(found, key=lambda one: one["at"] + int(rng.integers(0, 8000)))


def encoded(found: Iterable[dict[str, Any]]) -> list[tuple[bytes | None, bytes]]:
    """Return records; the keys are not the series, so that each shop is on all partitions."""
    return [(str(k).encode(), json.dumps(one).encode()) for k, one in enumerate(found)]


def offline(settings: Settings, found: Iterable[dict[str, Any]]) -> list[Alert]:
    source = settings.input[0]
    mapping = Mapping(source, settings.job.event_times, "input.0")
    intervals = IntervalObservations({"input.0": source})
    for one in found:
        result = mapping.read(Record("t", value=json.dumps(one).encode()))
        assert not result.refusals
        intervals.take("input.0", result.observations)
    return harness.offline([harness.model(**MODEL)], [(name, ts, of["value"]) for name, ts, of in intervals.rest()])


def said(found: Iterable[Alert]) -> list[tuple[Any, ...]]:
    """What alerts say, but for what only the job knows."""
    rows = [(a.series, a.id, a.state, a.start, a.end, a.points, round(a.score, 9), dict(a.values)) for a in found]
    return sorted(rows, key=repr)


@pytest.mark.parametrize("parallelism", [1, 4])
def test_the_job_alerts_as_offline_at_any_parallelism(stack: Stack, unique_topics: Settings, parallelism: int) -> None:
    settings = with_input(unique_topics, {"topics": "requests", **SHOPS}, parallelism=parallelism)
    found = requests(seed=1)
    send(settings, "requests", encoded(found))
    harness.publish(settings, harness.model(**MODEL))
    harness.run_to_end(stack, settings)
    expected = offline(settings, found)
    alerts = [one for one in harness.alerts(settings) if one.kind == "incident"]
    assert {alert.series for alert in expected} >= {"berlin", "paris"}
    assert said(alerts) == said(one for one in expected if one.kind == "incident")
    assert letters(settings) == []
    (zero,) = [one for one in alerts if one.series == "berlin" and one.state == "open" and one.values["value"] == 0.0]
    assert zero.interval == {"start": zero.end, "end": zero.end + MINUTE, "events": 0}
    assert zero.end in (START + 40 * MINUTE, START + 41 * MINUTE)


def test_a_savepoint_in_the_middle_of_an_interval_loses_and_repeats_nothing(
    stack: Stack, unique_topics: Settings, tmp_path: Any
) -> None:
    settings = with_input(unique_topics, {"topics": "requests", **SHOPS})
    found = requests(seed=2)
    middle = next(k for k, one in enumerate(found) if one["at"] > START + 40 * MINUTE + 30_000)
    harness.publish(settings, harness.model(**MODEL))
    send(settings, "requests", encoded(found[:middle]))
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, middle)
        savepoint = cluster.stop(number, str(tmp_path))
    send(settings, "requests", encoded(found[middle:]))
    expected = said(one for one in offline(settings, found) if one.kind == "incident")

    def alerts() -> list[Alert]:
        return [one for one in harness.alerts(settings) if one.kind == "incident"]

    with harness.running(stack, settings, savepoint) as (cluster, number):
        harness.handled(cluster, number, len(found) - middle)
        harness.until(lambda: len(alerts()) >= len(expected), "all alerts")
    assert said(alerts()) == expected
    assert letters(settings) == []


def test_two_topics_make_one_observation_of_each_interval(stack: Stack, unique_topics: Settings) -> None:
    """The share of errors, which are on another topic than the requests; it trebles for a minute."""
    shop = {"every": "1m", "join": "shop", "empty": "zero"}
    common = {"series": "{shop}", "time": {"field": "at", "unit": "ms"}}
    settings = with_input(
        unique_topics,
        {"topics": "errors", **common, "aggregate": {**shop, "values": {"errors": "count"}}},
        {"topics": "requests", **common, "aggregate": {**shop, "values": {"n": "count", "value": "errors / n"}}},
    )
    rng = np.random.default_rng(6)
    every: dict[str, list[dict[str, Any]]] = {"errors": [], "requests": []}
    for minute in range(50):
        for topic, number in (("requests", 50), ("errors", 6 if minute == 40 else 2)):
            for at in np.sort(rng.integers(0, MINUTE, number)).tolist():
                every[topic].append({"shop": "berlin", "at": START + minute * MINUTE + at})
    for topic, found in every.items():
        send(settings, topic, encoded(found))
    harness.publish(settings, harness.model(**MODEL))
    harness.run_to_end(stack, settings)
    sources = {f"input.{k}": source for k, source in enumerate(settings.input)}
    intervals = IntervalObservations(sources)
    for name, found in zip(sources, every.values(), strict=True):
        joined = joined_with(settings, name)
        mapping = Mapping(sources[name], settings.job.event_times, name, joined=joined)
        for one in found:
            record = Record("t", value=json.dumps(one).encode())
            intervals.take(name, mapping.read(record).observations)
    rows = [(name, ts, of["value"]) for name, ts, of in intervals.rest()]
    expected = harness.offline([harness.model(**MODEL)], rows)
    assert said(harness.alerts(settings)) == said(expected)
    (opened,) = [one for one in harness.alerts(settings) if one.state == "open"]
    assert (opened.start, opened.values["value"]) == (START + 40 * MINUTE, 6 / 50)


EVERY, WAIT = 2_000, 5_000
STREAMS = 20  # seeds
HISTORY = 400  # intervals
LONGEST = 400  # seconds that streams flow


def times_of(k: int, rate: float, began: float) -> Ints:
    """Return when the events of a stream happen, epoch ms: a heart that beats, or requests, at the stream's rate."""
    rng = np.random.default_rng(k)
    past = HISTORY * EVERY / 1000
    size = round((past + LONGEST) * rate)
    at = np.arange(size) + rng.uniform(0, 0.3, size) if rate * EVERY < 4000 else np.cumsum(rng.gamma(16, 1 / 16, size))
    return np.asarray((began - past + at / rate) * 1000, np.int64)


@contextmanager
def flowing(settings: Settings, times: list[Ints], stops: list[float], began: float) -> Iterator[None]:
    """Send the events of each stream in the background as they happen, until it stops."""
    done = threading.Event()

    def run() -> None:
        client = librdkafka_producer(
            {**librdkafka_client(settings.kafka), "linger.ms": 5, "enable.idempotence": True}, "tests.flowing"
        )
        sent = [int(np.searchsorted(one, began * 1000)) for one in times]
        while not done.wait(0.02):
            now = time.time()
            for k, stop in enumerate(stops):
                due = int(np.searchsorted(times[k], min(now, stop) * 1000))
                for at in times[k][sent[k] : due].tolist():
                    client.produce(f"{settings.topics.prefix}.s{k}", b'{"shop":"s%d","at":%d}' % (k, at))
                sent[k] = max(sent[k], due)
            client.poll(0)
        client.flush(30)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def caught_up(cluster: Cluster, number: str, times: list[Ints]) -> bool:
    """Whether the job has read all but the events of the last seconds."""
    there = sum(int(np.searchsorted(one, (time.time() - 3) * 1000)) for one in times)
    return cluster.metrics(number).get("events", 0) > there


def test_an_interval_without_events_comes_by_the_wall_clock_and_is_alerted(
    stack: Stack, unique_topics: Settings
) -> None:
    """Each is a topic and a source of its own, so that no other moves its clock; from one event an interval on."""
    rule = {"every": "2s", "wait": "5s", "empty": "zero", "values": {"value": "count"}}
    sources = [
        {"topics": f"s{k}", "series": "{shop}", "time": {"field": "at", "unit": "ms"}, "aggregate": rule}
        for k in range(STREAMS)
    ]
    settings = with_input(unique_topics, *sources, emit_scores=True)
    settings = settings.model_copy(update={"learning": settings.learning.model_copy(update={"cold_start": "auto"})})
    rng = np.random.default_rng(4)
    rates = np.geomspace(1000 / EVERY, 1000, STREAMS).tolist()
    began = time.time() * 1000 // EVERY * EVERY / 1000
    times: list[Ints] = []
    for k, rate in enumerate(rates):  # what the topics hold already
        transport = connect(settings.kafka, f"{settings.topics.prefix}.s{k}", "librdkafka")
        times.append(times_of(k, rate, began))
        past = times[k][times[k] < began * 1000].tolist()
        for start in range(0, len(past), 20_000):
            part = past[start : start + 20_000]
            while not transport.wait_for_room(1.0):
                pass
            transport.send([b"k"] * len(part), [b'{"shop":"s%d","at":%d}' % (k, at) for at in part])
        assert not transport.flush(60)
        transport.close()
    stops = [float("inf")] * STREAMS
    with flowing(settings, times, stops, began), harness.running(stack, settings) as (cluster, number):
        harness.until(lambda: caught_up(cluster, number, times), "the past read", 240)
        live = time.time()
        stops[:] = (live + 5 + rng.uniform(0, 15, STREAMS)).tolist()
        harness.until(lambda: time.time() > max(stops) + (2 * EVERY + WAIT) / 1000 + 5, "the end", 120)
        assert not cluster.failure(number)
    late = [(said["timestamp"], json.loads(one.value)["ts"]) for said, one in letters(settings)]
    late = [(sent, at) for sent, at in late if int(sent) - at < 2_000]  # else the machine kept it back
    assert late == [], "nothing was closed while its events were on their way"
    limit = (2 * EVERY + WAIT) / 1000 + 2  # two seconds for a loaded machine
    closed = {}
    for record in harness.read(settings, "scores"):
        one = json.loads(record.value)
        closed[one["series"], one["ts"]] = record.timestamp / 1000
    for k, stop in enumerate(stops):
        first = int(-(-stop * 1000 // EVERY)) * EVERY  # of the intervals that have no event
        assert 0 < closed[f"s{k}", first] - stop <= limit, k
        assert (f"s{k}", first + EVERY) in closed, "and so it goes on"
    opened: dict[str, list[float]] = {}
    incidents = [one for one in harness.alerts(settings) if one.kind == "incident" and one.start / 1000 >= live]
    for alert in incidents:
        if alert.state == "open":
            opened.setdefault(alert.series, []).append(alert.start / 1000)
    assert not [one for one in incidents if one.state == "closed"], "they are still silent"
    for k, stop in enumerate(stops):
        empty = -(-stop * 1000 // EVERY) * EVERY / 1000
        since = opened.get(f"s{k}", [])
        assert len(since) == 1, (k, since, stop, "one alert, and none while it flows")
        assert empty - EVERY / 1000 <= since[0] <= empty + EVERY / 1000, (k, since, stop)


def test_a_broker_that_does_not_answer_is_no_stream_that_stops(stack: Stack, unique_topics: Settings) -> None:
    """Nor are the events late that producers held back meanwhile."""
    rule = {"every": "2s", "wait": "5s", "empty": "zero", "values": {"value": "count"}}
    source = {"topics": "s0", "series": "{shop}", "time": {"field": "at", "unit": "ms"}, "aggregate": rule}
    settings = with_input(unique_topics, source, emit_scores=True)
    harness.publish(settings, harness.model(**MODEL))
    began = time.time() * 1000 // EVERY * EVERY / 1000
    times = [times_of(0, 50, began)]
    times[0] = times[0][times[0] >= began * 1000]
    (broker,) = [one.pid for one in stack.status() if one.name == "kafka" and one.pid]
    with flowing(settings, times, [float("inf")], began), harness.running(stack, settings) as (cluster, number):
        harness.until(lambda: caught_up(cluster, number, times), "the beginning read", 120)
        time.sleep(5)
        os.kill(broker, signal.SIGSTOP)
        try:
            time.sleep(20)
        finally:
            os.kill(broker, signal.SIGCONT)
        until = time.time()
        time.sleep(15)
        assert not cluster.failure(number)
    assert letters(settings) == []
    scores = {one["ts"]: one["score"] for one in map(_score, harness.read(settings, "scores"))}
    start = round(began * 1000)
    there = np.bincount((times[0] - start) // EVERY)
    assert max(scores) > (until - EVERY / 1000) * 1000, "the intervals of the outage were closed"
    assert sorted(scores) == list(range(start + 9 * EVERY, max(scores) + 1, EVERY))
    for ts, score in scores.items():
        at = (ts - start) // EVERY
        window = there[at - 9 : at + 1]  # of the model
        expected = abs(window[-1] - window.mean()) / window.std() if np.ptp(window) else 0.0
        assert score == pytest.approx(expected, abs=1e-6), (at, window)


def _score(record: Any) -> dict[str, Any]:
    return dict(json.loads(record.value))

"""Check that a job reads topics that other programs write, by their mapping, and says what it cannot read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from eddy.alert import Alert
from eddy.connections import kafka_admin
from eddy.errors import SettingsError, StackError
from eddy.ops.job_skips import checked
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.given_stack import GivenStack
from tests.integration import harness

pytestmark = pytest.mark.stack

Observation = tuple[str, int, float]
SPIKES = {("north/p1", 20): 9.0, ("north/p2", 30): 9.0}
NESTED: dict[str, Any] = {
    "series": "{site}/{device.id}",
    "time": {"field": "meta.at", "unit": "s"},
    "values": {"value": "data.t"},
    "where": {"op": ["c", "u"]},
}
#: a pattern is for Python, so that this source passes through the other of the two readers
GERMAN: dict[str, Any] = {**NESTED, "time": {"field": "meta.at", "unit": "%d.%m.%Y %H:%M:%S", "zone": "UTC"}}


def nested(one: Observation, at: Any = None, **more: Any) -> bytes:
    site, device = one[0].split("/")
    moment = one[1] // 1000 if at is None else at
    message = {"op": "c", "site": site, "device": {"id": device}, "meta": {"at": moment}, "data": {"t": one[2]}}
    return json.dumps({**message, **more}).encode()


def german(one: Observation) -> bytes:
    return nested(one, datetime.fromtimestamp(one[1] / 1000, UTC).strftime("%d.%m.%Y %H:%M:%S"))


def with_input(settings: Settings, *sources: dict[str, Any], create: bool = True, **job: Any) -> Settings:
    """Return settings with sources whose topics, of the test's own prefix, exist."""
    prefixed = [{**one, "topics": f"{settings.topics.prefix}.{one['topics']}"} for one in sources]
    found = Settings.model_validate({**settings.model_dump(), "input": prefixed})
    found = found.model_copy(update={"kafka": settings.kafka, "redis": settings.redis})
    if create:
        admin = kafka_admin(settings.kafka)
        topics = {topic for one in found.input for topic in one.topics}
        admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1} for topic in topics})
        admin.close()
    return harness.changed(found, **job)


def send(settings: Settings, topic: str, messages: Sequence[tuple[bytes | None, bytes]], **options: Any) -> None:
    with harness.producer(settings) as client:
        for key, value in messages:
            client.send(f"{settings.topics.prefix}.{topic}", key=key, value=value, **options)


def letters(settings: Settings) -> list[tuple[dict[str, str], Any]]:
    return [({k: v.decode() for k, v in one.headers}, one) for one in harness.read(settings, "dlq")]


def incidents(found: Sequence[Alert]) -> set[str]:
    return {alert.id for alert in found if alert.kind == "incident"}


def test_messages_of_other_programs_alert_as_their_observations_do(stack: Stack, unique_topics: Settings) -> None:
    """Three topics, one of them of another cluster as far as the job can tell; the keys are not the series."""
    names = ["north/p1", "north/p2"]
    first, second, third = (harness.noise(names, 40, SPIKES, seed) for seed in (1, 2, 3))
    sources = [
        {"topics": "nested", **NESTED},
        {
            "topics": "arrays", "each": "readings", "series": "{line}:{name}", "time": {"field": "at", "unit": "ms"},
            "values": {"value": "v"}, "numbers": "text",
        },
        {"topics": "german", **GERMAN},
    ]  # fmt: skip
    if not isinstance(stack, GivenStack):
        port = unique_topics.kafka.bootstrap_servers.rpartition(":")[2]
        sources[2]["kafka"] = {"bootstrap_servers": f"localhost:{port}"}
    settings = with_input(unique_topics, *sources)
    third = [(name.replace("north", "south"), ts, value) for name, ts, value in third]
    send(settings, "nested", [(b'{"id": 7}', nested(one)) for one in first])
    arrays = [
        {
            "line": "L1",
            "at": one[1],
            "readings": [{"name": name[6:], "v": f"{value:.17g}"} for name, _, value in (one, two)],
        }
        for one, two in zip(second[::2], second[1::2], strict=True)
    ]
    send(settings, "arrays", [(None, json.dumps(one).encode()) for one in arrays])
    send(settings, "german", [(b"x", german(one)) for one in third])
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    harness.run_to_end(stack, settings)
    read = [*first, *((f"L1:{name[6:]}", ts, value) for name, ts, value in second), *third]
    expected = harness.offline([model], read)
    assert len(incidents(expected)) == 6
    assert incidents(harness.alerts(settings)) == incidents(expected)
    assert letters(settings) == []
    (digest,) = {alert.settings_digest for alert in harness.alerts(settings)}
    assert digest not in {alert.settings_digest for alert in expected}, "the mapping is part of the settings"
    figures = {}
    for record in harness.read(settings, "sources"):
        one = json.loads(record.value)
        figures[one["source"]] = (one["records"], one["observations"], one["series"], one["dead"])
    assert figures == {"input.0": (80, 80, 2, {}), "input.1": (40, 80, 2, {}), "input.2": (80, 80, 2, {})}


def test_dead_letters_say_what_was_found_and_the_job_runs_on(stack: Stack, unique_topics: Settings) -> None:
    settings = with_input(unique_topics, {"topics": "nested", **NESTED})
    good = harness.noise(["north/p1"], 30, {("north/p1", 20): 9.0})
    bad = {
        "no-field": nested(good[0], meta={"time": 5}),
        "bad-time": nested(good[0], good[0][1]),
        "bad-value": nested(good[0], data={"t": "high"}),
        "no-series": nested(good[0], site=None),
        "not-json": b"garbage",
        "empty": b"",
    }
    late = ("north/p1", good[3][1] + 1000, 0.5)
    messages = [(b"k", nested(one)) for one in good]
    send(
        settings,
        "nested",
        [*messages[:15], *((b"k", one) for one in bad.values()), *messages[15:], (b"k", nested(late))],
    )
    send(settings, "nested", [(b"k", nested(good[0], op="d"))])
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    harness.run_to_end(stack, settings)
    assert incidents(harness.alerts(settings)) == incidents(harness.offline([model], good))
    found = {headers["reason"]: (headers, one) for headers, one in letters(settings)}
    assert set(found) == {*bad, "late"}
    for reason, value in bad.items():
        headers, letter = found[reason]
        assert (letter.value, letter.key, headers["topic"]) == (value, b"k", settings.input[0].topics[0])
        assert "form" not in headers
    assert "meta: found no field 'at'; there is 'time'" in found["no-field"][0]["detail"]
    assert "looks like epoch milliseconds" in found["bad-time"][0]["detail"]
    headers, letter = found["late"]
    assert (headers["form"], headers["topic"]) == ("observation", settings.input[0].topics[0])
    assert letter.key == b"north/p1"
    assert json.loads(letter.value) == dict(zip(("series", "ts", "value"), late, strict=True))
    figures = json.loads(harness.read(settings, "sources")[-1].value)
    assert figures["dead"] == dict.fromkeys(bad, 1)
    assert figures["skipped"] == 1


@pytest.mark.parametrize("form", ["jvm", "python"])
def test_savepoint_goes_on_where_it_was_and_keeps_the_series_template(
    stack: Stack, unique_topics: Settings, form: str
) -> None:
    source, message = (NESTED, nested) if form == "jvm" else (GERMAN, german)
    settings = with_input(unique_topics, {"topics": "nested", **source}, parallelism=2)
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    names = [f"north/p{k}" for k in range(6)]
    observations = harness.noise(names, 60, {(name, point): 9.0 for name in names for point in (20, 40)})
    half = len(observations) // 2
    with harness.running(stack, settings) as (cluster, number):
        send(settings, "nested", [(one[0].encode(), message(one)) for one in observations[:half]])
        harness.handled(cluster, number, half)
        place = cluster.stop(number)
    renamed = with_input(
        unique_topics, {"topics": "nested", **source, "series": "{device.id}"}, create=False, parallelism=2
    )
    with pytest.raises(
        StackError, match=r"the series of \S+ are \{device\.id\}, but .*written with \{site\}/\{device\.id\}"
    ):
        harness.submit(stack, renamed, place)
    send(settings, "nested", [(one[0].encode(), message(one)) for one in observations[half:]])
    expected = incidents(harness.offline([model], observations))
    assert len(expected) >= 2 * len(names)
    with harness.running(stack, settings, place) as (cluster, number):
        harness.until(lambda: incidents(harness.alerts(settings)) == expected, "all alerts")
        place = cluster.stop(number)
    accepted = harness.changed(renamed, accept_templates=True)
    with harness.running(stack, accepted, place) as (cluster, number):
        place = cluster.stop(number)
    with harness.running(stack, renamed, place):  # accepted once, it is the template of that state
        pass


def test_topic_that_is_not_for_eddy_is_said_once_and_not_copied(stack: Stack, unique_topics: Settings) -> None:
    settings = with_input(unique_topics, {"topics": "nested", **NESTED})
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    good = harness.noise(["north/p1", "north/p2"], 1_000, SPIKES)
    messages = [(b"k", nested(one)) for one in good]
    other = (b"k", b'{"op": "c", "level": "info", "text": "not for Eddy"}')
    mixed = [one for message in messages for one in (message, *[other] * 11)]  # 24,000, of which 22,000 are dead
    with harness.running(stack, settings) as (cluster, number):
        send(settings, "nested", mixed)
        expected = incidents(harness.offline([model], good))
        harness.until(lambda: incidents(harness.alerts(settings)) == expected, "all alerts")
        (event,) = harness.until(lambda: harness.events(settings, "source-mostly-dead"), "an event")
        assert event["source"] == "input.0"
        assert "more than half of 10000 records in a row are dead, most of them no-field" in event["reason"]
        send(settings, "nested", messages[:1])

        def figures() -> dict[str, Any]:
            found: list[Any] = harness.read(settings, "sources")
            return json.loads(found[-1].value) if found else {}

        harness.until(lambda: figures().get("records", 0) >= len(mixed), "all figures")
        assert figures()["dead"] == {"no-field": 22_000}
        assert figures()["unwritten"] == 22_000 - Counter(h["reason"] for h, _ in letters(settings))["no-field"]
        assert figures()["unwritten"] > 5_000
        assert cluster.state(number) == "RUNNING"


def test_pattern_takes_a_topic_that_comes_later_and_none_of_eddys_own(stack: Stack, unique_topics: Settings) -> None:
    """The pattern matches every topic of this test, Eddy's own among them; new ones are looked for each 30 s."""
    prefix = unique_topics.topics.prefix
    source = {**NESTED, "pattern": rf"{prefix}\..*"}
    settings = Settings.model_validate({**unique_topics.model_dump(), "input": [source]})
    settings = settings.model_copy(update={"kafka": unique_topics.kafka, "redis": unique_topics.redis})
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    observations = harness.noise(["north/p1", "north/p2"], 40, SPIKES)
    admin = kafka_admin(settings.kafka)
    try:
        with harness.running(stack, settings) as (cluster, number):
            admin.create_topics({f"{prefix}.later": {"num_partitions": 1, "replication_factor": 1}})
            send(settings, "later", [(b"k", nested(one)) for one in observations])
            expected = incidents(harness.offline([model], observations))
            harness.until(lambda: incidents(harness.alerts(settings)) == expected, "all alerts", 120)
            assert cluster.state(number) == "RUNNING"
    finally:
        admin.close()
    assert letters(settings) == []


def test_template_that_makes_a_series_of_each_message_reaches_the_limit_and_says_so(
    stack: Stack, unique_topics: Settings
) -> None:
    settings = with_input(unique_topics, {"topics": "nested", **NESTED}, max_series=50, shards=4)
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    good = harness.noise(["north/p1"], 30, {("north/p1", 20): 9.0})
    many = [nested((f"north/{at}", good[0][1], 0.0)) for at in range(20_000)]
    with harness.running(stack, settings) as (cluster, number):
        send(settings, "nested", [(b"k", nested(one)) for one in good])
        harness.handled(cluster, number, len(good))
        send(settings, "nested", [(b"k", one) for one in many[:15_000]])
        (event, *_) = harness.until(lambda: harness.events(settings, "limit-reached"), "an event")
        assert (event["limit"], "job.max_series = 50" in event["reason"]) == ("job.max_series", True)
        harness.handled(cluster, number, len(good) + 15_000)
        assert cluster.state(number) == "RUNNING"
        reasons = Counter(headers["reason"] for headers, _ in letters(settings))
        assert reasons["too-many-series"] >= 15_000 - 4 * 50
        assert incidents(harness.alerts(settings)) == incidents(harness.offline([model], good))


def test_record_of_a_source_is_left_out_by_its_place(stack: Stack, unique_topics: Settings) -> None:
    settings = with_input(unique_topics, {"topics": "nested", **NESTED})
    good = harness.noise(["north/p1"], 5, {})
    send(settings, "nested", [(b"k", nested(one)) for one in good])
    (topic,) = settings.input[0].topics
    places = [f"{topic}:{partition}:2" for partition in range(3)]
    harness.run_to_end(stack, harness.changed(settings, skip=tuple(places)))
    ((headers, letter),) = letters(settings)
    assert (headers["reason"], headers["topic"], headers["offset"]) == ("skipped", topic, "2")
    assert letter.value == nested(good[2])
    assert checked(settings, [f"{topic}:0:2"]) == (f"{topic}:0:2",)
    with pytest.raises(SettingsError, match=r"found topic other, expected .* or one of 'input'"):
        checked(settings, ["other:0:2"])

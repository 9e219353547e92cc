"""Read series of mapped topics from a real broker: as training data, and as a series' history on the dashboard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from kafka.admin import NewTopic

from eddy.configuration import load
from eddy.connections import kafka_admin
from eddy.dashboard.sources.history import History
from eddy.errors import StackError
from eddy.inputs.readers import Readers
from eddy.settings import Settings
from eddy.training.data.kafka_history import load_history
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

T = START // 1000
POINTS = 40


def with_sources(settings: Settings, *sources: dict[str, Any]) -> Settings:
    """Return settings with input sources, read as from a file."""
    return settings.model_copy(update={"input": load([f"input={json.dumps(sources)}"], environ={}).settings.input})


def make(settings: Settings, topic: str, messages: Iterable[Any], partitions: int = 3) -> str:
    """Make a topic with messages without keys."""
    admin = kafka_admin(settings.kafka)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()
    with harness.producer(settings) as client:
        for message in messages:
            client.send(topic, value=message if isinstance(message, bytes) else json.dumps(message).encode())
    return topic


def telemetry(site: str, value: float = 0.0) -> list[Any]:
    """Arrays of readings with seconds, and a record that is none."""
    return [
        {"site": site, "at": T + 60 * at, "readings": [{"dev": d, "t": value + at, "p": -at} for d in (1, 2)]}
        for at in range(POINTS)
    ] + [b"not json"]


def source(**fields: Any) -> dict[str, Any]:
    return {
        "each": "readings", "series": "{site}/{dev}", "time": {"field": "at", "unit": "s"}, "values": {"value": "t"},
        **fields,
    }  # fmt: skip


@pytest.fixture
def mapped(unique_topics: Settings) -> Settings:
    """Two topics of a pattern, one of a list that is reached as another cluster, and the observations topic."""
    name = unique_topics.topics.prefix
    for site in ("north", "south"):
        make(unique_topics, f"{name}.plant.{site}", telemetry(site))
    make(unique_topics, f"{name}-east", telemetry("east", 100))
    harness.send(unique_topics, [harness.event("own", START + at * STEP, float(at)) for at in range(POINTS)])
    elsewhere = {"bootstrap_servers": unique_topics.kafka.bootstrap_servers.replace("127.0.0.1", "localhost")}
    return with_sources(
        unique_topics,
        source(pattern=rf"{name}\.plant\..*"),
        source(topics=[f"{name}-east"], kafka=elsewhere),
    )


def test_training_reads_topics_of_patterns_and_other_clusters_beside_the_observations_topic(mapped: Settings) -> None:
    found, bad = load_history(mapped)
    assert [s.name for s in found.series] == ["east/1", "east/2", "north/1", "north/2", "own", "south/1", "south/2"]
    assert bad == 3, "a record of each mapped topic"
    assert all(sorted(s.ts) == [START + at * STEP for at in range(POINTS)] for s in found.series)
    east = found.only("east/2").series[0]
    assert east.values[np.argsort(east.ts), 0].tolist() == [100.0 + at for at in range(POINTS)]

    only, _ = load_history(mapped, START + 5 * STEP, START + 7 * STEP, lambda name: name == "south/1")
    assert sorted(only.series[0].ts) == [START + 5 * STEP, START + 6 * STEP]


def test_topic_that_does_not_exist_is_named_with_one_that_does(mapped: Settings) -> None:
    name = mapped.topics.prefix
    with pytest.raises(StackError, match=rf"topic {name}-west does not exist at .*; did you mean {name}-east"):
        load_history(with_sources(mapped, source(topics=[f"{name}-west"])))


def read_back(history: History, series: str) -> dict[int, float]:
    """Read what a page of the dashboard would show."""
    history.want(series)
    found: dict[int, float] = {}
    deadline = time.monotonic() + 30
    while history.progress(series) < 1 and time.monotonic() < deadline:
        for ts, features, values in history.read(0.2).get(series, ()):
            assert features == ("value",)
            found |= dict(zip(ts.tolist(), values[:, 0].tolist(), strict=True))
    assert history.progress(series) == 1.0
    return found


def test_dashboard_reads_back_series_of_all_topics(mapped: Settings) -> None:
    history = History(Readers(mapped), 1_000_000)
    try:
        assert read_back(history, "own") == {START + at * STEP: float(at) for at in range(POINTS)}
        assert read_back(history, "north/2") == {START + at * STEP: float(at) for at in range(POINTS)}
        assert read_back(history, "east/1") == {START + at * STEP: 100.0 + at for at in range(POINTS)}
        assert read_back(history, "west/1") == {}
    finally:
        history.close()


def test_dashboard_reads_back_no_more_than_it_may(mapped: Settings) -> None:
    history = History(Readers(mapped), 5)
    try:
        read_back(history, "west/1")
        assert 0 < history._scans["west/1"].read <= POINTS, "one chunk, of one partition"
    finally:
        history.close()


def test_dashboard_goes_on_while_the_cluster_of_a_source_is_away(mapped: Settings) -> None:
    away = source(topics=["any"], kafka={"bootstrap_servers": "127.0.0.1:1"})
    history = History(Readers(with_sources(mapped, away, mapped.input[0].model_dump(exclude_unset=True))), 1_000_000)
    try:
        assert len(read_back(history, "own")) == len(read_back(history, "north/1")) == POINTS
    finally:
        history.close()

"""Check which topics hold observations, and what reads each of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from eddy.configuration import load
from eddy.dashboard.stores.collector import _readers
from eddy.dashboard.stores.dead_letters import DeadLetterStore
from eddy.errors import SettingsError
from eddy.formats import find_format
from eddy.inputs.readers import Readers, own_topics
from eddy.inputs.record import Record
from eddy.settings import Settings

T = 1_764_000_000


def settings(*sources: dict[str, Any], **others: str) -> Settings:
    overrides = [f"input={json.dumps(sources)}", *(f"{key}={value}" for key, value in others.items())]
    return load(overrides, environ={}).settings


def test_pattern_matches_no_topic_of_eddy_on_its_own_cluster() -> None:
    found = settings({"pattern": ".*"}, {"pattern": ".*", "kafka": {"bootstrap_servers": "other:9092"}})
    readers = Readers(found)
    names = [*own_topics(found.topics), "plant"]
    assert [one.topic for one in readers.among(found.kafka, names)] == ["plant"]
    (elsewhere,) = (kafka for kafka in readers.clusters() if kafka != found.kafka)
    assert [one.topic for one in readers.among(elsewhere, ["plant"])] == ["plant"]


def test_first_source_of_a_topic_counts_and_the_observations_topic_is_never_mapped() -> None:
    readers = Readers(settings({"topics": ["a", "eddy.observations"], "series": "1/{id}"}, {"topics": ["a", "b"]}))
    assert [(one.topic, one.name) for one in readers.topics()] == [
        ("eddy.observations", ""),
        ("a", "input.0"),
        ("b", "input.1"),
    ]
    assert readers.of("eddy.observations") == []
    assert [one.name for one in readers.of("a")] == ["input.0"]
    assert readers.of("c") == []


def test_own_form_reads_as_the_job_does_and_raises_nothing() -> None:
    own = Readers(Settings()).own.reader
    good = own.read(Record("t", key=b"s", value=b'{"series": "s", "ts": 1735689600000, "value": 2}'))
    assert [(one.series, one.ts, one.values) for one in good.observations] == [("s", 1735689600000, {"value": 2.0})]
    other = own.read(Record("t", key=b"x", value=b'{"series": "s", "ts": 1735689600000, "value": 2}'))
    assert [one.reason for one in other.refusals] == ["key-mismatch"]
    for value in (None, b"", b"{", b"[" * 10_000, b"\xff"):
        assert own.read(Record("t", value=value)).refusals


def test_source_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"input\.1\.series"):
        Readers(settings({"topics": ["a"]}, {"topics": ["b"], "series": "{"}))


def test_dashboard_goes_on_without_what_it_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    mapped = {"topics": ["a"]}
    assert [one.topic for one in _readers(settings(mapped)).topics()] == ["eddy.observations", "a"]
    unknown = settings(mapped, **{"job.format": "nobody-has-it"})
    assert [one.topic for one in _readers(unknown).topics()] == ["eddy.observations", "a"]
    assert "nobody-has-it" in caplog.text
    wrong = settings({**mapped, "series": "{"})
    assert [one.topic for one in _readers(wrong).topics()] == ["eddy.observations"]


def test_late_points_of_mapped_topics_are_shown_whatever_the_format_of_the_job() -> None:
    class Other:
        def read(self, value: bytes, key: bytes | None) -> Any:
            raise AssertionError

    store = DeadLetterStore(Other())  # type: ignore[arg-type]
    headers = [("reason", b"late"), ("form", b"observation"), ("topic", b"plant")]
    value = json.dumps({"series": "a", "ts": 1000 * T, "value": 2.5}).encode()
    store.put(SimpleNamespace(headers=lambda: headers, value=lambda: value, key=lambda: b"a", timestamp=lambda: (1, 5)))
    late = store.late("a")
    assert late is not None
    assert late[1].ts.tolist() == [1000 * T]
    assert find_format("json").read(value, b"a")[0] == "a"

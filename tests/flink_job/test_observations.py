"""Parse frames into observations and dead letters with a reason."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.event_times import USUAL_TIMES, TimeRange
from eddy.flink_job.wire.formats import FastJsonFormat, job_format
from eddy.flink_job.wire.parsing import read_observations
from eddy.formats import MAX_FEATURES, MAX_SERIES_BYTES
from eddy.texts import is_name
from tests.flink_job.frame_bytes import NOW, frame, shard_of

ONE = {"value": 0}
TWO = {"value": 0, "b": 1}


def event(**fields):
    return json.dumps({"series": "s", "ts": NOW, "value": 1.0} | fields).encode()


def read(*messages, columns=ONE, max_ahead_ms=0, **header):
    return read_observations(frame(*messages, **header), FastJsonFormat(), columns, 16, max_ahead_ms)


def without(field):
    return json.dumps({k: v for k, v in json.loads(event()).items() if k != field}).encode()


BAD = [
    (b"", "empty"),
    (b"{", "not-json"),
    (b"\xff", "not-json"),
    (b"[" * 50_000, "not-json"),
    (event(note="x")[:-1] + b',"n":"\xff"}', "not-json"),
    (b"[1]", "not-an-object"),
    (b"null", "not-an-object"),
    (b'"s"', "not-an-object"),
    (without("series"), "bad-series"),
    (event(series=""), "bad-series"),
    (event(series=7), "bad-series"),
    (event(series="a\nb"), "bad-series"),
    (event(series="x" * (MAX_SERIES_BYTES + 1)), "bad-series"),
    (b'{"series": "\\ud800", "ts": 1, "value": 1}', "bad-series"),
    (without("ts"), "bad-ts"),
    (event(ts=None), "bad-ts"),
    (event(ts=True), "bad-ts"),
    (event(ts=1.5), "bad-ts"),
    (event(ts="yesterday"), "bad-ts"),
    (event(ts=10**15), "bad-ts"),
    (event(ts=0), "bad-ts"),
    (event(ts=1_735_689_600), "bad-ts"),
    (event(ts="1735689600"), "bad-ts"),
    (event(ts=20250101), "bad-ts"),
    (event(ts="20250101"), "bad-ts"),
    (event(ts="1795-01-02T01:39:00Z"), "bad-ts"),
    (event(ts=-(10**14)), "bad-ts"),
    (event(ts=float("nan")), "bad-ts"),
    (without("value"), "no-value"),
    (event(value="1"), "bad-value"),
    (event(value=True), "bad-value"),
    (event(value=[1]), "bad-value"),
    (event(value=float("inf")), "bad-value"),
    (b'{"series": "s", "ts": 1735689600000, "value": 1e999}', "bad-value"),
    (b'{"series": "s", "ts": 1735689600000, "value": 1' + b"0" * 400 + b"}", "bad-value"),
    (event(values=None), "bad-value"),
    (event(values={}), "bad-value"),
    (event(values={"b": "x"}), "bad-value"),
    (event(values={"b\u202e": 1}), "bad-value"),
    (event(values={"b\ud800": 1}), "bad-value"),
    (event(values={"b" * 513: 1}), "bad-value"),
    (event(values={str(k): 1 for k in range(MAX_FEATURES + 1)}), "bad-value"),
    (event(series="other"), "key-mismatch"),
]


@pytest.mark.parametrize(("value", "reason"), BAD)
def test_bad_message_gets_a_reason_and_its_neighbours_are_read(value, reason):
    found = read((b"s", event()), (b"s", value), (b"s", event(ts=NOW + 1)))
    ((at, problem),) = found.bad
    assert (at, problem.reason) == (1, reason)
    assert "expected" in problem.detail
    assert "\n" not in problem.detail
    assert len(problem.detail) < 300
    assert found.at.tolist() == [0, 2]
    assert found.ts.tolist() == [NOW, NOW + 1]
    assert [found.names[code] for code in found.codes] == ["s", "s"]


def test_frame_of_only_bad_messages_and_empty_frame_are_read():
    found = read(*[(b"s", value) for value, _ in BAD])
    assert [(at, problem.reason) for at, problem in found.bad] == [(k, reason) for k, (_, reason) in enumerate(BAD)]
    assert not len(found.at)
    assert found.names == []
    nothing = read()
    assert (nothing.names, nothing.bad, len(nothing.ts)) == ([], [], 0)
    assert nothing.values.shape == (0, 1)


def test_events_too_far_in_the_future_are_dead_letters():
    messages = [(b"s", event(ts=NOW + ahead)) for ahead in (0, 1000, 1001)] + [(b"s", b"?")]
    found = read(*messages, max_ahead_ms=1000)
    assert [(at, problem.reason) for at, problem in found.bad] == [(2, "future"), (3, "not-json")]
    assert "job.max_ahead_ms = 1000" in found.bad[0][1].detail
    assert len(read(*messages, max_ahead_ms=0).at) == 3


@pytest.mark.parametrize(
    ("ts", "ms"),
    [
        ("2025-01-01T00:00:00Z", NOW),
        ("2025-01-01T01:00:00+01:00", NOW),
        ("2025-01-01T00:00:00", NOW),
        ("2025-01-01T00:00:00.123Z", NOW + 123),
        ("2025-01-01", NOW),
        (float(NOW), NOW),
    ],
)
def test_all_time_formats_are_read(ts, ms):
    assert read((b"s", event(ts=ts))).ts.tolist() == [ms]


@pytest.mark.parametrize(
    "text", ["1795010112345", "1704010512345", "1795010000123", " 1735689600000 ", "1735689600000.0"]
)
def test_milliseconds_as_text_are_milliseconds(text):
    found = read((b"s", event(ts=text)))
    assert found.ts.tolist() == [int(float(text))]


def test_refused_time_tells_the_unit_that_was_meant_and_a_setting_allows_it():
    def form(times=USUAL_TIMES):
        found = job_format("json", times)
        return read_observations(
            frame((b"s", event(ts=1_735_689_600)), (b"s", event(ts=2))), found, ONE, 16, max_ahead_ms=0
        )

    (_, first), (_, second) = form().bad
    assert "looks like epoch seconds (2025-01-01T00:00:00Z), not milliseconds" in first.detail
    assert "expected a time from 1990-01-01T00:00:00Z to 2100-12-31T23:59:59.999Z" in second.detail
    assert form(TimeRange(0, 10**12)).ts.tolist() == [1_735_689_600, 2]


@pytest.mark.parametrize("value", [b"null", b"NaN"])
def test_missing_values_become_nan(value):
    found = read((b"s", b'{"series":"s","ts":1735689600000,"value":' + value + b"}"))
    assert not found.bad
    assert math.isnan(found.values[0, 0])


def test_several_features_are_read_in_column_order():
    found = read(
        (b"s", event(values={"b": 2, "value": 1, "unknown": 9})),
        (b"s", event()),
        (b"s", json.dumps({"series": "s", "ts": NOW, "values": {"b": None}}).encode()),
        (b"s", event(note={"nested": [1]})),
        columns=TWO,
    )
    np.testing.assert_array_equal(found.values, np.array([[1, 2], [1, np.nan], [np.nan, np.nan], [1, np.nan]]))
    assert not found.bad


def test_message_without_a_key_takes_the_series_of_its_body():
    series = "s"
    shard = shard_of(series, 16)
    good = read((None, event(), b"s"), (None, event(ts=NOW + 1)), (b"s", event(ts=NOW + 2)), shard=shard)
    assert good.names == ["s"]
    assert good.codes.tolist() == [0, 0, 0]
    assert not good.bad
    ((_, problem),) = read((None, event(), b""), shard=(shard + 1) % 16).bad
    assert problem.reason == "no-key"
    assert "set the message key" in problem.detail
    ((_, problem),) = read((None, b"?"), shard=shard).bad
    assert problem.reason == "not-json"


@pytest.mark.parametrize("key", [b"\xff\xfe", b"", b"a\nb", b"x" * (MAX_SERIES_BYTES + 1)])
def test_key_that_is_not_a_valid_series_id_is_a_dead_letter(key):
    found = read((key, event()), (key, b'{"series":"' + key + b'","ts":1,"value":1}'))
    assert {problem.reason for _, problem in found.bad} <= {"key-mismatch", "bad-series", "not-json"}
    assert len(found.bad) == 2


def test_series_with_only_bad_events_is_not_listed():
    found = read((b"bad", b"?"), (b"s", event()), (b"t", event(series="t")))
    assert found.names == ["s", "t"]
    assert found.codes.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["no\u00a0break", "日本語　全角", "می‌خ", "👩‍🔧 crew", "\U000f0000 own glyph"])
def test_every_letter_blank_joiner_and_emoji_is_part_of_a_name(name):
    for ascii_only in (True, False):
        value = json.dumps({"series": name, "ts": NOW, "value": 1}, ensure_ascii=ascii_only).encode()
        found = read((name.encode(), value))
        assert (found.names, found.bad) == ([name], [])


def test_key_and_series_follow_one_rule():
    @given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=6))
    @settings(max_examples=2000, deadline=None)
    def check(name):
        raw = json.dumps({"series": name, "ts": NOW, "value": 1}).encode()
        key = name.encode("utf-8", "surrogatepass")
        found = read((key, raw))
        assert found.names == ([name] if is_name(name) else []), [p.detail for _, p in found.bad]

    check()


def test_escaped_and_non_ascii_series_ids_are_read():
    name = 'ein "Fühler" \\ 温度'
    for ascii_only in (True, False):
        value = json.dumps({"series": name, "ts": NOW, "value": 1}, ensure_ascii=ascii_only).encode()
        assert read((name.encode(), value)).names == [name]

"""Check which observations the messages of real producers become, and why others are refused."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest

from eddy.errors import SettingsError
from eddy.event_times import ANY_TIME
from eddy.input_settings import InputSource
from eddy.inputs import json_message
from eddy.inputs.formats.base import MAX_ELEMENTS
from eddy.inputs.mapping import REASONS, Mapping, MappingResult
from eddy.inputs.record import Record

T = 1_735_689_600_000  # 2025-01-01T00:00:00Z


def read(source: dict[str, Any], value: Any, **record: Any) -> MappingResult:
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    mapping = Mapping(InputSource.model_validate({"topics": "plant", **source}))
    return mapping.read(Record("plant", value=raw, **record))


def seen(result: MappingResult) -> list[tuple[str, int, dict[str, float | None]]]:
    """Observations with None for a missing value, which compares."""
    return [
        (s, ts, {k: None if math.isnan(v) else v for k, v in values.items()}) for s, ts, values in result.observations
    ]


def refused(source: dict[str, Any], value: Any, **record: Any) -> str:
    result = read(source, value, **record)
    assert (result.observations, result.skipped, len(result.refusals)) == ([], 0, 1), result
    assert result.refusals[0].reason in REASONS
    return str(result.refusals[0])


AT = {"time": {"field": "at", "unit": "s"}}
MESSAGES: dict[str, tuple[dict[str, Any], Any, dict[str, Any], list[Any]]] = {
    "own form with a foreign key": (
        {},
        {"series": "pump-7", "ts": T, "value": 4.2},
        {"key": b"line-3"},
        [("pump-7", T, {"value": 4.2})],
    ),
    "key that is JSON": (
        {"series": "{key.plant}/{key.unit[0].id}", "time": {"field": "ts", "unit": "ms"}, "values": {"t": "t"}},
        {"ts": T, "t": 1},
        {"key": b'{"plant": "north", "unit": [{"id": 7}]}'},
        [("north/7", T, {"t": 1.0})],
    ),
    "key as text": ({"series": "{key}"}, {"ts": T, "value": 1}, {"key": b"a"}, [("a", T, {"value": 1.0})]),
    "own field names": (
        {"series": "{sensor}", "time": {"field": "measured_at", "unit": "ms"}, "values": {"temp": "reading"}},
        {"sensor": "s1", "measured_at": T, "reading": 21.5},
        {},
        [("s1", T, {"temp": 21.5})],
    ),
    "nested": (
        {
            "series": "{site}/{device.id}",
            "time": {"field": "meta.at", "unit": "s"},
            "values": {"t": "data.t", "p": "data.p"},
        },
        {"site": "n", "device": {"id": 12}, "meta": {"at": T // 1000}, "data": {"t": 1, "p": None}},
        {},
        [("n/12", T, {"t": 1.0, "p": None})],
    ),
    "names with dots": (
        {
            "series": '{["device.id"]}',
            "time": {"field": '["@timestamp"]', "unit": "iso"},
            "values": {"cpu": 'cpu["total.pct"]'},
        },
        {"device.id": "h1", "@timestamp": "2025-01-01T00:00:00Z", "cpu": {"total.pct": 0.5}},
        {},
        [("h1", T, {"cpu": 0.5})],
    ),
    "array of readings": (
        {"each": "readings", "series": "{device}/{sensor}", "time": {"field": "at", "unit": "s"}, "values": {"v": "v"}},
        {
            "device": "d",
            "at": T // 1000,
            "readings": [{"sensor": "a", "v": 1}, {"sensor": "b", "v": 2, "at": T // 1000 + 5}],
        },
        {},
        [("d/a", T, {"v": 1.0}), ("d/b", T + 5000, {"v": 2.0})],
    ),
    "array of pairs inside an object": (
        {"each": "data.points", "series": "{data.unit}", "time": {"field": "[0]"}, "values": {"v": "[1]"}},
        {"data": {"unit": "C", "points": [[T, 1.5], [T + 1, None]]}},
        {},
        [("C", T, {"v": 1.5}), ("C", T + 1, {"v": None})],
    ),
    "enclosing object before the message": (
        {"each": "data.points", "series": "{name}", "time": {"field": "t"}, "values": {"v": "v"}},
        {"name": "outer", "data": {"name": "inner", "points": [{"t": T, "v": 1}]}},
        {},
        [("inner", T, {"v": 1.0})],
    ),
    "several metrics as several series": (
        {"series": "{host}", "time": {"field": "ts"}, "values": {"cpu": "cpu", "disk/a": "disk"}, "split": True},
        {"host": "web/1", "ts": T, "cpu": 1, "disk": 2},
        {},
        [("web%2F1/cpu", T, {"value": 1.0}), ("web%2F1/disk%2Fa", T, {"value": 2.0})],
    ),
    "every number there is": (
        {"series": "{id}", "time": {"field": "at", "unit": "s"}, "values": "*", "where": {"v": [2]}},
        {
            "id": 4,
            "at": T // 1000,
            "v": 2,
            "t": 1,
            "d": {"p": 2.5, "x y": 3, "ok": True, "n": None, "s": "7"},
            "l": [9],
        },
        {},
        [("4", T, {"t": 1.0, "d.p": 2.5, 'd["x y"]': 3.0})],
    ),
    "every number, also as text, one series each": (
        {"series": "{id}", "time": {"field": "at", "unit": "s"}, "values": "*", "numbers": "text", "split": True},
        {"id": "a", "at": T // 1000, "t": "4,5", "note": "warm"},
        {},
        [("a/t", T, {"value": 4.5})],
    ),
    "numbers as text": (
        {"series": "{id}", **AT, "values": {"a": "a", "b": "b", "c": "c", "d": "d"}, "numbers": "text"},
        {"id": "a", "at": T // 1000, "a": "4.2", "b": "4,2", "c": "1e3", "d": " 7 "},
        {},
        [("a", T, {"a": 4.2, "b": 4.2, "c": 1000.0, "d": 7.0})],
    ),
    "topic and header": (
        {"series": "{topic}-{header.tenant}-{id}"},
        {"id": True, "ts": T, "value": 1},
        {"headers": [("tenant", b"x"), ("other", None), ("tenant", "b-ä".encode())]},
        [("plant-b%2Dä-true", T, {"value": 1.0})],
    ),
    "byte order mark, duplicate fields, NaN": (
        {"values": {"a": "a", "b": "b"}},
        b'\xef\xbb\xbf{"series": "x", "series": "s", "ts": %d, "a": NaN, "b": 1e-400}' % T,
        {},
        [("s", T, {"a": None, "b": 0.0})],
    ),
    "null is a missing value": ({}, {"series": "s", "ts": T, "value": None}, {}, [("s", T, {"value": None})]),
}
TIMES: dict[str, tuple[Any, Any, int]] = {
    "s": ({"field": "ts", "unit": "s"}, T // 1000, T),
    "fractional s": ({"field": "ts", "unit": "s"}, T / 1000 + 0.2504, T + 250),
    "fractional s as text": ({"field": "ts", "unit": "s"}, "1735689600.2506", T + 251),
    "ms": ({"field": "ts", "unit": "ms"}, T, T),
    "ms as text": ({"field": "ts", "unit": "ms"}, str(T), T),
    "fraction of a ms": ({"field": "ts", "unit": "ms"}, T + 0.5, T + 1),
    "us": ({"field": "ts", "unit": "us"}, T * 1000 + 499, T),
    "us, half a ms": ({"field": "ts", "unit": "us"}, T * 1000 + 500, T + 1),
    "ns": ({"field": "ts", "unit": "ns"}, T * 1_000_000 + 499_999, T),
    "ns, half a ms": ({"field": "ts", "unit": "ns"}, T * 1_000_000 + 500_000, T + 1),
    "RFC 3339 with nanoseconds": ({"field": "ts", "unit": "iso"}, "2025-01-01T01:00:00.123999999+01:00", T + 124),
    "RFC 3339 in a unit's place": ({"field": "ts", "unit": "s"}, "2025-01-01T00:00:00Z", T),
    "auto, s": ("auto", T // 1000, T),
    "auto, ms": ("auto", T, T),
    "auto, us": ("auto", T * 1000, T),
    "auto, ns": ("auto", T * 1_000_000, T),
    "auto, text": ("auto", "2025-01-01 00:00", T),
    "Kafka's own": ("kafka", "not read", T - 1),
    "pattern with zone": ({"field": "ts", "unit": "%d/%b/%Y:%H:%M:%S %z"}, "01/Jan/2025:01:00:00 +0100", T),
    "pattern and zone": ({"field": "ts", "unit": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, "1.1.2025 1:00", T),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message_becomes_the_right_observations(name: str) -> None:
    source, value, record, expected = MESSAGES[name]
    result = read(source, value, **record)
    assert not result.refusals, result.refusals
    assert (seen(result), result.skipped) == (expected, 0)


@pytest.mark.parametrize("name", TIMES)
def test_time_is_read_in_its_form(name: str) -> None:
    time, found, expected = TIMES[name]
    result = read({"time": time}, {"series": "s", "ts": found, "value": 1}, timestamp=T - 1)
    assert seen(result) == [("s", expected, {"value": 1.0})], result.refusals


GOOD = {"series": "s", "ts": T, "value": 1}
REFUSALS: dict[str, tuple[dict[str, Any], Any, dict[str, Any], str]] = {
    "no value": ({}, None, {}, "empty: found no value, expected JSON"),
    "no JSON": ({}, b"{", {}, "not-json: unexpected end of data: line 1 column 2 (char 1); expected JSON"),
    "other encoding": ({}, '{"a": 1}'.encode("utf-16"), {}, "not-json: "),
    "no object": ({}, 7, {}, "not-an-object: found 7, expected an object"),
    "an array within an array": ({}, [[GOOD]], {}, "not-an-object: found [{'series': 's', "),
    "too many at the top": ({}, [0] * 10_001, {}, "too-many: found an array of 10001 elements, expected at most 10000"),
    "nested too deep": (
        {},
        b'{"a":' * 101 + b"1" + b"}" * 101,
        {},
        "too-many: found 101 objects and arrays within each other",
    ),
    "wrong path": (
        {"series": "{payload.device.id}"},
        {"payload": {"device": {"ID": 1, "name": 2}}},
        {},
        "no-field: series: payload.device: found no field 'id'; there are 'ID', 'name'",
    ),
    "path through a number": (
        {"series": "{a.b}"},
        {"a": 5},
        {},
        "no-field: series: a: found 5, expected an object with a field 'b'",
    ),
    "no time": (
        {},
        {"series": "s", "value": 1},
        {},
        "no-field: time: the message: found no field 'ts'; there are 'series', 'value'",
    ),
    "wrong unit": (
        {"time": {"field": "ts", "unit": "ms"}},
        {**GOOD, "ts": T // 1000},
        {},
        "bad-time: ts: found 1735689600, expected a time from 1990-01-01T00:00:00Z to 2100-12-31T23:59:59.999Z; "
        "looks like epoch seconds (2025-01-01T00:00:00Z), not milliseconds",
    ),
    "date as number": (
        {},
        {**GOOD, "ts": 20250101},
        {},
        "bad-time: ts: found 20250101, expected an epoch or ISO-8601 text; looks like the date",
    ),
    "number for iso": (
        {"time": {"field": "ts", "unit": "iso"}},
        GOOD,
        {},
        f"bad-time: ts: found {T}, expected ISO-8601 text such as",
    ),
    "iso out of range": (
        {"time": {"field": "ts", "unit": "iso"}},
        {**GOOD, "ts": "1960-01-01"},
        {},
        "too-old: ts: found -315619200000, expected a time from 1990",
    ),
    "in the far future": (
        {"time": {"field": "ts", "unit": "ms"}},
        {**GOOD, "ts": 9 * T},
        {},
        "future: ts: found 15621206",
    ),
    "null time": ({}, {**GOOD, "ts": None}, {}, "bad-time: ts: found None"),
    "true as time": ({}, {**GOOD, "ts": True}, {}, "bad-time: ts: found True"),
    "time of another form": (
        {"time": {"field": "ts", "unit": "%Y-%m-%dT%H:%M%z"}},
        {**GOOD, "ts": "2025-01-01T00:00"},
        {},
        "bad-time: ts: found '2025-01-01T00:00', expected text of the form '%Y-%m-%dT%H:%M%z'",
    ),
    "offset beyond a day": (
        {"time": {"field": "ts", "unit": "%Y-%m-%dT%H:%M%z"}},
        {**GOOD, "ts": "2025-01-01T00:00+99:99"},
        {},
        "bad-time: ts: found",
    ),
    "no timestamp": ({"time": "kafka"}, GOOD, {}, "bad-time: the record's timestamp: found -1"),
    "text for a number": (
        {},
        {**GOOD, "value": "4,2"},
        {},
        "bad-value: values.value: found '4,2', expected a number or null; 'numbers: text' reads it",
    ),
    "thousands": (
        {"numbers": "text"},
        {**GOOD, "value": "1.234,5"},
        {},
        "bad-value: values.value: found '1.234,5', expected a number, also as text",
    ),
    "true as number": ({}, {**GOOD, "value": True}, {}, "bad-value: values.value: found True"),
    "infinite": (
        {},
        b'{"series": "s", "ts": %d, "value": 1e400}' % T,
        {},
        "bad-value: values.value: found inf, expected a finite number",
    ),
    "no value field": (
        {},
        {"series": "s", "ts": T, "v": 1},
        {},
        "no-field: values.value: the message: found no field 'value'; there are 'series', 'ts', 'v'",
    ),
    "one of two is an error": (
        {"values": {"a": "value", "b": "b"}, "missing": "error"},
        GOOD,
        {},
        "no-field: values.b: the message: found no field 'b'",
    ),
    "no number": (
        {"values": "*"},
        {"series": "s", "ts": T, "x": "a"},
        {},
        "no-field: values: found no number in {'series'",
    ),
    "too many numbers": (
        {"values": "*"},
        {"series": "s", "ts": T, **{f"x{i}": i for i in range(1025)}},
        {},
        "too-many: values: found more numbers, expected at most 1024",
    ),
    "name of a number": (
        {"values": "*"},
        {"series": "s", "ts": T, "a\u202e": 1},
        {},
        "bad-value: field 'values': found the feature",
    ),
    "no key": ({"series": "{key}"}, GOOD, {}, "no-series: series: found a record without a key"),
    "key is no text": (
        {"series": "{key}"},
        GOOD,
        {"key": b"\xff"},
        "no-series: key: found b'\\xff', expected UTF-8 text",
    ),
    "key is no JSON": (
        {"series": "{key.id}"},
        GOOD,
        {"key": b"a"},
        "no-series: key: found b'a', expected JSON: not-json",
    ),
    "field of the key": (
        {"series": "{key.id}"},
        GOOD,
        {"key": b'{"ID": 1}'},
        "no-series: key: found no field 'id'; there is 'ID'",
    ),
    "no header": (
        {"series": "{header.a}"},
        GOOD,
        {"headers": [("b", b"")]},
        "no-series: series: found no header 'a'; there are 'b'",
    ),
    "fraction in a name": (
        {"series": "{value}"},
        {**GOOD, "value": 1.5},
        {},
        "no-series: value: found 1.5, expected a text, a whole number, true or false",
    ),
    "whole number beyond 64 bits": (
        {"series": "{id}"},
        b'{"id": 18446744073709551616}',
        {},
        "no-series: id: found 1.8446744073709552e+19",
    ),
    "null as name": ({}, {**GOOD, "series": None}, {}, "no-series: series: found None"),
    "object as name": ({}, {**GOOD, "series": {}}, {}, "no-series: series: found {}"),
    "empty name": ({}, {**GOOD, "series": ""}, {}, "no-series: series: found an empty text"),
    "long name": ({}, {**GOOD, "series": "ä" * 257}, {}, "no-series: series: found 514 bytes, expected at most 512"),
    "lone surrogate": (
        {},
        b'{"series": "\\ud800"}',
        {},
        "no-series: series: found '\\ud800', expected a text without lone surrogates",
    ),
    "other key": (
        {"key": "check"},
        GOOD,
        {"key": b"x"},
        "key-mismatch: message key b'x' differs from series 's'; expected the same",
    ),
    "no array": ({"each": "a.b"}, GOOD, {}, "no-field: each: the message: found no field 'a'"),
    "array that is none": ({"each": "series"}, GOOD, {}, "no-field: each: series: found 's', expected an array"),
    "array too long": (
        {"each": "a"},
        {"a": [0] * 10_001},
        {},
        "too-many: a: found 10001 elements, expected at most 10000",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_says_what_was_found_and_expected(name: str) -> None:
    source, value, record, expected = REFUSALS[name]
    assert refused(source, value, **record)[: len(expected)] == expected


def test_bad_element_refuses_only_itself_and_says_which() -> None:
    source = {"each": "r", "time": {"field": "t"}, "series": "{s}", "values": {"v": "v"}}
    result = read(source, {"s": "a", "r": [{"t": T, "v": 1}, {"t": T, "v": "x"}, {"v": 3}, 5, {"t": T + 1, "v": 4}]})
    assert seen(result) == [("a", T, {"v": 1.0}), ("a", T + 1, {"v": 4.0})]
    assert [str(problem) for problem in result.refusals] == [
        "bad-value: r[1]: values.v: found 'x', expected a number or null",
        "no-field: r[2]: time: the message: found no field 't'; there is 'v', nor in what is around it",
        "not-an-object: r[3]: found 5, expected an object or an array",
    ]


def test_own_object_comes_first_also_with_null() -> None:
    source = {"each": "r", "time": {"field": "t"}, "series": "{a.s}", "values": {"v": "v"}}
    message = {"a": {"s": "outer"}, "v": 9, "t": T, "r": [{"a": {"s": "own"}}, {"a": {}}, {"v": None}]}
    assert seen(read(source, message)) == [("own", T, {"v": 9.0}), ("outer", T, {"v": 9.0}), ("outer", T, {"v": None})]


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ({"op": ["c", "u"]}, True),
        ({"op": "d"}, False),
        ({"op": ["c", "u"], "site": "!test-*"}, True),
        ({"site": "!no*"}, False),
        ({"site": "!nor"}, True),
        ({"site": ["!a", "!b*", "n*h"]}, True),
        ({"site": ["!a", "south"]}, False),
        ({"site": "*"}, True),
        ({"site": "n.r*"}, False),
        ({"absent": "*"}, False),
        ({"absent": "!x"}, True),
        ({"nothing": "*"}, False),
        ({"nothing": "!x"}, True),
        ({"n": 5}, True),
        ({"n": 5.0}, True),
        ({"n": "5"}, True),
        ({"n": "!5"}, False),
        ({"n": True}, False),
        ({"one": True}, False),
        ({"flag": True}, True),
        ({"flag": "true"}, True),
        ({"flag": 1}, False),
        ({"half": 0.5}, True),
        ({"half": "0.5"}, False),
        ({"half": "!0.5"}, True),
        ({"digits": 7}, False),
        ({"digits": "7"}, True),
        ({"d.site": "north"}, False),
        ({"list[1]": "b"}, True),
    ],
)
def test_where_lets_through_what_matches_and_skips_the_rest(where: dict[str, Any], passes: bool) -> None:
    more = {"op": "c", "site": "north", "n": 5, "one": 1, "flag": True, "half": 0.5, "digits": "7", "nothing": None}
    result = read({"where": where}, {**GOOD, **more, "list": ["a", "b"]})
    assert (len(result.observations), result.skipped, result.refusals) == (int(passes), int(not passes), [])


def test_skipped_message_is_not_looked_at_further() -> None:
    assert read({"where": {"op": "c"}}, {"op": "d", "series": None}).skipped == 1
    assert read({"each": "r"}, {"r": []}).skipped == 1


@pytest.mark.parametrize(
    ("missing", "split", "expected"),
    [
        ("null", False, [("s", {"a": 1.0, "b": None})]),
        ("skip", False, []),
        ("null", True, [("s/a", {"value": 1.0}), ("s/b", {"value": None})]),
        ("skip", True, [("s/a", {"value": 1.0})]),
    ],
)
def test_field_that_is_not_there(missing: str, split: bool, expected: list[Any]) -> None:
    result = read({"values": {"a": "value", "b": "b"}, "missing": missing, "split": split}, GOOD)
    assert [(series, values) for series, _, values in seen(result)] == expected
    assert (result.skipped, result.refusals) == (int(not expected), [])


def test_skip_leaves_out_what_has_no_value_at_all() -> None:
    for more in ({"split": True}, {"values": "*"}, {}):
        assert read({"missing": "skip", **more}, {"series": "s", "ts": T}).skipped == 1


def test_key_is_checked_against_the_series_before_features_are_split_off() -> None:
    assert seen(read({"key": "check", "split": True}, GOOD, key=b"s")) == [("s/value", T, {"value": 1.0})]
    assert read({"key": "check"}, GOOD).observations  # no key at all


def test_large_messages_within_the_bounds_are_read() -> None:
    elements = [{"series": f"s{i}", "ts": T, "value": i} for i in range(MAX_ELEMENTS)]
    result = read({"each": "r"}, {"r": elements, "pad": "x" * 1_000_000})
    assert (len(result.observations), result.refusals) == (MAX_ELEMENTS, [])
    depth = json_message.MAX_NESTING - 1
    deep = b'{"series": "s", "ts": %d, "a": %s4.5%s}' % (T, b'{"a":' * depth, b"}" * depth)
    path = ".".join("a" * (depth + 1))
    assert seen(read({"values": {"v": path}}, deep)) == [("s", T, {"v": 4.5})]


def test_brackets_in_texts_are_no_nesting() -> None:
    assert seen(read({}, {**GOOD, "text": '[{"' * 500 + "\\"})) == [("s", T, {"value": 1.0})]


def test_names_in_nfc_and_nfd_stay_different() -> None:
    found = [seen(read({}, {**GOOD, "series": name}))[0][0] for name in ("caf\u00e9", "cafe\u0301")]
    assert found == ["caf\u00e9", "cafe\u0301"]


def test_same_record_gives_the_same_whatever_came_before() -> None:
    mapping = Mapping(InputSource(topics="t"))
    records = [Record("t", value=json.dumps({**GOOD, "ts": ts}).encode()) for ts in (T // 1000, T, T * 1000, T // 1000)]
    assert [mapping.read(record).observations[0].ts for record in records] == [T] * 4


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"format": "xml"}, "input.format: format 'xml' is unknown; known: "),
        ({"each": "a."}, "input.each: found 'a.' with '.' after 'a', expected a path such as"),
        ({"where": {"[x]": "a"}}, "input.where: found '[x]', expected a path"),
        ({"series": "{a"}, "input.series: found '{a' with '{a', expected {path}, {key}"),
        ({"time": {"field": ""}}, "input.time.field: found '', expected a path"),
        ({"time": {"unit": "%Q%z"}}, "input.time: found the pattern '%Q%z', expected %Y"),
        ({"time": {"unit": "%Y-%m-%d", "zone": "Mars"}}, "input.time: found the zone 'Mars', expected one such as"),
        ({"values": {"t": "a b"}}, "input.values: t: found 'a b' with ' b' after 'a', expected a path"),
    ],
)
def test_source_that_cannot_be_read_is_refused_with_its_setting(source: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Mapping(InputSource.model_validate({"topics": "t", **source}))
    assert str(caught.value).startswith(expected)


def test_date_written_as_number_is_no_epoch_whatever_times_are_taken() -> None:
    result = Mapping(InputSource(topics="t"), ANY_TIME).read(Record("t", value=orjson.dumps({**GOOD, "ts": 20250101})))
    assert "looks like the date 2025-01-01" in str(result.refusals[0])


def test_array_at_the_top_is_read_element_by_element() -> None:
    result = read({}, [GOOD, {**GOOD, "value": "x"}, {**GOOD, "value": 2}])
    assert [one.values["value"] for one in result.observations] == [1, 2]
    assert [str(problem)[:16] for problem in result.refusals] == ["bad-value: [1]: "]
    assert read({}, []).skipped == 1

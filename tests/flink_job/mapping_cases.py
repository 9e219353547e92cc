"""Generate records of input sources, and compare what the JVM and Python read of them.

Python says what a mapping means (``inputs/mapping.py``); the JVM is fast (``jvm/…/SourceMapping.java``). Records are
made at random from sources that use every part of a mapping, from what real producers write, and from broken bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from eddy.aggregate_settings import MAX_AGGREGATES
from eddy.connection_settings import SchemaRegistrySettings
from eddy.flink_job.graph.input_plan import plan
from eddy.flink_job.wire.fast_sources import is_fast
from eddy.flink_job.wire.raw_events import raw_bytes
from eddy.formats import JsonFormat
from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record
from tests.flink_job.avro_cases import avro_sources, avro_value
from tests.inputs.random_json import random_json, random_text
from tests.inputs.test_any_record import mutated

RECORDS, AVRO_RECORDS = 80_000, 18_000
SOURCES: list[dict[str, Any]] = [
    {},
    {"series": "{site}/{device.id}", "time": {"field": "meta.at", "unit": "s"}, "values": {"t": "data.t", "p": "a"}},
    {"series": "{site}/{device.id}", "time": {"field": "at"}, "values": {"t": "data.t", "p": "data.p"}},
    {"each": "readings", "series": "{device.id}:{name}", "values": {"value": "v"}, "time": {"field": "at"}},
    {"each": "a", "values": "*", "numbers": "text", "missing": "skip"},
    {"each": "a.b", "series": "{id} of {series}", "time": {"field": "[0]", "unit": "ns"}, "values": {"v": "[1]"}},
    {"series": "{key.id}/{series}", "time": "kafka", "values": {"x": "a.b", "y": "value"}, "split": True},
    {"series": "{header.h}:{key}", "time": {"field": "ts", "unit": "s"}, "values": "*", "split": True},
    {"where": {"series": ["!x*", "*", 7, True], "value": [1, 0.5, "4*"]}, "values": {"v": "value"}, "missing": "error"},
    {"where": {"op": ["c", "u"], "site": "!test-*"}, "series": "{series}", "key": "check", "missing": "skip"},
    {"time": {"field": "ts", "unit": "iso"}, "values": {"a": "a", "value": "value"}, "numbers": "text", "split": True},
    {"time": {"field": "ts", "unit": "us"}, "series": '{topic}:{["x.y"]}', "values": "*", "split": True},
    {"time": {"field": "ts", "unit": "ms"}, "values": {"value": "value"}, "numbers": "text", "missing": "skip"},
    {"time": {"field": "at"}, "values": {"a": "data.t", "b": "a.b"}, "missing": "skip"},
]  # fmt: skip
#: sources of events, whose columns are made at random
AGGREGATED: list[dict[str, Any]] = [
    {},
    {"numbers": "text"},
    {"series": "{site}/{device.id}", "time": {"field": "meta.at", "unit": "s"}, "missing": "skip"},
    {"series": "{device.id}", "time": {"field": "at"}, "missing": "error", "numbers": "text"},
    {"each": "readings", "series": "{device.id}:{name}", "time": {"field": "at"}},
    {"each": "a.b", "series": "{id} of {series}", "time": {"field": "[0]", "unit": "ns"}},
    {"where": {"op": ["c", "u"]}, "time": "kafka", "missing": "error"},
]
_PER_AGGREGATED = 3  # sets of columns for each
_FIELDS = [
    "value", "data.t", "data.p", "a", "a.b", "op", "site", "device.id", "v", "name", "at", "[1]", '["x.y"]',
    "readings[0].v", "nowhere", "id", "meta", "device", "series",
]  # fmt: skip
_OF_NUMBERS = {"value", "data.t", "data.p", "v", "[1]", "a.b", "temperature", "flow", "count", "again.v"}
_LITERALS = [
    "500", "0", "1", "-1", "0.5", "0.1", "1e3", "-0.0", "1e300", "-7", "7", str(2**53), str(2**53 + 1),
    "9007199254740992.0", "12345678901234567890", str(-(2**63)), str(2**70), "null", "true", "false", "c", "c", "north",
    "pump-1", "p*p*1", "*", "4*", '"7"', '"-7"', '"true"',
    '"!x"', '"\\u00e9*"', '"\u65e5\u672c"', '"50%"', '"a.b"', '"4.2"', "1735689600",
]  # fmt: skip
_TIMES = [
    1_735_689_600, 1_735_689_600.25, 1_735_689_600_123, 1_735_689_600_123_456, 1_735_689_600_123_456_789,
    "1735689600", "1735689600.5", "1735689600123", " 1735689600 ", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00.1Z",
    "2025-01-01T00:00:00.123456789Z", "2025-01-01T01:00:00.5+01:00", "2025-01-01 00:00:00", "2025-01-01", "20250101",
    20250101, 202501010000, 20250101000000, None, True, "", "soon", 1e400, -1, 0, 1.5e300, 2**64 - 1, 2**63, 2**70,
    "2025-02-30T00:00:00Z", "2025-01-01T25:00:00Z", "2025-01-01T00:00:00.9999996Z", 1735689600.0005, 1735689600123.5,
    "2025-01-01T00:00:00+0100", "2025-01-01T00:00Z", "2025-01-01t00:00:00z", "1e9", "+1735689600", "1735689600.",
]  # fmt: skip
_GOOD_TIMES: dict[str, list[Any]] = {
    "s": [1_735_689_600, 1_735_689_600.25, "1735689600.5"],
    "ms": [1_735_689_600_123, "1735689600123"],
    "us": [1_735_689_600_123_456, "1735689600123456"],
    "ns": [1_735_689_600_123_456_789],
    "iso": ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.1Z", "2025-01-01T01:00:00.123456789+01:00"],
}
_GOOD_TIMES["auto"] = [time for unit in ("s", "ms", "us", "ns", "iso") for time in _GOOD_TIMES[unit]]
_GOOD_TIMES["kafka"] = _GOOD_TIMES["auto"]
_VALUES = [
    0, 1, -1, 1.5, -0.0, 500, 7.0, 2**53, 2**53 + 1, 2.0**53, -(2**63), -(2.0**63), 2**63, 1e19, 1.7e19, 123456789.125,
    5e-324, 1e-7, 1e300, 12345678901234567890, 2**70, 1e400, -1e400, math.nan, None, True, "4.2", "4,2", "500", "-0.0",
    " 7 ", "NaN", "1e3", "1.234,5", "0x10", "", "1e999", ".5", "5.", "-,5", "١", [1], {"t": 1}, "1" * 61,
]  # fmt: skip
_NAMES = [
    "pump-1",
    "a/b",
    "50%",
    "a%2Fb",
    "é",
    "e\u0301",
    "日本",
    "a\nb",
    "\u202e",
    "",
    "x" * 600,
    7,
    -7,
    1.5,
    True,
    None,
    "\ud800",
]


def aggregate(random: np.random.Generator, fields: list[str]) -> dict[str, Any]:
    """Make the aggregation of a source: columns of every kind, each with conditions or without."""

    def one(choices: list[str]) -> str:
        return choices[random.integers(0, len(choices))]

    def field(is_number: bool) -> str:
        return one([name for name in fields if name in _OF_NUMBERS] if is_number and random.random() < 0.9 else fields)

    def expression() -> str:
        function = one(["count", "count of {}", "sum of {}", "p95 of {}", "distinct of {}", "max of {}"])
        text = function.format(field(function[0] in "spm"))
        for joint in ["where", "and"][: random.choice([0, 0, 1, 1, 2])]:
            ordered = random.random() < 0.5
            operator = one(["<", "<=", ">", ">="] if ordered else ["=", "!="])
            literal = one(_LITERALS[:17] if ordered else _LITERALS)
            text += f" {joint} {field(ordered)} {operator} {literal}"
        return text

    return {"every": "1m", "values": _named([expression() for _ in range(random.integers(1, 7))])}


def _grids() -> list[dict[str, Any]]:
    """Make sources that compare one field with every literal, and such that take its number or its identity."""
    expressions = [
        f"count where value {operator} {literal}"
        for literal in _LITERALS
        for operator in ["=", "!=", "<", "<=", ">", ">="][: 6 if literal in _LITERALS[:17] else 2]
    ]
    sets = [expressions[at : at + MAX_AGGREGATES] for at in range(0, len(expressions), MAX_AGGREGATES)]
    sets += [["distinct of value"], ["max of value"], ["count of value", "sum of value where value != null"]]
    return [
        {"numbers": numbers, "missing": missing, "aggregate": {"every": "1m", "values": _named(one)}}
        for one in sets
        for numbers in ("strict", "text")
        for missing in ("null", "skip", "error")
    ]


def _named(expressions: list[str]) -> dict[str, str]:
    return {f"x{at}": text for at, text in enumerate(expressions)}


def _of_grid(field: dict[str, Any]) -> bytes:
    return _dumped({"series": "s", "ts": 1_735_689_600, **field})


def record(random: np.random.Generator, at: int, unit: str) -> Record:
    """Make a record: of a plausible message, of any JSON, or of broken bytes."""
    kind = random.integers(0, 10)
    if kind < 7:
        message: Any = _plausible(random, unit)
        if random.random() < 0.1:
            message = [_plausible(random, unit) for _ in range(random.integers(0, 4))]
    else:
        message = random_json(random, 4)
    value = _dumped(message)
    if kind == 9:
        value = mutated(random, value)
    elif random.random() < 0.05:
        value = b"\xef\xbb\xbf" + value.replace(b":", b" : ") + b" \n"
    elif random.random() < 0.02:
        depth = int(random.integers(95, 106))
        value = b'{"series": "s", "ts": 1735689600, "value": 1, "x": ' + b"[" * depth + b"]" * depth + b"}"
    key = [None, b"pump-1", b'{"id": 1}', b'{"id": "a/b"}', random.bytes(3), b"s"][random.integers(0, 6)]
    header = [b"x", None, b"\xff", "é".encode()][random.integers(0, 4)]
    headers = [("h", b"first"), ("h", header)][: random.integers(0, 3)]
    stamp = int(random.choice([1_735_689_600_000, -1, 0]))
    return Record("plant", 0, at, stamp, key, value if random.random() < 0.99 else None, headers)


def _plausible(random: np.random.Generator, unit: str) -> dict[str, Any]:
    def one(values: list[Any]) -> Any:
        return values[random.integers(0, len(values))]

    def name() -> Any:
        return one(_NAMES[:4]) if random.random() < 0.9 else one(_NAMES)

    def time() -> Any:
        return one(_GOOD_TIMES[unit]) if random.random() < 0.85 else one(_TIMES)

    def value() -> Any:
        return float(random.normal()) if random.random() < 0.85 else one(_VALUES)

    readings = [{"name": name(), "v": value(), "at": time(), "id": name()} for _ in range(random.integers(0, 4))]
    whole = [value(), readings, {"series": "q", "ts": time()}]
    fields: dict[str, Any] = {
        "series": name(), "ts": time(), "value": value(), "site": one(["north", "test-1", name()]),
        "op": one(["c", "d"]), "device": {"id": name()}, "meta": {"at": time()},
        "data": {"t": value(), "p": value()}, "at": time(),
        "readings": readings, "id": name(), "x.y": name(),
        "a": one([{"b": [[time(), value()]]}, readings, {"b": value()}, value(), whole]),
    }  # fmt: skip
    kept = [field for field in fields if random.random() < 0.97]
    return {field: fields[field] for field in kept} | ({random_text(random): value()} if random.random() < 0.2 else {})


_NUMBERS = [
    b"1e400", b"-1e400", b"NaN", b"-Infinity", b"0.1e1", b"1E+2", b"01", b"1.", b".5", b"-", b"+1", b"-0", b"1e",
    b"9" * 400, b"0." + b"1" * 400,
]  # fmt: skip


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _large() -> list[tuple[int, bytes]]:
    """Records at the limits: arrays of 10,000 elements, 1,024 features, a megabyte, names that come twice."""
    one = {"series": "s", "ts": 1_735_689_600, "value": 1}
    reading = {"name": "a", "v": 1.5, "at": 1_735_689_600}
    found = [(0, _dumped([one] * count)) for count in (10_000, 10_001)]
    found += [(3, _dumped({"device": {"id": 7}, "readings": [reading] * count})) for count in (10_000, 10_001)]
    found += [(7, _dumped({**one, **{f"f{at}": at for at in range(count)}})) for count in (1_000, 1_023, 1_024, 1_025)]
    found.append((0, _dumped({**one, "text": "x" * 1_000_000, "deep": [[{"é": "日本"}] * 100] * 100})))
    for times in (0, 40):
        found.append((0, b'{"series":"a","ts":1735689600,%s"value":2,"series":"b"}' % (b'"value":3,' * times)))
    found += [(0, b'{"series":"s","ts":1735689600,"value":%s}' % number) for number in _NUMBERS]
    return found


def _dumped(message: Any) -> bytes:
    try:
        return orjson.dumps(message)
    except TypeError:  # whole numbers beyond 64 bits, lone surrogates
        return json.dumps(message).encode()


def cases(folder: Path) -> tuple[list[Mapping], list[tuple[int, Record]]]:
    """Return the mappings, and records with the index of the mapping that reads them; always the same."""
    random = np.random.default_rng(19)
    own = [*SOURCES]
    own += [{**one, "aggregate": aggregate(random, _FIELDS)} for one in AGGREGATED * _PER_AGGREGATED]
    grids = _grids()
    every = [*own, *grids, *avro_sources(folder, lambda fields: aggregate(random, fields))]
    mappings = [Mapping(InputSource.model_validate({"topics": "plant", **source})) for source in every]
    assert all(is_fast(mapping.source, SchemaRegistrySettings()) for mapping in mappings)
    chosen = random.integers(0, len(own), RECORDS).tolist()
    records = [(which, record(random, at, mappings[which].source.time.unit)) for at, which in enumerate(chosen)]
    records += [(which, Record("plant", 0, at, 0, None, value)) for at, (which, value) in enumerate(_large())]
    written = [_of_grid({"value": value}) for value in [*_VALUES, *_NAMES, *map(_literal, _LITERALS)]]
    written += [_of_grid({}).replace(b"}", b',"value":%s}' % number) for number in [*_NUMBERS, b"500", b"5.0e2", b"-0"]]
    for at, content in enumerate([_of_grid({}), *written]):
        records += [(len(own) + k, Record("plant", 0, at, 0, None, content)) for k in range(len(grids))]
    first = len(own) + len(grids)
    for at in range(AVRO_RECORDS):
        which = at % (len(every) - first)
        encoded = avro_value(random, which)
        records.append((first + which, Record("plant", 0, at, 1_735_689_600_000, None, encoded)))
    return mappings, records


def write_cases(folder: Path) -> None:
    """Write the plans and records for the JVM."""
    mappings, records = cases(folder)
    named = {f"input.{at}": mapping for at, mapping in enumerate(mappings)}
    (folder / "plans.json").write_text(plan(named, SchemaRegistrySettings()))
    parts = []
    for which, one in records:
        parts += [
            struct.pack("<iq", which, one.timestamp),
            _sized(one.topic.encode()),
            _sized(one.key),
            _sized(one.value),
        ]
        parts.append(struct.pack("<i", len(one.headers)))
        parts += [_sized(name.encode()) + _sized(value) for name, value in one.headers]
    (folder / "records").write_bytes(b"".join(parts))


def compare(folder: Path) -> None:
    """Check that the JVM read what Python reads, and left only what is unusual."""
    mappings, records = cases(folder)
    found = (folder / "results").read_bytes()
    at, form, seen, avro, aggregated = 0, JsonFormat(), Counter[str](), Counter[str](), Counter[str]()
    for which, one in records:
        flags, skipped, count = struct.unpack_from("<Bii", found, at)
        at += 9
        rows: list[Any] = []
        columns = mappings[which].columns
        is_avro = mappings[which].source.format.name == "avro"
        for _ in range(count):
            series, at = _unsized(found, at)
            value, at = _unsized(found, at)
            rows.append((series, value) if columns is not None else _comparable(*form.read(value, series)))
            assert columns is not None or rows[-1][0] == series.decode()
        result = mappings[which].read(one)
        expected: list[Any] = [_comparable(*observation) for observation in result.observations]
        if columns is not None:  # bit for bit
            expected = [
                (each.series.encode(), raw_bytes(each.ts, each.values.values())) for each in result.observations
            ]
            aggregated["events"] += count
            aggregated["numbers"] += sum(
                not math.isnan(value) for each in result.observations for value in each.values.values()
            )
        if flags & 2:
            if not is_avro:
                seen["unusual with observations" if expected else "unusual"] += 1
            else:
                avro["unusual"] += 1
            assert not rows
            continue
        if is_avro and flags and not rows and not result.refusals:
            avro["too long"] += 1  # a number of 11 bytes, of which fastavro makes something: Python's word counts
            continue
        place = f"source {mappings[which].source}, record {one}: {result}"
        assert rows == expected, place
        assert bool(flags & 1) == bool(result.refusals), place
        assert skipped == result.skipped, place
        (avro if is_avro else seen)["observations"] += count
        seen["refused"] += bool(result.refusals)
        seen["skipped"] += bool(skipped)
    assert at == len(found)
    assert seen["observations"] > RECORDS // 5, seen
    assert min(seen["refused"], seen["skipped"]) > RECORDS // 20, seen
    assert seen["unusual with observations"] < RECORDS // 20, seen
    assert aggregated["events"] > RECORDS // 10, aggregated
    assert aggregated["numbers"] > aggregated["events"] // 2, aggregated
    assert avro["observations"] > AVRO_RECORDS // 10, avro
    assert avro["too long"] < AVRO_RECORDS / 500, avro
    assert 0 < avro["unusual"] < AVRO_RECORDS * 0.7, avro


def _comparable(series: str, ts: int, values: dict[str, float]) -> tuple[str, int, list[tuple[str, float | None]]]:
    return series, ts, [(name, None if math.isnan(value) else value) for name, value in values.items()]


def _sized(data: bytes | None) -> bytes:
    return struct.pack("<i", -1) if data is None else struct.pack("<i", len(data)) + data


def _unsized(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<i", data, at)
    return data[at + 4 : at + 4 + length], at + 4 + length

"""Generate Avro records for :mod:`tests.flink_job.mapping_cases`: schemas of every type, and broken bytes."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from tests.inputs.test_any_record import mutated

_READING = {
    "type": "record", "name": "Reading", "namespace": "plant",
    "fields": [{"name": "name", "type": "string"}, {"name": "v", "type": ["null", "double", "float"]}],
}  # fmt: skip
_ID = ["int", "string"]
_SCHEMA = {
    "type": "record", "name": "Telemetry", "namespace": "plant",
    "fields": [
        {"name": "site", "type": {"type": "enum", "name": "Site", "symbols": ["NORTH", "SOUTH"]}},
        {"name": "device", "type": {"type": "record", "name": "Device", "fields": [{"name": "id", "type": _ID}]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "temperature", "type": ["null", "double"], "default": None},
        {"name": "flow", "type": "float"},
        {"name": "count", "type": "long"},
        {"name": "on", "type": "boolean"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "raw", "type": ["null", "bytes", {"type": "fixed", "name": "Four", "size": 4}]},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "readings", "type": {"type": "array", "items": _READING}},
        {"name": "again", "type": ["null", "Reading"]},
    ],
}  # fmt: skip
#: one that contains itself, and one of decimals that are asked for: both are left to Python
_TREE = {
    "type": "record", "name": "Tree",
    "fields": [
        {"name": "series", "type": "string"}, {"name": "ts", "type": "long"}, {"name": "value", "type": "double"},
        {"name": "inner", "type": ["null", "Tree"]},
    ],
}  # fmt: skip
SOURCES: list[tuple[Any, dict[str, Any]]] = [
    (_SCHEMA, {
        "series": "{site}/{device.id}", "time": {"field": "at", "unit": "us"}, "where": {"on": [True]},
        "values": {"value": "temperature", "flow": "flow", "count": "count"},
    }),
    (_SCHEMA, {
        "each": "readings", "series": "{device.id}:{name}", "time": {"field": "at"}, "values": {"value": "v"},
        "where": {"tags.site": "!x*"},
    }),
    (_SCHEMA, {
        "series": "{device.id}", "time": {"field": "at"}, "values": {"a": "price", "b": "again.v"}, "split": True,
    }),
    (_SCHEMA, {"series": "{day}", "time": "kafka", "values": {"value": "count"}}),
    (_SCHEMA, {"series": "{device.id}", "time": {"field": "at"}, "values": "*"}),
    *[
        (_SCHEMA, {"series": "{device.id}", "time": {"field": "at", "unit": "us"}, "aggregate": [
            "temperature", "flow", "count", "on", "site", "device.id", "readings", "again.v", "tags.site", "nowhere",
        ]}),
        (_SCHEMA, {"each": "readings", "series": "{site}", "time": {"field": "at"}, "missing": "skip", "aggregate": [
            "v", "name", "count", "flow", "temperature", "tags.site", "nowhere",
        ]}),
    ] * 3,
    (_SCHEMA, {"series": "{device.id}", "time": {"field": "at"}, "aggregate": ["price", "day", "raw", "flow"]}),
    (_TREE, {}),
]  # fmt: skip


def avro_sources(folder: Path, aggregate: Callable[[list[str]], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return sources with the files of their schemas, which are written to a folder.

    Args:
        folder: of the schemas.
        aggregate: makes columns of some fields.
    """
    found = []
    for at, (schema, source) in enumerate(SOURCES):
        path = folder / f"schema-{at}.avsc"
        path.write_text(json.dumps(schema))
        columns = {"aggregate": aggregate(source["aggregate"])} if "aggregate" in source else {}
        found.append({**source, **columns, "format": {"name": "avro", "schema": str(path)}})
    return found


def avro_value(random: np.random.Generator, which: int) -> bytes | None:
    """Return a value of a source's schema, a broken one, or a tombstone."""
    schema = fastavro.parse_schema(SOURCES[which][0])
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, _tree(random, 3) if which == len(SOURCES) - 1 else _telemetry(random))
    if random.random() < 0.02:
        return None
    return mutated(random, out.getvalue()) if random.random() < 0.3 else out.getvalue()


def _telemetry(random: np.random.Generator) -> dict[str, Any]:
    def one(values: list[Any]) -> Any:
        return values[random.integers(0, len(values))]

    def number() -> float:
        rounded = round(float(random.normal()) * 10.0 ** random.integers(-2, 12), int(random.integers(0, 6)))
        return one([float(random.normal()), rounded, rounded, 0.1, 1e300, float("nan"), float("inf"), -0.0, 7.0])

    readings = [{"name": one(["a", "b/c", "é", ""]), "v": one([None, number()])} for _ in range(random.integers(0, 4))]
    return {
        "site": one(["NORTH", "SOUTH"]), "device": {"id": one([7, "p-1", "a/b", "日本"])},
        "at": int(one([*[1_735_689_600_123_456] * 4, 1_735_689_600_000_500, 0, 2**63 - 1])),
        "temperature": one([None, number()]), "flow": one([0.1, 1.5, float("nan")]),
        "on": one([True, True, True, False]),
        "count": int(one([0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])),
        "price": Decimal(int(random.integers(0, 99999))) / 100,
        "day": datetime.date(2025, 1, int(random.integers(1, 29))), "raw": one([None, b"", b"abc"]),
        "tags": {"site": one(["x1", "y"])} if random.random() < 0.9 else {}, "readings": readings,
        "again": one([None, {"name": "r", "v": number()}]),
    }  # fmt: skip


def _tree(random: np.random.Generator, depth: int) -> dict[str, Any]:
    inner = _tree(random, depth - 1) if depth and random.random() < 0.5 else None
    return {"series": "s", "ts": 1_735_689_600_000, "value": float(random.normal()), "inner": inner}

"""Make change events as Debezium documents them, in JSON with and without a schema, and in Avro."""

from __future__ import annotations

import base64
from typing import Any

T = 1_735_689_600_000  # 2025-01-01T00:00:00Z
SOURCE = {"connector": "postgresql", "db": "plant", "schema": "public", "table": "readings", "ts_ms": T, "lsn": 23}
DATE = {"type": "int32", "name": "io.debezium.time.Date"}

#: column -> (Connect's schema, value in the event, value that a mapping gets)
COLUMNS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "id": ({"type": "int32"}, 7, 7),
    "name": ({"type": "string"}, "p7", "p7"),
    "flag": ({"type": "boolean"}, True, True),
    "real": ({"type": "float"}, 0.5, 0.5),
    "double": ({"type": "double"}, 4.2, 4.2),
    "nothing": ({"type": "double", "optional": True}, None, None),
    "blob": ({"type": "bytes"}, "/wA=", "/wA="),
    "bits": ({"type": "bytes", "name": "io.debezium.data.Bits", "parameters": {"length": "9"}}, "AQA=", "AQA="),
    "json": ({"type": "string", "name": "io.debezium.data.Json"}, '{"a": 1}', '{"a": 1}'),
    "uuid": ({"type": "string", "name": "io.debezium.data.Uuid"}, "1234", "1234"),
    "enum": ({"type": "string", "name": "io.debezium.data.Enum", "parameters": {"allowed": "a,b"}}, "a", "a"),
    "date": ({"type": "int32", "name": "io.debezium.time.Date"}, 20089, "2025-01-01"),
    "time": ({"type": "int32", "name": "io.debezium.time.Time"}, 1000, 1000),
    "micro_time": ({"type": "int64", "name": "io.debezium.time.MicroTime"}, 1_000_000, 1_000_000),
    "nano_time": ({"type": "int64", "name": "io.debezium.time.NanoTime"}, 10**9, 10**9),
    "zoned_time": ({"type": "string", "name": "io.debezium.time.ZonedTime"}, "00:00:01Z", "00:00:01Z"),
    "timestamp": ({"type": "int64", "name": "io.debezium.time.Timestamp"}, T, T),
    "micro_timestamp": ({"type": "int64", "name": "io.debezium.time.MicroTimestamp"}, T * 1000, T * 1000),
    "nano_timestamp": ({"type": "int64", "name": "io.debezium.time.NanoTimestamp"}, T * 10**6, T * 10**6),
    "zoned_timestamp": (
        {"type": "string", "name": "io.debezium.time.ZonedTimestamp"}, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z",
    ),
    "year": ({"type": "int32", "name": "io.debezium.time.Year"}, 2025, 2025),
    "interval": ({"type": "int64", "name": "io.debezium.time.MicroDuration"}, 5, 5),
    "connect_date": ({"type": "int32", "name": "org.apache.kafka.connect.data.Date"}, -1, "1969-12-31"),
    "connect_time": ({"type": "int32", "name": "org.apache.kafka.connect.data.Time"}, 1000, 1000),
    "connect_timestamp": ({"type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"}, T, T),
    # decimal.handling.mode: precise, double, string
    "decimal": (
        {"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}},
        base64.b64encode((-420).to_bytes(2, "big", signed=True)).decode(), -4.2,
    ),
    "number": (
        {"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "0"}}, "BwA=", 1792,
    ),
    "decimal_double": ({"type": "double"}, 4.2, 4.2),
    "decimal_string": ({"type": "string"}, "4.20", "4.20"),
    "any_scale": (
        {
            "type": "struct", "name": "io.debezium.data.VariableScaleDecimal",
            "fields": [{"type": "int32", "field": "scale"}, {"type": "bytes", "field": "value"}],
        },
        {"scale": 3, "value": "EAA="}, 4.096,
    ),
    "dates": ({"type": "array", "items": DATE}, [0, None], ["1970-01-01", None]),
    "by_name": ({"type": "map", "values": DATE}, {"a": 0}, {"a": "1970-01-01"}),
    "inner": (
        {"type": "struct", "fields": [{"type": "int32", "field": "d", "name": "io.debezium.time.Date"}]},
        {"d": 0, "e": 1}, {"d": "1970-01-01", "e": 1},
    ),
}  # fmt: skip


def event(op: str = "u", row: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An event without a schema."""
    row = {"pump": "p7", "t": 4.2, "op_hours": 3} if row is None else row
    before, after = (row, None) if op == "d" else ({**row, "t": 1.0} if op == "u" else None, row)
    return {"before": before, "after": after, "source": SOURCE, "op": op, "ts_ms": T + 9, "transaction": None, **more}


def with_schema(payload: dict[str, Any], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """The same with Connect's schema beside it."""
    rows = [{"type": "struct", "fields": columns, "optional": True, "field": name} for name in ("before", "after")]
    fields = [*rows, {"type": "struct", "fields": [], "field": "source"}, {"type": "string", "field": "op"}]
    return {
        "schema": {"type": "struct", "fields": fields, "name": "plant.public.readings.Envelope"},
        "payload": payload,
    }

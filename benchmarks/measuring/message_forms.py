"""Write the workload's observations as other programs would, and say how Eddy reads them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

TOPIC = "bench.input"
#: input source by form; ``own`` is the observations topic itself
SOURCES: dict[str, dict[str, Any]] = {
    "own": {},
    "flat": {"series": "{device}", "time": {"field": "at", "unit": "s"}, "values": {"value": "temperature"}},
    "nested": {
        "series": "{device.id}",
        "time": {"field": "meta.at", "unit": "ms"},
        "values": {"value": "data.temperature"},
    },
    "avro": {
        "format": {"name": "avro", "schema": str(Path(__file__).with_name("reading.avsc"))},
        "series": "{device}",
        "time": {"field": "at", "unit": "ms"},
        "values": {"value": "temperature"},
    },
    "requests": {  # raw events: workload A with one value, and with five
        "series": "{host}",
        "time": {"field": "at", "unit": "s"},
        "aggregate": {"every": "1m", "empty": "zero", "values": {"value": "count"}},
    },
    "requests5": {
        "series": "{host}",
        "time": {"field": "at", "unit": "s"},
        "aggregate": {"every": "1m", "empty": "zero", "values": {
            "value": "count", "errors": "count where status >= 500", "mean": "mean of ms", "latency": "p95 of ms",
            "users": "distinct of user",
        }},
    },
}  # fmt: skip


#: the same for Spark: schema, then series, event time in ms and value
SPARK: dict[str, tuple[str, str, str, str]] = {
    "own": ("series STRING, ts LONG, value DOUBLE", "e.series", "e.ts", "e.value"),
    "flat": ("device STRING, at LONG, temperature DOUBLE", "e.device", "e.at * 1000", "e.temperature"),
    "nested": (
        "device STRUCT<id: STRING>, meta STRUCT<at: LONG>, data STRUCT<temperature: DOUBLE>",
        "e.device.id", "e.meta.at", "e.data.temperature",
    ),
}  # fmt: skip


def event_of(form: str, found: dict[str, Any]) -> tuple[str, int, float]:
    """Return series, event time in ms and value of a parsed message, for systems in Python."""
    if form == "flat":
        return found["device"], found["at"] * 1000, found["temperature"]
    if form == "nested":
        return found["device"]["id"], found["meta"]["at"], found["data"]["temperature"]
    return found["series"], found["ts"], found["value"]


def message(form: str, key: bytes, ts: int, value: float) -> bytes:
    """Return the bytes of one message."""
    if form == "flat":
        return b'{"device":"%b","at":%d,"temperature":%.4f}' % (key, ts // 1000, value)
    if form == "nested":
        return (
            b'{"site":{"name":"north","line":3},"device":{"id":"%b","firmware":"4.2.1"},"meta":{"at":%d,"seq":%d},'
            b'"data":{"temperature":%.4f,"unit":"C","ok":true}}'
        ) % (key, ts, ts // 1000 % 65536, value)
    if form.startswith("requests"):
        status, user = (503 if value > 101.6 else 200), int(value * 1e4) % 5000
        return b'{"host":"%b","at":%d,"status":%d,"ms":%.4f,"user":"u%d"}' % (key, ts // 1000, status, value, user)
    if form == "avro":
        texts = (_whole(len(key)), key, _whole(ts), b"\x02", struct.pack("<d", round(value, 4)), _whole(ts // 1000))
        return b"".join(texts)
    return b'{"series":"%b","ts":%d,"value":%.4f}' % (key, ts, value)


def _whole(number: int) -> bytes:
    """Return a positive number as Avro writes it."""
    rest, out = number << 1, bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def settings(form: str) -> list[str]:
    """Return the overrides with which the job reads a form."""
    return [f"input={json.dumps([{'topics': TOPIC, **SOURCES[form]}])}"] if SOURCES[form] else []

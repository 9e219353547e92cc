"""Check guesses of messages of several kinds of producers: what is the time, the series, a value, and what is none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from eddy.errors import DataError
from eddy.input_settings import InputSource
from eddy.inputs.check import check
from eddy.inputs.guess import guess
from eddy.inputs.record import NO_TIMESTAMP, Record
from tests.inputs.random_json import random_json

T = 1_764_000_000  # s: November 2025
N = 60
Message = Callable[[int, str, float], Any]


def iso(seconds: float, zone: str = "Z") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + zone


#: name: (message of step, part and a number; what is guessed beside the topic; series)
KINDS: dict[str, tuple[Message, dict[str, Any], int]] = {
    "epoch seconds under a name that tells nothing": (
        lambda at, part, x: {"hdr": {"msg": f"{hash((at, part)):x}", "site": part}, "smp": {"tkn": T + at, "temp": x}},
        {"series": "{hdr.site}", "time": {"field": "smp.tkn", "unit": "s"}, "values": {"value": "smp.temp"}},
        2,
    ),
    "microseconds, one letter": (
        lambda at, part, x: {"tag": part, "v": x, "t": (T + at) * 1_000_000 + 7},
        {"series": "{tag}", "time": {"field": "t", "unit": "us"}, "values": {"value": "v"}},
        2,
    ),
    "nanoseconds as text": (
        lambda at, part, x: {"name": part, "p": {"asDouble": x, "timeUnixNano": str((T + at) * 10**9)}},
        {"series": "{name}", "time": {"field": "p.timeUnixNano", "unit": "ns"}, "values": {"value": "p.asDouble"}},
        2,
    ),
    "fractional seconds": (
        lambda at, part, x: {"host": part, "load": x, "ts": T + 10 * at + 0.25},
        {"series": "{host}", "time": {"field": "ts", "unit": "s"}, "values": {"value": "load"}},
        2,
    ),
    "RFC 3339 with nanoseconds, beside status and size of a log": (
        lambda at, part, x: {"time": iso(T + at, ".123456789Z"), "pod": part, "log": {"status": 200, "ms": x}},
        {"series": "{pod}", "time": {"field": "time", "unit": "iso"}, "values": {"value": "log.ms"}},
        2,
    ),
    "channels as numbers in an array": (
        lambda at, part, x: {"logger": part, "at": iso(T + at), "ch": [{"no": no, "val": x + no} for no in (1, 2, 3)]},
        {
            "each": "ch", "series": "{logger}/{no}", "time": {"field": "at", "unit": "iso"},
            "values": {"value": "val"},
        },
        6,
    ),
    "registers as text": (
        lambda at, part, x: {
            "unitId": 1 + (part == "b"), "reg": str(40001 + at % 2), "raw": str(x), "ms": 1000 * T + at // 2,
        },
        {
            "series": "{unitId}/{reg}", "time": {"field": "ms", "unit": "ms"}, "values": {"value": "raw"},
            "numbers": "text",
        },
        4,
    ),
    "a window of time, numbers as text": (
        lambda at, part, x: {
            "window_start": iso(T + at), "window_end": iso(T + at + 1), "channel": part, "sum": f"{x}",
        },
        {
            "series": "{channel}", "time": {"field": "window_start", "unit": "iso"}, "values": {"value": "sum"},
            "numbers": "text",
        },
        2,
    ),
    "places that belong to a series": (
        lambda at, part, x: {
            "name": part, "lat": 48 + (part == "a"), "lon": 11.5 * (part == "a"), "dt": T + at, "v": x,
        },
        {"series": "{name}", "time": {"field": "dt", "unit": "s"}, "values": {"value": "v"}},
        2,
    ),
    "a number of each message": (
        lambda at, part, x: {"s": part, "p": x, "E": 1000 * (T + at), "t": 500 + 2 * at + (part == "b")},
        {"series": "{s}", "time": {"field": "E", "unit": "ms"}, "values": {"value": "p"}},
        2,
    ),
    "a constant version as text": (
        lambda at, part, x: {"specversion": "1.0", "source": f"/{part}", "time": iso(T + at), "data": {"kN": x}},
        {"series": "{source}", "time": {"field": "time", "unit": "iso"}, "values": {"value": "data.kN"}},
        2,
    ),
    "the day it was installed is no event time": (
        lambda at, part, x: {"node": part, "created": iso(T - 10**7), "when": T + at, "w": x},
        {"series": "{node}", "time": {"field": "when", "unit": "s"}, "values": {"value": "w"}},
        2,
    ),
    "bytes that rise like a time": (
        lambda at, part, x: {"if": part, "in_octets": 1_500_000_000 + at * 5, "x": T + at},
        {"series": "{if}", "time": {"field": "x", "unit": "s"}, "values": {"value": "in_octets"}},
        2,
    ),
    "a date in digits": (
        lambda at, part, x: {"shop": part, "day": f"202511{1 + at // 3:02}", "sales": x},
        {"series": "{shop}", "time": {"field": "day", "unit": "%Y%m%d", "zone": "UTC"}, "values": {"value": "sales"}},
        2,
    ),
    "batches": (
        lambda at, part, x: [{"id": f"{part}{no}", "at": T + at, "w": x} for no in (1, 2)],
        {"series": "{id}", "time": {"field": "at", "unit": "s"}, "values": {"value": "w"}},
        4,
    ),
    "date and time of day apart": (
        lambda at, part, x: {"Datum": "2025-11-24", "Uhrzeit": f"10:{at:02}:00", "Wert": x, "Ort": part},
        {"series": "{Ort}", "time": "kafka", "values": {"value": "Wert"}},
        2,
    ),
}  # fmt: skip


def records(message: Message, timestamps: bool = True) -> list[Record]:
    random = np.random.default_rng(8)
    rows = [message(at, part, round(float(random.normal(50, 3)), 3)) for at in range(N) for part in "ab"]
    return [
        Record("t", n % 3, n // 3, 1000 * (T + 20_000) + n if timestamps else NO_TIMESTAMP, None, orjson.dumps(row))
        for n, row in enumerate(rows)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_guess_of_a_kind_is_right_and_reads_everything(kind: str) -> None:
    message, expected, series = KINDS[kind]
    found = guess(records(message))
    assert found.source == InputSource.model_validate({"topics": ["t"], **expected})
    result = check(records(message), found.source)
    assert (result.failed, len(result.series)) == (0, series)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "apart" not in kind])
def test_guess_does_not_need_timestamps_of_records(kind: str) -> None:
    message, expected, _ = KINDS[kind]
    found = guess(records(message, timestamps=False))
    assert found.source == InputSource.model_validate({"topics": ["t"], **expected})


@pytest.mark.parametrize("kind", KINDS)
def test_guess_does_not_depend_on_the_order_in_which_partitions_come(kind: str) -> None:
    rows = records(KINDS[kind][0])
    apart = sorted(rows, key=lambda one: one.partition)
    assert guess(apart).source == guess(rows).source


@pytest.mark.parametrize("seed", range(8))
def test_guess_of_anything_is_a_source_that_can_be_read_or_a_data_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(40):
        usual = random_json(random, 3)
        values = [usual if random.random() < 0.7 else random_json(random, 3) for _ in range(random.integers(0, 20))]
        rows = [
            Record(
                "t", at % 3, at, 1000 * T + at, [None, b"k", b'{"a":1}', b"\xff"][at % 4], json.dumps(value).encode()
            )
            for at, value in enumerate(values)
        ]
        with contextlib.suppress(DataError):
            check(rows, guess(rows).source)

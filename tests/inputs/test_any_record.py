"""Check that no record makes a mapping raise, lose an element, or give what can be no observation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest

from eddy.event_times import USUAL_TIMES
from eddy.formats import MAX_FEATURES
from eddy.input_settings import InputSource
from eddy.inputs.mapping import REASONS, Mapping, MappingResult
from eddy.inputs.record import Record
from eddy.texts import is_name
from tests.inputs.random_json import random_json, random_text

SOURCES: list[dict[str, Any]] = [
    {},
    {"each": "a", "values": "*", "numbers": "text", "missing": "skip"},
    {"series": "{key.id}/{series}", "time": "kafka", "values": {"x": "a.b", "y": "value"}, "split": True},
    {"series": "{header.h}:{key}", "time": {"field": "ts", "unit": "s"}, "values": "*", "split": True, "key": "ignore"},
    {"where": {"series": ["!x*", "*", 7, True]}, "values": {"v": "value"}, "missing": "error", "key": "check"},
    {"each": "a.b", "time": {"field": "[0]", "unit": "%Y-%m-%d%z"}, "values": {"v": "[1]"}},
]


def mutated(random: np.random.Generator, raw: bytes) -> bytes:
    """Bytes with a few of them replaced, cut or repeated."""
    found = bytearray(raw)
    for _ in range(random.integers(0, 4)):
        at = int(random.integers(0, len(found) + 1))
        found[at : at + int(random.integers(0, 3))] = random.bytes(int(random.integers(0, 3)))
    return bytes(found)


def check_sound(result: MappingResult) -> None:
    """Something became of a record, for a known reason if it was refused, and what was read can be observations."""
    assert result.observations or result.skipped or result.refusals
    assert {problem.reason for problem in result.refusals} <= REASONS
    for series, ts, values in result.observations:
        assert is_name(series)
        assert ts in USUAL_TIMES
        assert 0 < len(values) <= MAX_FEATURES
        assert all(is_name(name) and not math.isinf(one) for name, one in values.items())


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_any_record_is_read_skipped_or_refused(number: int) -> None:
    mapping = Mapping(InputSource.model_validate({"topics": "t", **SOURCES[number]}))
    random = np.random.default_rng(number)
    outcomes = {"observations": 0, "skipped": 0, "refusals": 0}
    for at in range(4_000):
        message = random_json(random, 4)
        if at % 2 and isinstance(message, dict):
            message = {"series": random_text(random), "ts": 1_735_689_600 + at, "value": at, **message}
        value = orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
        value = mutated(random, value) if at % 3 == 0 else value
        key = [None, b"s", b'{"id": 1}', random.bytes(3)][random.integers(0, 4)]
        header = [b"x", None, b"\xff", "é".encode()][random.integers(0, 4)]
        record = Record("t", 0, at, 1_735_689_600_000, key, value if at % 7 else None, [("h", header)])
        result = mapping.read(record)
        check_sound(result)
        outcomes["observations"] += len(result.observations)
        outcomes["skipped"] += result.skipped
        outcomes["refusals"] += len(result.refusals)
    assert outcomes["refusals"]
    assert outcomes["observations"] or number == 5


def test_random_bytes_are_refused() -> None:
    mapping = Mapping(InputSource(topics="t"))
    random = np.random.default_rng(9)
    for _ in range(20_000):
        raw = random.bytes(int(random.integers(0, 40)))
        result = mapping.read(Record("t", value=raw, key=raw))
        assert [problem.reason in REASONS for problem in result.refusals] == [True]

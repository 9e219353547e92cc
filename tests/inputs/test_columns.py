"""Check which numbers the events of an aggregated source contribute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest

from eddy.aggregate_settings import Aggregate
from eddy.errors import SettingsError
from eddy.formats import BadObservation
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import aggregation
from eddy.inputs.check import check
from eddy.inputs.columns import identity
from eddy.inputs.mapping import Mapping, MappingResult
from eddy.inputs.record import Record

T = 1_735_689_600_000


def mapping(values: dict[str, str], joined: tuple[str, ...] = (), **source: Any) -> Mapping:
    rule = {"every": "1m", "values": values}
    return Mapping(InputSource.model_validate({"topics": "t", "aggregate": rule, **source}), name="i", joined=joined)


def read(expression: str, event: Any, **source: Any) -> MappingResult:
    raw = event if isinstance(event, bytes) else orjson.dumps({"series": "s", "ts": T, **event})
    return mapping({"x": expression}, **source).read(Record("t", value=raw))


def contributed(expression: str, event: Any, **source: Any) -> float | None:
    """Return the number of an event, None for NaN."""
    (found,) = read(expression, event, **source).observations
    assert (found.series, found.ts) == ("s", T)
    (value,) = found.values.values()
    return None if math.isnan(value) else value


CONDITIONS: list[tuple[str, Any, bool]] = [
    ("a = 5", {"a": 5}, True),
    ("a = 5", {"a": 5.0}, True),
    ("a = 5", {"a": "5"}, False),
    ("a = 5", {"a": True}, False),
    ("a = 1", {"a": True}, False),
    ("a = 5", {}, False),
    ("a = 5", {"a": None}, False),
    ("a = 9007199254740993", {"a": 9007199254740992}, False),
    ("a = 9007199254740993", {"a": 9007199254740993}, True),
    ("a < 9007199254740993", {"a": 9007199254740992}, True),
    ("a > 9007199254740992", {"a": 9007199254740993}, True),
    ("a = 1000000000000000000000", {"a": 1e21}, True),
    ("a = true", {"a": True}, True),
    ("a = true", {"a": "true"}, False),
    ('a = "true"', {"a": True}, True),
    ("a = up", {"a": "up"}, True),
    ("a = u*", {"a": "up\nand on"}, True),
    ("a = u*", {"a": "down"}, False),
    ('a = "5"', {"a": 5}, True),
    ('a = "*"', {"a": 5.5}, False),
    ("a = null", {"a": None}, True),
    ("a = null", {}, True),
    ("a = null", {"a": 0}, False),
    ("a != null", {}, False),
    ("a != null", {"a": {}}, True),
    ("a != 5", {}, True),
    ("a != 5", {"a": None}, True),
    ("a != 5", {"a": 5}, False),
    ("a != 5", {"a": [5]}, True),
    ("a != u*", {"a": "up"}, False),
    ('a = "!up"', {"a": "!up"}, True),
    ('a = "!up"', {"a": "down"}, False),
    ("a >= 500", {"a": 500}, True),
    ("a > 500", {"a": 500}, False),
    ("a <= 0.5", {"a": 0.5}, True),
    ("a < 0.5", {"a": "0.1"}, False),
    ("a < 0.5", {"a": False}, False),
    ("a < 0.5", {"a": None}, False),
    ("a < 0.5", {}, False),
    ("a.b[1] < 0.5 and c = d", {"a": {"b": [9, 0]}, "c": "d"}, True),
    ("a.b[1] < 0.5 and c = d", {"a": {"b": [9, 0]}, "c": "e"}, False),
]


@pytest.mark.parametrize(("conditions", "event", "expected"), CONDITIONS)
def test_event_contributes_where_every_condition_holds(conditions: str, event: Any, expected: bool) -> None:
    assert contributed(f"count where {conditions}", event) == (1.0 if expected else None)


@pytest.mark.parametrize(
    ("conditions", "text", "expected"),
    [("a = 5", " 5,0 ", True), ("a != 5", "5.0", False), ("a >= 500", "503", True), ("a >= 500", "x", False),
     ("a = 5", "NaN", False), ("a != 5", "x", True), ("a = true", "1", False)],
)  # fmt: skip
def test_texts_that_are_numbers_count_as_such_if_the_source_says_so(conditions: str, text: str, expected: bool) -> None:
    assert contributed(f"count where {conditions}", {"a": text}, numbers="text") == (1.0 if expected else None)


def test_infinite_numbers_and_nan_compare_as_such() -> None:
    def holds(condition: str, number: bytes) -> bool:
        event = b'{"series":"s","ts":1735689600,"a":%s}' % number
        return contributed(f"count where {condition}", event) is not None

    assert holds("a > 5", b"1e400")
    assert not holds("a = 5", b"NaN")
    assert not holds("a < 5", b"NaN")
    assert holds("a != 5", b"NaN")


def test_numbers_are_read_as_values_are() -> None:
    assert contributed("sum of a.b", {"a": {"b": 1.5}}) == 1.5
    assert contributed("sum of a", {"a": None}) is None
    assert contributed("sum of a", {"a": "1,5"}, numbers="text") == 1.5
    problem = read("p95 of a where b = 1", {"a": "1.5", "b": 1}).refusals[0]
    assert str(problem).startswith("bad-value: aggregate a where b = 1: found '1.5', expected a number or null")
    assert contributed("p95 of a where b = 1", {"a": "1.5", "b": 2}) is None, "nobody asks for the field"


def test_field_that_is_not_there_is_what_missing_says() -> None:
    assert contributed("sum of a", {}) is None
    result = read("sum of a", {}, missing="skip")
    assert (result.observations, result.skipped, result.refusals) == ([], 1, [])
    result = read("distinct of a", {}, missing="error")
    assert str(result.refusals[0]) == "no-field: aggregate distinct a: the message: found no field 'a'; " + (
        "there are 'series', 'ts'"
    )
    assert contributed("sum of a where b = 1", {}, missing="error") is None


def test_event_of_a_source_that_only_counts_is_an_observation_without_numbers() -> None:
    (found,) = read("count", {}).observations
    assert found.values == {}


def test_each_element_is_an_event_that_sees_what_is_around_it() -> None:
    event = {"all": [{"v": 1}, {"v": 2, "unit": "s"}], "unit": "ms"}
    found = read("sum of v where unit = ms", event, each="all").observations
    assert [str(one.values['v where unit = "ms"']) for one in found] == ["1.0", "nan"]


@pytest.mark.parametrize(
    ("one", "other"), [(7, "7"), (7, 7.0), (True, "true"), (0.0, -0.0), (2**64 - 2**11, float(2**64 - 2**11))]
)
def test_equal_values_share_an_identity(one: Any, other: Any) -> None:
    assert identity("x", one) == identity("x", other)


def test_different_values_have_identities_that_look_random() -> None:
    values = [
        *map(str, range(20_000)),
        *(f"user-{at}" for at in range(20_000)),
        *(at / 7 for at in range(1, 7_000) if at % 7),
    ]
    found = np.array([identity("x", value) for value in values])
    assert len(set(found.tolist())) == len(values)
    assert (found == np.floor(found)).all()
    assert found.min() >= 0
    assert found.max() < 2.0**53
    bits = (found.astype(np.int64)[:, None] >> np.arange(53) & 1).mean(axis=0)
    assert abs(bits - 0.5).max() < 5 * 0.5 / math.sqrt(len(found))
    buckets = np.bincount(found.astype(np.int64) >> 53 - 10, minlength=1024)
    chi = float(((buckets - len(found) / 1024) ** 2).sum() / (len(found) / 1024))
    assert abs(chi - 1023) < 5 * math.sqrt(2 * 1023), "as evenly as HyperLogLog needs"


def test_what_has_no_identity_is_refused() -> None:
    assert math.isnan(identity("x", None))
    assert math.isnan(identity("x", math.nan))
    wrong: list[Any] = [{}, [1], math.inf, "\ud800"]
    for value in wrong:
        with pytest.raises(BadObservation, match=r"bad-value: x: found .*, expected a text, a finite number, true"):
            identity("x", value)


def test_expression_that_is_none_is_named_with_its_source() -> None:
    with pytest.raises(SettingsError, match=r"^i.aggregate.values.x: found 'p95 of', expected count"):
        mapping({"x": "p95 of "})
    with pytest.raises(SettingsError, match=r"^i.aggregate.values.x: found 'm', expected the name of another value"):
        mapping({"x": "m / n", "n": "count"})
    assert mapping({"x": "m / n", "n": "count"}, joined=("m",)).columns == ()


def test_columns_are_shared_only_where_they_mean_the_same() -> None:
    values = {"a": "count where x = 1", "b": "count where x = true", "c": "p50 of y", "d": "median of y"}
    found = aggregation(Aggregate(every="1m", values=values))
    assert [one.column for one in found.measures] == [0, 1, 2, 2]
    assert [column.label for column in found.columns] == ["1 where x = 1", "1 where x = true", "y"]


def test_formats_own_values_step_back() -> None:
    assert mapping({"n": "count of data.t"}, format="cloudevents").columns is not None


def test_check_counts_events_and_takes_none_for_repeats() -> None:
    records = [Record("t", value=b'{"series": "s", "ts": 1735689600, "M": 1}')] * 9
    source = mapping({"m": "sum of ms"}).source
    found = check(records, source)
    assert found.passes
    assert found.series["s"].observations == 9
    assert found.suggestions == []
    found = check(records, mapping({"m": "sum of m"}, missing="error").source)
    assert found.suggestions == ["`m` is not there, but `M` is"]

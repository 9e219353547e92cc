"""Check what 'eddy input check' sums up of records, and what it suggests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from eddy.input_settings import InputSource
from eddy.inputs.check import MAX_FAILED, Check, check
from eddy.inputs.mapping import Observation
from eddy.inputs.record import Record

T = 1_735_689_600_000


def checked(messages: list[Any], source: dict[str, Any] | None = None, key: bytes | None = None) -> Check:
    records = [Record("plant", 1, at, T, key, orjson.dumps(message)) for at, message in enumerate(messages)]
    return check(records, InputSource.model_validate({"topics": "plant", **(source or {})}))


def good(count: int) -> list[dict[str, Any]]:
    return [{"series": f"s{at % 2}", "ts": T + 500 * at, "value": at} for at in range(count)]


def test_series_intervals_samples_and_reasons_are_summed_up() -> None:
    found = checked([*good(19), {"series": "s0", "ts": T, "value": "x"}, {"op": "d"}], {"where": {"op": "!d"}})
    assert (found.records, found.observations, found.skipped) == (21, 19, 1)
    assert {name: one.observations for name, one in found.series.items()} == {"s0": 10, "s1": 9}
    assert {one.interval_ms for one in found.series.values()} == {1000}
    assert found.series["s1"].sample == Observation("s1", T + 500, {"value": 1.0})
    (refused,) = found.refused
    assert (refused.reason, refused.count, refused.place) == ("bad-value", 1, "plant[1] offset 19")
    assert refused.detail == "values.value: found 'x', expected a number or null"


def test_more_than_one_in_twenty_fails() -> None:
    bad = {"series": "s0"}
    assert checked([*good(19), bad]).failed == pytest.approx(MAX_FAILED)
    assert checked([*good(19), bad]).passes
    assert not checked([*good(18), bad]).passes
    assert not checked([]).passes
    assert not checked([{"op": "d"}], {"where": {"op": "c"}}).passes


@pytest.mark.parametrize(
    ("message", "source", "said"),
    [
        (
            {"series": "s", "ts": T // 1000, "value": 1},
            {"time": {"field": "ts", "unit": "ms"}},
            "`ts` looks like epoch seconds: unit: s",
        ),
        ({"series": "s", "ts": T, "value": "4,2"}, {}, "values are numbers that are written as text: numbers: text"),
        ({"Series": "s", "ts": T, "value": 1}, {}, "`series` is not there, but `Series` is"),
        ({"series": "s", "ts": T, "data": {"value": 1}}, {}, "`value` is not there, but `data.value` is"),
        (
            {"series": "s", "ts": T, "r": [{"v": 1}]},
            {},
            "`r` is an array of objects: each: r makes an observation of each",
        ),
        ({"series": "s", "ts": T, "value": 1}, {"key": "check"}, "the records' keys are not the series: key: ignore"),
        ({"series": "s", "op": "d"}, {"where": {"op": "c"}}, "where: `op` holds 'd'"),
        ({"series": "s"}, {"where": {"op": "c"}}, "where: `op` holds nothing"),
    ],
)
def test_suggestion_says_what_to_change(message: dict[str, Any], source: dict[str, Any], said: str) -> None:
    assert said in checked([message], source, key=b"other").suggestions


def test_suggestion_of_a_unit_is_taken_away_by_following_it() -> None:
    messages = [{"series": "s", "ts": T // 1000 + at, "value": 1} for at in range(9)]
    assert checked(messages, {"time": {"field": "ts", "unit": "ms"}}).suggestions
    assert checked(messages, {"time": {"field": "ts", "unit": "s"}}).suggestions == []


def test_observations_of_the_same_series_and_time_ask_for_another_field() -> None:
    messages = [{"series": "s", "sensor": name, "ts": T + at, "value": 1} for at in range(9) for name in "ab"]
    assert checked(messages).suggestions == [
        "9 of 18 observations have the series and the time of another: the template '{series}' may lack a field"
    ]
    assert checked(messages, {"series": "{series}/{sensor}"}).suggestions == []


def test_series_on_several_partitions_ask_for_a_wait() -> None:
    def records(partitions: int) -> list[Record]:
        values = [orjson.dumps({"series": "s", "ts": T + at, "value": 1}) for at in range(9)]
        return [Record("t", at % partitions, at, value=value) for at, value in enumerate(values)]

    said = check(records(3), InputSource(topics="t")).suggestions
    assert ["job.out_of_orderness_ms" in one for one in said] == [True]
    assert said[0].startswith("1 of 1 series are on several partitions")
    assert check(records(1), InputSource(topics="t")).suggestions == []


def test_units_that_auto_found_are_counted() -> None:
    messages = [{"series": "s", "ts": ts, "value": 1} for ts in (T, T + 1, T // 1000, "2025-01-01T00:00:00Z", str(T))]
    assert checked(messages).units == {"ms": 3, "s": 1, "iso": 1}
    assert checked(messages, {"time": {"field": "ts", "unit": "ms"}}).units == {}

"""Aggregates against Polars and the standard library on the same events; sketches within their stated errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from eddy.input_settings import InputSource
from eddy.inputs.interval_rules import interval_rules
from eddy.models.intervals.aggregator import MAX_OPEN, Aggregator, Closed
from eddy.models.intervals.cells import ACCURACY, ERROR, CellTable, distinct, quantiles
from eddy.models.intervals.rule import IntervalRule

VALUES = {
    "events": "count",
    "failed": "count where status >= 500",
    "total": "sum of ms",
    "mean": "mean of ms",
    "least": "min of ms",
    "most": "max of ms",
    "median": "median of ms",
    "p99": "p99 of ms",
    "users": "distinct of user",
    "share": "failed / events",
    "good": "events - failed",
}
EVERY = 60_000


def rule_of(**more: Any) -> IntervalRule:
    aggregate = {"every": "1m", "wait": "10s", "values": VALUES, **more}
    return interval_rules({"input.0": InputSource(topics="t", aggregate=aggregate)})[0]


def events(n: int, series: int, seed: int, hours: int = 2) -> dict[str, Any]:
    """Return events as a web server's log has them: skewed times and series, ties, disorder, exact repeats."""
    rng = np.random.default_rng(seed)
    ts = np.sort(rng.integers(0, hours * 3_600_000, n))
    codes = np.minimum(rng.geometric(3 / series, n) - 1, series - 1)
    ms = np.round(rng.lognormal(3, 1.2, n), 3)
    ms[rng.random(n) < 0.02] = np.nan
    failed = np.where(rng.random(n) < 0.05, 1.0, np.nan)
    users = rng.integers(0, 1 << 53, 5000).astype(float)[rng.integers(0, 5000, n)]
    values = np.column_stack([failed, ms, users])
    again = rng.integers(0, n, n // 50)  # a producer that sends some twice
    order = np.argsort(np.concatenate([ts, ts[again]]) + rng.integers(0, 4000, n + n // 50), kind="stable")
    return {
        "ts": np.concatenate([ts, ts[again]])[order],
        "codes": np.concatenate([codes, codes[again]])[order],
        "values": np.concatenate([values, values[again]])[order],
        "names": [f"shop-{k}" for k in range(series)],
    }  # fmt: skip


def fed(aggregator: Aggregator, found: dict[str, Any], start: int, stop: int, batch: int) -> list[Closed]:
    """Add events in batches, the clock following the newest; return what is closed on the way."""
    closed = []
    for at in range(start, stop, batch):
        part = slice(at, min(at + batch, stop))
        used, codes = np.unique(found["codes"][part], return_inverse=True)
        names = [found["names"][code] for code in used.tolist()]
        aggregator.add(0, names, codes, found["ts"][part], found["values"][part])
        closed += drained(aggregator, int(found["ts"][: part.stop].max()))
    return closed


def drained(aggregator: Aggregator, clock: int) -> list[Closed]:
    closed = []
    while (one := aggregator.close(clock)) is not None:
        closed.append(one)
    return closed


def table(closed: list[Closed], rule: IntervalRule) -> pl.DataFrame:
    rows = {
        "series": [one.names[code] for one in closed for code in one.codes.tolist()],
        "ts": np.concatenate([one.ts for one in closed]),
        **{name: np.concatenate([one.values[:, k] for one in closed]) for k, name in enumerate(rule.features)},
    }
    return pl.DataFrame(rows).sort("series", "ts")


def by_polars(found: dict[str, Any]) -> pl.DataFrame:
    values = found["values"]
    frame = pl.DataFrame(
        {
            "series": [found["names"][code] for code in found["codes"].tolist()],
            "ts": found["ts"] // EVERY * EVERY,
            "failed": values[:, 0], "ms": values[:, 1], "user": values[:, 2],
        }
    ).with_columns(pl.col("failed", "ms", "user").fill_nan(None))  # fmt: skip
    return (
        frame.group_by("series", "ts")
        .agg(
            events=pl.len().cast(pl.Float64),
            failed=pl.col("failed").count().cast(pl.Float64),
            all=pl.col("ms").drop_nulls(),
            least=pl.col("ms").min(),
            most=pl.col("ms").max(),
            median=pl.col("ms").quantile(0.5, "lower"),
            p99=pl.col("ms").quantile(0.99, "lower"),
            users=pl.col("user").n_unique().cast(pl.Float64),
        )
        .sort("series", "ts")
    )


def check(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found["series"].equals(expected["series"])
    assert found["ts"].equals(expected["ts"])
    for name in ("events", "failed", "least", "most"):
        assert np.array_equal(found[name], expected[name].fill_null(np.nan), equal_nan=True), name
    sums = [math.fsum(one) if len(one) else math.nan for one in expected["all"].to_list()]
    counts = [len(one) for one in expected["all"].to_list()]
    assert np.array_equal(found["total"], sums, equal_nan=True)  # correctly rounded, whatever the order of events
    assert np.array_equal(
        found["mean"], [a / n if n else math.nan for a, n in zip(sums, counts, strict=True)], equal_nan=True
    )
    assert np.array_equal(found["share"], found["failed"] / found["events"])
    assert np.array_equal(found["good"], found["events"] - found["failed"])
    for name in ("median", "p99"):
        exact = expected[name].fill_null(np.nan).to_numpy()
        assert np.nanmax(np.abs(found[name].to_numpy() / exact - 1)) <= ACCURACY * 1.0001, name
    away = found["users"].to_numpy() / expected["users"].to_numpy() - 1
    assert np.sqrt(np.mean(away**2)) <= ERROR
    exact = expected["users"].to_numpy()
    assert np.all(np.abs(found["users"].to_numpy() - exact) <= np.maximum(6, 6 * ERROR * exact))  # few share a register


@pytest.mark.parametrize("batch", [997, 50_000])
def test_aggregates_equal_polars_over_two_restarts(batch: int) -> None:
    found, rule = events(400_000, 60, seed=1), rule_of(wait="5s")
    first = Aggregator(rule)
    closed = fed(first, found, 0, 150_000, batch)
    state: dict[str, Any] = {}
    for stop, start in ((150_000, 0), (260_000, 150_000), (len(found["ts"]), 260_000)):
        if start:
            closed += fed(first, found, start, stop, batch)
        for key, entry in first.changes().items():
            if entry is None:
                del state[key]
            else:
                state[key] = entry
        first = Aggregator(rule)
        first.restore(
            {
                key: entry if isinstance(entry, str) else {k: v.copy() for k, v in entry.items()}
                for key, entry in state.items()
            }
        )
    closed += drained(first, 1 << 50)
    assert first.late == 0
    check(table(closed, rule), by_polars(found))


def test_late_events_are_counted_and_change_nothing() -> None:
    found, rule = events(40_000, 20, seed=2), rule_of(wait="0s")
    aggregator = Aggregator(rule)
    late = np.zeros(len(found["ts"]), np.bool_)
    closed = []
    for at in range(0, len(late), 20):
        part = slice(at, at + 20)
        late[part] = aggregator.add(0, found["names"], found["codes"][part], found["ts"][part], found["values"][part])
        closed += drained(aggregator, int(found["ts"][: at + 20].max()))
    closed += drained(aggregator, 1 << 50)
    assert late.sum() == aggregator.late > 100
    kept = {**found, "ts": found["ts"][~late], "codes": found["codes"][~late], "values": found["values"][~late]}
    check(table(closed, rule), by_polars(kept))


def simple(empty: str, forget: str = "1h") -> Aggregator:
    values = {"n": "count", "top": "max of x", "sum": "sum of x", "odd": "n / sum"}
    aggregate = {"every": "1m", "wait": "0s", "empty": empty, "forget_after": forget, "values": values}
    return Aggregator(interval_rules({"input.0": InputSource(topics="t", aggregate=aggregate)})[0])


def put(aggregator: Aggregator, series: str, minute: float, x: float = 1.0) -> None:
    aggregator.add(0, [series], np.zeros(1, np.int64), np.array([int(minute * EVERY)]), np.array([[x]]))


def rows(aggregator: Aggregator, minute: float) -> list[tuple[Any, ...]]:
    found = []
    for one in drained(aggregator, int(minute * EVERY)):
        for code, ts, values in zip(one.codes.tolist(), one.ts.tolist(), one.values.tolist(), strict=True):
            found.append((one.names[code], ts // EVERY, *(None if math.isnan(v) else v for v in values)))
    return found


def test_an_interval_without_events_is_what_the_setting_says() -> None:
    def gap(empty: str) -> list[tuple[Any, ...]]:
        aggregator = simple(empty)
        put(aggregator, "a", 0.5, 4.0)
        first = rows(aggregator, 1)
        assert first == [("a", 0, 1.0, 4.0, 4.0, 0.25)]
        put(aggregator, "b", 2.5, 2.0)
        return [row for row in rows(aggregator, 3) if row[0] == "a"]

    assert gap("missing") == []
    assert gap("zero") == [("a", 1, 0.0, None, 0.0, None), ("a", 2, 0.0, None, 0.0, None)]
    assert gap("last") == [("a", 1, 1.0, 4.0, 4.0, 0.25), ("a", 2, 1.0, 4.0, 4.0, 0.25)]


def test_a_series_ends_once_it_has_been_silent_for_long_and_begins_again() -> None:
    aggregator = simple("zero", forget="2m")
    put(aggregator, "a", 0)
    assert [row[1] for row in rows(aggregator, 10)] == [0, 1, 2]
    put(aggregator, "a", 20)
    assert [row[1] for row in rows(aggregator, 21)] == [20]


@pytest.mark.parametrize("empty", ["missing", "zero", "last"])
def test_series_that_end_while_others_flow_are_forgotten_and_their_places_used_again(empty: str) -> None:
    aggregator = simple(empty, forget="5m")
    found = []
    for minute in range(400):
        put(aggregator, "always", minute + 0.5)
        put(aggregator, f"once-{minute}", minute + 0.5, float(minute))
        found += [row for row in rows(aggregator, minute) if row[2]]  # of the minute before; this one is open
        state = {
            key: entry if isinstance(entry, str) else {k: v.copy() for k, v in entry.items()}
            for key, entry in aggregator.changes().items()
            if entry is not None
        }
        if minute == 200:  # with free places
            aggregator = simple(empty, forget="5m")
            aggregator.restore(state)
    assert aggregator.series < 10
    assert len(aggregator._names) < 12
    repeated = [row for row in found if row[0] not in ("always", f"once-{row[1]}")]
    assert bool(repeated) == (empty == "last"), "the values of the interval before"
    assert sorted(row for row in found if row[0] == f"once-{row[1]}") == sorted(
        (f"once-{minute}", minute, 1.0, float(minute), float(minute), 1 / minute if minute else None)
        for minute in range(399)
    )
    assert [row[1] for row in found if row[0] == "always"] == list(range(399))


def test_nothing_is_given_before_a_series_began() -> None:
    aggregator = simple("zero")
    put(aggregator, "a", 0)
    rows(aggregator, 5)
    put(aggregator, "b", 7)
    assert [row[:3] for row in rows(aggregator, 8) if row[0] == "b"] == [("b", 7, 1.0)]


def test_a_long_gap_is_given_in_parts_and_events_are_not_held_up() -> None:
    aggregator = simple("zero", forget="1d")
    for k in range(400):
        put(aggregator, f"s{k}", 0)
    aggregator.close(EVERY)
    put(aggregator, "s0", 1000)
    parts = drained(aggregator, 1001 * EVERY)
    assert len(parts) > 3
    assert max(map(len, parts)) <= 50_400
    assert sum(map(len, parts)) == 1000 * 400


def test_too_many_open_intervals_close_the_oldest() -> None:
    aggregator = simple("missing")
    for minute in range(MAX_OPEN + 5):
        put(aggregator, "a", minute)
    assert aggregator.crowded
    assert [row[1] for row in rows(aggregator, 0)] == [0, 1, 2, 3, 4]
    assert aggregator.forced == 1
    assert not aggregator.crowded


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e12])
def test_percentiles_of_any_sign_and_size_are_within_their_error(scale: float) -> None:
    rng = np.random.default_rng(3)
    for values in (rng.normal(0, scale, 5000), rng.lognormal(0, 4, 5000) * scale, -rng.random(77) * scale, np.zeros(9)):
        cells = CellTable()
        cells.count(np.zeros(len(values), np.int64), values)
        for quantile in (0.001, 0.25, 0.5, 0.9, 0.999):
            exact = np.quantile(values, quantile, method="lower")
            found = quantiles(cells.cells(), np.zeros(1, np.int64), quantile)[0]
            assert abs(found - exact) <= ACCURACY * 1.0001 * abs(exact) + 2e-9, (quantile, found, exact)


def test_distinct_values_are_within_their_error_and_few_are_exact() -> None:
    rng = np.random.default_rng(4)
    for n, runs in ((1, 20), (5, 20), (300, 50), (30_000, 30), (1_000_000, 8)):
        away = []
        for _ in range(runs):
            cells = CellTable()
            hashes = np.floor(rng.random(n) * 2**53)
            for _ in range(2):  # twice the same
                cells.note(np.full(n, 7, np.int64), hashes)
            away.append(distinct(cells.cells(), np.array([7]))[0] / n - 1)
        assert math.sqrt(np.mean(np.square(away))) <= (1.3 * ERROR if n > 5 else 0.0), n

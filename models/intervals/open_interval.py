"""Hold what the events of one open interval of one rule have added up to, by row of the series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.core.detector import Floats, Ints
from eddy.models.intervals.cells import Cells, CellTable, distinct, quantiles, sketch_numbers
from eddy.models.intervals.increases import SampleLog, Samples, increases
from eddy.models.intervals.rule import IntervalRule

_NEVER = np.iinfo(np.int64).min


class Parts:
    """Say which sums a rule needs: every measure is made of some of them.

    Attributes:
        sums, extremes, lasts: columns of which the sum (and number), the least and largest, and the last is kept.
        sketched: (column, whether of distinct values) of each sketch.
        counters: columns of which all samples are kept.
    """

    def __init__(self, rule: IntervalRule) -> None:
        def columns(*functions: str) -> list[int]:
            return sorted({one.column for one in rule.measures if one.function in functions and one.column >= 0})

        self.sums = columns("sum", "mean", "count")
        self.extremes = columns("min", "max")
        self.lasts = columns("last")
        self.counters = columns("increase", "rate")
        self.sketched = [(column, False) for column in columns("quantile")]
        self.sketched += [(column, True) for column in columns("distinct")]


class OpenInterval:
    """Add up the events of one interval.

    Args:
        rule: what is made of them. parts: of the rule. number: of the interval.

    Attributes:
        dirty: whether something was added since the last checkpoint.
    """

    def __init__(self, rule: IntervalRule, parts: Parts, number: int) -> None:
        self._rule, self._parts, self.number = rule, parts, number
        self.dirty = True
        self._rows = 0
        self._events = np.zeros((0, len(rule.columns)), np.int64)
        self._counts = np.zeros((0, len(parts.sums)), np.int64)
        self._sums = np.zeros((0, len(parts.sums), 2))  # of two doubles each: the order of events changes nothing
        self._extremes = np.zeros((0, len(parts.extremes), 2))
        self._last_ts = np.zeros((0, len(parts.lasts)), np.int64)
        self._lasts = np.zeros((0, len(parts.lasts)))
        self._cells = CellTable()
        self._samples = SampleLog()

    def add(self, source: int, rows: Ints, ts: Ints, values: Floats) -> None:
        """Add (n,) events of a source: the rows of their series, times and (n, columns of the source) numbers."""
        rule, parts = self._rule, self._parts
        self.dirty = True
        self._grow(int(rows.max()) + 1)
        _count(rows, self._events[:, source])
        first = rule.first_column(source)
        last = first + len(rule.columns[source])
        for k, column in enumerate(parts.sums):
            if first <= column < last:
                _sum(rows, values[:, column - first], self._counts[:, k], self._sums[:, k])
        for k, column in enumerate(parts.extremes):
            if first <= column < last:
                _extremes(rows, values[:, column - first], self._extremes[:, k])
        for k, column in enumerate(parts.lasts):
            if first <= column < last:
                _last(rows, ts, values[:, column - first], self._last_ts[:, k], self._lasts[:, k])
        for k, (column, of_distinct) in enumerate(parts.sketched):
            if first <= column < last:
                there = ~np.isnan(values[:, column - first])
                sketches = sketch_numbers(rows[there], len(parts.sketched), k)
                put = self._cells.note if of_distinct else self._cells.count
                put(sketches, values[there, column - first])
        for k, column in enumerate(parts.counters):
            if first <= column < last:
                there = ~np.isnan(values[:, column - first])
                owners = sketch_numbers(rows[there], len(parts.counters), k)
                self._samples.add(owners, ts[there], values[there, column - first])

    def _grow(self, rows: int) -> None:
        more = rows - len(self._events)
        self._rows = max(self._rows, rows)
        if more <= 0:
            return
        more = max(more, len(self._events) // 2, 16)

        def wider(array: NDArray[Any], filled: float) -> NDArray[Any]:
            return np.concatenate([array, np.full((more, *array.shape[1:]), filled, array.dtype)])

        self._events, self._counts, self._sums = wider(self._events, 0), wider(self._counts, 0), wider(self._sums, 0)
        self._extremes, self._lasts = wider(self._extremes, np.nan), wider(self._lasts, np.nan)
        self._last_ts = wider(self._last_ts, _NEVER)

    def events(self, rows: int) -> Ints:
        """Return (rows,) how many events came of each series, of all sources."""
        counted = self._events[:rows].sum(axis=1)
        return np.concatenate([counted, np.zeros(rows - len(counted), np.int64)])

    def values(self, rows: Ints) -> Floats:
        """Return (n, measures) what the events of some rows, which have some, add up to; NaN: nothing."""
        rule = self._rule
        self._grow(int(rows.max(initial=-1)) + 1)
        cells = self._cells.cells()
        samples = self._samples.samples()
        found: dict[str, Floats] = {}
        for one in rule.measures:
            if one.of[0]:
                continue
            found[one.name] = self._value(one.function, one.column, one.source, one.quantile, rows, cells, samples)
        for one in rule.measures:
            if one.of[0]:
                a, b = found[one.of[0]], found[one.of[1]]
                with np.errstate(all="ignore"):
                    result = a / b if one.function == "/" else a - b
                found[one.name] = np.where(np.isfinite(result), result, np.nan)
        return np.column_stack([found[one.name] for one in rule.measures])

    def _value(
        self, function: str, column: int, source: int, quantile: float, rows: Ints, cells: Cells, samples: Samples
    ) -> Floats:
        parts, rule = self._parts, self._rule
        if function == "count" and column < 0:
            return np.asarray(self._events[rows, source], np.float64)
        if function in {"count", "sum", "mean"}:
            k = parts.sums.index(column)
            counts, sums = self._counts[rows, k], self._sums[rows, k].sum(axis=1)
            if function == "count":
                return np.asarray(counts, np.float64)
            with np.errstate(all="ignore"):
                return np.where(counts > 0, sums if function == "sum" else sums / counts, np.nan)
        if function in {"min", "max"}:
            return np.asarray(self._extremes[rows, parts.extremes.index(column), int(function == "max")])
        if function == "last":
            return np.asarray(self._lasts[rows, parts.lasts.index(column)])
        if function in {"quantile", "distinct"}:
            k = parts.sketched.index((column, function == "distinct"))
            sketches = sketch_numbers(rows, len(parts.sketched), k)
            return quantiles(cells, sketches, quantile) if function == "quantile" else distinct(cells, sketches)
        k = parts.counters.index(column)
        owners = sketch_numbers(rows, len(parts.counters), k)
        start = self.number * rule.every_ms
        seconds = rule.every_ms / 1000 if function == "rate" else 1.0
        return increases(samples, owners, start, start + rule.every_ms, seconds)

    # -- state -------------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, NDArray[Any]]:
        """Return all of it as arrays."""
        part = slice(self._rows)
        cells, samples = self._cells.cells(), self._samples.samples()
        return {
            "events": self._events[part], "counts": self._counts[part], "sums": self._sums[part],
            "extremes": self._extremes[part], "last_ts": self._last_ts[part], "lasts": self._lasts[part],
            "cell_keys": cells.keys, "cell_values": cells.values,
            **{f"samples_{name}": column for name, column in samples._asdict().items()},
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put :meth:`saved` arrays back."""
        self._rows = len(arrays["events"])
        self._events, self._counts, self._sums = arrays["events"], arrays["counts"], arrays["sums"]
        self._extremes, self._last_ts, self._lasts = arrays["extremes"], arrays["last_ts"], arrays["lasts"]
        self._cells = CellTable(Cells(arrays["cell_keys"], arrays["cell_values"]))
        self._samples = SampleLog(Samples(*(arrays[f"samples_{name}"] for name in Samples._fields)))
        self.dirty = False


@njit(cache=True)
def _count(rows, events):  # type: ignore[no-untyped-def]
    for row in rows:
        events[row] += 1


@njit(cache=True)
def _sum(rows, values, counts, sums):  # type: ignore[no-untyped-def]
    """Add values with what each addition rounds away (T. J. Dekker: A floating-point technique, 1971; two-sum)."""
    for i in range(len(rows)):
        value = values[i]
        if np.isnan(value):
            continue
        row = rows[i]
        counts[row] += 1
        high, low = sums[row, 0], sums[row, 1]
        total = high + value
        shadow = total - high
        low += (high - (total - shadow)) + (value - shadow)
        sums[row, 0] = total + low
        sums[row, 1] = low - (sums[row, 0] - total)


@njit(cache=True)
def _extremes(rows, values, extremes):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        value, row = values[i], rows[i]
        if np.isnan(value):
            continue
        if not extremes[row, 0] <= value:
            extremes[row, 0] = value
        if not extremes[row, 1] >= value:
            extremes[row, 1] = value


@njit(cache=True)
def _last(rows, ts, values, last_ts, lasts):  # type: ignore[no-untyped-def]
    """Keep the value of the newest time; of equal times the largest, so that the order of events changes nothing."""
    for i in range(len(rows)):
        value, row = values[i], rows[i]
        if np.isnan(value):
            continue
        if ts[i] > last_ts[row] or (ts[i] == last_ts[row] and value > lasts[row]):
            last_ts[row], lasts[row] = ts[i], value

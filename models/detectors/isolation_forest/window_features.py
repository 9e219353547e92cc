"""Compute features of a window: jumps, volatility, frozen values, distance from mean and season.

Each value of a point gives the following columns, in this order. They use increments ``d`` (differences to the point
before) and ``σ``, the scale of the series' increments in training:

======================  ================================================================================
``jump``                newest increment / σ, without sign
``jump_local``          newest increment / mean size of the window's older increments
``largest``             largest of the last 4 increments / mean size of the older increments
``volatility_short``    root mean square of the last 8 increments / σ
``volatility_long``     root mean square of the last 24 increments / σ
``volatility_ratio``    root mean square of the last 8 / mean size of the older increments
``range``               range of the last 12 values / mean size of the older increments
``level``               distance of the newest value from the mean of the last 24 / σ
``frozen``              length of the run of unchanged values at the end / longest usual run in training
``season``              distance from the median of the same phase in the window's earlier periods / its spread
``season_mean``         the same, mean of the last 6 points with sign, without sign at the end
======================  ================================================================================

All are ratios r ≥ 0, capped at 50. Those that are 0 when a series is constant (largest, the volatilities, range) are
given as log(0.05 + r), the others as log(1 + r): so anomalous ratios, small or large, lie far out, and the uniform cuts
of an isolation tree are evenly distributed.

The last two exist only if a season is configured and shows in the data. Missing and filled-in points are skipped: the
increment across a gap of g points is divided by √g, as in a random walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.core.order_statistics import sort_first

PLAIN = (
    "jump", "jump_local", "largest", "volatility_short", "volatility_long", "volatility_ratio", "range", "level",
    "frozen",
)  # fmt: skip
SEASONAL = ("season", "season_mean")
_TWO_SIDED = ("largest", "volatility_short", "volatility_long", "volatility_ratio", "range")
_NEWEST, _SHORT, _MIDDLE, _LONG = 4, 8, 12, 24  # points
_SEASON_MEAN = 6  # points
_LOCAL_FLOOR = 0.25  # of σ: after quiet or frozen segments, an ordinary move is not a jump
_CAP = 50.0  # ratios above it count the same
_STILL = 0.05  # ratio below which a series counts as constant
_SCALES = 3  # per value: σ, usual longest run, scale of the season's residual
_MIN_POINTS = 3


def columns(features: Sequence[str], seasonal: bool) -> list[str]:
    """Return the names of the columns, ``value.jump`` and so on."""
    names = PLAIN + (SEASONAL if seasonal else ())
    return [f"{feature}.{name}" for feature in features for name in names]


def window_features(values: Floats, skipped: Bools, scales: Floats, season: int) -> Floats:
    """Return features of windows.

    Args:
        values: (n, W, F); NaN where missing.
        skipped: (n, W) True where the point was filled in.
        scales: (n, F, 3) σ, longest usual run, and scale of the season's residual; all > 0.
        season: period in points; 0 for none.

    Returns:
        (n, F · columns) float32-representable; a row is NaN if the newest point has no value at all or if less than
        half of the window is present. Features whose newest value is missing have 0 in all their columns.
    """
    n, _, count = values.shape
    each = len(PLAIN) + (len(SEASONAL) if season else 0)
    out = np.zeros((n, count * each))
    _features(values, skipped, scales, season, each, out)
    return out


def bounds(count: int, seasonal: bool) -> Floats:
    """Return (2, columns) smallest and largest value each column can take, for ``count`` values per point."""
    names = PLAIN + (SEASONAL if seasonal else ())
    either = np.array([name in _TWO_SIDED for name in names] * count)
    low, high = np.where(either, np.log(_STILL), 0.0), np.where(either, np.log(_STILL + _CAP), np.log1p(_CAP))
    return np.stack([low, high])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _high(ratio: float) -> float:
    return np.log1p(min(ratio, _CAP))  # type: ignore[no-any-return]


@njit(inline="always")  # type: ignore[untyped-decorator]
def _either(ratio: float) -> float:
    return np.log(_STILL + min(ratio, _CAP))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _features(values: Any, skipped: Any, scales: Any, season: int, each: int, out: Any) -> None:  # noqa: PLR0912, PLR0915
    n, window, count = values.shape
    x, d = np.empty(window), np.empty(window)  # newest first
    earlier = np.empty(max(window // season if season else 0, 1))
    for row in range(n):
        seen_any = False
        enough = True
        for f in range(count):
            m = 0
            before = 0  # position of the point found last
            gap = 0
            for back in range(window):
                i = window - 1 - back
                v = values[row, i, f]
                if np.isnan(v) or skipped[row, i]:
                    if back == 0:
                        break
                    continue
                if m:
                    gap = before - i
                    d[m - 1] = (x[m - 1] - v) / np.sqrt(gap)
                x[m] = v
                before = i
                m += 1
            if m == 0:
                continue
            seen_any = True
            if m < _MIN_POINTS or 2 * m < window:
                enough = False
                break
            steps = m - 1
            sigma, usual_run, residual_spread = scales[row, f, 0], scales[row, f, 1], scales[row, f, 2]

            largest = 0.0
            for k in range(min(_NEWEST, steps)):
                largest = max(largest, abs(d[k]))
            short_to, long_to = min(_SHORT, steps), min(_LONG, steps)
            squares = 0.0
            short = 0.0
            for k in range(long_to):
                squares += d[k] * d[k]
                if k == short_to - 1:
                    short = np.sqrt(squares / short_to)
            long = np.sqrt(squares / long_to)
            # The newest increments are left out of what is usual here, as long as there are others.
            first = short_to if steps - short_to >= short_to else 1
            size = 0.0
            for k in range(first, steps):
                size += abs(d[k])
            local = max(1.2533 * size / max(steps - first, 1), _LOCAL_FLOOR * sigma)  # mean size to deviation
            low = high = x[0]
            for k in range(1, min(_MIDDLE, m)):
                low, high = min(low, x[k]), max(high, x[k])
            total = 0.0
            for k in range(min(_LONG, m)):
                total += x[k]
            run = 0
            while run < steps and d[run] == 0.0:
                run += 1

            at = f * each
            out[row, at] = _high(abs(d[0]) / sigma)
            out[row, at + 1] = _high(abs(d[0]) / local)
            out[row, at + 2] = _either(largest / local)
            out[row, at + 3] = _either(short / sigma)
            out[row, at + 4] = _either(long / sigma)
            out[row, at + 5] = _either(short / local)
            out[row, at + 6] = _either((high - low) / local)
            out[row, at + 7] = _high(abs(x[0] - total / min(_LONG, m)) / sigma)
            out[row, at + 8] = _high(run / usual_run)
            if season:
                newest = 0.0
                total = 0.0
                used = 0
                for back in range(_SEASON_MEAN):
                    i = window - 1 - back
                    found = 0
                    k = i - season
                    while k >= 0:
                        v = values[row, k, f]
                        if not np.isnan(v) and not skipped[row, k]:
                            earlier[found] = v
                            found += 1
                        k -= season
                    v = values[row, i, f] if i >= 0 else np.nan
                    if found == 0 or np.isnan(v):
                        continue
                    residual = (v - np.median(earlier[:found])) / residual_spread
                    if back == 0:
                        newest = abs(residual)
                    total += residual
                    used += 1
                out[row, at + 9] = _high(newest)
                out[row, at + 10] = _high(abs(total) / max(used, 1))
        if not (seen_any and enough):
            out[row] = np.nan


def season_shows(values: Floats, season: int) -> bool:
    """Return whether points (T,) repeat after ``season`` points better than after half of that.

    Uses ``1 - median |u(t) - u(t - P)| / median |u(t) - u(t - P/2)| > 0.5``, since autocorrelation would take shifts
    and drift for a season.
    """
    if season < 2 or len(values) <= season:
        return False
    whole = np.abs(values[season:] - values[:-season])
    half = np.abs(values[season // 2 :] - values[: -(season // 2)])
    if np.isnan(whole).all() or np.isnan(half).all():
        return False
    apart = float(np.nanmedian(half))
    return apart > 0 and 1 - float(np.nanmedian(whole)) / apart > 0.5


def series_scales(values: Floats, imputed: Bools, season: int) -> Floats:
    """Return (F, 3) scales of a series from its training points (T, F); see :func:`window_features`."""
    scales: Floats = unseen_scales(values[None], imputed[None], season)[0]
    return scales


def unseen_scales(values: Floats, imputed: Bools, season: int) -> Floats:
    """Return (n, F, 3) scales of windows (n, W, F) of series not seen in training, from the windows themselves."""
    out = np.empty((len(values), values.shape[2], _SCALES))
    _all_scales(values, imputed, season, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _all_scales(values, imputed, season, out):  # type: ignore[no-untyped-def]
    window = values.shape[1]
    x, steps, ordered, runs = np.empty(window), np.empty(window), np.empty(window), np.empty(window + 1)
    for row in range(values.shape[0]):
        for f in range(values.shape[2]):
            for k in range(window):
                x[k] = np.nan if imputed[row, k] else values[row, k, f]
            _scales_of(x, season, steps, ordered, runs, out[row, f])


@njit(cache=True, error_model="numpy")
def _quantile(ordered, count, share):  # type: ignore[no-untyped-def]
    """Interpolate between order statistics, numpy's default; numba's own percentile takes long to compile."""
    place = share * (count - 1)
    low = int(place)
    high = min(low + 1, count - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@njit(cache=True, error_model="numpy")
def _scales_of(x, season, steps, ordered, runs, out):  # type: ignore[no-untyped-def]
    """Compute the scales of a window; ``steps``, ``ordered`` and ``runs`` are scratch space."""
    kept = 0
    before = 0.0
    for k in range(len(x)):
        if not np.isnan(x[k]):
            if kept:
                steps[kept - 1] = x[k] - before
            before = x[k]
            ordered[kept] = abs(x[k])
            kept += 1
    floor = 1.0
    if kept:
        sort_first(ordered, kept)
        largest = ordered[kept - 1]
        floor = max(1e-3 * _quantile(ordered, kept, 0.5), 1e-6 * (min(largest, 1.0) if largest > 0.0 else 1.0))
    count = kept - 1
    if count < _MIN_POINTS:
        out[0], out[1], out[2] = floor, 1.0, floor
        return
    ordered[:count] = steps[:count]
    sort_first(ordered, count)
    spread = (_quantile(ordered, count, 0.95) - _quantile(ordered, count, 0.05)) / 3.29
    sigma = max(spread, _deviation_floor(steps, count, ordered, floor))
    found = 0  # runs of unchanged values that have ended
    last = -1
    for k in range(count):
        if steps[k] != 0:
            runs[found] = k - last - 1
            found += 1
            last = k
    usual = float(count)
    if found:
        runs[found] = count - last - 1
        sort_first(runs, found + 1)
        usual = _quantile(runs, found + 1, 0.99)
    spread = sigma
    if season and len(x) > season:
        known = 0
        for k in range(season, len(x)):
            residual = x[k] - x[k - season]
            if not np.isnan(residual):
                ordered[known] = residual
                known += 1
        if known:
            sort_first(ordered, known)
            spread = max((_quantile(ordered, known, 0.95) - _quantile(ordered, known, 0.05)) / 3.29, floor)
    out[0], out[1], out[2] = sigma, usual + 1.0, spread


@njit(cache=True, error_model="numpy")
def _deviation_floor(steps, count, ordered, floor):  # type: ignore[no-untyped-def]
    """Return the scale of the moves of a series that is mostly constant and moves at times, else the minimum."""
    moves = 0
    for k in range(count):
        if steps[k] != 0:
            ordered[moves] = abs(steps[k])
            moves += 1
    if not moves:
        return 1e-3 * floor
    sort_first(ordered, moves)
    return max(0.1 * _quantile(ordered, moves, 0.5), 1e-3 * floor)


def grouped(binding: Ints, table: Floats, values: Floats, imputed: Bools, season: int) -> Floats:
    """Return (n, F, 3) scales per row: from ``table`` (S, F, 3), or from the window where ``binding`` is -1."""
    unseen = np.flatnonzero(binding < 0)
    if not len(unseen):
        return table[binding]
    scales = np.empty((len(binding), values.shape[2], _SCALES))
    seen = np.flatnonzero(binding >= 0)
    scales[seen] = table[binding[seen]]
    scales[unseen] = unseen_scales(values[unseen], imputed[unseen], season)
    return scales

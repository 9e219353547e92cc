"""Compute the columns of a forest: the window itself, its differences, its season's residuals, or its features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numba import njit

from eddy.errors import SettingsError
from eddy.models.core.detector import Bools, Floats, WindowSpec
from eddy.models.detectors.isolation_forest.window_features import (
    PLAIN,
    SEASONAL,
    bounds,
    season_shows,
    window_features,
)
from eddy.models.preprocessing.calendar_features import DAY_MS
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaled_windows import fill_forward

SETS = ("raw", "differences", "season", "window", "place")
PLACES = ("place", "place_lately", "place_mean", "apart", "shift")
RESIDUALS = ("size", "lately", "shift", "largest", "newest")
_CAP = 50.0  # ratios above it count the same
LARGE_STEP = "it moves more than usual from one point to the next"
_STEPS = (LARGE_STEP, "it moves less than usual from one point to the next")
_VARIES = ("it varies more than usual", "it varies less than usual")
_COURSE = "the course of the last {points} points is unlike those of training"
_SEASON = ("it is unlike itself at the same time of earlier days", "it is more like earlier days than usual")
#: what it means that a column, or a set of them, is above and below its usual value
_SAID = {
    "raw": (_COURSE, _COURSE),
    "differences": ("the steps of the last {points} points are unlike those of training",) * 2,
    "season": _SEASON,
    "jump": _STEPS,
    "jump_local": _STEPS,
    "largest": _STEPS,
    "volatility_short": _VARIES,
    "volatility_long": _VARIES,
    "volatility_ratio": ("it varies more than just before", "it varies less than just before"),
    "range": _VARIES,
    "level": ("it is farther from its recent mean than usual", "it is nearer to its recent mean than usual"),
    "frozen": ("it stands still for longer than usual", "it stands still less than usual"),
    "season_mean": _SEASON,
    "place": ("it is higher than usual", "it is lower than usual"),
    "place_lately": ("it has been higher than usual", "it has been lower than usual"),
    "place_mean": ("the last {points} points are higher than usual", "the last {points} points are lower than usual"),
    "apart": ("it is farther from its recent mean than usual", "it is nearer to its recent mean than usual"),
    "shift": ("its level has moved more than usual", "its level has moved less than usual"),
}
_LATELY = 4  # the newest quarter of the recent points
_MIN_OBSERVED = 0.5  # share of a window's points that must be present
_RAW_CUT = 6.0  # scales
_PLACE_LATELY, _SHIFT = 12, 6  # points
_APART_FLOOR = 0.25  # usual increments: smallest deviation of a window that distances are divided by
_SEASON_PHASES = 2  # a season needs as many earlier values of its phase in the window


@dataclass(frozen=True)
class ForestColumns:
    """Compute the columns of each value of a point, those of one value side by side.

    ``raw``: every value of the window, in scales of the series. ``differences``: every increment divided by its usual
    size, as sign · log(1 + ratio). ``season``: from the residuals r of the ``recent`` newest points, relative to the
    median of their phase in the window's earlier periods and divided by their usual scale: mean |r| of all and of the
    newest quarter, |mean r|, the largest and the newest |r|, as log(1 + ratio). ``window``: see
    :mod:`eddy.models.detectors.isolation_forest.window_features`. ``place``: where the newest value, the mean of the
    last 12 and of the window lie in scales of the series, as sign · log(1 + distance); and, as log(1 + ratio), how far
    the newest value is from the window's mean, and the mean of the last 6 from that before, in its standard deviations.

    Attributes:
        sets: the chosen sets, in this order.
        window: points in a window.
        season: period in points; 0 for none.
        recent: newest points whose season residuals count.
    """

    sets: tuple[str, ...]
    window: int
    season: int
    recent: int

    @classmethod
    def named(cls, text: str, window: int, season: int, recent: int) -> ForestColumns:
        """Read the sets from a list such as ``raw,differences``.

        Raises:
            SettingsError: a name is not a set; names it.
        """
        sets = tuple(name.strip() for name in text.split(","))
        unknown = [name for name in sets if name not in SETS]
        if unknown or len({*sets}) < len(sets):
            raise SettingsError(
                f"isolation-forest: parameter 'features': found {text!r}, expected some of {', '.join(SETS)}, each once"
            )
        return cls(sets, window, season, recent)

    @property
    def each(self) -> int:
        """Return the number of columns per value of a point."""
        return sum(len(self._names(name)) for name in self.sets)

    def _names(self, name: str) -> list[str]:
        """Return the names of a set's columns of one value; those that are of one kind have the set's name."""
        if name == "window":
            return [*PLAIN, *(SEASONAL if self.season else ())]
        if name == "place":
            return [*PLACES]
        return [name] * {"raw": self.window, "differences": self.window - 1, "season": len(RESIDUALS)}[name]

    @property
    def groups(self) -> list[tuple[str, str, slice]]:
        """Say what it means that columns of one value are above and below their usual values, by group of columns."""
        found, at = [], 0
        for name in self.sets:
            for column, alike in groupby(self._names(name)):
                size = len(list(alike))
                found.append((*_SAID[column], slice(at, at + size)))
                at += size
        return found

    def bounds(self, features: int) -> Floats:
        """Return (2, columns) smallest and largest value each column can take, raw values within their usual cut."""
        high = np.log1p(_CAP)
        parts = {
            "raw": np.repeat([[-_RAW_CUT], [_RAW_CUT]], self.window, axis=1),
            "differences": np.repeat([[-high], [high]], self.window - 1, axis=1),
            "season": np.repeat([[0.0], [high]], len(RESIDUALS), axis=1),
            "window": bounds(1, self.season > 0),
            "place": np.array([[-high, -high, -high, 0.0, 0.0], [high] * len(PLACES)]),
        }
        one = np.concatenate([parts[name] for name in self.sets], axis=1)
        return np.tile(one, features)

    def of(self, values: Floats, skipped: Bools, scales: Floats, levels: Floats) -> Floats:
        """Return the columns of windows.

        Args:
            values: (n, W, F); NaN where missing.
            skipped: (n, W) True where the point was filled in.
            scales: (n, F, 3), see :func:`eddy.models.detectors.isolation_forest.window_features.window_features`.
            levels: (n, F, 2) location and scale.

        Returns:
            (n, F · each); a row is NaN if the newest point has no value at all or half of the window is missing.
        """
        n, _, count = values.shape
        there = ~np.isnan(values) & ~skipped[:, :, None]
        known = there[:, -1].any(axis=1) & (there.mean(axis=(1, 2)) >= _MIN_OBSERVED)
        parts = []
        filled = np.zeros((0, 0, 0))
        if {"raw", "differences"} & {*self.sets}:
            scaled = (values - levels[:, None, :, 0]) / levels[:, None, :, 1]
            filled = fill_forward(scaled, there)
        for name in self.sets:
            if name == "raw":
                parts.append(np.clip(filled, -_RAW_CUT, _RAW_CUT).transpose(0, 2, 1))
            elif name == "differences":
                ratio = np.diff(filled, axis=1) * (levels[:, :, 1] / scales[:, :, 0])[:, None]
                signed = np.sign(ratio) * np.log1p(np.minimum(np.abs(ratio), _CAP))
                parts.append(signed.transpose(0, 2, 1))
            elif name == "season":
                out = np.zeros((n, count, len(RESIDUALS)))
                _residuals(values, skipped, scales, self.season, min(self.recent, self.window), out)
                parts.append(out)
            elif name == "place":
                out = np.zeros((n, count, len(PLACES)))
                _places(values, skipped, scales, levels, out)
                parts.append(out)
            else:
                parts.append(window_features(values, skipped, scales, self.season).reshape(n, count, -1))
        columns: Floats = np.concatenate(parts, axis=2).reshape(n, -1)
        columns[~known] = np.nan
        return columns


@njit(inline="always")  # type: ignore[untyped-decorator]
def _signed(distance: float) -> float:
    return np.sign(distance) * np.log1p(min(abs(distance), _CAP))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _places(values: Any, skipped: Any, scales: Any, levels: Any, out: Any) -> None:
    n, window, count = values.shape
    for row in range(n):
        for f in range(count):
            newest = values[row, window - 1, f]
            if np.isnan(newest) or skipped[row, window - 1]:
                continue
            centre, spread = levels[row, f, 0], levels[row, f, 1]
            total = squares = newly = lately = 0.0
            known = newly_known = lately_known = 0
            for back in range(window):  # the newest first
                i = window - 1 - back
                v = values[row, i, f]
                if not np.isnan(v) and not skipped[row, i]:
                    u = (v - centre) / spread
                    total += u
                    squares += u * u
                    known += 1
                if back < _SHIFT:
                    newly, newly_known = total, known
                if back < _PLACE_LATELY:
                    lately, lately_known = total, known
            place, mean = (newest - centre) / spread, total / known
            deviation = np.sqrt(max(squares / known - mean * mean, 0.0))
            unit = max(deviation, _APART_FLOOR * scales[row, f, 0] / spread)
            moved = newly / newly_known - (total - newly) / max(known - newly_known, 1)
            out[row, f, 0] = _signed(place)
            out[row, f, 1] = _signed(lately / lately_known)
            out[row, f, 2] = _signed(mean)
            out[row, f, 3] = np.log1p(min(abs(place - mean) / unit, _CAP))
            out[row, f, 4] = np.log1p(min(abs(moved) / unit, _CAP))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _residuals(values: Any, skipped: Any, scales: Any, season: int, recent: int, out: Any) -> None:
    n, window, count = values.shape
    earlier = np.empty(max(window // season, 1))
    for row in range(n):
        for f in range(count):
            spread = scales[row, f, 2]
            size = total = lately = largest = newest = 0.0
            used = used_lately = 0
            for back in range(recent):
                i = window - 1 - back
                v = values[row, i, f]
                if np.isnan(v) or skipped[row, i]:
                    continue
                found = 0
                k = i - season
                while k >= 0:
                    if not np.isnan(values[row, k, f]) and not skipped[row, k]:
                        earlier[found] = values[row, k, f]
                        found += 1
                    k -= season
                if found == 0:
                    continue
                middle = earlier[0] if found == 1 else np.median(earlier[:found])
                residual = (v - middle) / spread
                apart = abs(residual)
                size += apart
                total += residual
                used += 1
                largest = max(largest, apart)
                if back == 0:
                    newest = apart
                if back * _LATELY < recent:
                    lately += apart
                    used_lately += 1
            out[row, f, 0] = np.log1p(min(size / max(used, 1), _CAP))
            out[row, f, 1] = np.log1p(min(lately / max(used_lately, 1), _CAP))
            out[row, f, 2] = np.log1p(min(abs(total) / max(used, 1), _CAP))
            out[row, f, 3] = np.log1p(min(largest, _CAP))
            out[row, f, 4] = np.log1p(min(newest, _CAP))


def columns_for(
    features: str, period: int, recent: int, spec: WindowSpec, windows: FitWindows
) -> tuple[ForestColumns, str]:
    """Return (columns, note) for training data; without a season in them, the set ``window`` replaces ``season``.

    Args:
        features: list of sets.
        period: of the season in points; 0: a day, 1: none.
        recent: newest points whose season residuals count.
        spec, windows: the training data.

    Raises:
        SettingsError: an unknown set, or a window too short for the requested season.
    """
    asked = ForestColumns.named(features, spec.window, 0, max(recent, 1))
    seasonal = "season" in asked.sets
    season, note = _season(period, spec, windows, 1 if seasonal else _SEASON_PHASES)
    sets = asked.sets
    if seasonal and not season:
        sets = tuple(name for name in sets if name != "season") or ("window",)
        note = note or "the window holds no earlier value of a season's phase; season residuals are left out"
    return replace(asked, sets=sets, season=season), note


def _season(asked: int, spec: WindowSpec, windows: FitWindows, phases: int) -> tuple[int, str]:
    """Return (period in points or 0, note): the requested season, or a day, if the data shows it."""
    period = asked or (DAY_MS // spec.interval_ms if spec.interval_ms else 0)
    if period < 2 or spec.window <= phases * period:
        if asked > 1:
            raise SettingsError(
                f"isolation-forest: season={asked} needs a window above {phases * asked}, found {spec.window}"
            )
        return 0, ""
    shown = [season_shows(s.values[:, 0], period) for s in windows.segments]
    if 2 * sum(shown) < len(shown):
        return 0, f"no season of {period} points shows in the training data; its features are left out"
    return period, ""

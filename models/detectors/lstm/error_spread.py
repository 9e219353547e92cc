"""Estimate the usual size of errors, so that an error of a noisy series at a busy hour is not taken for an anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.preprocessing.calendar_features import DAY_MS

HOURS = 24
WEEK_HOURS = 168
WEEK_MS = 7 * DAY_MS
_WINSOR = 99.0  # per cent: larger errors count as this one, so single anomalies do not widen the scale
_PRIOR_POINTS = 12.0  # with so many points, an hour's own scale has the same weight as the prior
_FLOOR = 0.02  # scales of the series itself: smallest usual error, for a perfectly predictable series


class ErrorSpread:
    """Hold the standard deviation of errors per position, series, hour of the day and hour of the week.

    This is the diagonal of Σ in Malhotra et al. 2016, at a finer resolution. Errors and their scales are in units of
    the scaler's scale. Estimates from few points are shrunk: an hour of a series towards (scale of the series) × (scale
    of that hour over all series), an hour of the week towards 1.

    Args:
        position: (k, F) for the newest, second newest … point.
        series: (S + 1, H, F) factor of each series and hour of the day, H = 24, or 1 if hours do not matter; the last
            row is for unseen series.
        week: (168, F) factor of each hour of the week over all series, or (1, F).
    """

    def __init__(self, position: Floats, series: Floats, week: Floats) -> None:
        self.position, self.series, self.week = position, series, week

    @classmethod
    def blank(cls, scored: int, features: int, series: int) -> ErrorSpread:
        """Return scales that are all 1, until they are known."""
        return cls(np.ones((scored, features)), np.ones((series + 1, 1, features)), np.ones((1, features)))

    @classmethod
    def fit(
        cls, errors: Floats, valid: Bools, binding: Ints, end: Ints, held_out: Bools, series: int, day: bool, week: bool
    ) -> ErrorSpread:
        """Fit to errors (n, k, F) whose points count where ``valid``.

        The size comes from the windows that are ``held_out``; the pattern over hours comes from all of them, since
        held-out data alone hold each hour of the week only a few times.
        """
        known = np.where(valid, errors, np.nan)
        position = np.stack([_deviation(known[held_out, j].T) for j in range(errors.shape[1])])  # (k, F)
        relative = known[:, 0] / position[0]
        hours = HOURS if day else 1
        at = _bin(end, DAY_MS, hours)
        pooled = np.stack([_deviation(relative[at == h].T) for h in range(hours)])  # (H, F)
        of_week = np.ones((1, errors.shape[2]))
        if week:
            rest, of_hour = relative / pooled[at], _bin(end, WEEK_MS, WEEK_HOURS)
            of_week = np.stack([_shrunk(rest[of_hour == h], 1.0) for h in range(WEEK_HOURS)])
            relative = relative / of_week[of_hour]
        relative, at, binding = relative[held_out], at[held_out], binding[held_out]
        pooled = np.stack([_deviation(relative[at == h].T) for h in range(hours)])
        table = np.empty((series + 1, hours, errors.shape[2]))
        table[-1] = pooled
        for s in range(series):
            own = binding == s
            overall = _deviation((relative[own] / pooled[at[own]]).T)
            for h in range(hours):
                table[s, h] = _shrunk(relative[own & (at == h)], overall * pooled[h])
        return cls(position, np.maximum(table, _FLOOR / position[0]), of_week)

    def of(self, binding: Ints, end: Ints) -> Floats:
        """Return (n, k, F) the scale of each error."""
        factor = self.series[binding, _bin(end, DAY_MS, self.series.shape[1])]
        if len(self.week) > 1:
            factor = factor * self.week[_bin(end, WEEK_MS, len(self.week))]
        return self.position[None] * factor[:, None]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for the artifact."""
        return {"spread.position": self.position, "spread.series": self.series, "spread.week": self.week}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ErrorSpread:
        """Rebuild the scales from the result of :meth:`to_arrays`."""
        return cls(*(np.asarray(arrays[f"spread.{name}"], float) for name in ("position", "series", "week")))


def _bin(end: Ints, period_ms: int, bins: int) -> Ints:
    """Return (n,) which of ``bins`` equal parts of the period each time lies in."""
    return end % period_ms // (period_ms // bins)


def _shrunk(errors: Floats, prior: Floats | float) -> Floats:
    """Return (F,) root mean square of (n, F) errors, shrunk towards ``prior`` if there are few."""
    n = np.isfinite(errors).sum(axis=0)
    return np.asarray(np.sqrt((n * _deviation(errors.T) ** 2 + _PRIOR_POINTS * prior**2) / (n + _PRIOR_POINTS)))


def _deviation(errors: Floats) -> Floats:
    """Return (F,) root mean square of winsorised errors (F, n), NaN left out; 1 if there are none."""
    result = np.ones(len(errors))
    for f, row in enumerate(errors):
        size = np.abs(row[np.isfinite(row)])
        if len(size) and size.max() > 0:
            result[f] = np.sqrt(np.mean(np.minimum(size, np.percentile(size, _WINSOR)) ** 2))
    return np.maximum(result, 1e-9)

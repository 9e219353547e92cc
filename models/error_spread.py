"""How large errors usually are, so that an error of a noisy series at a busy hour is not taken for an anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detector import Bools, Floats, Ints
from models.season_phase import DAY_MS

HOURS = 24
_WINSOR = 99.0  # per cent: larger errors count as this one, so the odd anomaly does not widen the spread
_PRIOR_POINTS = 24.0  # a series' own hour counts as much as the prior once it has this many points
_FLOOR = 0.02  # spreads of the series itself: a perfectly predictable series is not judged more finely


class ErrorSpread:
    """Standard deviation of held-out errors per position, series and hour of the day.

    The diagonal of Σ in Malhotra et al. 2016, and finer.

    Errors and spreads are in units of the scaler's spread. The hour's spread of a series is its own estimate shrunk
    towards (spread of the series) × (spread of that hour over all series).

    Args:
        position: (k, F) for the newest, second newest … point.
        series: (S + 1, H, F) factor of each series and hour, H = 24, or 1 where hours do not matter; the last row
            is for unseen series.
    """

    def __init__(self, position: Floats, series: Floats) -> None:
        self.position, self.series = position, series

    @classmethod
    def blank(cls, judged: int, features: int, series: int) -> ErrorSpread:
        """All spreads 1, until they are known."""
        return cls(np.ones((judged, features)), np.ones((series + 1, 1, features)))

    @classmethod
    def fit(cls, errors: Floats, valid: Bools, binding: Ints, end: Ints, series: int, hourly: bool) -> ErrorSpread:
        """From errors (n, k, F) of held-out windows whose points count where ``valid``."""
        newest = np.where(valid, errors, np.nan)
        position = np.stack([_deviation(newest[:, j].T) for j in range(errors.shape[1])])  # (k, F)
        relative = newest[:, 0] / position[0]
        hours = HOURS if hourly else 1
        at = hour_of(end, hours)
        pooled = np.stack([_deviation(relative[at == h].T) for h in range(hours)])  # (H, F)
        table = np.empty((series + 1, hours, errors.shape[2]))
        table[-1] = pooled
        for s in range(series):
            own = binding == s
            overall = _deviation((relative[own] / pooled[at[own]]).T)
            for h in range(hours):
                part = relative[own & (at == h)]
                prior = overall * pooled[h]
                n = np.isfinite(part).sum(axis=0)
                variance = (n * _deviation(part.T) ** 2 + _PRIOR_POINTS * prior**2) / (n + _PRIOR_POINTS)
                table[s, h] = np.sqrt(variance)
        least = _FLOOR / position[0]
        return cls(position, np.maximum(table, least))

    def of(self, binding: Ints, end: Ints) -> Floats:
        """(n, k, F) spread of each error."""
        factor = self.series[binding, hour_of(end, self.series.shape[1])]
        return self.position[None] * factor[:, None]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For the artifact."""
        return {"spread.position": self.position, "spread.series": self.series}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ErrorSpread:
        """The inverse of :meth:`to_arrays`."""
        return cls(np.asarray(arrays["spread.position"], float), np.asarray(arrays["spread.series"], float))


def hour_of(end: Ints, hours: int) -> Ints:
    """(n,) bin of the time of day, of ``hours`` bins."""
    return end % DAY_MS // (DAY_MS // hours)


def _deviation(errors: Floats) -> Floats:
    """(F,) root mean square of winsorised errors (F, n), NaN left out; 1 where there are none."""
    result = np.ones(len(errors))
    for f, row in enumerate(errors):
        size = np.abs(row[np.isfinite(row)])
        if len(size) and size.max() > 0:
            result[f] = np.sqrt(np.mean(np.minimum(size, np.percentile(size, _WINSOR)) ** 2))
    return np.maximum(result, 1e-9)

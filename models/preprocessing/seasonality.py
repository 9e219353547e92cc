"""Find the season of training data, in points: a day if the data cover two days, else the dominant period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Floats, Series
from eddy.models.preprocessing.segments import by_name, measured

DAY_MS = 86_400_000
_MIN_POINTS = 4  # points of a season: fewer show no shape
_DAYS = 2  # that a series has to cover before a day is taken as its season
_MIN_CORRELATION = 0.3  # of the values with those a period earlier
_CYCLES = 3  # of a period that have to fit into a series


def usual_period(series: Sequence[Series], default: int) -> int:
    """Return the period of the longest series: a day if it covers two, else its dominant period, else ``default``.

    A series may come in several segments; one of them has to cover two days for a day, and its measured points, one
    after the other, have the dominant period. Uses no labels. Points without real times should be given times so close
    that no day fits.
    """
    longest = max(series, key=lambda s: len(s.ts))
    interval = float(np.median(np.diff(longest.ts))) if len(longest.ts) > 1 else 0.0
    day = round(DAY_MS / max(interval, 1.0))
    if day >= _MIN_POINTS and len(longest.ts) >= _DAYS * day:
        return day
    every = max(by_name(series).values(), key=lambda own: sum(len(s.ts) for s in own))
    values = longest.values if len(every) == 1 else measured(every).values
    found = [dominant_period(values[:, f]) for f in range(values.shape[1])]
    return next((p for p in found if p), default)


def dominant_period(values: Floats) -> int:
    """Return the lag of the highest autocorrelation of (n,) values after its first fall below 0; 0 if there is none.

    Missing values count as the mean. The lag is at most a third of the series, so that it was seen repeatedly.
    Fails on a strong trend, which correlates at every lag: take it out first.
    """
    known = np.isfinite(values)
    n = len(values)
    if known.sum() < _CYCLES * _MIN_POINTS:
        return 0
    centred = np.where(known, values - values[known].mean(), 0.0)
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(power)[:n]
    below = np.flatnonzero(correlation < 0)
    if correlation[0] <= 0 or not len(below):
        return 0
    lags = np.arange(max(int(below[0]), _MIN_POINTS), n // _CYCLES)
    if not len(lags):
        return 0
    best = int(lags[np.argmax(correlation[lags])])
    return best if correlation[best] >= _MIN_CORRELATION * correlation[0] else 0

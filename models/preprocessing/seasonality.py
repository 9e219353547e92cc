"""The season of training data, in points: a day where the data hold two, else what repeats in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Floats, Series

DAY_MS = 86_400_000
_FEWEST = 4  # points of a season: fewer have no shape
_DAYS = 2  # that a series has to hold for the day to be taken
_MIN_CORRELATION = 0.3  # of the values with those a period earlier
_CYCLES = 3  # of a period that have to fit into a series


def usual_period(series: Sequence[Series], default: int) -> int:
    """The period of the longest series: a day if it holds two, else its dominant period, else ``default``.

    No label enters. Points that are not clocked should be given times so close that no day fits.
    """
    longest = max(series, key=lambda s: len(s.ts))
    interval = float(np.median(np.diff(longest.ts))) if len(longest.ts) > 1 else 0.0
    day = round(DAY_MS / max(interval, 1.0))
    if day >= _FEWEST and len(longest.ts) >= _DAYS * day:
        return day
    found = [dominant_period(longest.values[:, f]) for f in range(longest.values.shape[1])]
    return next((p for p in found if p), default)


def dominant_period(values: Floats) -> int:
    """Lag of the highest autocorrelation of (n,) values after its first fall below 0; 0 where there is none.

    Missing values count as the mean. The lag is at most a third of the series, so that it was seen repeatedly.
    Fails on a strong trend, which correlates at every lag: take it out first.
    """
    known = np.isfinite(values)
    n = len(values)
    if known.sum() < _CYCLES * _FEWEST:
        return 0
    centred = np.where(known, values - values[known].mean(), 0.0)
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(power)[:n]
    below = np.flatnonzero(correlation < 0)
    if correlation[0] <= 0 or not len(below):
        return 0
    lags = np.arange(max(int(below[0]), _FEWEST), n // _CYCLES)
    if not len(lags):
        return 0
    best = int(lags[np.argmax(correlation[lags])])
    return best if correlation[best] >= _MIN_CORRELATION * correlation[0] else 0

"""Scale each series by its own location and scale, fitted on training data only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Floats, Ints, Series
from eddy.models.core.order_statistics import quantiles

_NORMAL_RANGE = 3.29  # p95 - p5 of a standard normal: makes the robust scale equal to the standard deviation
_RELATIVE_FLOOR = 1e-3  # smallest scale, as a share of the level: how far a constant series may move and stay normal
_ABSOLUTE_FLOOR = 1e-6  # smallest scale where the level is 0; of values below 1 a share of them
_FARTHEST = 1e6  # spreads: a value farther out counts as this far, so that squares and their sums are numbers


class SeriesScaler:
    """Scale each series and feature by its location (median) and its scale ((p95 - p5) / 3.29).

    For a normal distribution this scale is the standard deviation.
    Robust to a few per cent of anomalies in the training data. A series not seen in training is standardised by its own
    window. The scale has a minimum, so a constant series does not divide by 0.

    Args:
        names: the series, in the order of the rows below.
        centre, spread: (S, F) location and scale in the series' own units; spread > 0.

    Fails (scores too high or too low) once a series' level or scale lastingly differs from that of its training data;
    train again then.
    """

    def __init__(self, names: Sequence[str], centre: Floats, spread: Floats) -> None:
        self.names = list(names)
        self.centre, self.spread = centre, spread
        self._index = {name: i for i, name in enumerate(self.names)}

    @classmethod
    def fit(cls, series: Sequence[Series]) -> SeriesScaler:
        """Fit from training series, in one or more segments each; a feature without values gets centre 0, spread 1."""
        by_name: dict[str, list[Floats]] = {}
        for s in series:
            by_name.setdefault(s.name, []).append(s.values)
        moments = [robust_moments(np.concatenate(parts)[None]) for parts in by_name.values()]
        centre, spread = (np.concatenate([m[i] for m in moments]) for i in (0, 1))
        return cls(list(by_name), centre, spread)

    def bind(self, series: Sequence[str]) -> Ints:
        """Return (n,) the row of each series, -1 if not seen in training."""
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def moments(self, values: Floats, binding: Ints) -> tuple[Floats, Floats]:
        """Return (n, F) centre and spread for windows (n, W, F); computed from the window where ``binding`` is -1."""
        if not self.names:
            return robust_moments(values)
        centre, spread = self.centre[binding], self.spread[binding]
        unseen = np.flatnonzero(binding < 0)
        if len(unseen):
            centre[unseen], spread[unseen] = robust_moments(values[unseen])
        return centre, spread


def in_spreads(values: Floats, centre: Floats, spread: Floats) -> Floats:
    """Return values as distances from the centre in spreads, at most a million of them; NaN stays."""
    with np.errstate(over="ignore"):  # what overflows is clipped
        found = values - centre
        found /= spread
        return np.clip(found, -_FARTHEST, _FARTHEST, out=found)


def robust_moments(values: Floats) -> tuple[Floats, Floats]:
    """Return (n, F) median and scale, kept above a minimum, over the points of (n, W, F); NaN is left out."""
    low, centre, high = quantiles(values, (0.05, 0.5, 0.95))
    spread = high / _NORMAL_RANGE - low / _NORMAL_RANGE
    empty = np.isnan(centre)
    centre = np.where(empty, 0.0, centre)
    size = np.nan_to_num(np.maximum(np.abs(low), np.abs(high)))
    absolute = np.maximum(_ABSOLUTE_FLOOR * np.where(size > 0, np.minimum(size, 1), 1), np.finfo(float).tiny)
    floor = np.maximum(_RELATIVE_FLOOR * np.abs(centre), absolute)
    return centre, np.where(empty, 1.0, np.maximum(spread, floor))

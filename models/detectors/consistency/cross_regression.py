"""Predict each feature from the others and their products, where held-out data shows that this works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.arrays import Array, read_arrays
from eddy.models.core.detector import Bools, Floats
from eddy.models.preprocessing.scaler import in_spreads

_RIDGE = 1e-3  # times the number of rows, on standardised columns: bounds coefficients of nearly constant products
_BLOCKS = 5  # held out in turn: blocks rather than rows, because neighbouring rows are alike
_MIN_PER_COLUMN = 5  # rows per coefficient; with fewer, nothing is predicted
_CUT = 3.0  # robust deviations beyond which a training row counts less
_ROUNDS = 4  # of reweighting


@dataclass(frozen=True)
class CrossRegression:
    """Predict the F features of a point from each other by linear regression.

    Attributes:
        centre, spread: (F,) location and scale of the features.
        coefficients: (F, 1 + F + F(F+1)/2) of the constant, the features and their products; 0 where the feature itself
            is involved.
        used: (F,) whether a feature is predicted at all.
    """

    centre: Floats
    spread: Floats
    coefficients: Floats
    used: Bools

    @classmethod
    def fit(cls, values: Floats, worth: float) -> CrossRegression:
        """Fit on (n, F) rows in order of time.

        Args:
            values: NaN where missing; rows with a missing value are left out.
            worth: share of a feature's scale (5th to 95th percentile) that the prediction has to remove on held-out
                blocks.
        """
        count = values.shape[1]
        rows = values[np.isfinite(values).all(axis=1)]
        centre = rows.mean(axis=0) if len(rows) else np.zeros(count)
        spread = _deviation(rows) if len(rows) else np.ones(count)
        spread = np.where(spread > 1e-12 * np.maximum(np.abs(centre), 1e-300), spread, 1.0)
        columns = _columns(in_spreads(rows, centre, spread))
        involved = _involved(count)
        coefficients, used = np.zeros((count, columns.shape[1])), np.zeros(count, bool)
        for f in range(count):
            free = np.flatnonzero(~involved[f])
            target = (rows[:, f] - centre[f]) / spread[f]
            if count < 2 or len(rows) < _MIN_PER_COLUMN * len(free) or np.ptp(target) == 0:
                continue
            left = _held_out(columns[:, free], target)
            if _width(left) < (1 - worth) * _width(target):
                used[f] = True
                coefficients[f, free] = _ridge(columns[:, free], target)
        return cls(centre, spread, coefficients, used)

    def predict(self, values: Floats) -> Floats:
        """Predict (n, F) points; NaN if a feature is not predicted or a feature that it needs is missing."""
        columns = _columns(in_spreads(values, self.centre, self.spread))
        out = np.full(values.shape, np.nan)
        for f in np.flatnonzero(self.used):
            free = self.coefficients[f] != 0  # a missing feature affects only what depends on it
            out[:, f] = (columns[:, free] * self.coefficients[f, free]).sum(axis=1) * self.spread[f] + self.centre[f]
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for the artifact."""
        return {
            "regression.centre": self.centre,
            "regression.spread": self.spread,
            "regression.coefficients": self.coefficients,
            "regression.used": self.used.astype(float),
        }

    @classmethod
    def from_arrays(cls, kind: str, arrays: Mapping[str, NDArray[Any]], features: int) -> CrossRegression:
        """Rebuild the regressions from the result of :meth:`arrays`.

        Raises:
            ModelError: an array has the wrong shape or is not finite; names it.
        """
        columns = 1 + features + features * (features + 1) // 2
        wanted = {
            "centre": Array((features,)),
            "spread": Array((features,), above=0.0),
            "coefficients": Array((features, columns)),
            "used": Array((features,), low=0.0, high=1.0),
        }
        found = read_arrays(kind, arrays, {f"regression.{name}": array for name, array in wanted.items()})
        centre, spread, coefficients, used = (found[f"regression.{name}"] for name in wanted)
        return cls(centre, spread, coefficients, used > 0)


def _deviation(rows: Floats) -> Floats:
    """Return (F,) standard deviations, also of values whose squares are too large or too small for a number."""
    largest = np.abs(rows).max(axis=0)
    unit = np.where((largest > 1e150) | ((largest > 0) & (largest < 1e-140)), largest, 1.0)
    return np.asarray((rows / unit).std(axis=0) * unit)


def _columns(u: Floats) -> Floats:
    """Return (n, 1 + F + F(F+1)/2) columns: constant, features, products of two."""
    first, second = np.triu_indices(u.shape[1])
    return np.concatenate([np.ones((len(u), 1)), u, u[:, first] * u[:, second]], axis=1)


def _involved(count: int) -> Bools:
    """Return (F, columns) whether a column is computed from a feature."""
    first, second = np.triu_indices(count)
    own = np.arange(count)[:, None]
    alone = own == np.arange(count)[None, :]
    return np.concatenate([np.zeros((count, 1), bool), alone, (own == first) | (own == second)], axis=1)


def _ridge(x: Floats, y: Floats) -> Floats:
    """Fit coefficients; rows with large residuals count less (Huber's weights, a few rounds)."""
    penalty = _RIDGE * len(x) * np.eye(x.shape[1])
    penalty[0, 0] = 1e-9 * len(x)
    weight = np.ones(len(x))
    found = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        weighted = x * weight[:, None]
        found = np.linalg.solve(weighted.T @ x + penalty, weighted.T @ y)
        size = np.abs(y - x @ found)
        usual = 1.4826 * float(np.median(size))
        weight = np.minimum(1.0, _CUT * max(usual, 1e-9) / np.maximum(size, 1e-12))
    return np.asarray(found)


def _held_out(x: Floats, y: Floats) -> Floats:
    """Return (n,) residuals on blocks, each left out of its fit."""
    left = np.empty(len(y))
    for part in np.array_split(np.arange(len(y)), _BLOCKS):
        kept = np.ones(len(y), bool)
        kept[part] = False
        left[part] = y[part] - x[part] @ _ridge(x[kept], y[kept])
    return left


def _width(values: Floats) -> float:
    return float(np.percentile(values, 95) - np.percentile(values, 5))

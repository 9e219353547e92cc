"""Turn scores into tail probabilities, so that severities mean the same for every detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eddy.errors import ModelError
from eddy.models.core.detector import Floats

_LEVELS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
_SMALLEST = 1e-30


class Calibration:
    """Model the normal scores by their empirical distribution, with an exponential tail beyond the 99 % quantile.

    The tail is the generalised Pareto distribution with shape 0 (peaks over threshold, Pickands 1975), whose
    maximum-likelihood scale is the mean excess.

    Args:
        quantiles: scores at the levels 0, 25, 50, 75, 90, 95, 98, 99 %, not decreasing.
        mean_excess: mean of (score - 99 % quantile) over the scores above it; > 0.
    """

    def __init__(self, quantiles: Sequence[float], mean_excess: float) -> None:
        self._quantiles = np.asarray(quantiles, float)
        good = self._quantiles.shape == (len(_LEVELS),) and np.isfinite(self._quantiles).all()
        if not good or (np.diff(self._quantiles) < 0).any() or not 0 < mean_excess < np.inf:
            message = (
                f"calibration: expected {len(_LEVELS)} finite quantiles, not decreasing, and a mean excess above 0"
            )
            raise ModelError(message)
        self._mean_excess = float(mean_excess)

    @classmethod
    def fit(cls, scores: Floats) -> Calibration:
        """Fit from (n,) validation scores; NaN is left out. Fewer than a few hundred give a coarse tail."""
        finite = scores[np.isfinite(scores)]
        if not len(finite):
            raise ModelError("calibration: no finite validation score")
        quantiles = np.quantile(finite, _LEVELS)
        excess = finite[finite > quantiles[-1]] - quantiles[-1]
        spread = max(float(quantiles[-1] - quantiles[2]), 1e-12)
        return cls(quantiles.tolist(), float(excess.mean()) if len(excess) else 0.1 * spread)

    def tail(self, scores: Floats) -> Floats:
        """Return (n,) the probability of a normal score at least as high, in (0, 1]."""
        levels = np.interp(scores, self._quantiles, _LEVELS)
        beyond = (1 - _LEVELS[-1]) * np.exp(-np.maximum(scores - self._quantiles[-1], 0) / self._mean_excess)
        return np.maximum(np.where(scores > self._quantiles[-1], beyond, 1 - levels), _SMALLEST)

    @property
    def median(self) -> float:
        """Return the usual score."""
        return float(self._quantiles[_LEVELS.index(0.5)])

    def to_params(self) -> dict[str, Any]:
        """Return JSON-able parameters for the manifest."""
        return {"quantiles": self._quantiles.tolist(), "mean_excess": self._mean_excess}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Calibration:
        """Rebuild a calibration from the result of :meth:`to_params`."""
        try:
            return cls(params["quantiles"], params["mean_excess"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"calibration: {error!r}") from None

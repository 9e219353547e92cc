"""A threshold that follows each series: so many deviations above the mean of the scores it has had so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from eddy.errors import ModelError
from models.detector import Floats, Ints
from models.past_calibration import MOMENTS, add, deviate
from models.peak_stage import WORDS as PEAK_WORDS
from models.peak_stage import peak
from models.threshold import Threshold


class PastDeviationThreshold(Threshold):
    """Mean + k standard deviations of all earlier scores of the series: robust to nothing, needs no training.

    Meant for detectors that do not calibrate themselves. Until ``least`` scores are known the limit is infinite.

    Args:
        k: deviations.
        least: scores a series needs before any can be anomalous.
        floor: smallest standard deviation, in units of the score.
    """

    policy = "past-deviation"
    state_size = MOMENTS

    def __init__(self, k: float = 3.0, least: int = 100, floor: float = 1e-9) -> None:
        if not (np.isfinite(k) and k > 0 and least >= 2 and floor > 0):
            raise ModelError(
                f"threshold 'past-deviation': found k={k}, least={least}, floor={floor}; "
                "expected k > 0, least >= 2, floor > 0"
            )
        self.k, self.least, self.floor = float(k), int(least), float(floor)

    @classmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> PastDeviationThreshold:
        """Nothing to learn; ``params`` as the constructor's."""
        return cls(**params)

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        count, mean = state[:, 0], state[:, 1]
        spread = np.sqrt(state[:, 2] / np.maximum(count, 1.0) + self.floor**2)
        limits = np.where(count >= self.least, mean + self.k * spread, np.inf)
        seen = np.isfinite(scores)
        state[seen, 0] += 1.0
        apart = scores[seen] - state[seen, 1]
        state[seen, 1] += apart / state[seen, 0]
        state[seen, 2] += apart * (scores[seen] - state[seen, 1])
        return np.asarray(limits)

    def to_params(self) -> dict[str, Any]:
        return {"policy": self.policy, "k": self.k, "least": self.least, "floor": self.floor}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> PastDeviationThreshold:
        try:
            return cls(float(params["k"]), int(params["least"]), float(params["floor"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"threshold: 'past-deviation' needs k, least and floor: {error!r}") from None


@njit(cache=True)  # type: ignore[untyped-decorator]
def calibrated(scores: Floats, quiet: int, limit: float, floor: float) -> Floats:
    """(n,) raw scores of one series as deviates from their past, peaks only: what makes raw errors comparable.

    Args:
        scores: (n,) raw, NaN where there is none.
        quiet: rows at the start that only calibrate; their result is 0.
        limit: deviate that counts as an alert, for the peak stage.
        floor: in units of the raw score; see :mod:`models.past_calibration`.
    """
    row = np.zeros(MOMENTS + PEAK_WORDS)
    out = np.zeros(len(scores))
    for t in range(len(scores)):
        if np.isnan(scores[t]):
            continue
        z = deviate(row, 0, scores[t], floor)
        add(row, 0, scores[t])
        if t >= quiet:
            out[t] = peak(row, MOMENTS, z, limit)
    return out

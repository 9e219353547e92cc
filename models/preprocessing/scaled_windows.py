"""Scale windows and fill their gaps for the networks; mark which values were measured and which windows to score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats, WindowBatch
from eddy.models.preprocessing.scaler import SeriesScaler, in_spreads

_MIN_OBSERVED = 0.5  # share of a window's values that must be present for a score


@dataclass(frozen=True)
class ScaledWindows:
    """Hold a batch of windows, scaled by each series' location and scale.

    Attributes:
        x: (n, W, F) scaled; a missing value repeats the one before, 0 at the start.
        valid: (n, W, F) False where the value was missing or the point filled in.
        scored: (n,) whether a score is possible: a newest value and half of the window are present.
        centre, scale: (n, F) raw = scaled * scale + centre.
    """

    x: Floats
    valid: Bools
    scored: Bools
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, scaler: SeriesScaler, batch: WindowBatch) -> ScaledWindows:
        """Scale and fill ``batch``."""
        centre, scale = scaler.moments(batch.values, batch.binding)
        x = in_spreads(batch.values, centre[:, None], scale[:, None])
        there = ~np.isnan(x)
        valid = there & ~batch.imputed[:, :, None]
        scored = valid[:, -1].any(axis=1) & (there.mean(axis=(1, 2)) >= _MIN_OBSERVED)
        return cls(x if there.all() else fill_forward(x, there), valid, scored, centre, scale)


def fill_forward(x: Floats, valid: Bools) -> Floats:
    """Return (n, W, F) with each missing value replaced by the last one before it, or 0 if there is none."""
    last = np.maximum.accumulate(np.where(valid, np.arange(x.shape[1])[None, :, None], 0), axis=1)
    return np.nan_to_num(np.take_along_axis(x, last, axis=1), nan=0.0)

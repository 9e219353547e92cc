"""Raw errors made comparable: each in the spread of its own past, and peaks only."""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate
from eddy.models.detectors.novelty.peak_filter import STATE_WIDTH as PEAK_WIDTH
from eddy.models.detectors.novelty.peak_filter import peak


@njit(cache=True)  # type: ignore[untyped-decorator]
def calibrated(scores: Floats, quiet: int, limit: float, floor: float) -> Floats:
    """(n,) raw scores of one series as deviates from their past, peaks only: what makes raw errors comparable.

    Args:
        scores: (n,) raw, NaN where there is none.
        quiet: rows at the start that only calibrate; their result is 0.
        limit: deviate that counts as an alert, for the peak stage.
        floor: in units of the raw score; see :mod:`eddy.models.detectors.novelty.online_calibration`.
    """
    row = np.zeros(MOMENTS + PEAK_WIDTH)
    out = np.zeros(len(scores))
    for t in range(len(scores)):
        if np.isnan(scores[t]):
            continue
        z = deviate(row, 0, scores[t], floor)
        add(row, 0, scores[t])
        if t >= quiet:
            out[t] = peak(row, MOMENTS, z, limit)
    return out

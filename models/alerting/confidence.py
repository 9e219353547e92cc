"""How far to trust an alert, apart from how severe it is: less where points were filled in or the history is short."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints

_FULL_POINTS, _FULL_WINDOWS = 200, 4  # history from which on a series counts as known: the larger of both


def confidence(values: Floats, imputed: Bools, points: Ints, trained: Bools) -> Floats:
    """(n,) in [0, 1]: the share of the window that was measured, times the share of a full history that was seen.

    Args:
        values: (n, W, F) windows; NaN = missing, which counts as not measured.
        imputed: (n, W) points that were filled in.
        points: (n,) points seen of the series so far.
        trained: (n,) True where training has seen the series: its history is not short.
    """
    missing = np.isnan(values).mean(axis=2)
    measured = 1.0 - np.where(imputed, 1.0, missing).mean(axis=1)
    full = max(_FULL_POINTS, _FULL_WINDOWS * values.shape[1])
    seen = np.where(trained, 1.0, np.minimum(points / full, 1.0))
    return np.asarray(measured * seen)

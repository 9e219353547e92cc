"""Rate how far to trust an alert, apart from its severity: less after filled-in points or on a short history."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints

_FULL_POINTS, _FULL_WINDOWS = 200, 4  # history that counts as complete: the larger of both


def confidence(values: Floats, imputed: Bools, points: Ints, trained: Bools) -> Floats:
    """Return (n,) in [0, 1]: the measured share of the window, times the seen share of a complete history.

    Args:
        values: (n, W, F) windows; NaN = missing, which counts as not measured.
        imputed: (n, W) points that were filled in.
        points: (n,) points seen of the series so far.
        trained: (n,) True if the series was seen in training: its history then counts as complete.
    """
    missing = np.isnan(values).mean(axis=2)
    measured = 1.0 - np.where(imputed, 1.0, missing).mean(axis=1)
    full = max(_FULL_POINTS, _FULL_WINDOWS * values.shape[1])
    seen = np.where(trained, 1.0, np.minimum(points / full, 1.0))
    return np.asarray(measured * seen)

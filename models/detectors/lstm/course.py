"""Say where in a window an autoencoder's errors are largest."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import FarthestPoint, Floats, WindowBatch


def course_unlike_training(squares: Floats, window: int) -> list[str]:
    """Return a text for each window, from the (n, k, F) squared errors of its k newest points, newest first."""
    found = []
    for back in squares.sum(axis=2).argmax(axis=1).tolist():
        where = f"{back} points ago" if back > 1 else "one point ago" if back else "at the newest point"
        found.append(f"the course of the last {window} points is unlike that of training, most of all {where}")
    return found


def farthest_of(batch: WindowBatch, size: Floats, rebuilt: Floats, reach: Floats) -> FarthestPoint:
    """Return the point with the largest single error.

    Args:
        batch: n windows.
        size: (n, k, F) of each error of the k newest points, newest first; the largest counts.
        rebuilt, reach: likewise, the values rebuilt and how far from them is still usual, in the series' own units.
    """
    rows, ago = np.arange(len(batch)), size.max(axis=2).argmax(axis=1)
    values, middle, half = batch.values[rows, -1 - ago], rebuilt[rows, ago], reach[rows, ago]
    return FarthestPoint(ago, values, middle, middle - half, middle + half)

"""Say where in a window an autoencoder's errors are largest."""

from __future__ import annotations

from eddy.models.core.detector import Floats


def course_unlike_training(squares: Floats, window: int) -> list[str]:
    """Return a text for each window, from the (n, k, F) squared errors of its k newest points, newest first."""
    found = []
    for back in squares.sum(axis=2).argmax(axis=1).tolist():
        where = f"{back} points ago" if back > 1 else "one point ago" if back else "at the newest point"
        found.append(f"the course of the last {window} points is unlike that of training, most of all {where}")
    return found

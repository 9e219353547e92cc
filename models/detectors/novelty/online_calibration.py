"""Calibrate a score by its own past: turn it into a normal deviate. All streaming detectors share this.

``z = (s - m) / sqrt((v + f^2)(1 + 1/n))`` with the expanding mean m and variance v of n earlier scores, then mapped
through Student's t with n - 1 degrees of freedom to the normal deviate of the same tail (Wallace 1959), so that a score
after ten observations is trusted less than one after ten thousand. Below the mean z is 0.

The smallest scale f, in units of the score, prevents a division by 0 for a score that was always exactly 0.
Fails if the past contains something extreme: v then hides later anomalies for a long time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count, size

MOMENTS = 3  # count, mean, sum of squared deviations
BLOCK_MAXIMA = MOMENTS + 2  # and the maximum and the length of the unfinished block

__all__ = ["BLOCK_MAXIMA", "MOMENTS", "add", "add_to_block", "block_bounds", "deviate", "moment_bounds", "score_at"]


def moment_bounds() -> Bounds:
    """Return what moments may be."""
    return Row(count(), Numbers(), size())


def block_bounds(length: int) -> Bounds:
    """Return what the moments of the maxima of blocks of ``length`` scores may be."""
    return Row(moment_bounds(), size(), count(length))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def deviate(row: Floats, at: int, score: float, floor: float) -> float:
    """Return the score as a normal deviate, >= 0, against the moments at ``at``; 0 while fewer than 3 are known."""
    n = row[at]
    if n < 3 or score <= row[at + 1]:
        return 0.0
    dof = n - 1.0
    z = (score - row[at + 1]) / np.sqrt((row[at + 2] / dof + floor * floor) * (1.0 + 1.0 / n))
    return float(np.sqrt(dof * np.log1p(z * z / dof)) * (8.0 * dof + 1.0) / (8.0 * dof + 3.0))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add(row: Floats, at: int, score: float) -> None:
    """Add one more score to the moments (Welford 1962)."""
    row[at] += 1.0
    apart = score - row[at + 1]
    row[at + 1] += apart / row[at]
    row[at + 2] += apart * (score - row[at + 1])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_to_block(row: Floats, at: int, score: float, length: int) -> None:
    """Add one more score to moments of the maxima of blocks of ``length`` scores.

    Use this for scores that stay high together, such as averages over overlapping windows: their maxima per block are
    about independent, the scores themselves are not. Scores are >= 0.
    """
    row[at + MOMENTS] = max(row[at + MOMENTS], score)
    row[at + MOMENTS + 1] += 1.0
    if row[at + MOMENTS + 1] >= length:
        add(row, at, row[at + MOMENTS])
        row[at + MOMENTS] = 0.0
        row[at + MOMENTS + 1] = 0.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def score_at(row: Floats, at: int, z: float, floor: float) -> float:
    """Invert :func:`deviate`: return the score whose deviate is ``z``; NaN while fewer than 3 scores are known."""
    n = row[at]
    if n < 3:
        return np.nan
    dof = n - 1.0
    normal = z * (8.0 * dof + 3.0) / (8.0 * dof + 1.0)
    student = np.sqrt(dof * np.expm1(min(normal * normal / dof, 500.0)))  # 500: e to it is still a float64
    return float(row[at + 1] + student * np.sqrt((row[at + 2] / dof + floor * floor) * (1.0 + 1.0 / n)))

"""The generalised Pareto distribution of peaks over a threshold: its maximum-likelihood fit, and its quantiles.

The fit is Grimshaw's (1993), as in Siffer et al. 2017, section 3.2: with ``s = gamma / sigma`` the two likelihood
equations become one, ``u(s)·v(s) = 1`` with ``u = mean 1/(1 + s·y)`` and ``v = 1 + mean ln(1 + s·y)``; then
``gamma = v(s) - 1``. Its roots lie in ``(-1/max y, 0)`` and ``(0, 2(mean y - min y)/(min y)²)``; 0 itself stands for
the exponential distribution. Of all of them the likeliest is taken.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats

_LEFT = np.array([-0.99999, -0.999, -0.99, -0.95, -0.88, -0.78, -0.65, -0.5, -0.35, -0.2, -0.1, -0.04, -0.01, -1e-3])
_RIGHT_POINTS = 16  # spread evenly in the logarithm, from _NEAREST to the end of the interval
_NEAREST = 1e-3  # s·mean nearer to 0 is the exponential distribution
_FARTHEST = 1e6  # s·mean beyond it means peaks of which the smallest is next to nothing: no root is lost in practice
_STEPS = 40  # at most; about 8 are needed
_CLOSE = 1e-10
_MIN_SHAPE = -1.0  # below, the likelihood has no maximum (Grimshaw 1993)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fit(peaks: Floats) -> tuple[float, float]:
    """(gamma, sigma) of (n,) excesses, all > 0; n >= 1. Shapes below -1 are not considered."""
    mean = peaks.mean()
    y = peaks / mean
    largest, smallest = y.max(), y.min()
    shape, scale, best = 0.0, 1.0, -1.0  # the exponential: mean log-likelihood -ln(mean) - 1, with mean 1
    farthest = min(2.0 * (1.0 - smallest) / max(smallest * smallest, 1e-12), _FARTHEST)
    for side in range(2):
        points = len(_LEFT) if side == 0 else _RIGHT_POINTS
        if side == 1 and farthest <= _NEAREST:
            break
        before, w_before = 0.0, 0.0
        for k in range(points):
            s = _LEFT[k] / largest if side == 0 else _NEAREST * (farthest / _NEAREST) ** (k / (_RIGHT_POINTS - 1.0))
            w = _w(y, s)
            if k > 0 and w * w_before <= 0.0:
                root = _root(y, before, s, w_before, w)
                gamma = np.log1p(root * y).mean()
                if gamma > _MIN_SHAPE and root != 0.0 and gamma / root > 0.0:
                    likelihood = -np.log(gamma / root) - gamma - 1.0
                    if likelihood > best:
                        shape, scale, best = gamma, gamma / root, likelihood
            before, w_before = s, w
    return shape, scale * mean


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _w(y: Floats, s: float) -> float:
    u, v = 0.0, 0.0
    for value in y:
        inner = 1.0 + s * value
        u += 1.0 / inner
        v += np.log(inner)
    return float((u / len(y)) * (1.0 + v / len(y)) - 1.0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _root(y: Floats, low: float, high: float, w_low: float, w_high: float) -> float:
    """Where w is 0 between two points at which its signs differ: false position, Illinois variant."""
    middle = low
    for _ in range(_STEPS):
        if w_high == w_low:
            break
        middle = (low * w_high - high * w_low) / (w_high - w_low)
        w = _w(y, middle)
        if abs(w) < _CLOSE:
            break
        if w * w_high < 0.0:
            low, w_low = high, w_high
        else:
            w_low *= 0.5
        high, w_high = middle, w
    return float(middle)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def quantile(threshold: float, gamma: float, sigma: float, ratio: float) -> float:
    """z_q (Siffer et al. 2017, eq. 1): what is exceeded with probability q; ``ratio`` = q·n / number of peaks.

    With a ratio of 1 or more, q is not in the tail: the threshold itself.
    """
    if ratio >= 1.0:
        return threshold
    if abs(gamma) < 1e-8:
        return float(threshold - sigma * np.log(ratio))
    return float(threshold + sigma / gamma * (ratio ** (-gamma) - 1.0))

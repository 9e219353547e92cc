"""Combine several detectors' deviates into one by the rules of an ensemble.

All rules take normal deviates z (0 below a score's own mean) and return one, so that one threshold serves them all. p
is the upper tail, 1 - Φ(z). Members of an ensemble see the same points, so they depend on one another: ``stouffer`` and
``fisher``, made for independent tests, then give a deviate that is too large; ``mean`` and ``max`` do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from eddy.models.core.detector import Floats

_DEEPEST = -700.0  # ln of the smallest tail of float64; beyond it the chi-squared tail is its leading term


def _mean(z: Floats, weight: Floats) -> Floats:
    return np.asarray((weight * z).sum(axis=1) / weight.sum(axis=1))


def _max(z: Floats, weight: Floats) -> Floats:
    """Return the largest weighted deviate; the largest weight counts as 1."""
    return np.asarray((z * weight / weight.max(axis=1, keepdims=True)).max(axis=1))


def _stouffer(z: Floats, weight: Floats) -> Floats:
    """Combine by Stouffer et al. 1949, with Lipták's weights: Σ w z / √Σ w²."""
    return np.asarray((weight * z).sum(axis=1) / np.sqrt((weight**2).sum(axis=1)))


def _fisher(z: Floats, weight: Floats) -> Floats:
    """Combine by Fisher 1925: X = -2 Σ w ln p, weights' mean 1, against chi-squared (of 2 Σ 1 degrees of freedom)."""
    from scipy.special import gammaincc, log_ndtr, ndtri_exp  # slow to import, and few jobs need it

    there = weight > 0
    members = there.sum(axis=1)
    half = -(weight * log_ndtr(-z)).sum(axis=1) * members / weight.sum(axis=1)  # X / 2
    with np.errstate(divide="ignore"):
        tail = np.log(gammaincc(members, half))
    tail = np.where(half > -_DEEPEST, (members - 1) * np.log(np.maximum(half, 1.0)) - half, tail)
    return np.asarray(np.maximum(-ndtri_exp(np.minimum(tail, -1e-12)), 0.0))


RULES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "mean": _mean,
    "max": _max,
    "stouffer": _stouffer,
    "fisher": _fisher,
}


def combine(z: Floats, weights: Floats, rule: str) -> Floats:
    """Combine (n, M) deviates with (M,) weights into (n,); a member without a deviate (NaN) is left out of its row.

    NaN if no member has a deviate.
    """
    known = np.isfinite(z)
    rows = known.any(axis=1)
    out = np.full(len(z), np.nan)
    if rows.any():
        out[rows] = RULES[rule](np.where(known, z, 0.0)[rows], (known * weights)[rows])
    return out

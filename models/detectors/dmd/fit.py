"""Fit a DMD forecaster to a batch with PyDMD, and turn its modes and eigenvalues into the operator for scoring."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError
from eddy.models.core.detector import Floats

Complexes = NDArray[np.complex128]

_TINY = 1e-9  # of the largest singular value: smaller directions are rounding errors
_RIDGE = 1e-3  # of the mean variance: keeps the first gain finite where a coordinate never moved


@dataclass(frozen=True)
class Operator:
    """Hold the result of the fit.

    Attributes:
        operator: (F, d·F) predicts the next point from the d points before it.
        basis: (r, d·F) the leading directions of the past (POD modes).
        inverse: (r + 1, r + 1) inverse covariance of the coordinates and a constant, as if ``prior`` points were seen.
        eigenvalues: (r,) of the operator, discrete, complex.
    """

    operator: Floats
    basis: Floats
    inverse: Floats
    eigenvalues: Complexes


def fit_operator(
    before: Floats, after: Floats, features: int, rank: int, method: str, trials: int, prior: float, seed: int
) -> Operator:
    """Fit to pairs of Hankel states, columns of (d·F, m): ``after`` is ``before`` one point later.

    Args:
        before, after: scaled, without missing values. For ``bop`` the columns follow one another in time.
        features: F.
        rank: largest number of modes.
        method: ``hankel`` (exact DMD of the pairs, Tu et al. 2014, after Arbabi and Mezić 2017) or ``bop`` (BOPDMD:
            optimised, and bagged if ``trials`` > 0; Sashidhar and Kutz 2022).
        trials: bags, for ``bop``.
        prior: weight of the batch fit online, in points.
        seed: random seed of the bags.

    Raises:
        DataError: PyDMD finds no modes.
    """
    left, values, _ = np.linalg.svd(before, full_matrices=False)
    there = int((values > _TINY * max(values[0], 1e-300)).sum()) if values[0] > _TINY else 0
    rank = min(rank, there)
    size = before.shape[0]
    if rank == 0:  # constant values: the forecast repeats them
        operator = np.zeros((features, size))
        operator[:, -features:] = np.eye(features)
        return Operator(operator, np.zeros((1, size)), np.eye(2), np.ones(1, complex))
    modes, eigenvalues = _modes(before, after, rank, method, trials, seed)
    full = (modes[-features:] * eigenvalues) @ np.linalg.pinv(modes)
    if not np.isfinite(full).all():
        raise DataError(f"dmd: method {method!r} gave no finite operator; take a lower rank, or method hankel")
    basis = left[:, :rank].T
    signs = np.sign(basis[np.arange(rank), np.argmax(np.abs(basis), axis=1)])
    basis = basis * np.where(signs == 0, 1.0, signs)[:, None]
    coordinates = np.concatenate([basis @ before, np.ones((1, before.shape[1]))])
    covariance = coordinates @ coordinates.T / before.shape[1]
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    inverse = np.linalg.inv(covariance) / prior
    return Operator(np.ascontiguousarray(full.real), np.ascontiguousarray(basis), inverse, eigenvalues)


def _modes(
    before: Floats, after: Floats, rank: int, method: str, trials: int, seed: int
) -> tuple[Complexes, Complexes]:
    """Return (modes (d·F, r), discrete eigenvalues (r,))."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyDMD warns about condition numbers; the relevant ones are checked above
        from pydmd import BOPDMD, DMD  # noqa: PLC0415  fitted with, never scored with

        if method == "hankel":
            dmd = DMD(svd_rank=rank, exact=True, opt=False).fit(before, after)
            return dmd.modes, dmd.eigs
        kept = np.random.get_state()  # PyDMD draws its bags from numpy's global generator
        np.random.seed(seed % 2**32)
        try:
            bop = BOPDMD(svd_rank=rank, num_trials=trials, eig_constraints={"stable"}, varpro_opts_dict={"tol": 1e-3})
            bop.fit(before, np.arange(before.shape[1], dtype=float))
        except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            raise DataError(f"dmd: BOPDMD found no modes: {error}; take a lower rank, or method hankel") from None
        finally:
            np.random.set_state(kept)
        return bop.modes, np.exp(bop.eigs)

"""Fit a normal distribution of error vectors with its full covariance, and compute the Mahalanobis distance from it."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Floats

_CONDITION = 1e6  # largest over smallest eigenvalue; beyond it the inverse is inaccurate in float32
_FLOOR = 1e-4  # squared scales of the series: smallest variance, so errors below 1 % of a scale do not count


class ErrorGaussian:
    """Hold N(mean, S), with S^-1 = root @ root.T.

    Args:
        mean: (D,).
        root: (D, D) lower triangular.
    """

    def __init__(self, mean: Floats, root: Floats) -> None:
        self.mean, self.root = mean, root

    @classmethod
    def fit(cls, errors: Floats) -> tuple[ErrorGaussian, str]:
        """Estimate mean and covariance by maximum likelihood from (n, D) error vectors; add a note if shrunk.

        A covariance that is singular or nearly so (condition above 1e6, as with fewer vectors than components) is
        shrunk towards a multiple of the identity by Ledoit and Wolf 2004; variances below a minimum (errors that are
        always 0) are raised to it.
        """
        n, size = errors.shape
        mean = errors.mean(axis=0)
        apart = errors - mean
        covariance = apart.T @ apart / max(n, 1)
        note = ""
        values = np.linalg.eigvalsh(covariance)
        if values[-1] <= 0 or values[0] < values[-1] / _CONDITION:
            from sklearn.covariance import ledoit_wolf  # noqa: PLC0415  trained with, never scored with

            rank = int((values > values[-1] / _CONDITION).sum()) if values[-1] > 0 else 0
            covariance, weight = ledoit_wolf(apart, assume_centered=True) if n > 1 else (covariance, 0.0)
            note = (
                f"covariance of {size} error components from {n} windows is singular (rank {rank}): "
                f"shrunk towards the identity with weight {weight:.2g} (Ledoit-Wolf)"
            )
            covariance = np.atleast_2d(covariance)
            values = np.linalg.eigvalsh(covariance)
        if values[0] < _FLOOR / 100 or values[0] < values[-1] / _CONDITION:
            covariance = covariance + max(_FLOOR, values[-1] / _CONDITION) * np.eye(size)
            note = note or f"covariance of {size} error components is nearly singular"
            note += f"; {max(_FLOOR, values[-1] / _CONDITION):.1g} was added to each variance"
        return cls(mean, np.linalg.cholesky(np.linalg.inv(covariance))), note

    def whitened(self, errors: Floats) -> Floats:
        """Return (…, D) root.T @ (e - mean): independent components of variance 1."""
        return np.asarray((errors - self.mean) @ self.root)

    def squared(self, errors: Floats) -> Floats:
        """Return (…,) (e - mean)' S^-1 (e - mean)."""
        return np.asarray((self.whitened(errors) ** 2).sum(axis=-1))

    def pulled(self, errors: Floats) -> Floats:
        """Return (…, D) S^-1 (e - mean): half the gradient of :meth:`squared`."""
        return np.asarray(self.whitened(errors) @ self.root.T)

    @property
    def precision_diagonal(self) -> Floats:
        """Return (D,) diagonal of S^-1."""
        return np.asarray((self.root**2).sum(axis=1))

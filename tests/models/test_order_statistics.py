"""Check that the kernel's quantiles are those of numpy, to the bit, for windows of any length and with holes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from eddy.models.core.order_statistics import FEW, quantiles

SHARES = (0.0, 0.05, 0.25, 0.5, 0.95, 1.0)


@pytest.mark.parametrize("window", [1, 2, 3, 30, FEW, FEW + 1, 336])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_quantiles_are_those_of_numpy(window: int, holes: float) -> None:
    rng = np.random.default_rng(window)
    values = rng.normal(100, 1, (40, window, 3)) * 10.0 ** rng.integers(-5, 6, (40, 1, 3))
    values[rng.random(values.shape) < holes] = np.nan
    values[7, :, 1] = np.nan
    values[8, :, 1] = 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanpercentile(values, [100 * share for share in SHARES], axis=1)
    np.testing.assert_array_equal(quantiles(values, SHARES), expected)

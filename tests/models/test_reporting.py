"""Check the rounding of reported numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.models.engine.alert_messages import _six_digits


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_reported_numbers_keep_six_digits(value: float) -> None:
    (short,) = _six_digits(np.array([value])).tolist()
    assert short == pytest.approx(value, rel=5.1e-6, nan_ok=True)
    if 1e-10 < abs(value) < 1e15:
        assert short == float(f"{short:.6g}")


def test_numbers_with_up_to_six_digits_are_unchanged() -> None:
    values = [0.0, -0.0, 1.0, -2.5, 100.125, 0.1, 1234560.0, 3e-7, 5e-324, np.inf]
    assert _six_digits(np.array(values)).tolist() == values

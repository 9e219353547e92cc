"""Check that the forest finds what it is said to be best at, and a rolling z-score does not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.trained_strengths import CASES, data_of, outcomes


@pytest.mark.parametrize("case", ["calm", "stuck", "reversed shape"])
def test_forest_finds_events_whose_values_are_all_usual(case: str) -> None:
    rolling, forest = outcomes(case, ["isolation-forest"], seeds=1)
    assert forest.f1 >= 0.6
    assert rolling.f1 <= 0.2


@pytest.mark.parametrize("case", sorted(set(CASES) - {"several"}))
def test_no_value_of_an_event_leaves_the_usual_range(case: str) -> None:
    (one,) = data_of(case, 1).recordings
    low, high = np.min(one.values[: one.start]), np.max(one.values[: one.start])
    spread = (high - low) / 10
    inside = one.values[one.truth]
    assert len(one.events) == 6
    assert ((inside > low - spread) & (inside < high + spread)).all()

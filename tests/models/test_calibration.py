"""Check the conversion of scores to tail probabilities."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError
from eddy.models.artifacts.calibration import Calibration

SCORES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200).map(np.array)


@given(SCORES, st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20))
@settings(max_examples=200, deadline=None)
def test_tail_probability_never_rises_with_the_score(scores, asked):
    tail = Calibration.fit(scores).tail(np.sort(np.array(asked)))
    assert (np.diff(tail) <= 0).all()
    assert (tail > 0).all()
    assert (tail <= 1).all()


@given(SCORES)
@settings(max_examples=100, deadline=None)
def test_parameters_survive_json(scores):
    calibration = Calibration.fit(scores)
    again = Calibration.from_params(json.loads(json.dumps(calibration.to_params())))
    np.testing.assert_array_equal(calibration.tail(scores), again.tail(scores))


def test_tail_of_an_exponential_extrapolates_beyond_the_data():
    scores = np.random.default_rng(0).exponential(size=20_000)
    calibration = Calibration.fit(scores)
    for score in (0.7, 3.0, 6.0, 12.0):
        assert np.log(calibration.tail(np.array([score]))[0]) == pytest.approx(-score, rel=0.1)


def test_score_below_all_data_has_probability_one_and_nan_stays_nan():
    calibration = Calibration.fit(np.arange(100.0))
    tail = calibration.tail(np.array([-1.0, 1e9, np.nan]))
    assert tail[0] == 1
    assert tail[1] == 1e-30
    assert np.isnan(tail[2])


def test_fit_ignores_nan_scores_and_refuses_no_scores():
    with_nan = Calibration.fit(np.array([1.0, np.nan, 2.0, np.inf]))
    assert with_nan.to_params() == Calibration.fit(np.array([1.0, 2.0])).to_params()
    with pytest.raises(ModelError, match="no finite validation score"):
        Calibration.fit(np.array([np.nan]))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"quantiles": [0] * 8},
        {"quantiles": [0] * 7, "mean_excess": 1},
        {"quantiles": [0] * 7 + ["x"], "mean_excess": 1},
        {"quantiles": [0] * 7 + [float("nan")], "mean_excess": 1},
        {"quantiles": [1] + [0] * 7, "mean_excess": 1},
        {"quantiles": [0] * 8, "mean_excess": 0},
        {"quantiles": [0] * 8, "mean_excess": float("nan")},
        {"quantiles": [0] * 8, "mean_excess": float("inf")},
        {"quantiles": [0] * 8, "mean_excess": "1"},
    ],
)
def test_bad_parameters_are_refused(params):
    with pytest.raises(ModelError, match="calibration: "):
        Calibration.from_params(params)

"""Check the contract of every registered threshold; a new threshold is included automatically."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError, SettingsError
from eddy.models import catalog
from eddy.models.core.threshold import Threshold, threshold_from_params
from eddy.models.thresholds.base import COUNT, AdaptiveThreshold

assert catalog.__all__

POLICIES = sorted(p for p, cls in Threshold.policies.items() if cls.__module__.startswith("eddy.models."))
ADAPTIVE = [p for p in POLICIES if issubclass(Threshold.policies[p], AdaptiveThreshold)]
#: small memories, so that every phase is reached within a short stream
PARAMS: dict[str, dict[str, Any]] = {
    "conformal": {"window": 50, "learn": 50, "alpha": 0.05},
    "spot": {"learn": 200, "level": 0.9, "q": 1e-3, "peaks": 32},
    "dspot": {"learn": 200, "level": 0.9, "q": 1e-3, "peaks": 32, "depth": 5},
    "likelihood": {"learn": 50, "short": 4},
}
NORMAL = np.random.default_rng(0).exponential(size=2000)


def fitted(policy: str, **params: object) -> Threshold:
    return Threshold.policies[policy].fit({"a": NORMAL}, **{**PARAMS.get(policy, {}), **params})


def limits_of(threshold: Threshold, scores: np.ndarray, state: np.ndarray | None = None) -> np.ndarray:
    """Limits of one series, one score after the other."""
    state = threshold.initial_state(1) if state is None else state
    binding = threshold.bind(["a"])
    return np.array([threshold.limits(np.array([s]), binding, state)[0] for s in scores])


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=ADAPTIVE)
def adaptive(request: pytest.FixtureRequest) -> str:
    return request.param


def stream(n: int = 900, seed: int = 3) -> np.ndarray:
    scores = np.random.default_rng(seed).exponential(size=n)
    scores[::97] = np.nan
    scores[500:510] = 40.0
    return scores


def test_parameters_survive_the_manifest(policy: str) -> None:
    threshold = fitted(policy)
    again = threshold_from_params(json.loads(json.dumps(threshold.to_params(), allow_nan=False)))
    assert again.to_params() == threshold.to_params()
    assert again.state_layout == threshold.state_layout
    np.testing.assert_array_equal(limits_of(again, stream()), limits_of(threshold, stream()))


def test_series_in_one_batch_are_independent(policy: str) -> None:
    threshold = fitted(policy)
    many = np.stack([stream(seed=k) for k in range(7)])
    state = threshold.initial_state(7)
    binding = np.full(7, -1)
    together = np.stack([threshold.limits(column, binding, state) for column in many.T], axis=1)
    for k in (0, 6):
        np.testing.assert_array_equal(together[k], limits_of(threshold, many[k]))


def test_limits_continue_after_a_restart(policy: str) -> None:
    threshold, scores = fitted(policy), stream()
    state = threshold.initial_state(1)
    before = limits_of(threshold, scores[:400], state)
    stored = np.frombuffer(state.tobytes(), np.float64).reshape(state.shape).copy()
    after = limits_of(threshold_from_params(threshold.to_params()), scores[400:], stored)
    np.testing.assert_array_equal(np.concatenate([before, after]), limits_of(threshold, scores))


def test_missing_scores_change_nothing(policy: str) -> None:
    threshold, scores = fitted(policy), stream()
    known = np.isfinite(scores)
    np.testing.assert_array_equal(limits_of(threshold, scores)[known], limits_of(threshold, scores[known]))
    state = threshold.initial_state(1)
    limits_of(threshold, scores, state)
    for strange in (np.nan, np.inf, -np.inf):
        before = state.copy()
        limits_of(threshold, np.array([strange]), state)
        np.testing.assert_array_equal(state, before)


def test_limit_depends_only_on_earlier_scores(policy: str) -> None:
    threshold, scores = fitted(policy), stream()
    for at in (10, 300, 800):
        changed = scores.copy()
        changed[at:] = 1000.0
        np.testing.assert_array_equal(limits_of(threshold, changed)[: at + 1], limits_of(threshold, scores)[: at + 1])


def test_limits_are_float64_of_the_scores_shape(policy: str) -> None:
    threshold = fitted(policy)
    assert threshold.limits(np.zeros(0), np.zeros(0, np.int64), threshold.initial_state(0)).shape == (0,)
    limits = limits_of(threshold, stream())
    assert limits.dtype == np.float64
    assert not np.isnan(limits).any()
    assert limits[0] == threshold.start
    assert threshold.initial_state(3).shape == (3, threshold.state_size)
    assert threshold.state_size * 8 <= 4096  # bytes per series


def test_constant_scores_never_alarm_and_higher_ones_do(policy: str) -> None:
    threshold = Threshold.policies[policy].fit({"a": np.full(500, 2.0)}, **PARAMS.get(policy, {}))
    scores = np.full(1000, 2.0)
    state = threshold.initial_state(1)
    assert not (scores > limits_of(threshold, scores, state)).any()
    assert (np.full(10, 3.0) > limits_of(threshold, np.full(10, 3.0), state)).any()


@settings(deadline=None, max_examples=30)
@given(
    policy=st.sampled_from(POLICIES),
    scores=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400),
    lowest=st.floats(-10, 1),
    width=st.floats(0, 10),
)
def test_limits_stay_within_their_bounds(policy: str, scores: list[float], lowest: float, width: float) -> None:
    threshold = fitted(policy, lowest=lowest, highest=lowest + width)
    limits = limits_of(threshold, np.array(scores))
    assert (limits >= lowest).all()
    assert (limits <= lowest + width).all()


@settings(deadline=None, max_examples=30)
@given(policy=st.sampled_from(POLICIES), scale=st.sampled_from([0.25, 2.0, 1024.0]), seed=st.integers(0, 99))
def test_limits_scale_with_the_scores(policy: str, scale: float, seed: int) -> None:
    params = PARAMS.get(policy, {})
    cls = Threshold.policies[policy]
    one, other = cls.fit({"a": NORMAL}, **params), cls.fit({"a": scale * NORMAL}, **params)
    scores = stream(400, seed) if seed % 2 else np.random.default_rng(seed).exponential(size=400)
    np.testing.assert_allclose(limits_of(other, scale * scores), scale * limits_of(one, scores), rtol=1e-4)


def test_anomaly_does_not_move_the_limit(adaptive: str) -> None:
    threshold = fitted(adaptive, patience=100)
    state = threshold.initial_state(1)
    limits_of(threshold, np.random.default_rng(1).exponential(size=700), state)
    learned = state[0, COUNT]
    before = limits_of(threshold, np.array([1.0]), state.copy())[0]
    anomaly = np.full(50, 60.0)
    during = limits_of(threshold, anomaly, state)
    assert (anomaly > during).all()
    assert state[0, COUNT] <= learned + 1  # of a run of alarms one at most is counted
    calm = np.random.default_rng(2).exponential(size=20)
    after = limits_of(threshold, calm, state)[-1]
    assert after <= 2 * before


def test_lasting_change_becomes_normal_within_patience(adaptive: str) -> None:
    patience, needed = 80, 260  # needed: what the policy needs to follow, at most its `learn` or its memory
    threshold = fitted(adaptive, patience=patience, highest=1e6)
    state = threshold.initial_state(1)
    limits_of(threshold, np.random.default_rng(1).exponential(size=300), state)
    raised = 60 + np.random.default_rng(2).exponential(size=patience + needed)
    over = raised > limits_of(threshold, raised, state)
    assert over[: patience - 1].all()
    if adaptive != "past-deviation":  # its past counts in full: it follows more slowly
        assert over[-50:].mean() < 0.2
    assert limits_of(threshold, raised[:1], state)[0] > 20


def test_occasional_alarms_do_not_trigger_adaptation(adaptive: str) -> None:
    threshold = fitted(adaptive, patience=20)
    state = threshold.initial_state(1)
    limits_of(threshold, np.random.default_rng(1).exponential(size=700), state)
    scores = np.random.default_rng(2).exponential(size=600)
    scores[::12] = 500.0
    over = scores > limits_of(threshold, scores, state)
    assert over[::12].mean() > 0.9


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"lern": 5}, "lern.*did you mean 'learn'"),
        ({"learn": "x"}, "learn.*expected int"),
        ({"patience": 0}, "patience.*at least 1"),
        ({"lowest": "low"}, "lowest.*number"),
        ({"lowest": 5.0, "highest": 4.0}, "lowest not above highest"),
    ],
)
def test_wrong_parameters_are_named(adaptive: str, params: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        threshold_from_params({**fitted(adaptive).to_params(), **params})


def test_missing_and_unknown_parameters_are_refused(policy: str) -> None:
    with pytest.raises(ModelError, match=policy):
        threshold_from_params({"policy": policy})
    with pytest.raises(ModelError, match="no finite"):
        Threshold.policies[policy].fit({"a": np.full(5, np.nan)}, **PARAMS.get(policy, {}))
    with pytest.raises(SettingsError, match="nonsense"):
        fitted(policy, nonsense=1)

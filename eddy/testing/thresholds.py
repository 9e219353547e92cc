"""The contract of thresholds as test classes: subclass one in a test file, and pytest runs every check.

.. code-block:: python

    from eddy.testing.thresholds import ThresholdContract

    class TestMine(ThresholdContract):
        policy = "mine"
        params = {"quantile": 0.99}

The threshold is found by its name, as the job finds it: as an entry point of the group ``eddy.thresholds``, or because
``eddy.models.catalog.THRESHOLDS.register`` was called. A subclass of
:class:`eddy.models.thresholds.base.AdaptiveThreshold` takes :class:`AdaptiveThresholdContract`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError, SettingsError
from eddy.models.catalog import THRESHOLDS, threshold_from_params
from eddy.models.core.detector import Floats
from eddy.models.core.threshold import Threshold
from eddy.models.thresholds.base import COUNT

__all__ = ["AdaptiveThresholdContract", "ThresholdContract"]

NORMAL = np.random.default_rng(0).exponential(size=2000)
_INHERITED = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.differing_executors])
_SCORES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400)


def limits_of(threshold: Threshold, scores: Floats, state: Floats | None = None) -> Floats:
    """(n,) limits of one series, one score after the other; ``state`` (1, state_size) is brought up to date."""
    state = threshold.initial_state(1) if state is None else state
    binding = threshold.bind(["a"])
    return np.array([threshold.limits(np.array([s]), binding, state)[0] for s in scores])


def stream(n: int = 900, seed: int = 3) -> Floats:
    """(n,) exponential scores with gaps and one event."""
    scores = np.random.default_rng(seed).exponential(size=n)
    scores[::97] = np.nan
    scores[500:510] = 40.0
    return scores


class ThresholdContract:
    """What every threshold has to keep.

    Attributes:
        policy: name of the threshold.
        params: its parameters; small memories, so that every phase is reached within a stream of 900 scores.
        bounded: False for a threshold without the parameters ``lowest`` and ``highest``.
        scales: False where limits do not scale with the scores: of probabilities, say.
        max_bytes: state of a series, at most.
    """

    policy: ClassVar[str]
    params: ClassVar[Mapping[str, Any]] = {}
    bounded: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    max_bytes: ClassVar[int] = 4096

    def fitted(self, scores: Floats = NORMAL, **params: object) -> Threshold:
        """The threshold, fitted on (n,) validation scores."""
        return THRESHOLDS.get(self.policy).fit({"a": scores}, **{**self.params, **params})

    def test_parameters_survive_the_manifest(self) -> None:
        threshold = self.fitted()
        again = threshold_from_params(json.loads(json.dumps(threshold.to_params(), allow_nan=False)))
        assert again.to_params() == threshold.to_params()
        assert again.state_layout == threshold.state_layout
        np.testing.assert_array_equal(limits_of(again, stream()), limits_of(threshold, stream()))

    def test_series_in_one_batch_are_independent(self) -> None:
        threshold = self.fitted()
        many = np.stack([stream(seed=k) for k in range(7)])
        state = threshold.initial_state(7)
        binding = np.full(7, -1)
        together = np.stack([threshold.limits(column, binding, state) for column in many.T], axis=1)
        for k in (0, 6):
            np.testing.assert_array_equal(together[k], limits_of(threshold, many[k]))

    def test_limits_continue_after_a_restart(self) -> None:
        threshold, scores = self.fitted(), stream()
        state = threshold.initial_state(1)
        before = limits_of(threshold, scores[:400], state)
        stored = np.frombuffer(state.tobytes(), np.float64).reshape(state.shape).copy()
        after = limits_of(threshold_from_params(threshold.to_params()), scores[400:], stored)
        np.testing.assert_array_equal(np.concatenate([before, after]), limits_of(threshold, scores))

    def test_state_stays_within_its_bounds(self) -> None:
        threshold = self.fitted()
        bounds = threshold.state_bounds()
        if bounds is None:
            pytest.skip("no bounds: any number of the state is safe")
        assert bounds.width == threshold.state_size
        state = threshold.initial_state(1)
        assert bounds.fits(state).all()
        for score in stream(2500):
            limits_of(threshold, np.array([score]), state)
            assert bounds.fits(state).all()
        assert not bounds.fits(np.full((1, threshold.state_size), -np.inf)).any()

    def test_missing_scores_change_nothing(self) -> None:
        threshold, scores = self.fitted(), stream()
        known = np.isfinite(scores)
        np.testing.assert_array_equal(limits_of(threshold, scores)[known], limits_of(threshold, scores[known]))
        state = threshold.initial_state(1)
        limits_of(threshold, scores, state)
        for strange in (np.nan, np.inf, -np.inf):
            before = state.copy()
            limits_of(threshold, np.array([strange]), state)
            np.testing.assert_array_equal(state, before)

    def test_limit_depends_only_on_earlier_scores(self) -> None:
        threshold, scores = self.fitted(), stream()
        whole = limits_of(threshold, scores)
        for at in (10, 300, 800):
            changed = scores.copy()
            changed[at:] = 1000.0
            np.testing.assert_array_equal(limits_of(threshold, changed)[: at + 1], whole[: at + 1])

    def test_limits_are_float64_of_the_scores_shape(self) -> None:
        threshold = self.fitted()
        assert threshold.limits(np.zeros(0), np.zeros(0, np.int64), threshold.initial_state(0)).shape == (0,)
        limits = limits_of(threshold, stream())
        assert limits.dtype == np.float64
        assert not np.isnan(limits).any()
        assert limits[0] == threshold.start
        assert threshold.initial_state(3).shape == (3, threshold.state_size)
        assert threshold.state_size * 8 <= self.max_bytes

    def test_constant_scores_never_alarm_and_higher_ones_do(self) -> None:
        threshold = self.fitted(np.full(500, 2.0))
        scores = np.full(1000, 2.0)
        state = threshold.initial_state(1)
        assert not (scores > limits_of(threshold, scores, state)).any()
        assert (np.full(10, 3.0) > limits_of(threshold, np.full(10, 3.0), state)).any()

    @settings(_INHERITED)
    @given(scores=_SCORES, lowest=st.floats(-10, 1), width=st.floats(0, 10))
    def test_limits_stay_within_their_bounds(self, scores: list[float], lowest: float, width: float) -> None:
        if not self.bounded:
            return
        threshold = self.fitted(lowest=lowest, highest=lowest + width)
        limits = limits_of(threshold, np.array(scores))
        assert (limits >= lowest).all()
        assert (limits <= lowest + width).all()

    @settings(_INHERITED)
    @given(scale=st.sampled_from([0.25, 2.0, 1024.0]), seed=st.integers(0, 99))
    def test_limits_scale_with_the_scores(self, scale: float, seed: int) -> None:
        if not self.scales:
            return
        one, other = self.fitted(), self.fitted(scale * NORMAL)
        scores = stream(400, seed) if seed % 2 else np.random.default_rng(seed).exponential(size=400)
        np.testing.assert_allclose(limits_of(other, scale * scores), scale * limits_of(one, scores), rtol=1e-4)

    def test_missing_and_unknown_parameters_are_refused(self) -> None:
        with pytest.raises(ModelError, match=self.policy):
            threshold_from_params({"policy": self.policy})
        with pytest.raises(ModelError, match="no finite"):
            self.fitted(np.full(5, np.nan))
        with pytest.raises(SettingsError, match="nonsense"):
            self.fitted(nonsense=1)


class AdaptiveThresholdContract(ThresholdContract):
    """What a threshold that follows each series has to keep besides: anomalies do not teach, lasting changes do.

    Attributes:
        forgets: False where the past counts in full, so that the limit follows a lasting change more slowly.
    """

    forgets: ClassVar[bool] = True

    def test_anomaly_does_not_move_the_limit(self) -> None:
        threshold = self.fitted(patience=100)
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

    def test_lasting_change_becomes_normal_within_patience(self) -> None:
        patience, needed = 80, 260  # needed: what the policy needs to follow, at most its `learn` or its memory
        threshold = self.fitted(patience=patience, highest=1e6)
        state = threshold.initial_state(1)
        limits_of(threshold, np.random.default_rng(1).exponential(size=300), state)
        raised = 60 + np.random.default_rng(2).exponential(size=patience + needed)
        over = raised > limits_of(threshold, raised, state)
        assert over[: patience - 1].all()
        if self.forgets:
            assert over[-50:].mean() < 0.2
        assert limits_of(threshold, raised[:1], state)[0] > 20

    def test_occasional_alarms_do_not_trigger_adaptation(self) -> None:
        threshold = self.fitted(patience=20)
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
    def test_wrong_parameters_are_named(self, params: dict[str, object], said: str) -> None:
        with pytest.raises(ModelError, match=said):
            threshold_from_params({**self.fitted().to_params(), **params})

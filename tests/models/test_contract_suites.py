"""Check that the contract suites find detectors and thresholds that break the contract."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.thresholds.past_deviation import PastDeviationThreshold
from eddy.testing.detectors import DetectorContract
from eddy.testing.thresholds import AdaptiveThresholdContract


class DependsOnBatch(RollingZScore):
    kind = "test-depends-on-batch"

    def _score(self, batch):
        return super()._score(batch) + len(batch)


class ChangesInput(RollingZScore):
    kind = "test-changes-input"

    def _score(self, batch):
        batch.values[:] = np.nan_to_num(batch.values)
        return super()._score(batch)


class Infinite(RollingZScore):
    kind = "test-infinite"

    def _score(self, batch):
        return np.nan_to_num(super()._score(batch), nan=np.inf)


class LooksAhead(RollingZScore):
    kind = "test-looks-ahead"

    def score_series(self, name, ts, values):
        return super().score_series(name, ts, values) + np.nanmax(values)


class Random(RollingZScore):
    kind = "test-random"

    def to_state(self):
        return {"drawn": np.random.default_rng().normal(size=3)}, {}


class Blind(RollingZScore):
    kind = "test-blind"

    def _score(self, batch):
        return np.zeros(len(batch))


class Accepts(RollingZScore):
    kind = "test-accepts"

    @classmethod
    def fit(cls, series, spec, params, seed=0, progress=lambda *_: None):
        return super().fit([s for s in series if len(s.ts) >= spec.window], spec, params, seed, progress)


class OrderMatters(RollingZScore):
    kind = "test-order-matters"

    def _score(self, batch):
        return super()._score(batch) + batch.values[:, -1, 0]


class LearnsFromAnomalies(PastDeviationThreshold):
    policy = "test-learns"

    def limits(self, scores, binding, state):
        before = super().limits(scores, binding, state).copy()
        state[:, 2] += np.where(np.isfinite(scores), 0.2 * (scores - state[:, 2]), 0.0)
        return before


class SeesItsScore(PastDeviationThreshold):
    policy = "test-sees"

    def limits(self, scores, binding, state):
        return super().limits(scores, binding, state) + 0.001 * np.nan_to_num(scores)


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    broken = (DependsOnBatch, ChangesInput, Infinite, LooksAhead, Random, Blind, Accepts, OrderMatters)
    with DETECTORS.registered(*broken), THRESHOLDS.registered(LearnsFromAnomalies, SeesItsScore):
        yield


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (DependsOnBatch, "scores_do_not_depend_on_batch_size"),
        (ChangesInput, "scoring_does_not_change_its_input"),
        (Infinite, "missing_values_give_a_finite_score_or_nan"),
        (LooksAhead, "score_series_equals_window_by_window_and_uses_only_the_past"),
        (Random, "same_seed_gives_the_same_model"),
        (Random, "saved_and_loaded_detector_gives_the_same_scores"),
        (Blind, "spikes_score_higher_than_normal_points"),
        (Accepts, "too_little_training_data_is_refused_naming_the_series"),
        (OrderMatters, "order_of_features_does_not_matter"),
    ],
)
def test_broken_detector_fails_the_check_of_what_it_breaks(cls: type[RollingZScore], check: str) -> None:
    contract = type("Contract", (DetectorContract,), {"kind": cls.kind})()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(contract, f"test_{check}")()
    sound = type("Contract", (DetectorContract,), {"kind": "zscore"})()
    getattr(sound, f"test_{check}")()


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (LearnsFromAnomalies, "anomaly_does_not_move_the_limit"),
        (SeesItsScore, "limit_depends_only_on_earlier_scores"),
    ],
)
def test_broken_threshold_fails_the_check_of_what_it_breaks(cls: type[PastDeviationThreshold], check: str) -> None:
    contract = type("Contract", (AdaptiveThresholdContract,), {"policy": cls.policy, "forgets": False})()
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{check}")()

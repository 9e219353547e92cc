"""The contract of detectors as a test class: subclass it in a test file, and pytest runs every check.

.. code-block:: python

    from eddy.testing.detectors import DetectorContract

    class TestMine(DetectorContract):
        kind = "mine"
        params = {"speed": 2}

The detector is found by its name, as the job finds it: as an entry point of the group ``eddy.detectors``, or because
``eddy.models.catalog.DETECTORS.register`` was called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest

from eddy.errors import DataError, ModelError
from eddy.models.artifacts import artifact
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Series, WindowBatch, WindowSpec
from eddy.models.engine.scorer import MAX_UNUSUAL
from eddy.models.serving.loaded_model import load_model
from eddy.testing import toy_series as toy
from eddy.texts import is_name
from eddy.training.fitting.fit import fit_model

__all__ = ["DetectorContract"]


@cache
def _fitted(kind: str, params: tuple[tuple[str, Any], ...], features: int) -> Detector:
    spec, train = toy.spec_of(features), toy.TRAIN
    if features > 1:
        train = [replace(s, values=toy.widened(s.values, features)) for s in train]
    return DETECTORS.get(kind).fit(train, spec, dict(params), seed=3)[0]


class DetectorContract:
    """What every detector has to keep, checked on series with a daily season and spikes.

    Attributes:
        kind: name of the detector.
        params: its parameters; make training short, it is fitted several times.
        min_auc: ROC-AUC that it reaches at least, for spikes of 8 to 18 deviations of the noise at the extremes of the
            season. Lower it where a subsequence is scored as a whole, or where only the highest score of an event is
            kept.
        echo: points after a spike that may score high as well: a window scored as a whole has it for its length.
        finds_points: False for a detector of something else than single odd points: its ROC-AUC is not looked at.
        draws_per_feature: True where training draws at random for each feature: another order of the features is then
            another, equally good model.
        learns_untrained: True where it can start on too little training data; by default, where it keeps state.
    """

    kind: ClassVar[str]
    params: ClassVar[Mapping[str, Any]] = {}
    min_auc: ClassVar[float] = 0.9
    echo: ClassVar[int] = 8
    finds_points: ClassVar[bool] = True
    draws_per_feature: ClassVar[bool] = False
    learns_untrained: ClassVar[bool | None] = None

    def fitted(self, features: int = 1) -> Detector:
        """The detector, fitted once for all checks; it must not be changed."""
        return _fitted(self.kind, tuple(sorted(self.params.items())), features)

    def fit(self, train: list[Series], spec: WindowSpec = toy.SPEC) -> tuple[Detector, Any]:
        """Fit anew, with the same seed."""
        return DETECTORS.get(self.kind).fit(train, spec, self.params, seed=3)

    def test_scores_are_one_number_per_window(self) -> None:
        detector = self.fitted()
        batch = toy.batch_of(detector, toy.live()[0])
        scores = toy.scores_of(detector, batch)
        assert scores.shape == (len(batch),)
        assert scores.dtype == np.float64
        assert np.isfinite(scores).mean() > 0.9
        assert not np.isinf(scores).any()
        assert len(detector.score(batch.take(np.zeros(0, np.int64)))) == 0

    def test_scores_do_not_depend_on_batch_size(self) -> None:
        detector = self.fitted()
        batch = toy.batch_of(detector, toy.live()[0])
        if detector.state_size:
            self._two_series_side_by_side(detector, batch)
            return
        whole = toy.scores_of(detector, batch)
        for size in (1, 7, 64):
            np.testing.assert_allclose(toy.scores_of(detector, batch, size), whole, rtol=1e-5, atol=1e-6)
        shuffled = np.random.default_rng(0).permutation(len(batch))
        np.testing.assert_allclose(detector.score(batch.take(shuffled)), whole[shuffled], rtol=1e-5, atol=1e-6)

    def _two_series_side_by_side(self, detector: Detector, batch: WindowBatch) -> None:
        """They must not touch each other."""
        alone = [detector.score(row) for row in toy.one_by_one(batch, detector.initial_state(1))]
        after = toy.START + toy.DAYS * 86_400_000
        other = toy.batch_of(detector, toy.seasonal("b", 9, toy.LIVE_DAYS, after, 5000.0))
        state = detector.initial_state(2)
        together = []
        for i in range(len(batch)):
            fields = ("values", "imputed", "end", "binding")
            pair: dict[str, Any] = {
                f: np.concatenate([getattr(b, f)[i : i + 1] for b in (other, batch)]) for f in fields
            }
            together.append(detector.score(WindowBatch(**pair, state=state))[1])
        np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5, atol=1e-6)

    def test_scoring_does_not_change_its_input(self) -> None:
        detector = self.fitted()
        batch = toy.batch_of(detector, toy.live()[0]).take(np.arange(40))
        batch.values[3, -detector.spec.window // 2] = np.nan
        for one in toy.one_by_one(batch, detector.initial_state(1)) if detector.state_size else [batch]:
            before = one.values.copy()
            detector.score(one)
            np.testing.assert_array_equal(one.values, before)

    def test_saved_and_loaded_detector_gives_the_same_scores(self) -> None:
        detector = self.fitted()
        content = artifact.dump(detector)
        again = artifact.load(content)
        batch = toy.batch_of(detector, toy.live()[0])
        np.testing.assert_array_equal(toy.scores_of(detector, batch), toy.scores_of(again, batch))
        assert artifact.dump(again) == content

    def test_state_stays_within_its_bounds(self) -> None:
        detector = self.fitted()
        bounds = detector.state_bounds()
        if bounds is None:
            pytest.skip("no bounds: any number of the state is safe")
        assert bounds.width == detector.state_size
        assert bounds.fits(detector.initial_state(2)).all()
        state = detector.initial_state(1)
        for row in toy.one_by_one(toy.batch_of(detector, toy.live("never-seen")[0]), state):
            detector.score(row)
            assert bounds.fits(state).all()
        assert bounds.fits(toy.warm_state(detector, toy.TRAIN[0])).all()
        assert not bounds.fits(np.full((1, detector.state_size), -np.inf)).any()

    def test_same_seed_gives_the_same_model(self) -> None:
        assert artifact.dump(self.fit(toy.TRAIN)[0]) == artifact.dump(self.fitted())

    def test_missing_values_give_a_finite_score_or_nan(self) -> None:
        detector = self.fitted()
        s, _ = toy.live()
        holes = s.values.copy()
        holes[np.random.default_rng(1).random(len(holes)) < 0.15] = np.nan
        holes[100:200] = np.nan
        scores = toy.scores_of(detector, toy.batch_of(detector, replace(s, values=holes)))
        assert not np.isinf(scores).any()
        assert np.isfinite(scores).any()
        nothing = toy.scores_of(detector, toy.batch_of(detector, replace(s, values=np.full_like(holes, np.nan))))
        assert not np.isinf(nothing).any()

    def test_constant_input_gives_finite_low_scores(self) -> None:
        train = [replace(s, values=np.full_like(s.values, 7.0)) for s in toy.TRAIN]
        detector, report = self.fit(train)
        s, _ = toy.live()
        constant = replace(s, values=np.full_like(s.values, 7.0))
        scores = toy.scores_of(detector, toy.batch_of(detector, constant), warm=train[0])
        assert not np.isinf(scores).any()
        usual = np.concatenate([*report.scores.values(), np.zeros(1)])
        assert np.nanmax(scores) <= 2 * np.nanmax(usual) + 1e-6
        moved = np.full_like(s.values, 7.0)
        moved[-1] = 8.0
        last = toy.scores_of(detector, toy.batch_of(detector, replace(s, values=moved)), warm=train[0])[-1]
        assert last >= np.nanmax(scores)

    def test_series_not_seen_in_training_is_scored(self) -> None:
        detector = self.fitted()
        s, _ = toy.live("never-seen")
        assert np.isfinite(toy.scores_of(detector, toy.batch_of(detector, s))).mean() > 0.9

    def test_too_little_training_data_is_refused_naming_the_series(self) -> None:
        ts = toy.START + np.arange(5, dtype=np.int64) * toy.INTERVAL
        learns = bool(self.fitted().state_size) if self.learns_untrained is None else self.learns_untrained
        if learns:
            pytest.skip("learns while it runs: needs no training data")
        with pytest.raises(DataError, match="tiny") as caught:
            self.fit([Series("tiny", ts, np.ones((5, 1)), np.zeros(5, np.bool_))])
        assert "5" in str(caught.value)  # what was found
        assert "\n" not in str(caught.value)

    def test_spikes_score_higher_than_normal_points(self) -> None:
        if not self.finds_points:
            pytest.skip("looks for something else than single odd points")
        detector = self.fitted()
        s, spikes = toy.live()
        scores = toy.scores_of(detector, toy.batch_of(detector, s))
        labels = spikes[detector.spec.window - 1 :]
        after = np.convolve(labels, np.r_[0, np.ones(self.echo)])[: len(labels)] > 0
        use = np.isfinite(scores) & (labels | ~after)
        assert toy.roc_auc(labels[use], scores[use]) >= self.min_auc

    def test_explanation_is_in_the_units_of_the_series(self) -> None:
        detector = self.fitted()
        batch = toy.batch_of(detector, toy.live()[0]).take(np.arange(60, 90))
        if detector.state_size:
            batch = replace(batch, state=detector.initial_state(len(batch)))
        explanation = detector.explain(batch, np.full(len(batch), 5.0))
        for part in (explanation.expected, explanation.lower, explanation.upper, explanation.attribution):
            assert part.shape == (len(batch), 1)
        np.testing.assert_allclose(explanation.attribution.sum(axis=1), 1)
        known = np.isfinite(explanation.expected)
        assert (np.abs(explanation.expected[known] - 100) < 60).all()
        banded = known & np.isfinite(explanation.lower) & np.isfinite(explanation.upper)
        assert (explanation.lower[banded] <= explanation.upper[banded]).all()

    def test_explaining_changes_neither_state_nor_values(self) -> None:
        detector = self.fitted()
        batch = toy.batch_of(detector, toy.live()[0]).take(np.arange(60, 90))
        batch = replace(batch, state=np.repeat(toy.warm_state(detector, toy.TRAIN[0]), len(batch), axis=0))
        state, values = batch.state.copy(), batch.values.copy()
        detector.explain(batch, np.full(len(batch), 5.0))
        np.testing.assert_array_equal(batch.state, state)
        np.testing.assert_array_equal(batch.values, values)

    def test_several_features_are_scored_and_the_odd_one_is_attributed(self) -> None:
        detector = self.fitted(features=3)
        s, _ = toy.live()
        values = toy.widened(s.values, 3)
        values[130, 2] += 400.0
        batch = toy.batch_of(detector, replace(s, values=values))
        scores = toy.scores_of(detector, batch)
        at = 130 - detector.spec.window + 1
        assert np.isfinite(scores[at])
        assert not self.finds_points or scores[at] > np.nanmedian(scores)
        if not detector.state_size:
            one = batch.take(np.array([at]))
            explanation = detector.explain(one, np.full(1, np.nanmedian(scores)))
            assert explanation.attribution.shape == (1, 3)
            np.testing.assert_allclose(explanation.attribution.sum(axis=1), 1)
            assert explanation.attribution[0].argmax() == 2

    def test_model_is_accepted_by_the_job(self) -> None:
        trained = fit_model("m", self.kind, toy.TRAIN, toy.SPEC, params=self.params, seed=3)
        assert load_model(trained.manifest, trained.content).detector.kind == self.kind

    def test_artifact_without_one_of_its_arrays_is_refused(self) -> None:
        detector = self.fitted()
        arrays, params = detector.to_state()
        for name in arrays:
            rest = {k: v for k, v in arrays.items() if k != name}
            with pytest.raises((ModelError, KeyError)):
                type(detector).from_state(detector.spec, rest, params)

    def test_score_series_equals_window_by_window_and_uses_only_the_past(self) -> None:
        detector = self.fitted()
        s, _ = toy.live("never-seen")
        batch = toy.batch_of(detector, s)
        rows = toy.one_by_one(batch, detector.initial_state(1)) if detector.state_size else [batch]
        each = np.concatenate([detector.score(row) for row in rows])
        whole = detector.score_series("never-seen", s.ts, s.values)
        np.testing.assert_allclose(whole[detector.spec.window - 1 :], each, rtol=1e-5, atol=1e-6)
        cut = 200  # what comes later must not change what was said before
        changed = s.values.copy()
        changed[cut:] = 1e4
        np.testing.assert_array_equal(detector.score_series("never-seen", s.ts, changed)[:cut], whole[:cut])

    def test_order_of_features_does_not_matter(self) -> None:
        if self.draws_per_feature:
            pytest.skip("draws at random for each feature")
        order = [2, 0, 1]
        s, _ = toy.live()
        values = toy.widened(s.values, 3)
        turned = [replace(t, values=toy.widened(t.values, 3)[:, order]) for t in toy.TRAIN]
        other, _ = self.fit(turned, toy.spec_of(3))
        one = self.fitted(features=3).score_series("a", s.ts, values)
        np.testing.assert_allclose(one, other.score_series("a", s.ts, values[:, order]), rtol=1e-4, atol=1e-5)

    def test_explanation_has_expected_value_band_and_attribution_at_every_point(self) -> None:
        detector = self.fitted(features=3)
        s, _ = toy.live()
        batch = toy.batch_of(detector, replace(s, values=toy.widened(s.values, 3))).take(np.arange(30))
        if detector.state_size:
            batch = replace(batch, state=np.repeat(toy.warm_state(detector, toy.TRAIN[0]), len(batch), axis=0))
        limit = np.nanmedian(detector.score(batch.take(np.arange(30)))) + 1.0
        said = detector.explain(batch, np.full(len(batch), limit))
        assert np.isfinite(said.expected).mean() > 0.9
        known = np.isfinite(said.expected)
        lower, upper = np.nan_to_num(said.lower, nan=-np.inf), np.nan_to_num(said.upper, nan=np.inf)
        assert ((lower <= said.expected + 1e-6) & (said.expected <= upper + 1e-6))[known].all()
        np.testing.assert_allclose(said.attribution.sum(axis=1), 1)

    def _windows_with_holes(self) -> tuple[Detector, WindowBatch]:
        """Return a detector of three features, and windows that lack one of them, then all."""
        detector = self.fitted(features=3)
        s, _ = toy.live()
        holes = toy.widened(s.values, 3)
        holes[60:, 1] = np.nan
        holes[120:] = np.nan
        batch = toy.batch_of(detector, replace(s, values=holes)).take(np.arange(100))
        if detector.state_size:
            batch = replace(batch, state=np.repeat(toy.warm_state(detector, toy.TRAIN[0]), len(batch), axis=0))
        return detector, batch

    def test_what_is_unusual_is_said_of_each_window_in_words_and_changes_nothing(self) -> None:
        detector, batch = self._windows_with_holes()
        before = batch.take(np.arange(len(batch)))
        said = detector.unusual(batch)
        assert len(said) == len(batch)
        assert all(isinstance(one, str) and is_name(one, MAX_UNUSUAL) for one in said)
        for name in ("values", "imputed", "end", "binding", "state"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(before, name))
        assert detector.unusual(batch.take(np.arange(10))) == said[:10]

    def test_explanation_covers_missing_points(self) -> None:
        detector, batch = self._windows_with_holes()
        said = detector.explain(batch, np.full(len(batch), 5.0))
        np.testing.assert_allclose(said.attribution.sum(axis=1), 1)
        assert (said.attribution >= 0).all()
        for part in (said.expected, said.lower, said.upper):
            assert not np.isinf(part).any()

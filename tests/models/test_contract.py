"""Check the contract of every registered detector; a new detector is included automatically."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.metrics import roc_auc_score

from eddy.errors import DataError, ModelError
from eddy.models import catalog
from eddy.models.artifacts import artifact
from eddy.models.core.detector import Detector, Series, WindowBatch, WindowSpec
from eddy.models.serving.loaded_model import load_model
from eddy.training.fitting.fit import fit_model

KINDS = sorted(kind for kind, cls in Detector.kinds.items() if cls.__module__.startswith("eddy.models."))
assert len(KINDS) >= 15  # a filter that finds none would prove nothing
PARAMS: dict[str, dict[str, object]] = {
    "lstm-autoencoder": {"epochs": 6, "hidden": 16},
    "lstm-encdec": {"epochs": 4, "hidden": 16, "errors": "point", "judged": 4},
    "left-discord": {"period": 48},
    "lstm-repeat-vector": {"epochs": 4, "units": "16", "judged": 4},
}
INTERVAL = 30 * 60_000
START = 1_735_862_400_000 + 4 * 86_400_000  # a Monday
DAYS, LIVE_DAYS = 21, 7
SPEC = WindowSpec(48, interval_ms=INTERVAL)
#: ROC-AUC for spikes of 8 to 18 deviations of the noise at the extremes of a daily season. Lower floors: where a
#: stretch is judged as a whole, a spike shows for as long as it is in the stretch; and where a peak stage lets only the
#: highest score of 100 points pass, not every spike gets a score.
AUC_FLOOR = {"left-discord": 0.7, "same-phase-neighbours": 0.7, "ensemble": 0.7, "novelty": 0.55, "value-novelty": 0.55}
USUAL_AUC_FLOOR = 0.9
#: Detectors of something else than single odd points.
NO_POINTS = {"same-phase": "judges half days", "rarity": "judges how often something happens"}
SPIKES = np.array([60, 132, 156, 228, 252, 324])  # up at the top of the day, down at its bottom

assert catalog.__all__


def seasonal(name: str, seed: int, days: int = DAYS, start: int = START, level: float = 100.0) -> Series:
    """A daily season with noise."""
    n = days * 48
    ts = start + np.arange(n, dtype=np.int64) * INTERVAL
    noise = np.random.default_rng(seed).normal(0, 1.5, n)
    values = level + 20 * np.sin(2 * np.pi * (ts % 86_400_000) / 86_400_000) + noise
    return Series(name, ts, values[:, None], np.zeros(n, np.bool_))


TRAIN = [seasonal("a", 1), seasonal("b", 2, level=5000.0)]


def live(name: str = "a", seed: int = 11, level: float = 100.0) -> tuple[Series, np.ndarray]:
    """What follows the training data, with spikes; and which points they are."""
    s = seasonal(name, seed, LIVE_DAYS, START + DAYS * 86_400_000, level)
    size = 12.0 + 3.0 * np.arange(len(SPIKES))  # each is new, also to a detector that remembers the one before
    s.values[SPIKES, 0] += size * np.where(np.arange(len(SPIKES)) % 2, -1, 1)
    return s, np.isin(np.arange(len(s.ts)), SPIKES)


@cache
def fitted(kind: str, features: int = 1) -> Detector:
    spec, train = spec_of(features), TRAIN
    if features > 1:
        train = [replace(s, values=widened(s.values, features)) for s in TRAIN]
    return Detector.kinds[kind].fit(train, spec, PARAMS.get(kind, {}), seed=3)[0]


def spec_of(features: int) -> WindowSpec:
    return replace(SPEC, features=tuple(f"f{i}" for i in range(features)) if features > 1 else ("value",))


def widened(values: np.ndarray, features: int) -> np.ndarray:
    """Features that go together but have noise of their own."""
    rng = np.random.default_rng(5)
    return np.concatenate([values * (i + 1) + rng.normal(0, 1.5 * i, values.shape) for i in range(features)], axis=1)


def batch_of(detector: Detector, series: Series, name: str | None = None) -> WindowBatch:
    """All windows of a series, without state."""
    window = detector.spec.window
    values = np.moveaxis(sliding_window_view(series.values, window, axis=0), -1, 1).copy()
    imputed = sliding_window_view(series.imputed, window).copy()
    n = len(values)
    binding = np.repeat(detector.bind([name or series.name]), n)
    return WindowBatch(values, imputed, series.ts[window - 1 :], binding, np.zeros((n, 0)))


def scores_of(detector: Detector, batch: WindowBatch, size: int = 10**9, warm: Series | None = None) -> np.ndarray:
    """Scores in batches of ``size``; one after the other where the detector keeps state, training data first."""
    if not detector.state_size:
        parts = [batch.take(np.arange(i, min(i + size, len(batch)))) for i in range(0, len(batch), size)]
        return np.concatenate([*(detector.score(part) for part in parts), np.zeros(0)])
    state = warm_state(detector, warm or TRAIN[0])
    return np.concatenate([*(detector.score(row) for row in one_by_one(batch, state)), np.zeros(0)])


def one_by_one(batch: WindowBatch, state: np.ndarray) -> Iterator[WindowBatch]:
    for i in range(len(batch)):
        yield replace(batch.take(np.array([i])), state=state)


def warm_state(detector: Detector, train: Series) -> np.ndarray:
    """State of a series after its training data."""
    state = detector.initial_state(1)
    if len(detector.spec.features) > 1:
        train = replace(train, values=widened(train.values, len(detector.spec.features)))
    for row in one_by_one(batch_of(detector, train), state):
        detector.score(row)
    return state


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_scores_are_one_number_per_window(kind: str) -> None:
    detector = fitted(kind)
    batch = batch_of(detector, live()[0])
    scores = scores_of(detector, batch)
    assert scores.shape == (len(batch),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).mean() > 0.9
    assert not np.isinf(scores).any()
    assert len(detector.score(batch.take(np.zeros(0, np.int64)))) == 0


def test_scores_do_not_depend_on_batch_size(kind: str) -> None:
    detector = fitted(kind)
    batch = batch_of(detector, live()[0])
    whole = scores_of(detector, batch)
    if detector.state_size:  # two series side by side must not touch each other
        whole = np.concatenate([detector.score(row) for row in one_by_one(batch, detector.initial_state(1))])
        other = batch_of(detector, seasonal("b", 9, LIVE_DAYS, START + DAYS * 86_400_000, 5000.0))
        state = detector.initial_state(2)
        together = []
        for i in range(len(batch)):
            fields = ("values", "imputed", "end", "binding")
            pair: dict[str, Any] = {
                f: np.concatenate([getattr(b, f)[i : i + 1] for b in (other, batch)]) for f in fields
            }
            together.append(detector.score(WindowBatch(**pair, state=state))[1])
        np.testing.assert_allclose(together, whole, rtol=1e-5, atol=1e-6)
        return
    for size in (1, 7, 64):
        np.testing.assert_allclose(scores_of(detector, batch, size), whole, rtol=1e-5, atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(len(batch))
    np.testing.assert_allclose(detector.score(batch.take(shuffled)), whole[shuffled], rtol=1e-5, atol=1e-6)


def test_scoring_does_not_change_its_input(kind: str) -> None:
    detector = fitted(kind)
    batch = batch_of(detector, live()[0]).take(np.arange(40))
    batch.values[3, -detector.spec.window // 2] = np.nan
    before = batch.values.copy()
    scores_of(detector, batch)
    np.testing.assert_array_equal(batch.values, before)


def test_saved_and_loaded_detector_gives_the_same_scores(kind: str) -> None:
    detector = fitted(kind)
    content = artifact.dump(detector)
    again = artifact.load(content)
    batch = batch_of(detector, live()[0])
    np.testing.assert_array_equal(scores_of(detector, batch), scores_of(again, batch))
    assert artifact.dump(again) == content
    assert again.state_layout == detector.state_layout
    assert again.state_layout.split("/")[:2] == [kind, str(detector.state_size)]


def test_same_seed_gives_the_same_model(kind: str) -> None:
    again = Detector.kinds[kind].fit(TRAIN, SPEC, PARAMS.get(kind, {}), seed=3)[0]
    assert artifact.dump(again) == artifact.dump(fitted(kind))


def test_missing_values_give_a_finite_score_or_nan(kind: str) -> None:
    detector = fitted(kind)
    s, _ = live()
    holes = s.values.copy()
    holes[np.random.default_rng(1).random(len(holes)) < 0.15] = np.nan
    holes[100:200] = np.nan
    scores = scores_of(detector, batch_of(detector, replace(s, values=holes)))
    assert not np.isinf(scores).any()
    assert np.isfinite(scores).any()
    newest_missing = np.isnan(holes[detector.spec.window - 1 :, 0])
    assert np.isnan(scores[newest_missing]).all() or (scores[newest_missing & np.isfinite(scores)] < np.inf).all()
    nothing = scores_of(detector, batch_of(detector, replace(s, values=np.full_like(holes, np.nan))))
    assert not np.isinf(nothing).any()


def test_constant_input_gives_finite_low_scores(kind: str) -> None:
    train = [replace(s, values=np.full_like(s.values, 7.0)) for s in TRAIN]
    detector, report = Detector.kinds[kind].fit(train, SPEC, PARAMS.get(kind, {}), seed=3)
    s, _ = live()
    scores = scores_of(detector, batch_of(detector, replace(s, values=np.full_like(s.values, 7.0))), warm=train[0])
    assert not np.isinf(scores).any()
    usual = np.concatenate([*report.scores.values(), np.zeros(1)])
    assert np.nanmax(scores) <= 2 * np.nanmax(usual) + 1e-6
    moved = np.full_like(s.values, 7.0)
    moved[-1] = 8.0
    assert scores_of(detector, batch_of(detector, replace(s, values=moved)), warm=train[0])[-1] >= np.nanmax(scores)


def test_unseen_series_is_scored(kind: str) -> None:
    detector = fitted(kind)
    s, _ = live("never-seen")
    assert np.isfinite(scores_of(detector, batch_of(detector, s))).mean() > 0.9


def test_too_little_training_data_is_refused_naming_the_series(kind: str) -> None:
    short = Series("tiny", START + np.arange(5, dtype=np.int64) * INTERVAL, np.ones((5, 1)), np.zeros(5, np.bool_))
    if fitted(kind).state_size:
        pytest.skip("learns while it runs: needs no training data")
    with pytest.raises(DataError, match="tiny") as caught:
        Detector.kinds[kind].fit([short], SPEC, PARAMS.get(kind, {}))
    assert "5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_spikes_score_higher_than_normal_points(kind: str) -> None:
    if kind in NO_POINTS:
        pytest.skip(NO_POINTS[kind])
    detector = fitted(kind)
    s, spikes = live()
    scores = scores_of(detector, batch_of(detector, s))
    labels = spikes[detector.spec.window - 1 :]
    after = np.convolve(labels, np.r_[0, np.ones(8)])[: len(labels)] > 0  # an echo right after a spike is no mistake
    use = np.isfinite(scores) & (labels | ~after)
    assert roc_auc_score(labels[use], scores[use]) >= AUC_FLOOR.get(kind, USUAL_AUC_FLOOR)


def test_explanation_is_in_the_units_of_the_series(kind: str) -> None:
    detector = fitted(kind)
    batch = batch_of(detector, live()[0]).take(np.arange(60, 90))
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


def test_several_features_are_scored_and_the_odd_one_is_attributed(kind: str) -> None:
    detector = fitted(kind, features=3)
    s, _ = live()
    values = widened(s.values, 3)
    values[130, 2] += 400.0
    batch = batch_of(detector, replace(s, values=values))
    scores = scores_of(detector, batch)
    at = 130 - detector.spec.window + 1
    assert np.isfinite(scores[at])
    assert kind in NO_POINTS or scores[at] > np.nanmedian(scores)
    if not detector.state_size:
        one = batch.take(np.array([at]))
        explanation = detector.explain(one, np.full(1, np.nanmedian(scores)))
        assert explanation.attribution.shape == (1, 3)
        np.testing.assert_allclose(explanation.attribution.sum(axis=1), 1)
        assert explanation.attribution[0].argmax() == 2


def test_model_is_accepted_by_the_job(kind: str) -> None:
    trained = fit_model("m", kind, TRAIN, SPEC, params=PARAMS.get(kind, {}), seed=3)
    assert load_model(trained.manifest, trained.content).detector.kind == kind


def test_damaged_artifact_is_refused(kind: str) -> None:
    detector = fitted(kind)
    arrays, params = detector.to_state()
    for name in arrays:
        rest = {k: v for k, v in arrays.items() if k != name}
        with pytest.raises((ModelError, KeyError)):
            type(detector).from_state(detector.spec, rest, params)


#: Trained with random draws per feature: another order of the features is another, equally good model.
DRAWS = ("lstm", "encdec", "isolation-forest", "forest")


def test_score_series_equals_window_by_window_and_uses_only_the_past(kind: str) -> None:
    detector = fitted(kind)
    s, _ = live("never-seen")
    batch = batch_of(detector, s)
    state = detector.initial_state(1)
    each = np.concatenate([detector.score(row) for row in one_by_one(batch, state)]) if detector.state_size else None
    each = detector.score(batch) if each is None else each
    whole = detector.score_series("never-seen", s.ts, s.values)
    np.testing.assert_allclose(whole[detector.spec.window - 1 :], each, rtol=1e-5, atol=1e-6)
    cut = 200  # what comes later must not change what was said before
    changed = s.values.copy()
    changed[cut:] = 1e4
    np.testing.assert_array_equal(detector.score_series("never-seen", s.ts, changed)[:cut], whole[:cut])


def test_order_of_features_does_not_matter(kind: str) -> None:
    if kind.startswith(DRAWS):
        pytest.skip("draws at random for each feature")
    order = [2, 0, 1]
    s, _ = live()
    values = widened(s.values, 3)
    turned = [replace(t, values=widened(t.values, 3)[:, order]) for t in TRAIN]
    other = Detector.kinds[kind].fit(turned, spec_of(3), PARAMS.get(kind, {}), seed=3)[0]
    scores = [d.score_series("a", s.ts, v) for d, v in ((fitted(kind, features=3), values), (other, values[:, order]))]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-5)


def test_explanation_has_expected_value_band_and_attribution_at_every_point(kind: str) -> None:
    detector = fitted(kind, features=3)
    s, _ = live()
    batch = batch_of(detector, replace(s, values=widened(s.values, 3))).take(np.arange(30))
    if detector.state_size:
        batch = replace(batch, state=np.repeat(warm_state(detector, TRAIN[0]), len(batch), axis=0))
    said = detector.explain(batch, np.full(len(batch), np.nanmedian(detector.score(batch.take(np.arange(30)))) + 1.0))
    assert np.isfinite(said.expected).mean() > 0.9
    known = np.isfinite(said.expected)
    lower, upper = np.nan_to_num(said.lower, nan=-np.inf), np.nan_to_num(said.upper, nan=np.inf)
    assert ((lower <= said.expected + 1e-6) & (said.expected <= upper + 1e-6))[known].all()
    np.testing.assert_allclose(said.attribution.sum(axis=1), 1)


def test_explanation_covers_missing_points(kind: str) -> None:
    detector = fitted(kind, features=3)
    s, _ = live()
    holes = widened(s.values, 3)
    holes[60:, 1] = np.nan
    holes[120:] = np.nan
    batch = batch_of(detector, replace(s, values=holes)).take(np.arange(100))
    if detector.state_size:
        batch = replace(batch, state=np.repeat(warm_state(detector, TRAIN[0]), len(batch), axis=0))
    said = detector.explain(batch, np.full(len(batch), 5.0))
    np.testing.assert_allclose(said.attribution.sum(axis=1), 1)
    assert (said.attribution >= 0).all()
    for part in (said.expected, said.lower, said.upper):
        assert not np.isinf(part).any()

"""Check the column sets of the isolation forest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import ensemble

from eddy.errors import SettingsError
from eddy.models.artifacts import artifact
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.isolation_forest.columns import ForestColumns
from eddy.models.detectors.isolation_forest.detector import IsolationForest
from eddy.models.detectors.isolation_forest.kernel import flatten, forest_score, node_records
from eddy.testing.toy_series import INTERVAL, TRAIN, batch_of, live, widened

SPEC = WindowSpec(120, interval_ms=INTERVAL)  # half-hours: the newest day and a half day of the one before, twice


@pytest.mark.parametrize("features", ["raw", "differences", "season", "raw,differences,season,window"])
def test_half_a_day_of_noise_scores_high_with_every_column_set(features: str) -> None:
    detector = IsolationForest.fit(TRAIN, SPEC, {"features": features, "season": 48, "trees": 50}, seed=1)[0]
    s, _ = live()
    calm = batch_of(detector, s).take(np.array([190]))
    before = detector.score(calm)[0]
    calm.values[0, -30:, 0] += np.where(np.arange(30) % 2, 60.0, -60.0)
    assert detector.score(calm)[0] > before
    again = artifact.load(artifact.dump(detector))
    np.testing.assert_array_equal(again.score(calm), detector.score(calm))


def test_forest_of_more_than_256_columns_equals_scikit_learn() -> None:
    x = np.random.default_rng(1).normal(size=(500, 300)).astype(np.float32)
    forest = ensemble.IsolationForest(n_estimators=30, max_samples=256, random_state=1).fit(x)
    a = flatten(forest.estimators_, forest.estimators_features_, 8)
    assert a["forest.column"].max() > 255
    found = forest_score(
        node_records(a["forest.column"], a["forest.threshold"]), a["forest.length"], x.astype(float), 256
    )
    np.testing.assert_allclose(found, -forest.score_samples(x), atol=1e-6, rtol=0)


def test_season_residuals_match_values_computed_by_hand() -> None:
    """Period 3, two earlier periods; the residuals of the newest four points are -3, 1, -2 and 5."""
    look = ForestColumns(("season",), 10, 3, 4)
    values = np.array([9.0, 1, 2, 3, 1, 2, 3, 2, 0, 8])
    scales = np.array([[[1.0, 1.0, 2.0]]])  # spread of the residuals: 2
    found = look.of(values[None, :, None], np.zeros((1, 10), bool), scales, np.array([[[0.0, 1.0]]]))
    # medians of the earlier values: 9 and 3 -> 6; 1 -> 1; 2 -> 2; 9, 3, 3 -> 3
    wanted = [(3 + 1 + 2 + 5) / 4, 5, abs(-3 + 1 - 2 + 5) / 4, 5, 5]
    np.testing.assert_allclose(found[0], np.log1p(np.array(wanted) / 2))


def test_raw_and_difference_columns_match_values_computed_by_hand() -> None:
    look = ForestColumns(("raw", "differences"), 3, 0, 1)
    found = look.of(
        np.array([[[10.0], [np.nan], [14.0]]]),
        np.zeros((1, 3), bool),
        np.array([[[4.0, 1, 1]]]),
        np.array([[[10, 2.0]]]),
    )
    np.testing.assert_allclose(found[0], [0, 0, 2, 0, np.log1p(1)])


def test_place_columns_match_values_computed_by_hand() -> None:
    """Centre 10, scale 2: places 0 to 7, and a newest of 13; the last 12 points are all."""
    look = ForestColumns(("place",), 9, 0, 1)
    places = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 13])
    values = np.asarray(places * 2.0 + 10.0, np.float64)[None, :, None]
    turned = np.asarray(20.0 - values, np.float64)
    found = look.of(values, np.zeros((1, 9), bool), np.ones((1, 1, 3)), np.array([[[10.0, 2.0]]]))
    mean, deviation = places.mean(), places.std()
    apart, moved = (13 - mean) / deviation, (places[-6:].mean() - places[:3].mean()) / deviation
    np.testing.assert_allclose(found[0], np.log1p([13, mean, mean, apart, moved]))
    low = look.of(turned, np.zeros((1, 9), bool), np.ones((1, 1, 3)), np.array([[[10.0, 2.0]]]))
    np.testing.assert_allclose(low[0, :3], -np.log1p([13, mean, mean]))


def test_a_level_that_no_window_shows_is_found_by_place_and_not_without() -> None:
    """Half a day on another level, without a jump: windows look as before, only their place is new."""
    rng = np.random.default_rng(0)
    flat = [replace(s, values=np.asarray(rng.normal(10, 1, s.values.shape))) for s in TRAIN]
    spec = replace(SPEC, window=24)
    moved = rng.normal(17, 1, (400, 1))
    ts = np.arange(len(moved)) * INTERVAL
    share = {}
    for features in ("window", "window,place"):
        detector, report = IsolationForest.fit(flat, spec, {"features": features}, seed=1)
        limit = np.quantile(np.concatenate(list(report.scores.values())), 0.999)
        share[features] = float((detector.score_series("a", ts, moved)[24:] > limit).mean())
    assert share["window,place"] > 0.5
    assert share["window"] < 0.1


def test_season_columns_are_dropped_without_a_season() -> None:
    rng = np.random.default_rng(0)
    walk = [replace(s, values=np.cumsum(rng.normal(size=s.values.shape), axis=0)) for s in TRAIN]
    detector, report = IsolationForest.fit(walk, SPEC, {"features": "season", "season": 48, "trees": 10})
    assert detector.columns.sets == ("window",)
    assert any("no season" in note for note in report.notes)
    detector, report = IsolationForest.fit(TRAIN, replace(SPEC, window=40), {"features": "raw,season", "trees": 10})
    assert detector.columns.sets == ("raw",)
    assert report.notes


def test_missing_values_and_several_features_are_scored() -> None:
    spec = replace(SPEC, features=("x", "y"))
    train = [replace(s, values=widened(s.values, 2)) for s in TRAIN]
    detector = IsolationForest.fit(train, spec, {"features": "raw,season", "season": 48, "trees": 50}, seed=1)[0]
    batch = batch_of(detector, train[0]).take(np.arange(30))
    batch.values[3, -1] = np.nan
    batch.values[4, :100] = np.nan
    batch.values[5, 50:60, 0] = np.nan
    batch.values[6, -40:, 1] += 500.0
    scores = detector.score(batch)
    assert np.isnan(scores[[3, 4]]).all()
    assert np.isfinite(np.delete(scores, [3, 4])).all()
    assert detector.explain(batch, np.full(30, 0.6)).attribution[6].argmax() == 1


def test_smoothed_score_is_the_mean_of_the_newest_windows() -> None:
    plain, report = IsolationForest.fit(TRAIN, SPEC, {"trees": 10})
    smoothed, means = IsolationForest.fit(TRAIN, SPEC, {"trees": 10, "smooth": 3})
    np.testing.assert_allclose(means.scores["a"][5], report.scores["a"][3:6].mean())
    batch = batch_of(plain, live()[0]).take(np.arange(6))
    single, state = plain.score(batch), smoothed.initial_state(1)
    rows = [replace(batch.take(np.array([i])), state=state) for i in range(6)]
    np.testing.assert_allclose([smoothed.score(row)[0] for row in rows][-1], single[3:].mean())
    assert np.isfinite(smoothed.explain(rows[-1], np.full(1, 0.7)).expected).all()


def test_artifact_without_column_settings_still_loads() -> None:
    detector = IsolationForest.fit(TRAIN, SPEC, {"trees": 10, "features": "window"})[0]
    arrays, params = detector.to_state()
    old = {k: v for k, v in arrays.items() if k != "series.levels"}
    kept = {k: v for k, v in params.items() if k not in ("features", "recent")}
    again = IsolationForest.from_state(detector.spec, old, kept)
    batch = batch_of(detector, live()[0])
    np.testing.assert_array_equal(again.score(batch), detector.score(batch))


@pytest.mark.parametrize("features", ["row", "raw,raw", "", "raw;season"])
def test_unknown_column_sets_are_refused_and_named(features: str) -> None:
    with pytest.raises(SettingsError, match="raw, differences, season, window"):
        IsolationForest.fit(TRAIN, SPEC, {"features": features})


def test_season_longer_than_the_window_is_refused() -> None:
    with pytest.raises(SettingsError, match="window above 336"):
        IsolationForest.fit(TRAIN, SPEC, {"features": "season", "season": 336})

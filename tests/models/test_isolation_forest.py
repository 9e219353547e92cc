"""Check the flattened forest against scikit-learn and its features against plain numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble

from eddy.errors import SettingsError
from eddy.models.core.detector import Series, WindowBatch, WindowSpec
from eddy.models.detectors.isolation_forest.detector import IsolationForest
from eddy.models.detectors.isolation_forest.kernel import average_path_length, flatten, forest_score, node_records
from eddy.models.detectors.isolation_forest.window_features import (
    PLAIN,
    SEASONAL,
    columns,
    season_shows,
    series_scales,
    window_features,
)
from eddy.testing.toy_series import batch_of, seasonal

MINUTE = 60_000
SPEC = WindowSpec(60, interval_ms=10 * MINUTE)


def walk(seed: int, n: int = 3000, name: str = "m") -> Series:
    values = 100 + np.cumsum(np.random.default_rng(seed).normal(0, 0.2, n))
    return Series(name, np.arange(n, dtype=np.int64) * 10 * MINUTE, values[:, None], np.zeros(n, np.bool_))


@pytest.fixture(scope="module")
def detector() -> IsolationForest:
    return IsolationForest.fit([walk(1, name="m"), walk(2, name="k")], SPEC, {}, seed=0)[0]


@pytest.mark.parametrize(("samples", "trees"), [(256, 100), (100, 7), (1000, 10), (8, 5)])
def test_scores_equal_scikit_learn(samples: int, trees: int) -> None:
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(4000, 8)).astype(np.float32)
    x[:, 3] = rng.integers(0, 3, len(x))  # ties
    forest = ensemble.IsolationForest(n_estimators=trees, max_samples=samples, random_state=1).fit(x)
    depth = int(np.ceil(np.log2(samples)))
    arrays = flatten(forest.estimators_, forest.estimators_features_, depth)
    seen = np.concatenate([x[:2000], rng.normal(0, 4, (500, 8)).astype(np.float32)])
    nodes = node_records(arrays["forest.column"], arrays["forest.threshold"])
    found = forest_score(nodes, arrays["forest.length"], seen.astype(float), samples)
    np.testing.assert_allclose(found, -forest.score_samples(seen), atol=1e-6, rtol=0)


def test_average_path_length_matches_the_paper() -> None:
    np.testing.assert_allclose(average_path_length(np.array([1, 2])), [0, 1])
    # c(256) = 2 H(255) - 2 * 255 / 256, with H(i) = ln(i) + 0.5772156649
    assert average_path_length(np.array([256.0]))[0] == pytest.approx(2 * (np.log(255) + 0.5772156649) - 510 / 256)


def reference(values: np.ndarray, scales: np.ndarray) -> dict[str, float]:
    """The plain columns of one window without missing values, by their definitions."""
    sigma, usual_run, _ = scales
    d = np.diff(values)[::-1]
    older = d[8:] if len(d) >= 16 else d[1:]
    local = max(1.2533 * np.abs(older).mean(), 0.25 * sigma)
    run = int(np.argmax(d != 0)) if (d != 0).any() else len(d)
    ratios = {
        "jump": abs(d[0]) / sigma,
        "jump_local": abs(d[0]) / local,
        "largest": np.abs(d[:4]).max() / local,
        "volatility_short": np.sqrt((d[:8] ** 2).mean()) / sigma,
        "volatility_long": np.sqrt((d[:24] ** 2).mean()) / sigma,
        "volatility_ratio": np.sqrt((d[:8] ** 2).mean()) / local,
        "range": np.ptp(values[-12:]) / local,
        "level": abs(values[-1] - values[-24:].mean()) / sigma,
        "frozen": run / usual_run,
    }
    two_sided = ("largest", "volatility_short", "volatility_long", "volatility_ratio", "range")
    return {k: float(np.log(0.05 + min(r, 50)) if k in two_sided else np.log1p(min(r, 50))) for k, r in ratios.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=12, max_size=80))
def test_window_features_match_their_definitions(steps: list[int]) -> None:
    values = np.cumsum(np.array(steps, float))
    scales = np.array([3.0, 2.0, 1.0])
    found = window_features(values[None, :, None], np.zeros((1, len(values)), bool), scales[None, None], 0)
    wanted = reference(values, scales)
    np.testing.assert_allclose(found[0], [wanted[name] for name in PLAIN], rtol=1e-9, atol=1e-12)


def test_missing_points_are_skipped() -> None:
    values = np.arange(60.0)[None, :, None].copy()
    none = np.zeros((1, 60), bool)
    scales = np.array([[[1.0, 1.0, 1.0]]])
    holes = values.copy()
    holes[0, 10:14] = np.nan
    assert np.isfinite(window_features(holes, none, scales, 0)).all()
    filled = none.copy()
    filled[0, 10:14] = True
    np.testing.assert_array_equal(
        window_features(holes, none, scales, 0), window_features(np.nan_to_num(values), filled, scales, 0)
    )
    holes[0, -1] = np.nan
    assert np.isnan(window_features(holes, none, scales, 0)).all()
    holes = values.copy()
    holes[0, :40] = np.nan
    assert np.isnan(window_features(holes, none, scales, 0)).all()


@pytest.mark.parametrize("kind", ["jump", "frozen", "volatility", "step"])
def test_price_anomalies_score_high(detector: IsolationForest, kind: str) -> None:
    calm = walk(5, 400)
    usual = detector.score(batch_of(detector, calm, "m"))
    values = calm.values.copy()
    if kind == "jump":
        values[300] += 5.0
    elif kind == "step":
        values[300:] += 5.0
    elif kind == "frozen":
        values[300:340] = values[299]
    else:
        noise = np.random.default_rng(1).normal(0, 1.2, 40)
        values[300:340, 0] += np.cumsum(noise)
    scores = detector.score(batch_of(detector, replace(calm, values=values), "m"))
    during = scores[300 - 59 : 340 - 59]
    assert during.max() > usual.max()


def test_season_is_used_only_when_data_show_one() -> None:
    assert season_shows(seasonal("a", 1).values[:, 0], 48)
    assert not season_shows(walk(1).values[:, 0], 144)
    spec = WindowSpec(200, interval_ms=30 * MINUTE)
    with_season, _ = IsolationForest.fit([seasonal("a", 1)], spec, {}, seed=0)
    assert with_season.season == 48
    without, report = IsolationForest.fit([walk(3)], WindowSpec(300, interval_ms=10 * MINUTE), {}, seed=0)
    assert without.season == 0
    assert any("season" in note for note in report.notes)
    assert len(columns(("value",), True)) == len(PLAIN) + len(SEASONAL)
    with pytest.raises(SettingsError, match="window above"):
        IsolationForest.fit([walk(3)], SPEC, {"season": 40})


def test_short_windows_are_scored() -> None:
    detector = IsolationForest.fit([walk(1)], WindowSpec(30, interval_ms=10 * MINUTE), {"trees": 20})[0]
    assert np.isfinite(detector.score(batch_of(detector, walk(2), "m"))).all()


def test_order_of_features_does_not_matter() -> None:
    """A forest with the columns of two features exchanged scores exchanged windows equally."""
    spec = replace(SPEC, features=("x", "y"))
    both = np.concatenate([walk(1).values, walk(2).values], axis=1)
    detector = IsolationForest.fit([replace(walk(1), values=both)], spec, {"trees": 20}, seed=1)[0]
    arrays, params = detector.to_state()
    each = detector.columns.each
    turned = dict(arrays)
    turned["forest.column"] = ((arrays["forest.column"].astype(int) + each) % (2 * each)).astype(np.uint8)
    turned["series.scales"] = arrays["series.scales"][:, ::-1]
    turned["series.levels"] = arrays["series.levels"][:, ::-1]
    turned["typical"] = np.roll(arrays["typical"], each)
    other = IsolationForest.from_state(replace(spec, features=("y", "x")), turned, params)
    batch = batch_of(detector, replace(walk(1), values=both)).take(np.arange(100))
    swapped = WindowBatch(batch.values[..., ::-1].copy(), batch.imputed, batch.end, batch.binding, batch.state)
    np.testing.assert_array_equal(other.score(swapped), detector.score(batch))


def test_scales_of_constant_and_missing_series_are_positive() -> None:
    for values in (np.full(100, 5.0), np.zeros(100), np.full(100, np.nan), np.repeat([1.0, 2.0], 50)):
        scales = series_scales(values[:, None], np.zeros(len(values), bool), 0)
        assert scales.shape == (1, 3)
        assert (scales > 0).all()
        assert np.isfinite(scales).all()


@pytest.mark.parametrize(
    "params", [{"samples": 4}, {"samples": 5000}, {"tree": 3}, {"trees": -1}, {"trees": 0}, {"background": 1.0}]
)
def test_invalid_parameters_are_refused(params: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        IsolationForest.fit([walk(1)], SPEC, params)

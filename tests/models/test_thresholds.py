"""Check thresholds against values computed by hand and against the promises of their papers."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from scipy.stats import genpareto

from eddy.errors import ModelError, SettingsError
from eddy.models.thresholds import pareto
from eddy.models.thresholds.conformal import ConformalThreshold, rank
from eddy.models.thresholds.fixed import FixedThreshold, f_beta_limit
from eddy.models.thresholds.likelihood import LikelihoodThreshold
from eddy.models.thresholds.past_deviation import PastDeviationThreshold
from eddy.models.thresholds.spot import DSpotThreshold, SpotThreshold
from eddy.testing.thresholds import limits_of


def test_fixed_rules_match_values_computed_by_hand() -> None:
    scores = {"a": np.array([1.0, 2.0, 3.0, 4.0, np.nan]), "b": np.array([10.0])}
    assert FixedThreshold.fit(scores, rule="max").default == 10
    assert FixedThreshold.fit(scores, rule="max", factor=1.5).default == 15
    assert FixedThreshold.fit(scores, rule="percentile", q=50).default == 3
    assert FixedThreshold.fit(scores, rule="mean-std", k=2).default == pytest.approx(4 + 2 * np.sqrt(10))
    assert FixedThreshold.fit(scores, rule="max", highest=7).default == 7
    own = FixedThreshold.fit(scores, rule="max", per_series=True, least=4)
    assert own.per_series == {"a": 4}
    np.testing.assert_array_equal(own.limits(np.zeros(2), own.bind(["a", "c"]), np.zeros((2, 0))), [4, 10])


def test_f_beta_limit_matches_values_computed_by_hand() -> None:
    scores = np.array([1.0, 5.0, 3.0, 9.0, 7.0, 3.0])
    labels = np.array([0, 1, 0, 1, 0, 0], bool)
    # above 8: P 1, R 1/2: F1 2/3, F0.5 5/6, F2 5/9; above 4: P 2/3, R 1: F1 4/5, F0.5 5/7, F2 10/11
    assert f_beta_limit(scores, labels, 1.0) == pytest.approx((4.0, 4 / 5))
    assert f_beta_limit(scores, labels, 0.5) == pytest.approx((8.0, 5 / 6))
    assert f_beta_limit(scores, labels, 2.0) == pytest.approx((4.0, 10 / 11))
    alike = np.array([2.0, 2.0, 1.0])  # equal scores cannot be told apart
    assert f_beta_limit(alike, np.array([True, False, False]), 1.0) == pytest.approx((1.5, 2 / 3))
    fitted = FixedThreshold.fit({"a": scores}, rule="f-beta", labels={"a": labels}, beta=0.5)
    assert fitted.default == 8
    with pytest.raises(ModelError, match="labelled anomaly"):
        FixedThreshold.fit({"a": scores}, rule="f-beta", labels={"a": np.zeros(6, bool)})
    with pytest.raises(SettingsError, match="--labels"):
        FixedThreshold.fit({"a": scores}, rule="f-beta")


def test_wrong_rules_are_named() -> None:
    with pytest.raises(SettingsError, match=r"'guess' is unknown.*f-beta"):
        FixedThreshold.fit({"a": np.ones(3)}, rule="guess")
    with pytest.raises(SettingsError, match="'k' is unknown"):
        FixedThreshold.fit({"a": np.ones(3)}, rule="percentile", k=3)
    with pytest.raises(SettingsError, match="percentage"):
        FixedThreshold.fit({"a": np.ones(3)}, rule="percentile", q=101)
    with pytest.raises(SettingsError, match="number"):
        FixedThreshold.fit({"a": np.ones(3)}, rule="percentile", q="high")


def test_past_deviation_matches_values_computed_by_hand() -> None:
    threshold = PastDeviationThreshold(k=2.0, learn=3)
    limits = limits_of(threshold, np.array([1.0, np.nan, 3.0, 5.0, 9.0, 1.0]))
    np.testing.assert_array_equal(limits[:4], np.inf)
    own = 3 + 2 * np.std([1, 3, 5])
    np.testing.assert_allclose(limits[4:], [own, own])  # 9 was an alarm: not learned


def test_likelihood_matches_values_computed_by_hand() -> None:
    epsilon, short = 0.01, 3
    threshold = LikelihoodThreshold(epsilon=epsilon, short=short, learn=4)
    scores = np.array([1.0, 2.0, 3.0, 2.0, 2.5, 1.0])
    z = NormalDist().inv_cdf(1 - epsilon)
    limits = limits_of(threshold, scores)
    first = short * (2.0 + z * np.std([1, 2, 3, 2])) - (3 + 2)
    second = short * (2.1 + z * np.std([1, 2, 3, 2, 2.5])) - (2 + 2.5)
    np.testing.assert_allclose(limits, [np.inf] * 4 + [first, second])
    # the paper's form of the same: the newest score is anomalous where 1 - Q((m - mu) / sigma) >= 1 - epsilon
    at = np.array([1.0, 2.0, 3.0, 2.0, first])
    deviate = (at[-short:].mean() - 2.0) / np.std([1, 2, 3, 2])
    assert NormalDist().cdf(deviate) == pytest.approx(1 - epsilon)


def test_likelihood_forgets_old_scores() -> None:
    threshold = LikelihoodThreshold(short=1, epsilon=0.02, memory=50, learn=50)
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(10, 1, 300), rng.normal(5, 1, 1000)])
    limits = limits_of(threshold, scores)
    z = NormalDist().inv_cdf(0.98)
    assert limits[290:300].mean() == pytest.approx(10 + z, rel=0.1)
    assert limits[-50:].mean() == pytest.approx(5 + z, rel=0.15)


def test_conformal_matches_values_computed_by_hand() -> None:
    assert [rank(0.01, n) for n in (98, 99, 198, 199)] == [0, 1, 1, 2]
    threshold = ConformalThreshold(alpha=0.2, window=9, learn=9)  # k = 2
    scores = np.array([5.0, 1, 9, 2, 8, 3, 7, 4, 6, 0, 0, 0, 0])
    np.testing.assert_array_equal(limits_of(threshold, scores), [np.inf] * 9 + [8, 8, 8, 7])  # 5, 1 and 9 have left
    with pytest.raises(ModelError, match=r"'window'.*at least 99"):
        ConformalThreshold(alpha=0.01, window=50, learn=50)


@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
def test_conformal_holds_its_alarm_rate_for_any_distribution(draw: str) -> None:
    threshold, n = ConformalThreshold(alpha=0.05, window=99, learn=99), 200
    rng, state, alarms = np.random.default_rng(1), threshold.initial_state(n), []
    for _ in range(1500):
        scores = getattr(rng, draw)(size=n)
        alarms.append((scores > threshold.limits(scores, np.full(n, -1), state)).mean())
    assert 0.04 < np.mean(alarms[99:300]) < 0.055  # guaranteed: at most 0.05
    assert 0.04 < np.mean(alarms[-500:]) < 0.055  # and does not creep


@pytest.mark.parametrize(("gamma", "n"), [(0.3, 1000), (0.0, 1000), (-0.3, 1000), (0.2, 64), (-0.5, 64), (0.5, 20)])
def test_grimshaw_fit_is_as_likely_as_scipy_fit(gamma: float, n: int) -> None:
    for seed in range(5):
        peaks = genpareto.rvs(gamma, scale=3.0, size=n, random_state=seed)
        shape, scale = pareto.fit(peaks)
        reference = genpareto.fit(peaks, floc=0)
        found, best = (genpareto.logpdf(peaks, c, scale=s).mean() for c, s in ((shape, scale), reference[::2]))
        assert found > best - 1e-4
        assert pareto.fit(peaks * 1e6)[1] == pytest.approx(1e6 * scale, rel=1e-4)


def test_grimshaw_fit_of_degenerate_peaks_is_finite() -> None:
    assert pareto.fit(np.array([2.0])) == (0.0, 2.0)  # the exponential
    shape, scale = pareto.fit(np.full(20, 3.0))
    assert np.isfinite(shape)
    assert scale > 0


def test_pareto_quantile_matches_values_computed_by_hand() -> None:
    assert pareto.quantile(10.0, 0.5, 2.0, 0.01) == pytest.approx(10 + 2 / 0.5 * (0.01**-0.5 - 1))  # 46
    assert pareto.quantile(10.0, 0.0, 2.0, np.exp(-3.0)) == pytest.approx(16)
    assert pareto.quantile(10.0, 1e-7, 2.0, np.exp(-3.0)) == pytest.approx(16, rel=1e-5)
    assert pareto.quantile(10.0, 0.5, 2.0, 1.0) == 10


@pytest.mark.parametrize("gamma", [-0.2, 0.0, 0.2])
def test_spot_limit_is_the_quantile_of_known_distributions(gamma: float) -> None:
    """Compares the limit chosen by fitting, and the one reached while streaming, with the true quantile."""
    q, sample = 1e-3, genpareto.rvs(gamma, size=20_000, random_state=5)
    truth = genpareto.isf(q, gamma)
    assert SpotThreshold.fit({"a": sample}, q=q).start == pytest.approx(truth, rel=0.1)
    n, threshold = 100, SpotThreshold(q=q)
    state = threshold.initial_state(n)
    for scores in genpareto.rvs(gamma, size=(6000, n), random_state=6):
        limits = threshold.limits(scores, np.full(n, -1), state)
    assert np.median(limits) == pytest.approx(truth, rel=0.12)


def test_spot_limit_of_normal_scores_is_the_normal_quantile() -> None:
    truth = NormalDist().inv_cdf(1 - 1e-4)
    sample = np.random.default_rng(0).normal(size=50_000)
    assert SpotThreshold.fit({"a": sample}, q=1e-4).start == pytest.approx(truth, rel=0.05)


def spot(scores: np.ndarray, **params: Any) -> tuple[np.ndarray, SpotThreshold]:
    threshold = SpotThreshold(learn=200, level=0.9, q=1e-3, peaks=256, **params)
    return limits_of(threshold, scores), threshold


def test_spot_follows_the_published_algorithm() -> None:
    """Algorithm 2: above z_q an alarm and no update; above t a peak and a new z_q; otherwise only the count."""
    first = np.random.default_rng(0).exponential(size=200)
    t = np.sort(first)[-21]
    peaks = np.sort(first)[-20:] - t
    z = pareto.quantile(t, *pareto.fit(peaks), 1e-3 * 200 / 20)
    limits, threshold = spot(np.concatenate([first, [50.0, 0.1, t + 0.5, 0.1]]), count_alarms=False)
    np.testing.assert_array_equal(limits[:200], np.inf)
    np.testing.assert_allclose(limits[200:203], z)  # neither the alarm nor the ordinary score moves it
    more = np.append(peaks, 0.5)
    assert limits[203] == pytest.approx(pareto.quantile(t, *pareto.fit(more), 1e-3 * 202 / 21))
    assert threshold.state_layout != SpotThreshold(peaks=32).state_layout


def test_spot_counts_alarms_so_the_limit_does_not_creep_down() -> None:
    """Decision 021: published SPOT drops its largest peaks; counting them keeps the alarm rate near q."""
    q, n, rates = 1e-3, 100, {}
    for counted in (True, False):
        threshold = SpotThreshold(q=q, count_alarms=counted)
        state, rng = threshold.initial_state(n), np.random.default_rng(1)
        draws = rng.exponential(size=(12_000, n))
        alarms = [float((s > threshold.limits(s, np.full(n, -1), state)).mean()) for s in draws]
        rates[counted] = np.mean(alarms[-4000:])
    assert rates[True] < 2 * q
    assert rates[False] > 4 * q


def test_dspot_follows_a_drift_that_blinds_spot() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, 3000) + 0.01 * np.arange(3000)
    scores[2500] += 12
    params = {"learn": 500, "q": 1e-3, "level": 0.95}
    over = scores > limits_of(DSpotThreshold(depth=20, **params), scores)
    assert over[2500]
    assert over[700:].mean() < 0.01
    assert scores[2500] < limits_of(SpotThreshold(**params), scores)[2500]  # the drift has raised it out of reach

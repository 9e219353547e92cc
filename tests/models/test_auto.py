"""What ``auto`` adds to the contract: families it must find, and normal ones on which it must be silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eddy.errors import SettingsError
from eddy.models.core.detector import Series, WindowBatch, WindowSpec
from eddy.models.detectors.auto import short_memory, tail_calibration
from eddy.models.detectors.auto.detector import AutoDetector, AutoParameters

MINUTE = 60_000
START = 1_735_862_400_000
RNG = np.random.default_rng


def alerts(values: np.ndarray, interval: int = 5 * MINUTE, fit: int = 0) -> np.ndarray:
    """(n,) True where ``auto`` alerts on a series that it has not seen, or has seen the first ``fit`` points of."""
    ts = START + np.arange(len(values), dtype=np.int64) * interval
    values = np.atleast_2d(values.T).T
    spec = WindowSpec(1, features=tuple(f"f{k}" for k in range(values.shape[1])))
    detector = AutoDetector(spec, AutoParameters(), {})
    if fit:
        head = Series("s", ts[:fit], values[:fit], np.zeros(fit, bool))
        detector = AutoDetector.fit([head], spec, {})[0]
        rest = detector.score_series("s", ts[fit:], values[fit:])
        return np.r_[np.zeros(fit, bool), rest >= detector.default_limit]
    return detector.score_series("s", ts, values) >= detector.default_limit


def test_state_stays_within_five_kilobytes() -> None:
    assert 8 * AutoDetector(WindowSpec(1), AutoParameters(), {}).state_size <= 5_000


@pytest.mark.parametrize("seed", range(3))
def test_a_spike_a_step_and_a_burst_of_noise_are_found_in_noise(seed: int) -> None:
    for kind in ("spike", "step", "noise"):
        values = RNG(seed).normal(50, 2, 6000)
        if kind == "spike":
            values[5000] += 25
        elif kind == "step":
            values[5000:] += 12
        else:
            values[5000:5030] += RNG(seed + 9).normal(0, 14, 30)
        found = alerts(values)
        assert found[5000:5032].any(), kind
        assert found[:5000].sum() <= 3, kind


def test_a_repeated_anomaly_is_found_again() -> None:
    values = RNG(4).normal(50, 2, 12_000)
    at = np.arange(4000, 12_000, 1000)
    values[at] += 25  # the same value each time: nothing new after the first
    found = alerts(values)
    assert found[at].sum() >= 6


@pytest.mark.parametrize(
    "values",
    [
        np.arange(8000) * 3.0,
        1e6 + np.cumsum(RNG(1).poisson(20, 8000)).astype(float),
        np.arange(8000) * 0.1 + RNG(2).normal(0, 1, 8000),
        np.full(8000, 7.0),
        np.cumsum(RNG(0).pareto(2, 8000)),
        np.cumsum(np.where(RNG(0).random(8000) < 0.1, RNG(1).exponential(20, 8000), 0.0)),
    ],
    ids=["ramp", "counter", "noisy ramp", "constant", "counter of heavy tails", "counter that rests"],
)
def test_ramps_counters_and_constants_raise_nothing(values: np.ndarray) -> None:
    assert not alerts(values)[300:].any()


def test_a_counter_that_begins_anew_raises_nothing_and_its_rate_is_still_watched() -> None:
    steps = RNG(3).poisson(40, 20_000).astype(float)
    steps[15_000:15_004] = 2000.0
    total, values = 0.0, np.empty(len(steps))
    for i, step in enumerate(steps):
        total = 0.0 if i % 2000 == 1999 else total + step
        values[i] = total
    found = alerts(values)
    assert found[15_000:15_010].any()
    assert found[2000:15_000].sum() == 0
    assert found[15_100:].sum() == 0


@pytest.mark.parametrize("kind", ["t", "laplace", "lognormal", "bursts", "drift"])
def test_noise_without_memory_raises_at_most_one_alert_in_ten_days(kind: str) -> None:
    """Its tail goes on bringing surprises and new values; two series of 60 days, the first six days not counted."""
    n, count = 60 * 288, 0
    for seed in (11, 12):
        rng = RNG(seed)
        values = {
            "t": lambda rng=rng: 50 + rng.standard_t(4, n),
            "laplace": lambda rng=rng: rng.laplace(50, 2, n),
            "lognormal": lambda rng=rng: rng.lognormal(3, 0.5, n),
            "bursts": lambda rng=rng: rng.negative_binomial(2, 0.05, n).astype(float),
            "drift": lambda rng=rng: 50 + 30 * np.arange(n) / n + rng.normal(0, 2, n),
        }[kind]()
        count += int(alerts(values, fit=1728).sum())
    assert count <= 0.1 * 2 * 54


def test_a_short_odd_spot_in_a_long_period_ranks_highest_where_there_is_no_clock() -> None:
    period, n, head, at = 1000, 24_000, 10_000, 18_300
    phase = np.arange(n) % period / period
    beat = 0.4 * np.exp(-(((phase - 0.3) / 0.008) ** 2))
    values = np.sin(2 * np.pi * phase) + beat + RNG(5).normal(0, 0.02, n)
    values[at - 40 : at + 40] -= beat[at - 40 : at + 40]  # one is missing
    ts = np.arange(n, dtype=np.int64)
    first = Series("s", ts[:head], values[:head, None], np.zeros(head, bool))
    detector = AutoDetector.fit([first], WindowSpec(1), {"sparse": False})[0]
    scores = detector.score_series("s", ts[head:], values[head:, None])
    assert abs(head + int(scores.argmax()) - detector.attribution_span // 2 - at) <= 100


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("seed", [6, 7, 8])
def test_a_daily_kpi_is_quiet_on_its_first_weekend(seed: int, share: float) -> None:
    minute = np.arange(21 * 288)
    weekend = ((minute // 288) % 7) >= 5
    day = 100 + 60 * np.sin(2 * np.pi * minute / 288) * np.where(weekend, share, 1.0)
    found = alerts(day + RNG(seed).normal(0, 4, len(day)))
    assert not found[5 * 288 : 7 * 288].any()
    assert found[288:].sum() <= 3


def test_one_feature_of_twenty_is_enough_and_their_number_costs_no_false_alerts() -> None:
    values = RNG(7).normal(0, 1, (6000, 20))
    values[5000:5003, 11] += 15
    found = alerts(values, fit=2000)
    assert found[5000:5010].any()
    assert found[:5000].sum() <= 3


def test_dense_score_ranks_below_the_limit() -> None:
    values = RNG(8).normal(50, 2, 4000)
    values[3000:3010] += 30
    ts = START + np.arange(4000, dtype=np.int64) * MINUTE
    scores = AutoDetector(WindowSpec(1), AutoParameters(), {}).score_series("s", ts, values[:, None])
    inside, outside = scores[3001:3010], np.r_[scores[500:3000], scores[3100:]]
    assert np.median(inside) > np.quantile(outside, 0.99)
    assert (scores >= 0).all()


def test_scores_before_two_hundred_and_fifty_points() -> None:
    values = RNG(9).normal(50, 2, 300)
    values[240] += 60
    assert alerts(values)[240]


def test_parameters_are_checked() -> None:
    for params in ({"start_up": 5}, {"start_up": 5000}, {"limit": 0.0}):
        with pytest.raises(SettingsError):
            AutoDetector(WindowSpec(1), AutoParameters(**params), {})


@pytest.mark.parametrize("shape", ["exponential", "lognormal", "pareto"])
def test_surprise_is_the_share_of_the_past_that_is_higher(shape: str) -> None:
    rng = RNG(10)
    draw: Any = {"exponential": rng.exponential, "lognormal": lambda size: rng.lognormal(0, 1, size),
            "pareto": lambda size: 1 + rng.pareto(2, size)}[shape]  # fmt: skip
    past, new = draw(size=20_000), draw(size=200_000)
    row = np.zeros(tail_calibration.STATE_WIDTH)
    for score in past:
        tail_calibration.add(row, 0, score)
    surprises = np.array([tail_calibration.surprise(row, 0, 20_000.0, s) for s in new])
    for decades in (1.0, 2.0, 3.0):
        assert (surprises >= decades).mean() == pytest.approx(10**-decades, rel=0.5), decades
    # beyond what 20,000 scores can show, in the tail: within a factor of 4 of the rate asked for
    assert 10**-4.6 <= (surprises >= 4.0).mean() <= 10**-3.4
    at = tail_calibration.score_at(row, 0, 20_000.0, 4.0)
    assert tail_calibration.surprise(row, 0, 20_000.0, at) == pytest.approx(4.0, abs=0.01)


def test_histogram_halves_and_goes_on() -> None:
    row = np.zeros(short_memory.STATE_WIDTH)
    values = RNG(11).normal(0, 1, 70_000)
    for x in values:
        short_memory.step(row, 0, x)
    assert row[short_memory.SEEN] < 40_000
    assert short_memory.step(row, 0, 12.0) > 3.0
    assert short_memory.step(row, 0, values[-1]) < 3.0


def stream(kind: str, mean: float, seed: int, points: int = 2000) -> np.ndarray:
    """Counts of events: paced, independent, or busy by day; at night there are few."""
    rng = RNG(seed)
    if kind == "paced":
        times = np.cumsum(rng.gamma(16, 1 / 16, int(points * mean * 1.1)))
        return np.bincount((times / mean).astype(int))[:points].astype(float)
    rate = np.full(points, mean)
    if kind == "daily":
        rate = mean * (1.05 + np.sin(2 * np.pi * np.arange(points) / 288))
    return rng.poisson(rate).astype(float)


@pytest.mark.parametrize(
    ("kind", "mean", "within"),
    [("paced", 3, 2), ("paced", 400, 1), ("independent", 8, 2), ("independent", 60, 1), ("daily", 300, 2)],
)
def test_a_count_that_becomes_zero_alerts_until_it_is_no_more(kind: str, mean: float, within: int) -> None:
    for seed in range(5):
        flowing = stream(kind, mean, seed)
        found = alerts(np.r_[flowing, np.zeros(60), flowing[:60]], interval=MINUTE)[2000:]
        assert found[within - 1 : 60].all(), seed
        assert found[60:].sum() <= 1, "that it is back is news at most"


def test_zeros_that_stay_become_usual() -> None:
    found = alerts(np.r_[stream("paced", 20, 2), np.zeros(1400)], interval=MINUTE)[2000:]
    assert found[:1022].all()
    assert not found[1030:].any()


def test_zeros_that_come_at_times_are_no_absence() -> None:
    """Night after night without an event: an alert at the first of them, none of what has been before."""
    rng = RNG(8)
    values = rng.poisson(40, 288 * 20).astype(float)
    values[np.arange(len(values)) % 288 < 60] = 0.0
    spec = WindowSpec(1)
    detector = AutoDetector(spec, AutoParameters(members="value"), {})
    ts = START + np.arange(len(values), dtype=np.int64) * 5 * MINUTE
    found = np.flatnonzero(detector.score_series("s", ts, values[:, None]) >= detector.default_limit)
    assert not (found > 288 * 2).any(), found


def test_zero_that_an_alert_came_shortly_before_alerts_as_well() -> None:
    values = np.r_[stream("paced", 20, 1), np.zeros(3)]
    values[1960] = 400.0  # far more of an event, 40 points before
    found = np.flatnonzero(alerts(values, interval=MINUTE)[1900:]) + 1900
    assert found[0] == 1960
    assert 2000 in found or 2001 in found


def test_zero_of_a_series_that_was_negative_is_a_value_as_others() -> None:
    values = RNG(3).normal(60, 1, 1200)
    values[100] = -3.0
    values[1150:] = 0.0
    ts = START + np.arange(len(values), dtype=np.int64) * MINUTE
    detector = AutoDetector(WindowSpec(1), AutoParameters(), {})
    row = np.zeros(detector.state_size)
    newest = values[1150:1151, None, None]
    batch = WindowBatch(newest, np.zeros((1, 1), bool), ts[1150:1151], np.zeros(1, int), row[None])
    detector.kernel.series_step(row, values[:1150, None], ts[:1150], detector.members, 200, 1.96, True)
    batch = replace(batch, state=row[None].copy())
    assert detector.unusual(batch) != ["it is 0 for longer than ever before"]
    row = np.zeros(detector.state_size)
    values[100] = 60.0
    detector.kernel.series_step(row, values[:1150, None], ts[:1150], detector.members, 200, 1.96, True)
    batch = replace(batch, state=row[None].copy())
    assert detector.unusual(batch) == ["it is 0 for longer than ever before"]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_value_beyond_all_others_is_explained_by_their_range(sign: float) -> None:
    values = 50 + sign * RNG(1).normal(0, 1, (1000, 1))
    ts = START + np.arange(len(values)) * MINUTE
    detector = AutoDetector.fit([Series("s", ts, values, np.zeros(len(ts), bool))], WindowSpec(1), {})[0]
    state = detector._start[[0]].copy()
    new = WindowBatch(np.array([[[50 + sign * 30]]]), np.zeros((1, 1), bool), ts[-1:] + MINUTE, np.zeros(1, int), state)
    told = detector.explain(new, np.array([detector.default_limit]))
    low, high = float(told.lower[0, 0]), float(told.upper[0, 0])
    assert low <= values.min() + 1e-9
    assert high >= values.max() - 1e-9
    assert high - low < 4 * np.ptp(values)
    assert told.expected[0, 0] == pytest.approx(50, abs=0.5)
    assert not low <= 50 + sign * 30 <= high


def test_only_the_chosen_members_alert() -> None:
    values = RNG(5).normal(50, 2, 3000)
    values[2500] += 40
    ts = np.arange(3000, dtype=np.int64) * 1000

    def found(members: str) -> bool:
        detector = AutoDetector(WindowSpec(1), AutoParameters(members=members), {})
        return bool((detector.score_series("s", ts, values[:, None])[2490:2530] >= detector.default_limit).any())

    assert found("short")
    assert found("short, value")
    assert found("value")  # beside short memory's surprise, which is still asked for
    assert not found("season,rarity")
    with pytest.raises(SettingsError, match="auto: members: found 'shapes', expected some of short"):
        found("shapes")


def test_new_values_are_no_news_where_training_data_is_full_of_them() -> None:
    rng = RNG(6)
    values = rng.normal(0, 1, 6000)
    values[150::150] += 20 * 1.3 ** rng.permutation(39)  # a value far from all others every 150 points
    ts = np.arange(6000, dtype=np.int64) * 60_000

    def alerting(head: np.ndarray) -> float:
        known = Series("s", ts[:4000], head[:, None], np.zeros(4000, bool))
        params = {"members": "value"}
        detector = AutoDetector.fit([known], WindowSpec(1), params)[0]
        return float((detector.score_series("s", ts[4000:], values[4000:, None]) >= detector.default_limit).sum())

    assert alerting(values[:4000]) == 0
    assert alerting(rng.normal(0, 1, 4000)) > 0


def test_an_event_of_training_ranks_nothing_that_comes_after_it() -> None:
    values = RNG(7).normal(50, 2, 3000)
    values[2499] += 400  # the last point of training
    ts = np.arange(3000, dtype=np.int64) * 60_000
    known = Series("s", ts[:2500], values[:2500, None], np.zeros(2500, bool))
    detector = AutoDetector.fit([known], WindowSpec(1), {"sparse": False})[0]
    assert detector.score_series("s", ts[2510:], values[2510:, None])[:20].max() < detector.default_limit

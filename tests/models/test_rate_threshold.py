"""The promise of the threshold ``rate``: so many alarms a week, whatever the distribution, with no label."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Bools, Floats
from eddy.models.thresholds import rate_kernel as kernel
from eddy.models.thresholds.rate import RateThreshold

WEEK = 336  # points of half an hour
STEP_MS = 1_800_000
WEEKS = 52
FAMILIES = ("pareto", "half-normal", "together", "daily", "falling", "rising")
RATES = {"day": 7.0, "week": 1.0, "month": 0.23}


def run(threshold: RateThreshold, scores: Floats, step_ms: int = STEP_MS) -> tuple[Floats, Floats, Floats]:
    """Limits and return periods of one series, and its state at the end."""
    state = threshold.initial_state(1)
    ts = step_ms * np.arange(1, len(scores) + 1)
    rows, binding = np.zeros(len(scores), np.int64), np.full(1, -1)
    limits, periods, _ = threshold.limits_in_place(scores, rows, ts, binding, state)
    return limits, periods, state


def incidents(above: Bools, since: int) -> int:
    """Incidents that begin at or after a row; points within 24 of one another are one."""
    rows = np.flatnonzero(above)
    begins = rows[np.diff(rows, prepend=-100) > 24]
    return int((begins >= since).sum())


def alarms_a_week(scores: Floats, per_week: float, since_week: int = 1) -> float:
    limits, _, _ = run(RateThreshold(alarms_per_week=per_week), scores)
    return incidents(scores > limits, since_week * WEEK) / (len(scores) / WEEK - since_week)


def family(name: str, seed: int, weeks: int = WEEKS) -> Floats:
    rng, n = np.random.default_rng(seed), WEEK * weeks
    if name == "pareto":
        return 1 + rng.pareto(1.5, n)
    if name == "half-normal":
        return np.abs(rng.normal(size=n))
    if name == "together":  # scores that stay high together
        return np.abs(np.convolve(rng.normal(size=n + 20), np.ones(21), "valid"))
    if name == "daily":
        return (1 + 0.8 * np.sin(2 * np.pi * np.arange(n) / 48)) * rng.exponential(size=n)
    half = np.linspace(2, 1, n) if name == "falling" else np.linspace(1, 2, n)
    return half * rng.exponential(size=n)


@pytest.mark.parametrize("rate", list(RATES))
def test_the_rate_is_kept_within_a_factor_of_two(rate: str) -> None:
    """By 80 % of the series at least, from the second week of a year on; and none has more than twice as many."""
    found = np.array([alarms_a_week(family(name, seed), RATES[rate]) for name in FAMILIES for seed in range(5)])
    ratio = found / RATES[rate]
    assert ((ratio >= 0.5) & (ratio <= 2)).mean() >= 0.8
    assert ratio.max() <= 2


def test_a_high_start_is_forgotten() -> None:
    scores = np.random.default_rng(4).exponential(size=WEEK * 30)
    scores[: WEEK // 2] *= 10  # a detector that has just begun
    assert 0.5 <= alarms_a_week(scores, 1.0, 4) <= 2.0


def test_a_lasting_change_does_not_alarm_for_ever() -> None:
    scores = np.random.default_rng(5).exponential(size=WEEK * 40)
    scores[WEEK * 10 :] *= 3
    assert alarms_a_week(scores, 1.0, 12) <= 2.0


@pytest.mark.parametrize("step_ms", [1000, 60_000, 86_400_000])
def test_the_interval_is_taken_from_event_times(step_ms: int) -> None:
    """The same scores in other steps of time are another rate; a daily series cannot break anything."""
    scores = np.random.default_rng(6).exponential(size=40_000)
    limits, _, state = run(RateThreshold(alarms_per_week=7.0), scores, step_ms)
    assert state[0, kernel.INTERVAL] == pytest.approx(step_ms / 1000)
    expected = 7.0 * len(scores) * step_ms / 604_800_000
    feasible = min(expected, len(scores) / 48)
    assert 0.3 * feasible - 2 <= incidents(scores > limits, 0) <= 2 * feasible + 2


def test_gaps_do_not_change_the_interval() -> None:
    scores, state = np.random.default_rng(7).exponential(size=5000), np.zeros((1, kernel.WIDTH))
    ts = np.cumsum(np.where(np.arange(5000) % 500 == 0, 90_000_000, 60_000))
    threshold = RateThreshold()
    threshold.limits_in_place(scores, np.zeros(5000, np.int64), ts, np.full(1, -1), state)
    assert state[0, kernel.INTERVAL] == pytest.approx(60.0, rel=0.1)


def test_many_series_in_one_call_are_as_each_by_itself() -> None:
    threshold, rng = RateThreshold(alarms_per_week=20.0), np.random.default_rng(8)
    rows = rng.integers(0, 4, 12_000)
    scores = rng.exponential(size=12_000)
    ts, state = np.arange(1, 12_001) * 450_000, np.zeros((4, kernel.WIDTH))
    limits, periods, _ = threshold.limits_in_place(scores, rows, ts, np.full(4, -1), state)
    assert np.isfinite(periods).sum() > 5
    for row in range(4):
        own, alone = rows == row, np.zeros((1, kernel.WIDTH))
        parts = [
            threshold.limits_in_place(s, np.zeros(len(s), np.int64), t, np.full(1, -1), alone)
            for s, t in zip(np.array_split(scores[own], 7), np.array_split(ts[own], 7), strict=True)
        ]
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), limits[own])
        np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), periods[own])


@pytest.mark.parametrize("name", ["pareto", "half-normal", "daily"])
def test_return_period_says_how_often_such_a_score_comes(name: str) -> None:
    """Of later blocks, a score as high comes about as often as was said: within a factor of 3 in the middle."""
    right = []
    for seed in range(10):
        scores = family(name, seed)
        limits, periods, _ = run(RateThreshold(alarms_per_week=2.0, settle_days=0.0), scores)
        blocks = scores[: len(scores) // 24 * 24].reshape(-1, 24).max(axis=1)
        for at in np.flatnonzero(np.isfinite(periods)):
            assert scores[at] > limits[at]
            again = (blocks >= scores[at]).sum()
            if at > 10 * WEEK and again >= 6:  # often enough to be counted
                right.append(periods[at] / (WEEKS * 604_800 / again))
    assert len(right) > 100
    assert 0.6 <= np.median(right) <= 1.6
    assert np.mean((np.array(right) > 1 / 3) & (np.array(right) < 3)) > 0.9


def test_a_return_period_is_not_longer_than_the_past_can_show() -> None:
    scores = np.random.default_rng(9).exponential(size=WEEK * 4)
    scores[-1] = 1e9
    _, periods, _ = run(RateThreshold(), scores)
    assert periods[-1] * 2 >= 4 * 604_800
    assert periods[-1] <= 40 * 604_800


def test_how_far_a_score_lies_beyond_the_past_is_in_scales_of_its_tail() -> None:
    scores = np.random.default_rng(12).exponential(size=8 * WEEK)
    scores[-1] = scores[: 7 * WEEK].max() + 8.0
    state, rows = np.zeros((1, kernel.WIDTH)), np.zeros(len(scores), np.int64)
    threshold = RateThreshold(settle_days=0.0)
    limits, _, beyond = threshold.limits_in_place(
        scores, rows, STEP_MS * np.arange(1, len(scores) + 1), np.full(1, -1), state
    )
    assert beyond[-1] == pytest.approx(8.0, abs=4.0)  # the scale of this tail is 1
    assert (np.isfinite(beyond) <= (scores > limits)).all()
    assert np.isnan(beyond[: 24 * 12]).all()


def test_beside_a_limit_of_the_detector_the_rate_is_an_upper_bound() -> None:
    scores = np.random.default_rng(10).exponential(size=WEEK * WEEKS)
    own = float(np.log(100))  # exceeded by one score of a hundred
    bounded = RateThreshold(alarms_per_week=1.0, detector_limit=own)
    limits, _, _ = run(bounded, scores)
    kept = kernel.sure(own, 1.0)
    assert (limits >= own).all()
    assert (limits <= kept).all()
    assert limits[: 24 * 12].max() == own == bounded.start
    weak = (scores > limits) & (scores <= kept)
    assert incidents((scores > own) & (scores <= kept), WEEK) > 1.5 * WEEKS
    assert incidents(weak, WEEK) <= 1.2 * WEEKS + kernel.BURST
    assert (scores > limits)[scores > kept].all()


def test_a_few_alarms_of_a_detector_are_not_held_back() -> None:
    scores = np.full(WEEK * 20, 0.5)
    scores[WEEK :: 2 * WEEK] = 2.0 + np.arange(10) / 100  # one in two weeks
    limits, _, _ = run(RateThreshold(detector_limit=1.96), scores)
    assert (limits == 1.96).all()


def test_state_of_the_layout_before_is_carried_over() -> None:
    threshold = RateThreshold(alarms_per_week=1.0, interval_seconds=300.0)
    old = np.zeros((2, 54))
    old[0, :6] = 400, 3, 1.5, 48, 1, 9.0  # blocks, points, highest, held, settled, before
    old[0, 6:] = np.linspace(8, 3, 48)
    new = threshold.carried("rate/54", old)
    assert new is not None
    bounds = threshold.state_bounds()
    assert bounds.fits(new).all()
    assert not new[1, : kernel.INTERVAL].any()
    (limit,) = threshold.limits(np.zeros(1), np.zeros(1, np.int64), new[:1].copy())
    share = 24 * 300 / 604_800
    at = share * 401 - 1  # between the maxima of the rank, as the layout before had it
    assert limit == pytest.approx(np.interp(at, np.arange(48), old[0, 6:]))
    assert threshold.carried("rate/53", old[:, :53]) is None


def test_older_manifest_is_read() -> None:
    old = {"policy": "rate", "start": 3.0, "lowest": None, "highest": None, "alarms_per_week": 2.0,
           "interval_seconds": 300.0, "block": 24, "learn": 12, "settle_days": 14.0}  # fmt: skip
    assert RateThreshold.from_params(old).to_params() == old


def test_what_cannot_be_promised_is_said() -> None:
    with pytest.raises(ModelError, match="alarms_per_week"):
        RateThreshold(alarms_per_week=0.0)
    with pytest.raises(SettingsError, match="did you mean"):
        RateThreshold.fit({"a": np.ones(100)}, alarm_per_week=1.0)
    with pytest.raises(ModelError, match="detector_limit"):
        RateThreshold(detector_limit=np.inf)

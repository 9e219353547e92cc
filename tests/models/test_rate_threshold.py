"""The promise of the threshold ``rate``: so many alarms a week, whatever the distribution, with no label."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.errors import ModelError, SettingsError
from eddy.models.thresholds.rate import RateThreshold

WEEK = 2016  # points of five minutes
WEEKS = 40


def alarms_a_week(scores: np.ndarray, per_week: float, from_week: int = 3) -> float:
    """Alarms of one series after its first weeks, a week; points within a block of one another are one alarm."""
    threshold = RateThreshold(alarms_per_week=per_week, interval_seconds=300.0)
    state, above = threshold.initial_state(1), np.zeros(len(scores), bool)
    for t in range(len(scores)):
        above[t] = scores[t] > threshold.limits(scores[t : t + 1], np.zeros(1, np.int64), state)[0]
    rows = np.flatnonzero(above[from_week * WEEK :])
    alarms = 1 + int((np.diff(rows) > 24).sum()) if len(rows) else 0
    return alarms / (len(scores) / WEEK - from_week)


def family(name: str, seed: int) -> np.ndarray:
    rng, n = np.random.default_rng(seed), WEEK * WEEKS
    if name == "pareto":
        return 1 + rng.pareto(1.5, n)
    if name == "half-normal":
        return np.abs(rng.normal(size=n))
    if name == "together":  # scores that stay high together
        return np.abs(np.convolve(rng.normal(size=n + 20), np.ones(21), "valid"))
    day = 1 + 0.8 * np.sin(2 * np.pi * np.arange(n) / 288)
    return day * rng.exponential(size=n)


@pytest.mark.parametrize("name", ["pareto", "half-normal", "together", "daily"])
@pytest.mark.parametrize("per_week", [1.0, 7.0])
def test_the_rate_is_kept_within_a_factor_of_two(name: str, per_week: float) -> None:
    found = np.mean([alarms_a_week(family(name, seed), per_week) for seed in range(3)])
    assert per_week / 2 <= found <= per_week * 2


def test_a_high_start_is_forgotten() -> None:
    scores = np.random.default_rng(4).exponential(size=WEEK * 30)
    scores[: WEEK // 2] *= 10  # a detector that has just begun
    assert 0.5 <= alarms_a_week(scores, 1.0, 4) <= 2.0


def test_a_lasting_change_does_not_alarm_for_ever() -> None:
    scores = np.random.default_rng(5).exponential(size=WEEK * 40)
    scores[WEEK * 10 :] *= 3
    assert alarms_a_week(scores, 1.0, 25) <= 3.0


def test_what_cannot_be_promised_is_said() -> None:
    with pytest.raises(SettingsError, match="blocks"):
        RateThreshold.fit({"a": np.ones(100)}, alarms_per_week=500.0, interval_seconds=300.0)
    with pytest.raises(ModelError, match="alarms_per_week"):
        RateThreshold(alarms_per_week=0.0)
    with pytest.raises(SettingsError, match="did you mean"):
        RateThreshold.fit({"a": np.ones(100)}, alarm_per_week=1.0)

"""Check what docs/aggregation.md says of daylight saving: a pattern that follows local time moves by an hour in UTC."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet

DAY = 24 * 3_600_000


def load(shape: str, hour: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """Return what is usual at an hour of local time: office hours, or a day's wave."""
    if shape == "office":
        return np.where((hour >= 8) & (hour < 18) & (weekday < 5), 200.0, 10.0)
    return 100 + 80 * np.sin(2 * np.pi * (hour - 6) / 24)


@pytest.mark.parametrize("shape", ["office", "wave"])
@pytest.mark.parametrize("change", ["2025-03-30", "2025-10-26"])
def test_a_change_of_the_clock_costs_three_incidents_at_most_in_two_working_days(change: str, shape: str) -> None:
    changed = pd.Timestamp(change, tz="UTC")
    times = pd.date_range(changed - pd.Timedelta(days=63), changed + pd.Timedelta(days=35), freq="5min")
    local = times.tz_convert("Europe/Berlin")
    usual = load(shape, np.asarray(local.hour + local.minute / 60), np.asarray(local.dayofweek))
    values = np.random.default_rng(0).poisson(usual).astype(float)
    ts = np.asarray((times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(milliseconds=1), np.int64)
    models = ModelSet()
    models.start_cold(cold_model("auto", 0))
    options = EngineOptions(cold=ColdStart())
    alerts = replay(models, options, ["s"], np.zeros(len(ts), np.int64), ts, values[:, None])
    days = [(one.start - changed.timestamp() * 1000) / DAY for one in alerts if one.state == "open"]
    assert not [day for day in days if -20 < day < 0], "it is known before"
    after = [day for day in days if day >= 0]
    assert 1 <= len(after) <= 3
    assert max(after) < 3, "Tuesday at the latest: the clocks change on a Sunday"

"""Check that a detector that works in the state of all series says what it says window by window, bands included."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.time_budget import CpuBudget
from tests.models.small_models import Job, model_set
from tests.models.small_models import manifest as small_manifest

NAMES, POINTS, SEEN = ("a", "b", "c"), 900, 400
FEATURES = ("value", "load")
LIMITS = {"left-discord": 0.6, "ensemble": 2.0}


def values() -> np.ndarray[Any, Any]:
    """(series, points, features) noise with spikes, a step and missing values."""
    found = np.random.default_rng(5).normal(50, 1, (len(NAMES), POINTS, len(FEATURES)))
    found[:, 500:510, 0] += 20
    found[1, 700:, 1] += 9
    found[2, 600, 0] = np.nan
    return found


def rounded(text: str) -> str:
    """Round the numbers: sums over rows that lie elsewhere in memory may differ in their last digits."""
    return re.sub(r"-?\d+\.\d+(e[-+]?\d+)?", lambda found: f"{float(found[0]):.7g}", text)


@pytest.mark.parametrize("kind", ["auto", "novelty", "left-discord", "ensemble"])
@pytest.mark.parametrize("batch", [1, 40, 700])
def test_in_place_is_as_window_by_window(kind: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CpuBudget, "left", lambda self: True)  # on a busy machine live points would be left out
    data, detector = values(), DETECTORS.get(kind)
    ts = np.arange(POINTS, dtype=np.int64) * 60_000
    train = [Series("a", ts[:SEEN], data[0, :SEEN], np.zeros(SEEN, bool))]  # the others are not seen in training
    params = {"period": 12} if kind == "left-discord" else {"start_up": 100}
    fitted = detector.fit(train, WindowSpec(1, features=FEATURES), params)[0]
    found = []
    for in_place in (True, False):
        monkeypatch.setattr(detector, "in_place", in_place)
        models = model_set(small_manifest("m", fitted, limit=fitted.default_limit or LIMITS.get(kind, 0.0)))
        job = Job(models, EngineOptions(live_per_second=100))
        alerts, live = [], []
        arrivals = [(k, i) for i in range(POINTS) for k in range(len(NAMES)) if k or i >= SEEN]
        for start in range(0, len(arrivals), batch * len(NAMES)):
            part = arrivals[start : start + batch * len(NAMES)]
            result = job.send(
                [(NAMES[k], int(ts[i]), dict(zip(FEATURES, data[k, i].tolist(), strict=True))) for k, i in part]
            )
            alerts += [one.to_json().decode() for one in result.alerts]
            if start % 7 == 0:
                live += [str(point) for point in job.engine.tick(start).live]
        found.append((alerts, live, job.engine.scorers["m"].state.copy()))
    assert len(found[0][0]) >= 6
    assert [rounded(one) for one in found[0][0]] == [rounded(one) for one in found[1][0]]
    assert [rounded(one) for one in found[0][1]] == [rounded(one) for one in found[1][1]]
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-9, atol=1e-9)

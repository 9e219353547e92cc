"""Check that ``auto`` in River's style gives Eddy's scores; otherwise their speed could not be compared."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.auto_per_event import Auto
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.auto.detector import AutoDetector, AutoParameters

STEP_MS = 300_000
RNG = np.random.default_rng(1)
KINDS = {
    "noise": RNG.standard_t(4, 3000),
    "walk": 100 + np.cumsum(RNG.normal(0, 1, 3000)),
    "day": 50 + 20 * np.sin(np.arange(3000) * 2 * np.pi / 288) + RNG.normal(0, 1, 3000),
    "counter": np.cumsum(RNG.poisson(40, 3000)).astype(float) % 90_000,
}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_equal(kind: str) -> None:
    values, ts = KINDS[kind], 1_735_862_400_000 + np.arange(3000, dtype=np.int64) * STEP_MS
    params = AutoParameters()
    expected = AutoDetector(WindowSpec(1), params, {}).score_series("s", ts, values[:, None])
    one = Auto(params.limit, params.start_up)
    scores = [one.score_one(value, int(at)) for value, at in zip(values.tolist(), ts, strict=True)]
    np.testing.assert_allclose(scores, expected, atol=1e-9)

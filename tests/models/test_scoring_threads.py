"""Check that the windows of a batch are shared by threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from eddy.models.core.detector import Detector, Floats, WindowBatch, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.threads import MIN_WINDOWS, score


class Counting(RollingZScore):
    kind = "counting"
    releases_gil = True

    def __init__(self, spec: WindowSpec) -> None:
        super().__init__(spec)
        self.calls: list[tuple[int, str]] = []

    def _score(self, batch: WindowBatch) -> Floats:
        self.calls.append((len(batch), threading.current_thread().name))
        return super()._score(batch)


del Detector.kinds["counting"]


def windows(n: int) -> WindowBatch:
    values = np.random.default_rng(n).normal(size=(n, 10, 1))
    return WindowBatch(values, np.zeros((n, 10), bool), np.arange(n), np.full(n, -1), np.empty((n, 0)))


@pytest.mark.parametrize("n", [0, 1, MIN_WINDOWS, 2 * MIN_WINDOWS - 1, 2 * MIN_WINDOWS, 5 * MIN_WINDOWS + 3])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threaded_scores_equal_those_of_one_thread(n: int, threads: int) -> None:
    detector, batch = Counting(WindowSpec(10)), windows(n)
    np.testing.assert_array_equal(score(detector, batch, threads), RollingZScore(WindowSpec(10)).score(batch))
    parts = max(min(threads, n // MIN_WINDOWS), 1)
    assert len(detector.calls) == (parts if n else 0)
    assert sum(size for size, _ in detector.calls) == n
    if parts > 1:
        assert {name.rpartition("_")[0] for _, name in detector.calls} == {"", "scoring"}


def test_detector_that_keeps_the_interpreter_lock_runs_on_one_thread() -> None:
    detector = Counting(WindowSpec(10))
    detector.releases_gil = False
    score(detector, windows(4 * MIN_WINDOWS), 2)
    assert [size for size, _ in detector.calls] == [4 * MIN_WINDOWS]

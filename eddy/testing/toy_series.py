"""Made-up series with known anomalies, and ways to send them through a detector as the job does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eddy.models.core.detector import Bools, Detector, Floats, Series, WindowBatch, WindowSpec

INTERVAL = 30 * 60_000
START = 1_735_862_400_000 + 4 * 86_400_000  # a Monday
DAYS, LIVE_DAYS = 21, 7
SPEC = WindowSpec(48, interval_ms=INTERVAL)
SPIKES = np.array([60, 132, 156, 228, 252, 324])  # up at the top of the day, down at its bottom


def seasonal(name: str, seed: int, days: int = DAYS, start: int = START, level: float = 100.0) -> Series:
    """Make a daily season with noise: a point every 30 minutes, around ``level``."""
    n = days * 48
    ts = start + np.arange(n, dtype=np.int64) * INTERVAL
    noise = np.random.default_rng(seed).normal(0, 1.5, n)
    values = level + 20 * np.sin(2 * np.pi * (ts % 86_400_000) / 86_400_000) + noise
    return Series(name, ts, values[:, None], np.zeros(n, np.bool_))


TRAIN = [seasonal("a", 1), seasonal("b", 2, level=5000.0)]


def live(name: str = "a", seed: int = 11, level: float = 100.0) -> tuple[Series, Bools]:
    """Make what follows the training data, with spikes; (n,) True where they are."""
    s = seasonal(name, seed, LIVE_DAYS, START + DAYS * 86_400_000, level)
    size = 12.0 + 3.0 * np.arange(len(SPIKES))  # each is new, also to a detector that remembers the one before
    s.values[SPIKES, 0] += size * np.where(np.arange(len(SPIKES)) % 2, -1, 1)
    return s, np.isin(np.arange(len(s.ts)), SPIKES)


def spec_of(features: int) -> WindowSpec:
    """The windows of :data:`SPEC` with so many features."""
    return replace(SPEC, features=tuple(f"f{i}" for i in range(features)) if features > 1 else ("value",))


def widened(values: Floats, features: int) -> Floats:
    """(n, features) values that go together but have noise of their own."""
    rng = np.random.default_rng(5)
    return np.concatenate([values * (i + 1) + rng.normal(0, 1.5 * i, values.shape) for i in range(features)], axis=1)


def batch_of(detector: Detector, series: Series, name: str | None = None) -> WindowBatch:
    """Cut all windows of a series, without state."""
    window = detector.spec.window
    values = np.moveaxis(sliding_window_view(series.values, window, axis=0), -1, 1).copy()
    imputed = sliding_window_view(series.imputed, window).copy()
    n = len(values)
    binding = np.repeat(detector.bind([name or series.name]), n)
    return WindowBatch(values, imputed, series.ts[window - 1 :], binding, np.zeros((n, 0)))


def scores_of(detector: Detector, batch: WindowBatch, size: int = 10**9, warm: Series | None = None) -> Floats:
    """(n,) scores in batches of ``size``; one after the other where the detector keeps state, training data first."""
    if not detector.state_size:
        parts = [batch.take(np.arange(i, min(i + size, len(batch)))) for i in range(0, len(batch), size)]
        return np.concatenate([*(detector.score(part) for part in parts), np.zeros(0)])
    state = warm_state(detector, warm or TRAIN[0])
    return np.concatenate([*(detector.score(row) for row in one_by_one(batch, state)), np.zeros(0)])


def one_by_one(batch: WindowBatch, state: Floats) -> Iterator[WindowBatch]:
    """Each window as a batch of its own, all with the same state."""
    for i in range(len(batch)):
        yield replace(batch.take(np.array([i])), state=state)


def warm_state(detector: Detector, train: Series) -> Floats:
    """(1, state_size) state of a series after its training data."""
    state = detector.initial_state(1)
    if len(detector.spec.features) > 1:
        train = replace(train, values=widened(train.values, len(detector.spec.features)))
    for row in one_by_one(batch_of(detector, train), state):
        detector.score(row)
    return state


def roc_auc(labels: Bools, scores: Floats) -> float:
    """Chance that a labelled point has a higher score than an unlabelled one, ties counted half (Mann, Whitney 1947).

    Examples:
        >>> roc_auc(np.array([True, False, False, True]), np.array([3.0, 1.0, 2.0, 2.0]))
        0.875
    """
    high, low = scores[labels], scores[~labels]
    above = (high[:, None] > low).sum() + 0.5 * (high[:, None] == low).sum()
    return float(above / (len(high) * len(low)))

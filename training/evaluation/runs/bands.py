"""Compute a detector's expectation at chosen rows of a causal run, and the band outside which it would have alerted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Detector, Explanation, Floats, Ints, WindowBatch
from eddy.training.data.recording import Recording
from eddy.training.fitting.causal_run import NAME, CausalRun, windows_at

_STATES_AT_ONCE = 64  # copies of a detector's state held before they are explained in one call


@dataclass(frozen=True)
class Band:
    """Hold ``rows`` (k,) and, for each, ``expected``, ``lower`` and ``upper`` (k, F); NaN: none."""

    rows: Ints
    expected: Floats
    lower: Floats
    upper: Floats


def band_at(run: CausalRun, recording: Recording, rows: Ints) -> Band | None:
    """Return the band at some rows, in order; None if nothing was fitted."""
    detector = run.detector
    if detector is None:
        return None
    rows = np.unique(rows[rows >= run.begin + detector.spec.window - 1])
    if not len(rows):
        return None
    limits = np.nan_to_num(run.raw_limits, nan=np.inf)
    walk = _walk if detector.state_size else _jump
    found = walk(detector, run.begin, recording, rows, limits)
    expected, lower, upper = (
        np.concatenate([getattr(e, part) for e in found]) for part in ("expected", "lower", "upper")
    )
    return Band(rows, expected, lower, upper)


def _jump(detector: Detector, begin: int, recording: Recording, rows: Ints, limits: Floats) -> list[Explanation]:
    binding = detector.bind([NAME])
    parts = np.array_split(rows, -(-len(rows) // 512))
    return [
        detector.explain(
            windows_at(part, detector.spec.window, recording.ts, recording.values, binding, np.zeros((len(part), 0))),
            limits[part],
        )
        for part in parts
    ]


def _walk(detector: Detector, begin: int, recording: Recording, rows: Ints, limits: Floats) -> list[Explanation]:
    """Explain the wanted rows, in batches; a detector with state has to score every row up to them."""
    window, binding = detector.spec.window, detector.bind([NAME])
    state = detector.initial_state(1)
    wanted = set(rows.tolist())
    waiting: list[tuple[int, Floats]] = []
    found: list[Explanation] = []

    def explain() -> None:
        at = np.array([row for row, _ in waiting])
        batch = windows_at(
            at, window, recording.ts, recording.values, binding, np.concatenate([own for _, own in waiting])
        )
        found.append(detector.explain(batch, limits[at]))
        waiting.clear()

    every = np.arange(begin + window - 1, int(rows[-1]) + 1)
    cut = np.lib.stride_tricks.sliding_window_view(recording.values[begin:], window, axis=0).transpose(0, 2, 1)
    none = np.zeros((1, window), bool)
    for k, row in enumerate(every):
        if int(row) in wanted:
            waiting.append((int(row), state.copy()))
            if len(waiting) == _STATES_AT_ONCE:
                explain()
        batch = WindowBatch(cut[k : k + 1], none, recording.ts[row : row + 1], binding, state)
        detector.score(batch)
    if waiting:
        explain()
    return found

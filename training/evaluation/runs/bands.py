"""Compute a detector's expectation at chosen rows of a causal run, and the band outside which it would have alerted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Detector, Explanation, Floats, Ints, Series, WindowBatch
from eddy.training.data.recording import Recording
from eddy.training.fitting.causal_run import CausalRun, windows_at

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
    limits, wanted = np.nan_to_num(run.raw_limits, nan=np.inf), recording.ts[np.unique(rows)]
    found, at = list[Explanation](), list[Ints]()
    states: dict[str, Floats] = {}
    for segment in run.segments:
        state = states.setdefault(segment.name, detector.initial_state(1))
        for batch in (_walk if detector.state_size else _jump)(detector, segment, wanted, state):
            at.append(np.searchsorted(recording.ts, batch.end))
            found.append(detector.explain(batch, limits[at[-1]]))
    if not found:
        return None
    expected, lower, upper = (
        np.concatenate([getattr(e, part) for e in found]) for part in ("expected", "lower", "upper")
    )
    return Band(np.concatenate(at), expected, lower, upper)


def _ends(detector: Detector, segment: Series) -> Ints:
    """Return the rows of a segment that end a window."""
    first = detector.spec.window - 1
    return first + np.flatnonzero(~segment.imputed[first:])


def _jump(detector: Detector, segment: Series, wanted: Ints, state: Floats) -> Iterator[WindowBatch]:
    ends = _ends(detector, segment)
    ends = ends[np.isin(segment.ts[ends], wanted)]
    binding = detector.bind([segment.name])
    for part in np.array_split(ends, -(-len(ends) // 512)) if len(ends) else ():
        yield windows_at(segment, part, detector.spec.window, binding, np.zeros((len(part), 0)))


def _walk(detector: Detector, segment: Series, wanted: Ints, state: Floats) -> Iterator[WindowBatch]:
    """Yield the wanted windows; a detector with state has to score every one up to them."""
    window, binding = detector.spec.window, detector.bind([segment.name])
    waiting: list[tuple[int, Floats]] = []

    def batch() -> WindowBatch:
        ends, states = np.array([row for row, _ in waiting]), np.concatenate([own for _, own in waiting])
        waiting.clear()
        return windows_at(segment, ends, window, binding, states)

    ends = _ends(detector, segment)
    chosen = np.isin(segment.ts[ends], wanted)
    for row, is_wanted in zip(ends.tolist(), chosen.tolist(), strict=True):
        if is_wanted:
            waiting.append((row, state.copy()))
            if len(waiting) == _STATES_AT_ONCE:
                yield batch()
        detector.score(windows_at(segment, np.array([row]), window, binding, state))
    if waiting:
        yield batch()

"""Baselines that a detector has to be above before its figures mean anything; none of them is fitted to labels.

Each takes its limit from what its own scores exceeded in 0.1 % of the fitting part, as an operator would without
labels; the two that look at nothing alert at random and at regular times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.entrant import Entrant, EveryN
from eddy.training.fitting.causal_run import CausalRun

WINDOW = 288  # points
MIN_LIMIT = 4.0
_SHARE = 0.001  # of the fitting part above the limit
_DAYS = 14
_DAY_MS = 86_400_000
_FEWEST_DAYS = 2
_FIRST = 50  # points of the fitting part that have too little past to count
_FEWEST_POINTS = 20  # of a window
_EPS = 1e-9
_ROUNDING = 1e-12  # of a running sum over constant values
_LARGEST = 1e6


@dataclass(frozen=True)
class RollingZ(Entrant):
    """Distance from the mean of the last 288 points in their standard deviations; the largest over the features."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        values = np.where(np.isfinite(recording.values), recording.values, 0.0)
        return _scored(np.asarray(_rolling_z(values, WINDOW)), recording.start)


@dataclass(frozen=True)
class SameTimeOfDay(Entrant):
    """Distance from the median of the same phase over 14 days, over the median of such distances."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        day = round(_DAY_MS / recording.interval_ms)
        values = np.where(np.isfinite(recording.values), recording.values, 0.0)
        if _FEWEST_DAYS * day >= len(values):
            return CausalRun.silent(len(values), f"{recording.name}: not scored: shorter than two days")
        apart = np.asarray(_seasonal(values, day))
        typical = np.nanmedian(np.where(apart[: recording.start] > 0, apart[: recording.start], np.nan), axis=0)
        usual = np.where(np.isfinite(typical), typical, np.inf)
        return _scored((apart / usual).max(axis=1), recording.start)


@dataclass(frozen=True)
class UniformNoise(Entrant):
    """Uniform noise, its limit what 0.1 % of it exceeds."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        scores = np.random.default_rng([seed, len(recording.ts)]).random(len(recording.ts))
        deviates = np.where(scores > 1.0 - _SHARE, DEFAULT_LIMIT * (1.0 + scores), 0.0)
        deviates[: recording.start] = 0.0
        return CausalRun(deviates, scores, np.full(len(scores), 1.0 - _SHARE))


BASELINES: tuple[Entrant, ...] = (
    RollingZ("rolling-z", "", note="baseline: 288 points, limit what 0.1 % of the fitting part exceeds, at least 4"),
    SameTimeOfDay("same-time-of-day", "", note="baseline: median of 14 days, the same limit"),
    UniformNoise("uniform-noise-0.1%", "", note="baseline: looks at nothing", random=True),
    EveryN("every-300-rows", "", note="baseline: looks at nothing"),
)


def _scored(scores: Floats, start: int) -> CausalRun:
    known = scores[min(_FIRST, start // 2) : start]
    limit = max(float(np.quantile(known, 1.0 - _SHARE)) if len(known) else MIN_LIMIT, MIN_LIMIT)
    above = scores > limit
    below = np.minimum(DEFAULT_LIMIT * scores / limit, np.nextafter(DEFAULT_LIMIT, 0.0))
    deviates = np.where(above, DEFAULT_LIMIT * scores / limit, below)
    deviates[:start] = 0.0
    return CausalRun(deviates, scores, np.full(len(scores), limit))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _rolling_z(values: Floats, window: int) -> Floats:
    """(n,) largest deviate over the features, each against the ``window`` points before it."""
    n, features = values.shape
    out = np.zeros(n)
    for f in range(features):
        x = values[:, f]
        shift, total, squares = x[0], 0.0, 0.0
        for t in range(n):
            size = min(t, window)
            if size >= _FEWEST_POINTS:
                mean = total / size
                spread = np.sqrt(max(squares / size - mean * mean, 0.0)) + _EPS * (abs(mean + shift) + _EPS)
                apart = abs(x[t] - shift - mean)
                if apart > _ROUNDING:
                    out[t] = max(out[t], min(apart / spread, _LARGEST))
            new = x[t] - shift
            total += new
            squares += new * new
            if t >= window:
                old = x[t - window] - shift
                total -= old
                squares -= old * old
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _seasonal(values: Floats, day: int) -> Floats:
    """(n, F) distance from the median of the same point of up to 14 days before; 0 before two of them are known."""
    out = np.zeros_like(values)
    same = np.empty(_DAYS)
    for f in range(values.shape[1]):
        for t in range(_FEWEST_DAYS * day, len(values)):
            known = 0
            for d in range(1, _DAYS + 1):
                if t - d * day >= 0:
                    same[known] = values[t - d * day, f]
                    known += 1
            ordered = np.sort(same[:known])
            out[t, f] = abs(values[t, f] - 0.5 * (ordered[(known - 1) // 2] + ordered[known // 2]))
    return out

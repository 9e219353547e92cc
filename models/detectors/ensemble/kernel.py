"""What an ensemble keeps of a series beside its members' own state, and how a point changes it.

A row holds a season's gate per feature (where a member asks for one), the moments of each member's scores, and the
peak stage. The members' scores of a point come in, their deviates from their own past go out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.detectors.novelty import season
from eddy.models.detectors.novelty.kernel import scaled
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate, score_at
from eddy.models.detectors.novelty.peak_filter import STATE_WIDTH as PEAK_WIDTH
from eddy.models.detectors.novelty.peak_filter import peak
from eddy.models.detectors.novelty.season import step as season_step

_DAY_MS = 86_400_000
_GATE, _GATE_OPEN = season.GATE, season.OPEN
_GATE_WIDTH = season.STATE_WIDTH


@dataclass(frozen=True)
class Layout:
    """Where the parts of a row lie.

    Attributes:
        gates: features that have a gate: all, or none where no member asks for one.
        members: number of members.
    """

    gates: int
    members: int

    @property
    def moments_at(self) -> int:
        """First word of the members' moments."""
        return self.gates * _GATE_WIDTH

    @property
    def peak_at(self) -> int:
        """First word of the peak stage."""
        return self.moments_at + self.members * MOMENTS

    @property
    def state_width(self) -> int:
        """Words of a row."""
        return self.peak_at + PEAK_WIDTH


@dataclass(frozen=True)
class Rules:
    """How members are calibrated; arrays are (M,).

    Attributes:
        floors: smallest spread of each member's scores, in their own units.
        own: True where the scores are deviates already and stay as they are.
        gated: True where a member counts only while the season's gate is open.
        start_up: scores of a member that only calibrate.
        interval_ms: sampling interval; the gate's season is a day.
    """

    baselines: Floats
    own: Bools
    gated: Bools
    start_up: int
    interval_ms: float

    @property
    def slots(self) -> int:
        """Slots of the gate's day; 0: too few points a day to show a season."""
        points = round(_DAY_MS / self.interval_ms) if self.interval_ms > 0 else 0
        return min(points, season.SLOTS) if points >= season.FEWEST_SLOTS else 0


def deviates(
    layout: Layout, rules: Rules, state: Floats, raw: Floats, points: Floats, scale: Floats, ts: Ints
) -> Floats:
    """(n, M) deviates of one point each of n series.

    Args:
        layout, rules: of the ensemble.
        state: (n, layout.words), changed in place.
        raw: (n, M) members' scores, NaN where one cannot say.
        points: (n, F) newest values, NaN where missing.
        scale: (n, F, 2) centre and spread, for the gate.
        ts: (n,) epoch ms.
    """
    out = np.empty_like(raw)
    _rows(state, raw, points, scale, ts, *_arguments(layout, rules), out)
    return out


def series_deviates(
    layout: Layout, rules: Rules, row: Floats, raw: Floats, points: Floats, scale: Floats, ts: Ints
) -> Floats:
    """(n, M) deviates of n consecutive points of one series; ``row`` (words,), ``scale`` (F, 2)."""
    out = np.empty_like(raw)
    _series(row, raw, points, scale, ts, *_arguments(layout, rules), out)
    return out


def _arguments(layout: Layout, rules: Rules) -> tuple[int, int, Floats, Bools, Bools, int, int, int]:
    slots = rules.slots if layout.gates else 0
    per_slot = max(round(_DAY_MS / rules.interval_ms / slots), 1) if slots else 1
    return (
        layout.gates, layout.moments_at, rules.baselines, rules.own, rules.gated, rules.start_up, slots, per_slot
    )  # fmt: skip


@njit(cache=True)
def _step(row, raw, point, scale, ts, gates, at, baselines, own, gated, start_up, slots, per_slot, out):  # type: ignore[no-untyped-def]
    is_open = False
    for f in range(gates):
        if slots and not np.isnan(point[f]):
            y = scaled(point[f], scale[f, 0], scale[f, 1])
            season_step(row, f * _GATE_WIDTH, y, ts, _DAY_MS / slots, slots, per_slot)
        is_open = is_open or row[f * _GATE_WIDTH + _GATE] > _GATE_OPEN
    for m in range(len(raw)):
        out[m] = np.nan
        if np.isnan(raw[m]):
            continue
        if own[m]:
            z = raw[m]
        else:
            z = deviate(row, at + m * MOMENTS, raw[m], baselines[m])
            if row[at + m * MOMENTS] < start_up:
                z = 0.0
            add(row, at + m * MOMENTS, raw[m])
        if is_open or not gated[m]:
            out[m] = z


@njit(cache=True)
def _rows(state, raw, points, scale, ts, gates, at, baselines, own, gated, start_up, slots, per_slot, out):  # type: ignore[no-untyped-def]
    for i in range(len(raw)):
        _step(
            state[i], raw[i], points[i], scale[i], ts[i],
            gates, at, baselines, own, gated, start_up, slots, per_slot, out[i],
        )  # fmt: skip


@njit(cache=True)
def _series(row, raw, points, scale, ts, gates, at, baselines, own, gated, start_up, slots, per_slot, out):  # type: ignore[no-untyped-def]
    for i in range(len(raw)):
        _step(
            row, raw[i], points[i], scale, ts[i],
            gates, at, baselines, own, gated, start_up, slots, per_slot, out[i],
        )  # fmt: skip


@njit(cache=True)  # type: ignore[untyped-decorator]
def peaks(state: Floats, at: int, scores: Floats, reference: float) -> Floats:
    """(n,) scores after the peak stage, one point each of n series; NaN stays NaN and changes nothing."""
    out = scores.copy()
    for i in range(len(scores)):
        if not np.isnan(scores[i]):
            out[i] = peak(state[i], at, scores[i], reference)
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def series_peaks(row: Floats, at: int, scores: Floats, reference: float) -> Floats:
    """(n,) scores after the peak stage, consecutive points of one series."""
    out = scores.copy()
    for i in range(len(scores)):
        if not np.isnan(scores[i]):
            out[i] = peak(row, at, scores[i], reference)
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def raw_limits(state: Floats, at: int, baselines: Floats, own: Bools, limits: Floats) -> Floats:
    """(n, M) score of each member at which its deviate is ``limits`` (n,)."""
    out = np.empty((len(state), len(baselines)))
    for i in range(len(state)):
        for m in range(len(baselines)):
            out[i, m] = limits[i] if own[m] else score_at(state[i], at + m * MOMENTS, limits[i], baselines[m])
    return out


def prior(scores: Sequence[Floats], most: int) -> Floats:
    """(M * MOMENTS,) moments of members' validation scores, as if at most ``most`` of them had been seen."""
    out = np.zeros((len(scores), MOMENTS))
    for m, known in enumerate(scores):
        if len(known):
            count = min(len(known), most)
            out[m] = count, known.mean(), known.var() * count
    return out.ravel()

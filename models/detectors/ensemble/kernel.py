"""Keep and update the state that an ensemble has for each series beside its members' own state.

A row holds a season's gate per feature (if a member asks for one), the moments of each member's scores, and the peak
filter. The functions take the members' scores of a point and return their deviates from their own past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.core.state_bounds import Bounds, Each, Row
from eddy.models.detectors.novelty import peak_filter, season
from eddy.models.detectors.novelty.kernel import scaled
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate, moment_bounds, score_at
from eddy.models.detectors.novelty.peak_filter import STATE_WIDTH as PEAK_WIDTH
from eddy.models.detectors.novelty.peak_filter import peak
from eddy.models.detectors.novelty.season import step as season_step

_DAY_MS = 86_400_000
_GATE, _GATE_OPEN = season.GATE, season.OPEN
_GATE_WIDTH = season.STATE_WIDTH


@dataclass(frozen=True)
class Layout:
    """Locate the parts of a row.

    Attributes:
        gates: number of features that have a gate: all, or none if no member asks for one.
        members: number of members.
    """

    gates: int
    members: int

    @property
    def moments_at(self) -> int:
        """Return the index of the members' moments."""
        return self.gates * _GATE_WIDTH

    @property
    def peak_at(self) -> int:
        """Return the index of the peak filter's state."""
        return self.moments_at + self.members * MOMENTS

    @property
    def state_width(self) -> int:
        """Return the number of values in a row."""
        return self.peak_at + PEAK_WIDTH


@dataclass(frozen=True)
class Rules:
    """Hold the calibration of the members; arrays are (M,).

    Attributes:
        min_scales: smallest scale of each member's scores, in their own units.
        own: True if the scores are deviates already and stay as they are.
        gated: True if a member counts only while the season's gate is open.
        start_up: number of a member's first scores that only calibrate.
        interval_ms: sampling interval; the gate's season is a day.
    """

    min_scales: Floats
    own: Bools
    gated: Bools
    start_up: int
    interval_ms: float

    @property
    def slots(self) -> int:
        """Return the number of slots of the gate's day; 0: too few points a day to show a season."""
        points = round(_DAY_MS / self.interval_ms) if self.interval_ms > 0 else 0
        return min(points, season.SLOTS) if points >= season.MIN_SLOTS else 0


def bounds(layout: Layout) -> Bounds:
    """Return what a row may be."""
    return Row(
        Each(season.bounds(), layout.gates), Each(moment_bounds(), layout.members), peak_filter.bounds()
    )  # fmt: skip


def deviates(
    layout: Layout, rules: Rules, rows: Ints, state: Floats, before: Floats, raw: Floats, points: Floats,
    scale: Floats, ts: Ints,
) -> Floats:  # fmt: skip
    """Return (n, M) deviates of n points of some series, each series' in order of time.

    Args:
        layout, rules: those of the ensemble.
        rows: (n,) row of each point's series.
        state: (rows, layout.state_width), changed in place.
        before: likewise; gets each row's state as it was before its newest point.
        raw: (n, M) members' scores, NaN if a member has none.
        points: (n, F) newest values, NaN where missing.
        scale: (n, F, 2) location and scale of the features, for the gate.
        ts: (n,) epoch ms.
    """
    out = np.empty_like(raw)
    _rows(rows, state, before, raw, points, scale, ts, *_arguments(layout, rules), out)
    return out


def series_deviates(
    layout: Layout, rules: Rules, row: Floats, raw: Floats, points: Floats, scale: Floats, ts: Ints
) -> Floats:
    """Return (n, M) deviates of n consecutive points of one series; ``row`` (state_width,), ``scale`` (F, 2)."""
    out = np.empty_like(raw)
    _series(row, raw, points, scale, ts, *_arguments(layout, rules), out)
    return out


def _arguments(layout: Layout, rules: Rules) -> tuple[int, int, Floats, Bools, Bools, int, int, int]:
    slots = rules.slots if layout.gates else 0
    per_slot = max(round(_DAY_MS / rules.interval_ms / slots), 1) if slots else 1
    return (
        layout.gates, layout.moments_at, rules.min_scales, rules.own, rules.gated, rules.start_up, slots, per_slot
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _step(row, raw, point, scale, ts, gates, at, min_scales, own, gated, start_up, slots, per_slot, out):  # type: ignore[no-untyped-def]
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
            z = deviate(row, at + m * MOMENTS, raw[m], min_scales[m])
            if row[at + m * MOMENTS] < start_up:
                z = 0.0
            add(row, at + m * MOMENTS, raw[m])
        if is_open or not gated[m]:
            out[m] = z


@njit(cache=True, error_model="numpy")
def _rows(  # type: ignore[no-untyped-def]
    rows, state, before, raw, points, scale, ts, gates, at, min_scales, own, gated, start_up, slots, per_slot, out
):
    for i in range(len(raw)):
        row = state[rows[i]]
        before[rows[i]] = row
        _step(
            row, raw[i], points[i], scale[i], ts[i],
            gates, at, min_scales, own, gated, start_up, slots, per_slot, out[i],
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _series(row, raw, points, scale, ts, gates, at, min_scales, own, gated, start_up, slots, per_slot, out):  # type: ignore[no-untyped-def]
    for i in range(len(raw)):
        _step(
            row, raw[i], points[i], scale, ts[i],
            gates, at, min_scales, own, gated, start_up, slots, per_slot, out[i],
        )  # fmt: skip


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def peaks(rows: Ints, state: Floats, at: int, scores: Floats, reference: float) -> Floats:
    """Return (n,) scores of points of some series after the peak filter; NaN stays NaN and changes nothing."""
    out = scores.copy()
    for i in range(len(scores)):
        if not np.isnan(scores[i]):
            out[i] = peak(state[rows[i]], at, scores[i], reference)
    return out


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def series_peaks(row: Floats, at: int, scores: Floats, reference: float) -> Floats:
    """Return (n,) scores after the peak filter, consecutive points of one series."""
    out = scores.copy()
    for i in range(len(scores)):
        if not np.isnan(scores[i]):
            out[i] = peak(row, at, scores[i], reference)
    return out


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def raw_limits(state: Floats, at: int, min_scales: Floats, own: Bools, limits: Floats) -> Floats:
    """Return (n, M) the score of each member at which its deviate equals ``limits`` (n,)."""
    out = np.empty((len(state), len(min_scales)))
    for i in range(len(state)):
        for m in range(len(min_scales)):
            out[i, m] = limits[i] if own[m] else score_at(state[i], at + m * MOMENTS, limits[i], min_scales[m])
    return out


def prior(scores: Sequence[Floats], max_scores: int) -> Floats:
    """Return (M * MOMENTS,) moments of members' validation scores, weighted as at most ``max_scores`` of them."""
    out = np.zeros((len(scores), MOMENTS))
    for m, known in enumerate(scores):
        if len(known):
            count = min(len(known), max_scores)
            out[m] = count, known.mean(), known.var() * count
    return out.ravel()

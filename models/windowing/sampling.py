"""Compare the steps between a series' points with the interval that a model's windows expect."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Ints, WindowSpec


def usual_step(ts: Ints) -> int:
    """Return the median step, in ms, between the times of a series in any order; 0 if it has fewer than two."""
    steps = np.diff(np.unique(ts))
    return int(np.median(steps)) if len(steps) else 0


def fits(step_ms: int, interval_ms: int) -> bool:
    """Check that a usual step is nearer to one interval than to two, and to one than to a half; 0 fits anything."""
    return not step_ms or not interval_ms or (3 * step_ms > 2 * interval_ms and 2 * step_ms < 3 * interval_ms)


def mismatch(series: str, step_ms: int, spec: WindowSpec) -> str:
    """Say what it means that a series' points are ``step_ms`` apart; empty if that fits the windows."""
    if fits(step_ms, spec.interval_ms):
        return ""
    found = (
        f"series {series!r} has a point every {step_ms / 1000:g} s, the model expects one every "
        f"{spec.interval_ms / 1000:g} s"
    )
    if step_ms < spec.interval_ms:
        return f"{found}: {spec.window} points are a shorter time than its window was made for"
    gap = round(step_ms / spec.interval_ms) - 1
    if gap > spec.max_gap or spec.gap_policy == "break":
        return f"{found}: each point begins a window anew, so that a window of {spec.window} never fills"
    return f"{found}: {gap} of {gap + 1} points in its windows are filled in"

"""Rounds of the same measurement: what else happens on a shared machine does not hit all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Figures = dict[str, Any]


def typical(runs: Sequence[Figures], by: Callable[[Figures], float]) -> Figures:
    """The run in the middle (of an even number, the lower) by a figure, with the rates of all.

    Args:
        runs: at least one, each with ``events_per_second``.
        by: what they are ordered by.
    """
    middle = sorted(runs, key=by)[(len(runs) - 1) // 2]
    if len(runs) == 1:
        return middle
    return middle | {"rounds_events_per_second": [one["events_per_second"] for one in runs]}

"""Find, among many scored points, the few at which the incidents of their series may change."""

from __future__ import annotations

from typing import Any

from numba import njit

NOT_OPEN = -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def next_change(
    begin: int, rows: Any, ts: Any, scores: Any, limits: Any, bits: Any, quiet: Any, end: Any, rules_of: Any, rules: Any
) -> int:
    """Return the index of the next point, from ``begin`` on, that has to be examined; the number of points if none.

    A normal point of an open incident is only counted here, unless it is the one that closes the incident.

    Args:
        begin: first point to examine.
        rows, ts, scores, limits: (n,) the points, each series' in order of time.
        bits: by row, recent verdicts; see ``eddy.models.alerting.incidents.IncidentTracker``.
        quiet: by row, points since the last anomalous one of its open incident, changed in place; else NOT_OPEN.
        end: by row, event time of the last anomalous point of its open incident.
        rules_of: by row, index into ``rules``.
        rules: (rules, 3) close_ratio, close_after, close_after_ms of each.
    """
    for i in range(begin, len(rows)):
        row = rows[i]
        if quiet[row] == NOT_OPEN:
            if bits[row] != 0 or scores[i] > limits[i]:
                return i
            continue
        ratio, after, after_ms = rules[rules_of[row]]
        closing = limits[i] * ratio if limits[i] >= 0 else limits[i] / ratio
        if scores[i] > closing or (quiet[row] + 1 >= after and ts[i] - end[row] >= after_ms):
            return i
        quiet[row] += 1
    return len(rows)

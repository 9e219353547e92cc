"""Compute drift detection: one pass over the scored points of a micro-batch, with a row of state per series.

Each series has several streams: its score, then per feature its value and its step (how far it moved since the point
before). Each stream is standardised by its own past and clipped, then summed by two one-sided Page-Hinkley tests (Page
1954, Biometrika 41; in the resetting form of a CUSUM): up and down. A single extreme point adds no more than the clip,
so only a lasting change reaches the height. Missing values are left out.

Row: [adapted, peak, alarms, alarms since, mean, square, points since the drift, changed at, value before per feature],
then per stream [count, mean, squares, up, up since, down, down since]; zeros for a new series. Times are epoch ms.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints

ADAPTED, PEAK, ALARMS, ALARMS_SINCE, MEAN, SQUARE, POINTS, CHANGED, BEFORE = range(9)
COUNT, CENTRE, SPREAD, UP, UP_SINCE, DOWN, DOWN_SINCE, STATE_WIDTH = range(8)
LEARN, MEMORY, CLIP, SLACK, INPUT_SLACK, LASTING, MARGIN, MAX_FACTOR, ASK_AFTER = range(9)
_DEVIATIONS = 3.0  # above their mean: taken as the upper end of the scores after a drift
_FADING = 3.0  # the highest score after a drift is forgotten this many times faster than the rest; see decision 062
_NORMAL_POINT = 0.15  # subtracted from the alarm count at a normal point: more than one alarm in eight is a drift
_ENDED = 0.25  # share of the lasting alarms below which a normal point ends their run; the next alarm begins another
_MAX_REQUESTS = 6  # requests for one drift: the data so far may not be enough to learn from
_MIN_RELATIVE_SCALE = 1e-3  # of the centre: smallest scale of a stream


def head(features: int) -> int:
    """Return the count of numbers before the streams."""
    return BEFORE + features


def state_width(features: int) -> int:
    """Return the count of numbers in a row."""
    return head(features) + STATE_WIDTH * (1 + 2 * features)


@njit(cache=True)  # type: ignore[untyped-decorator]
def follow(
    state: Floats,
    rows: Ints,
    ts: Ints,
    scores: Floats,
    limits: Floats,
    values: Floats,
    p: Floats,
    found: Ints,
    since: Ints,
    ask: Ints,
) -> None:
    """Process scored points, each series' in order of time.

    Args:
        state: (rows, state_width), changed in place.
        rows, ts, scores: (n,); NaN scores change nothing of the score's stream.
        limits: (n,), raised in place if a series has drifted.
        values: (n, F), NaN where missing or filled in.
        p: parameters, in the order of the constants above.
        found: (n, 1 + 2 F), all 0: set to 1 (up) or -1 (down) where a stream drifted; ``since``, of the same shape, to
            the event time of the change.
        ask: (n,), all -1: set to the event time of the drift where a series has been different for so long that
            training anew is worthwhile.
    """
    features = values.shape[1]
    start = BEFORE + features
    for i in range(len(rows)):
        row = state[rows[i]]
        when = float(ts[i])
        over = False
        if np.isfinite(scores[i]):
            over = _score(row, scores[i], when, i, limits, p, found, since, start)
        if row[POINTS] > 0.0:
            row[POINTS] += 1.0
            if _due(row[POINTS] - 1.0, p[ASK_AFTER]):
                ask[i] = np.int64(row[CHANGED])
        for f in range(features):
            x = values[i, f]
            if np.isnan(x):
                continue
            at = start + STATE_WIDTH * (1 + 2 * f)
            found[i, 1 + 2 * f] = _step(row, at, x, when, not over, p[INPUT_SLACK], p)
            since[i, 1 + 2 * f] = _began(row, at, found[i, 1 + 2 * f])
            if row[at + COUNT] > 1.0 or found[i, 1 + 2 * f] != 0:
                moved = abs(x - row[BEFORE + f])
                found[i, 2 + 2 * f] = _step(row, at + STATE_WIDTH, moved, when, not over, p[INPUT_SLACK], p)
                since[i, 2 + 2 * f] = _began(row, at + STATE_WIDTH, found[i, 2 + 2 * f])
            row[BEFORE + f] = x


@njit(cache=True)  # type: ignore[untyped-decorator]
def _due(points: float, first: float) -> bool:
    """Return whether to ask for a new model so many points after the drift: first, and a few times at each doubling."""
    next_request = first
    for _ in range(1, _MAX_REQUESTS):
        if points > next_request:
            next_request *= 2.0
    return bool(points == next_request)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _score(
    row: Floats,
    score: float,
    when: float,
    i: int,
    limits: Floats,
    p: Floats,
    found: Ints,
    since: Ints,
    start: int,
) -> bool:
    """Process a point's score; return whether it is above its limit."""
    base, lasting = limits[i], p[LASTING]
    if row[ADAPTED] > 0.0 and base > 0.0:
        limits[i] = min(max(base, p[MARGIN] * row[PEAK]), p[MAX_FACTOR] * base)
    over = score > limits[i]
    fresh = row[SQUARE] == 0.0 or (over and row[ALARMS_SINCE] == 0.0)  # only the scores after a change
    share = 1.0 if fresh else 2.0 / lasting
    row[MEAN] += share * (score - row[MEAN])
    row[SQUARE] += share * (score * score - row[SQUARE])
    if over:
        if row[ALARMS_SINCE] == 0.0:
            row[ALARMS_SINCE] = when
        row[ALARMS] += 1.0
    else:
        row[ALARMS] = max(row[ALARMS] - _NORMAL_POINT, 0.0)
        if row[ALARMS] < _ENDED * lasting:
            row[ALARMS_SINCE] = 0.0
    if row[ADAPTED] > 0.0 and not over:  # anomalous scores are not learned, unless they last; see below
        row[PEAK] = max(score, row[PEAK] * (1.0 - _FADING / p[MEMORY]))
    way = _step(row, start, score, when, not over, p[SLACK], p)
    began = _began(row, start, way)
    if row[ALARMS] >= lasting:
        way, began = 1, np.int64(row[ALARMS_SINCE])
        row[start : start + STATE_WIDTH] = 0.0
    if way != 0:
        found[i, 0], since[i, 0] = way, began
        row[ALARMS] = row[ALARMS_SINCE] = 0.0
        row[POINTS], row[CHANGED] = 1.0, float(began)
        if way > 0:
            wide = np.sqrt(max(row[SQUARE] - row[MEAN] * row[MEAN], 0.0))
            row[ADAPTED] = 1.0
            row[PEAK] = max(row[PEAK], row[MEAN] + _DEVIATIONS * wide)
    return bool(over)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _began(row: Floats, at: int, way: int) -> int:
    """Return the time at which the drift that :func:`_step` found began."""
    return int(row[at + UP_SINCE] if way > 0 else row[at + DOWN_SINCE])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _step(row: Floats, at: int, x: float, when: float, learn: bool, slack: float, p: Floats) -> int:
    """Process one point of one stream; return 1 or -1 if it has drifted, and start the stream anew then."""
    count = row[at + COUNT]
    if count < p[LEARN]:
        row[at + COUNT] = count + 1.0
        apart = x - row[at + CENTRE]
        row[at + CENTRE] += apart / (count + 1.0)
        row[at + SPREAD] += apart * (x - row[at + CENTRE])
        return 0
    centre = row[at + CENTRE]
    variance = row[at + SPREAD] / p[LEARN]
    z = (x - centre) / max(np.sqrt(variance), _MIN_RELATIVE_SCALE * abs(centre), 1e-12)
    z = min(max(z, -p[CLIP]), p[CLIP])
    height = p[LASTING] * (p[CLIP] - slack)
    for way, total, since in ((1.0, at + UP, at + UP_SINCE), (-1.0, at + DOWN, at + DOWN_SINCE)):
        now = max(row[total] + way * z - slack, 0.0)
        if row[total] == 0.0 and now > 0.0:
            row[since] = when
        row[total] = now
        if now >= height:
            kept = row[since]
            row[at : at + STATE_WIDTH] = 0.0
            row[since] = kept
            return int(way)
    if learn and abs(z) < p[CLIP]:
        share = 1.0 / p[MEMORY]
        apart = x - centre
        row[at + CENTRE] = centre + share * apart
        row[at + SPREAD] = p[LEARN] * (1.0 - share) * (variance + share * apart * apart)
    return 0

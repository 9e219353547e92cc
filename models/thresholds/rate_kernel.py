"""One row of state per series of the threshold ``rate``, and how it changes with each score.

A row holds the highest block maxima of the series' own past, how many alarms it is ahead of what was promised, and the
interval between its points. :mod:`eddy.models.thresholds.rate` says why.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.core.state_bounds import MOST, Bounds, Numbers, Row, count, size
from eddy.models.thresholds.block_maxima import beyond_past, level_of, put, return_period

KEPT = 24  # highest maxima of a series
#: numbers of a row; the first six as in the layout before, which had the maxima right behind them
BLOCKS, POINTS, HIGHEST, HELD, STAGE, BEFORE = range(6)
AHEAD, QUIET, LAST, INTERVAL, AGE = range(6, 11)
FIRST = 11  # maxima in descending order from here on
WIDTH = FIRST + KEPT

#: parameters of a call
PROMISED, BLOCK, LEARN, SETTLE, START, LOWEST, HIGHEST_LIMIT, OWN, GIVEN = range(9)
PARAMETERS = 9

WEEK = 7 * 86_400.0  # seconds
CLOSE_AFTER = 24.0  # points without an alarm after which the next one is another: as incidents close
STAGES = 2.0  # times that the past is begun anew
_LATER = 4.0  # how much later the second time
_FEWEST = 48.0  # points to an alarm, twice the time in which an incident closes: else incidents would never end
_FEWEST_BLOCKS = 4.0  # to an alarm
_ALARMS_KEPT = 12.0  # rank at which half of the maxima are dropped: of memory, in promised alarms
_GAIN = 0.5  # natural logarithm of the rate for each alarm ahead of the promise
_FARTHEST_AHEAD, _FARTHEST_BEHIND = 4.0, -2.0  # alarms that are held against a series, or for it
_STEP, _SAME = 1.05, 1.02  # of the running median of intervals
#: Beside a detector's own limit: alarms ahead of the promise until which that limit stands alone, and by how much a
#: score has to be above it to count as no false alarm; more, the rarer false alarms have to be.
BURST = 8.0
SURE, _SURER = 1.2, 0.6


def bounds(block: int) -> Bounds:
    """Return what a row may be."""
    return Row(
        count(), count(block), Numbers(), count(KEPT), count(STAGES), Numbers(),
        Numbers(1, _FARTHEST_BEHIND, BURST + _FARTHEST_AHEAD), count(MOST), Numbers(), size(2), Numbers(KEPT),
    )  # fmt: skip


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def share_of(promised: float, interval: float, block: float) -> tuple[float, float]:
    """(share of blocks that may hold an alarm, points of a block): shorter ones where many alarms are promised."""
    points = max(WEEK / max(promised * interval, 1e-300), _FEWEST)  # to an alarm
    block = min(block, np.floor(points / _FEWEST_BLOCKS))
    return block / points, block


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def exceeded(row: Floats, share: float) -> float:
    """Score that a share of blocks exceeds, from the maxima in the row; at least one is there."""
    return float(level_of(row[FIRST : FIRST + int(row[HELD])], share * (row[BLOCKS] + 1.0)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clock(row: Floats, seconds: float, given: float) -> None:
    """Follow the interval between points: the running median of their distances, NaN: as given."""
    if np.isnan(seconds):
        row[INTERVAL] = given
        return
    apart = seconds - row[LAST]
    if row[INTERVAL] == 0.0:
        row[INTERVAL] = given if given > 0.0 else (apart if row[LAST] != 0.0 and apart > 0.0 else 0.0)
    elif row[LAST] != 0.0 and apart > 0.0:
        if apart > row[INTERVAL] * _SAME:
            row[INTERVAL] = min(row[INTERVAL] * _STEP, apart)
        elif apart * _SAME < row[INTERVAL]:
            row[INTERVAL] = max(row[INTERVAL] / _STEP, apart)
    row[LAST] = seconds


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def learn(row: Floats, score: float, share: float, block: float, settle: float) -> None:
    """Take one score into the row; ``settle``: seconds after which the past is begun anew, 0: never."""
    row[HIGHEST] = score if row[POINTS] == 0.0 else max(row[HIGHEST], score)
    row[POINTS] += 1.0
    if row[POINTS] < block:
        return
    row[AGE] += row[POINTS] * row[INTERVAL]
    row[POINTS] = 0.0
    row[BLOCKS] += 1.0
    row[HELD] = put(row[FIRST : FIRST + KEPT], int(row[HELD]), row[HIGHEST])
    if settle > 0.0 and row[STAGE] < STAGES and row[AGE] >= settle * _LATER ** row[STAGE]:
        row[BEFORE] = exceeded(row, share)
        row[STAGE] += 1.0
        row[BLOCKS] = row[HELD] = 0.0
        row[FIRST : FIRST + KEPT] = 0.0
    elif share * (row[BLOCKS] + 1.0) >= _ALARMS_KEPT:
        half = int(row[HELD]) // 2
        for k in range(half):
            row[FIRST + k] = row[FIRST + 2 * k]
        row[FIRST + half : FIRST + KEPT] = 0.0
        row[HELD] = float(half)
        row[BLOCKS] = float(int(row[BLOCKS]) // 2)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limit(row: Floats, share: float, own: Floats) -> float:
    """Limit of the next score, from what the row holds."""
    known = row[BLOCKS] >= own[LEARN] and row[HELD] > 0.0
    calibrated = own[OWN]
    if not np.isnan(calibrated):
        if row[AHEAD] < BURST or not known or calibrated <= 0.0:
            return float(calibrated)
        ranked = exceeded(row, share * np.exp(-_GAIN * (row[AHEAD] - BURST)))
        return float(min(max(ranked, calibrated), sure(calibrated, own[PROMISED])))
    if known:
        return float(exceeded(row, min(share * np.exp(-_GAIN * row[AHEAD]), 0.5)))
    return float(row[BEFORE] if row[STAGE] > 0.0 else own[START])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sure(calibrated: float, promised: float) -> float:
    """Score above a detector's own limit from which an alarm is not held to be false."""
    return float(calibrated * max(SURE * promised**-_SURER, 1.0))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(row: Floats, score: float, limit: float, share: float, block: float, own: Floats) -> None:
    """Count what is promised with this point, and the alarm if it is one; points close to one another are one."""
    counts, lowest, highest = True, _FARTHEST_BEHIND, _FARTHEST_AHEAD
    if not np.isnan(own[OWN]):
        counts, lowest, highest = score <= sure(own[OWN], own[PROMISED]), 0.0, BURST + _FARTHEST_AHEAD
    ahead = row[AHEAD]
    if limit < np.inf:
        ahead -= share / block
    if score > limit:
        if row[QUIET] == 0.0 and counts:
            ahead += 1.0
        row[QUIET] = CLOSE_AFTER
    elif row[QUIET] > 0.0:
        row[QUIET] -= 1.0
    row[AHEAD] = min(max(ahead, lowest), highest)


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def run(
    scores: Floats,
    rows: Ints,
    state: Floats,
    seconds: Floats,
    limits: Floats,
    periods: Floats,
    beyond: Floats,
    own: Floats,
) -> None:
    """Set n limits, one score after the other, in the state of all series.

    Args:
        scores: (n,); those of one row in order of time.
        rows: (n,) row of each.
        state: (rows, WIDTH), changed in place.
        seconds: (n,) event time, NaN where the interval is the given one.
        limits: (n,) output.
        periods: (n,) output: return period of each score above its limit, seconds; NaN elsewhere and where unknown.
        beyond: (n,) output: how far each of these lies above the highest of the past, in scales of that past's tail.
        own: (PARAMETERS,).
    """
    for i in range(len(scores)):
        row, score = state[rows[i]], scores[i]
        share, block = share_of(own[PROMISED], row[INTERVAL], own[BLOCK])
        limit = min(max(_limit(row, share, own), own[LOWEST]), own[HIGHEST_LIMIT])
        limits[i], periods[i], beyond[i] = limit, np.nan, np.nan
        if not np.isfinite(score):
            continue
        if score > limit and row[HELD] > 0.0 and row[BLOCKS] >= own[LEARN]:
            maxima = row[FIRST : FIRST + int(row[HELD])]
            periods[i] = return_period(maxima, (row[BLOCKS] + 1.0) * block * row[INTERVAL], score)
            beyond[i] = beyond_past(maxima, score)
        _clock(row, seconds[i], own[GIVEN])
        _count(row, score, limit, share, block, own)
        learn(row, score, share, block, own[SETTLE])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def teach(scores: Floats, row: Floats, interval: float, promised: float, most: float) -> float:
    """Take scores at a known interval into a row, without an alarm; returns the share that may be exceeded."""
    row[INTERVAL] = interval
    share, block = share_of(promised, interval, most)
    for score in scores:
        learn(row, score, share, block, 0.0)
    if row[BLOCKS] == 0.0:  # less than a block
        row[BLOCKS] = 1.0
        row[HELD] = put(row[FIRST : FIRST + KEPT], int(row[HELD]), row[HIGHEST])
    return float(share)

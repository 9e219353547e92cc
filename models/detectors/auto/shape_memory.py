"""Left discord at three scales in a bounded memory: how unlike every earlier subsequence the newest one is.

For series without a clock that repeat: heart beats, machine cycles, gaits. Values are averaged to 24 codes of 8 bits
per period, or per 64 points of a longer one, and the last 1,176 codes (49 periods) are kept. With each code, the last
half, one and two periods are compared with every earlier subsequence of that length that does not overlap them, means
removed; the smallest mean square difference counts (the left matrix profile of Yeh et al. 2016, without its
z-normalisation, so that a beat that is lower is odd, too). The three distances, each over its own mean so far, are
averaged and smoothed over half a period.

One pass over the lags gives all three scales, as their sums are nested, and ends as soon as no scale can win.

Fails where the period is not found, or changes a lot; where an anomaly is repeated, its second time is like its first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Packed, Row, count, size
from eddy.models.detectors.auto import tail_calibration
from eddy.models.detectors.auto.tail_calibration import MOST, add, halve, surprise
from eddy.models.detectors.novelty.bit_packing import get, put, state_width

CODES = 24  # per period
KEPT = 1176
_SHORT, _PERIOD, _LONG = 12, 24, 48  # codes that are compared
_SCALES = 3
_BITS = 8
_MIDDLE = 128
_PER_SPREAD = 60.0  # codes per spread of the series (5th to 95th percentile)
_SMOOTHING = 1.0 / 8.0  # weight of the newest distance: about half a period
_LONGEST = 64  # points that 24 codes stand for at most: an odd spot is shorter than a long period; also without one
_LONGEST_START = 4096  # points that the period is looked for in
_MIN_CORRELATION = 0.3
_CYCLES = 3  # of a period that have to fit
_FEWEST = 4  # points of a period

PER_CODE, SUM, IN_CODE, COUNT, RATIO, SEEN = range(6)
_MEANS = 6
_HISTOGRAM = _MEANS + 2 * _SCALES
_RING = _HISTOGRAM + tail_calibration.STATE_WIDTH
STATE_WIDTH = _RING + state_width(KEPT, _BITS)


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(
        count(_LONGEST_START), Numbers(), count(), count(), size(), count(), Each(Row(count(), size()), _SCALES),
        tail_calibration.bounds(), Packed(KEPT, _BITS),
    )  # fmt: skip


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def period_of(values: Floats) -> int:
    """Lag of the highest autocorrelation after its first fall below 0, a straight line taken out; 0: there is none."""
    known = values[-_LONGEST_START:]
    n = len(known)
    if n < _CYCLES * _FEWEST:
        return 0
    at = np.arange(n) - (n - 1) / 2.0
    middle = known.mean()
    slope = (at * (known - middle)).sum() / (at * at).sum()
    flat = known - middle - slope * at
    power = (flat * flat).sum()
    if power <= 0.0:
        return 0
    best, found, negative = _MIN_CORRELATION * power, 0, False
    for lag in range(1, n // _CYCLES):
        correlation = (flat[lag:] * flat[: n - lag]).sum()
        negative = negative or correlation < 0.0
        if negative and lag >= _FEWEST and correlation > best:
            best, found = correlation, lag
    return found


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def begin(row: Floats, at: int, values: Floats) -> None:
    """Choose how many points make a code from (n,) values without gaps."""
    period = period_of(values)
    row[at + PER_CODE] = max(round(min(period if period > 0 else _LONGEST, _LONGEST) / CODES), 1)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, y: float) -> float:
    """Return the surprise of the subsequence that ends with this value, at the last value of a code; 0 elsewhere and
    at first.

    Args:
        row: state of one series.
        at: first word of this kernel's state.
        y: the value, in spreads from the median.
    """
    row[at + SUM] += y
    row[at + IN_CODE] += 1.0
    if row[at + IN_CODE] < row[at + PER_CODE]:
        return 0.0
    mean = row[at + SUM] / row[at + IN_CODE]
    row[at + SUM], row[at + IN_CODE] = 0.0, 0.0
    count = int(row[at + COUNT])
    put(row, at + _RING, count % KEPT, _BITS, min(max(round(mean * _PER_SPREAD), -_MIDDLE), _MIDDLE - 1) + _MIDDLE)
    row[at + COUNT] = count + 1.0
    if count + 1 < 2 * _LONG:
        return 0.0
    ratio, known = 0.0, 0
    distances = _distances(_newest_first(row, at + _RING, count))
    for s in range(_SCALES):
        if distances[s] == np.inf:
            continue
        distance = np.sqrt(max(distances[s], 0.0))
        row[at + _MEANS + 2 * s] += 1.0
        row[at + _MEANS + 2 * s + 1] += (distance - row[at + _MEANS + 2 * s + 1]) / row[at + _MEANS + 2 * s]
        usual = row[at + _MEANS + 2 * s + 1]
        ratio += distance / usual if usual > 0.0 else 0.0
        known += 1
    row[at + RATIO] += _SMOOTHING * (ratio / max(known, 1) - row[at + RATIO])
    rare = surprise(row, at + _HISTOGRAM, row[at + SEEN], row[at + RATIO])
    add(row, at + _HISTOGRAM, row[at + RATIO])
    row[at + SEEN] += 1.0
    if row[at + SEEN] >= MOST:
        row[at + SEEN] = halve(row, at + _HISTOGRAM)
    return float(rare)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _newest_first(row: Floats, at: int, count: int) -> Floats:
    """The codes kept, newest first, without unpacking each more than once."""
    kept = min(count + 1, KEPT)
    out = np.empty(kept)
    for k in range(kept):
        out[k] = get(row, at, (count - k) % KEPT, _BITS)
    return out


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _distances(codes: Floats) -> Floats:
    """(3,) smallest mean square difference, means removed, of the newest 12, 24 and 48 codes to any before them."""
    best = np.full(_SCALES, np.inf)
    lengths = (_SHORT, _PERIOD, _LONG)
    kept = len(codes)
    for lag in range(_SHORT, kept - _SHORT + 1):
        total, shift, k = 0.0, 0.0, 0
        for s in range(_SCALES):
            length = lengths[s]
            if lag < length or lag + length > kept:
                break
            while k < length:
                apart = codes[k] - codes[lag + k]
                total += apart * apart
                shift += apart
                k += 1
            apart = total - shift * shift / length  # grows with each value: a bound for the longer ones
            best[s] = min(best[s], apart / length)
            going_on = False
            for longer in range(s + 1, _SCALES):
                going_on = going_on or apart < best[longer] * lengths[longer]
            if not going_on:
                break
    return best

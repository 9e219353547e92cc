"""Peaks over threshold in a stream: SPOT and DSPOT (Siffer et al. 2017, algorithms 1 to 3).

Of the first ``learn`` scores of a series the ``level`` quantile is its peak threshold t; the excesses over t follow a
generalised Pareto distribution (:mod:`eddy.models.thresholds.pareto`), whose quantile z_q is the limit. From then on a
score above z_q is an alarm and teaches nothing; one above t is a peak, added to the others, and z_q is computed anew;
any other only counts. DSPOT does the same with the distance from the mean of the last ``depth`` scores that were no
alarms.

As published but for three things. The newest ``peaks`` peaks are kept, where the paper keeps all. Once that many are
kept, the distribution is fitted anew at every fourth peak, which bounds the cost of a storm of them. And the first of
alarms in a row is counted as a peak that was not observed (``count_alarms``): not with its own value, which may be
anything, but with the mean that a normal score above the limit has. Without that the tail loses its largest scores
again and again, and the limit creeps down: decision 021 has the figures, ``count_alarms=false`` the published rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import MOST, Bounds, Either, Numbers, Row, count, one_of, size
from eddy.models.thresholds import pareto
from eddy.models.thresholds.base import COUNT, FIRST, LEARN, OWN, RUN, AdaptiveThreshold, Learning, admitted, bounded

_T, _TOTAL, _FILLED, _AT, _SINCE = OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4
_GAMMA, _SIGMA, _LIMIT = OWN + 5, OWN + 6, OWN + 7
_DRIFT_AT, _DRIFT_KNOWN, _RING = OWN + 8, OWN + 9, OWN + 10
_Q, _PEAKS, _TOP, _DEPTH, _COUNTED = FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4
_FEWEST = 10  # peaks below which there is no distribution to speak of: the start stays
_REFIT_EVERY = 4.0  # peaks
_HEAVIEST = 0.5  # shape: from 1 on the mean of a tail is infinite


@dataclass(frozen=True)
class SpotParameters(Learning):
    """Parameters.

    Attributes:
        q: probability of a normal score above the limit; the paper uses 1e-3 to 1e-5.
        level: quantile of the first scores above which a score is a peak; the paper's 0.98.
        peaks: peaks kept per series, 8 bytes each.
        count_alarms: see above; False = as published.
    """

    learn: int = 1000
    q: float = 1e-4
    level: float = 0.98
    peaks: int = 64
    count_alarms: bool = True


class SpotThreshold(AdaptiveThreshold):
    """Set the limit to the score that a share q of normal scores exceeds, by the tail of this series' own scores.

    Works for rare alarms: the tail is extrapolated beyond what has been seen.
    **Fails** where scores drift as a whole (t stays what the first scores made it: use ``dspot``), where neighbouring
    scores are so alike that one event makes many peaks, and where the first ``learn`` scores are not normal.

    Parameters: :class:`SpotParameters`.
    Cost: ``peaks`` + 12 numbers of state a series, about 0.5 µs a score.

    References:
        Siffer, Fouque, Termier, Largouët 2017, Anomaly detection in streams with extreme value theory, KDD, algorithms
        1 and 2; decision 021 for what differs.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=2000)
        >>> threshold = SpotThreshold.fit({"pump": normal}, q=1e-4)
        >>> bool(7 < threshold.start < 13)  # of an exponential distribution: 9.2
        True
    """

    policy = "spot"
    Parameters = SpotParameters
    params: SpotParameters
    _depth = 0

    @property
    def state_layout(self) -> str:
        return f"{self.policy}/{self.params.peaks}/{self._depth}"

    def _check(self) -> None:
        super()._check()
        p = self.params
        self._require("level", 0.5 <= p.level < 1, "0.5 or more and below 1")
        self._require("q", 0 < p.q < 1 - p.level, f"a number above 0 and below 1 - level = {1 - p.level:g}")
        self._require("peaks", _FEWEST <= p.peaks <= 1024, f"{_FEWEST} to 1024")
        first = _first_peaks(p.learn, p.level)
        self._require("learn", first >= _FEWEST, f"at least {int(np.ceil(_FEWEST / (1 - p.level)))} for this level")
        self._require("peaks", first < p.peaks, f"more than {first}, the peaks among the first {p.learn} scores")

    def _own_numbers(self) -> list[float]:
        p = self.params
        return [
            p.q,
            float(p.peaks),
            float(_first_peaks(p.learn, p.level) + 1),
            float(self._depth),
            float(p.count_alarms),
        ]

    def state_bounds(self) -> Bounds:
        p, top = self.params, _first_peaks(self.params.learn, self.params.level) + 1
        learning = Row(count(p.learn - 1), count(p.patience), self._own_bounds(top))
        return Either(learning, Row(one_of(p.learn, MOST), count(p.patience), self._own_bounds(p.peaks)))

    def _own_bounds(self, filled: int = 0) -> Bounds:
        """Describe the numbers from OWN on, with so many places of the ring that may be filled."""
        p, depth = self.params, self._depth
        return Row(
            Numbers(), size(), count(filled), count(p.peaks - 1), count(), Numbers(3), count(max(depth - 1, 0)),
            count(depth), Numbers(p.peaks + depth),
        )  # fmt: skip

    def _state_width(self) -> int:
        return _RING - OWN + self.params.peaks + self._depth

    def _first_limit(self, scores: Floats) -> float:
        """Peaks over threshold of all scores at once (the paper's algorithm 1)."""
        t = float(np.quantile(scores, self.params.level))
        excess = scores[scores > t] - t
        if len(excess) < 2:
            return float(scores.max())
        gamma, sigma = pareto.fit(excess)
        return float(pareto.quantile(t, gamma, sigma, self.params.q * len(scores) / len(excess)))

    def _run(self, scores: Floats, state: Floats, out: Floats) -> None:
        _limits(scores, state, out, self._numbers)


@dataclass(frozen=True)
class DSpotParameters(SpotParameters):
    """Parameters.

    Attributes:
        depth: scores in the moving mean; the paper uses 10 to 450.
    """

    depth: int = 20


class DSpotThreshold(SpotThreshold):
    """Set the limit as ``spot`` does, on the distance of each score from the mean of the last ``depth`` normal ones.

    Works where the level of the scores moves slowly.
    **Fails** on slow anomalies, to which it gets used as to any drift.

    Parameters: :class:`DSpotParameters`.
    Cost: ``depth`` numbers of state more than ``spot``, about 0.5 µs a score.

    References:
        Siffer, Fouque, Termier, Largouët 2017, Anomaly detection in streams with extreme value theory, KDD, algorithm
        3.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=2000)
        >>> scores = normal + np.linspace(0, 20, 2000)  # a slow drift
        >>> threshold = DSpotThreshold.fit({"pump": normal}, highest=1e6)
        >>> state = threshold.initial_state(1)
        >>> limits = [threshold.limits(scores[i : i + 1], np.array([-1]), state)[0] for i in range(2000)]
        >>> bool((scores > limits)[1400:].mean() < 0.01)
        True
    """

    policy = "dspot"
    Parameters = DSpotParameters
    params: DSpotParameters

    @property
    def _depth(self) -> int:  # type: ignore[override]
        return self.params.depth

    def _check(self) -> None:
        super()._check()
        self._require("depth", 1 <= self.params.depth <= 1024, "1 to 1024")


def _first_peaks(learn: int, level: float) -> int:
    """How many of the first scores lie above their quantile."""
    return int(learn * (1 - level) + 1e-9)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limits(scores: Floats, state: Floats, out: Floats, p: Floats) -> None:
    depth, peaks = int(p[_DEPTH]), int(p[_PEAKS])
    for i in range(len(scores)):
        row, score = state[i], scores[i]
        drift = row[_RING + peaks : _RING + peaks + depth]
        known = int(row[_DRIFT_KNOWN])
        centre = drift[:known].mean() if known else 0.0
        estimated = row[COUNT] >= p[LEARN] and row[_FILLED] >= _FEWEST
        out[i] = bounded(row, centre + row[_LIMIT] if estimated else p[0], p)
        if not np.isfinite(score):
            continue
        first = row[RUN] == 0.0
        if not admitted(row, score, out[i], p):
            if first and p[_COUNTED] and known == depth:
                _learn(row, out[i] - centre + (_residual(row, out[i] - centre) if estimated else 0.0), p)
            continue
        if known == depth:  # DSPOT begins to learn once it has a mean
            _learn(row, score - centre, p)
        if depth:
            drift[int(row[_DRIFT_AT])] = score
            row[_DRIFT_AT] = (row[_DRIFT_AT] + 1.0) % depth
            row[_DRIFT_KNOWN] = min(known + 1.0, float(depth))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _residual(row: Floats, limit: float) -> float:
    """Mean excess of normal scores over a limit that they pass: (sigma + gamma·(limit - t)) / (1 - gamma)."""
    gamma = min(row[_GAMMA], _HEAVIEST)
    return float(max(row[_SIGMA] + gamma * (limit - row[_T]), 0.0) / (1.0 - gamma))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _learn(row: Floats, x: float, p: Floats) -> None:
    ring = row[_RING : _RING + int(p[_PEAKS])]
    row[COUNT] += 1.0
    if row[COUNT] <= p[LEARN]:
        _keep_if_large(row, ring[: int(p[_TOP])], x)
        if row[COUNT] == p[LEARN]:
            _calibrate(row, ring, int(p[_TOP]))
            _estimate(row, ring, p)
    elif x > row[_T]:
        ring[int(row[_AT])] = x - row[_T]
        row[_AT] = (row[_AT] + 1.0) % len(ring)
        row[_FILLED] = min(row[_FILLED] + 1.0, float(len(ring)))
        row[_TOTAL] += 1.0
        row[_SINCE] += 1.0
        _estimate(row, ring, p)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _keep_if_large(row: Floats, top: Floats, x: float) -> None:
    """Keep the largest of the first scores, ascending."""
    filled = int(row[_FILLED])
    if filled == len(top):
        if x <= top[0]:
            return
        at = 0
        while at + 1 < filled and top[at + 1] < x:
            top[at] = top[at + 1]
            at += 1
    else:
        at = filled
        while at > 0 and top[at - 1] > x:
            top[at] = top[at - 1]
            at -= 1
        row[_FILLED] += 1.0
    top[at] = x


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _calibrate(row: Floats, ring: Floats, top: int) -> None:
    """The smallest of the largest first scores becomes t, the others its peaks (but for those equal to it)."""
    row[_T] = ring[0]
    kept = 0
    for k in range(1, top):
        excess = ring[k] - row[_T]
        if excess > 0.0:
            ring[kept] = excess
            kept += 1
    row[_FILLED] = row[_TOTAL] = float(kept)
    row[_AT] = float(kept % len(ring))
    row[_SINCE] = _REFIT_EVERY


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _estimate(row: Floats, ring: Floats, p: Floats) -> None:
    filled = int(row[_FILLED])
    if filled < _FEWEST:
        return
    if filled < len(ring) or row[_SINCE] >= _REFIT_EVERY:
        row[_GAMMA], row[_SIGMA] = pareto.fit(ring[:filled])
        row[_SINCE] = 0.0
    row[_LIMIT] = pareto.quantile(row[_T], row[_GAMMA], row[_SIGMA], p[_Q] * row[COUNT] / row[_TOTAL])

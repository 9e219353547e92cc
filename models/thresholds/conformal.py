"""Conformal p-value of a score among the recent scores of its series (Laxhammar and Falkman 2014; Vovk et al. 2005).

``p = (1 + #{c_i >= s}) / (n + 1)`` over n calibration scores c; anomalous where ``p <= alpha``, which is where s is
above the k-th largest of them, ``k = floor(alpha·(n + 1))``. While normal scores are exchangeable, at most a share
``alpha`` of them raises an alarm, whatever their distribution; no tail is assumed, so nothing rarer than ``1/(n + 1)``
can be said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count
from eddy.models.thresholds.base import COUNT, FIRST, OWN, RUN, AdaptiveThreshold, Learning, admitted, bounded

_AT, _KTH, _RING = OWN, OWN + 1, OWN + 2
_RANK, _SIZE = FIRST, FIRST + 1

_MAX_RANK = 64  # bounds the cost of a limit: finding the k-th largest takes window·k steps at worst


@dataclass(frozen=True)
class ConformalParameters(Learning):
    """Parameters.

    Attributes:
        alpha: share of normal scores that may raise an alarm.
        window: calibration scores kept per series, 8 bytes each.
    """

    learn: int = 200
    alpha: float = 0.01
    window: int = 200


class ConformalThreshold(AdaptiveThreshold):
    """Set the limit to the k-th largest of the last ``window`` scores that were no alarms.

    Of alarms in a row the first is taken into the window, the others are not: if none were, the window would lose its
    highest scores again and again, and the limit would creep down until everything is an alarm. With k of 2 or more one
    such score does not set the limit by itself.

    Works where scores of a series are exchangeable, whatever their distribution.
    **Fails** where false alarms must be rarer than ``1/window``: use peaks over threshold (``spot``) there.

    Parameters: :class:`ConformalParameters`.
    Cost: ``window`` + 4 numbers of state a series, about 50 ns a score.

    References:
        Laxhammar, Falkman 2014; Vovk, Gammerman, Shafer 2005, Algorithmic learning in a random world.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=2000)
        >>> threshold = ConformalThreshold.fit({"pump": normal}, alpha=0.02, window=100, learn=100)
        >>> state = threshold.initial_state(1)
        >>> limits = [threshold.limits(normal[i : i + 1], np.array([-1]), state)[0] for i in range(500)]
        >>> bool(normal[:100].max() >= limits[100] > 2)  # the second largest of the first hundred
        True
    """

    policy = "conformal"
    Parameters = ConformalParameters
    params: ConformalParameters

    def _check(self) -> None:
        super()._check()
        self._require("alpha", 0 < self.params.alpha < 1, "a number above 0 and below 1")
        self._require("window", 2 <= self.params.window <= 4096, "2 to 4096 scores")
        self._require("learn", self.params.learn >= self.params.window, "at least 'window'")
        least = int(np.ceil(1 / self.params.alpha)) - 1
        k = rank(self.params.alpha, self.params.window)
        self._require("window", k >= 1, f"at least {least} for this alpha")
        self._require("alpha", k <= _MAX_RANK, f"at most {_MAX_RANK / self.params.window:g} for this window")

    def _own_numbers(self) -> list[float]:
        size = self.params.window
        return [float(rank(self.params.alpha, size)), float(size)]

    def _own_bounds(self) -> Bounds:
        return Row(count(self.params.window - 1), Numbers(1 + self.params.window))

    def _state_width(self) -> int:
        return _RING - OWN + self.params.window

    def _first_limit(self, scores: Floats) -> float:
        k = rank(self.params.alpha, len(scores))
        return float(np.sort(scores)[-k]) if k else float("inf")

    def _run(self, scores: Floats, state: Floats, out: Floats) -> None:
        _limits(scores, state, out, self._numbers)


def rank(alpha: float, n: int) -> int:
    """k: a score above the k-th largest of n has a p-value of at most alpha; 0 where none can."""
    return int(np.floor(alpha * (n + 1) * (1 + 1e-12)))  # 0.01·200 must be 2, not 1.9999…


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kth_largest(values: Floats, k: int, top: Floats) -> float:
    """The k-th largest; ``top`` (k,) is scratch: kept ascending, its first is the answer."""
    top[:] = -np.inf
    for value in values:
        if value > top[0]:
            at = 0
            while at + 1 < k and top[at + 1] < value:
                top[at] = top[at + 1]
                at += 1
            top[at] = value
    return float(top[0])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limits(scores: Floats, state: Floats, out: Floats, p: Floats) -> None:
    size, k = int(p[_SIZE]), int(p[_RANK])
    top = np.empty(k)
    for i in range(len(scores)):
        row, score = state[i], scores[i]
        out[i] = bounded(row, row[_KTH], p)
        if not np.isfinite(score):
            continue
        first = row[RUN] == 0.0
        if admitted(row, score, out[i], p) or first:
            at = _RING + int(row[_AT])
            gone, row[at] = row[at], score
            row[_AT] = (row[_AT] + 1.0) % size
            row[COUNT] += 1.0
            # below the k-th largest, neither the one that comes nor the one that goes moves it
            if row[COUNT] == size or (row[COUNT] > size and max(gone, score) >= row[_KTH]):
                row[_KTH] = _kth_largest(row[_RING : _RING + size], k, top)

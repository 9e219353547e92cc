"""So many standard deviations above the mean of the scores that a series has had so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, size
from eddy.models.thresholds.base import COUNT, FIRST, OWN, AdaptiveThreshold, Learning, admitted, bounded

_MEAN, _SQUARES = OWN, OWN + 1
_K, _FLOOR = FIRST, FIRST + 1


@dataclass(frozen=True)
class PastDeviationParameters(Learning):
    """Parameters.

    Attributes:
        k: deviations.
        floor: smallest standard deviation, in units of the score.
    """

    k: float = 3.0
    floor: float = 1e-9


class PastDeviationThreshold(AdaptiveThreshold):
    """Set the limit to the mean + k standard deviations of all earlier scores of the series that were no alarms.

    Works for scores that are nearly normal and stay as they are.
    **Fails** on scores with a heavy tail (k deviations are then passed often) and where the spread changes slowly: the
    past counts in full. With k below 2 the limit creeps down, because what it cuts off is not learned.

    Parameters: :class:`PastDeviationParameters`.
    Cost: 4 numbers of state a series, about 20 ns a score.

    References:
        Shewhart 1931, Economic control of quality of manufactured product; moments: Welford 1962.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).normal(10, 1, 500)
        >>> threshold = PastDeviationThreshold.fit({"pump": normal}, k=4.0)
        >>> state = threshold.initial_state(1)
        >>> limits = [threshold.limits(normal[i : i + 1], np.array([-1]), state)[0] for i in range(500)]
        >>> bool(13 < limits[-1] < 15)
        True
    """

    policy = "past-deviation"
    Parameters = PastDeviationParameters
    params: PastDeviationParameters

    def _check(self) -> None:
        super()._check()
        self._require("k", self.params.k > 0, "a number above 0")
        self._require("floor", self.params.floor > 0, "a number above 0")

    def _own_numbers(self) -> list[float]:
        return [self.params.k, self.params.floor]

    def _own_bounds(self) -> Bounds:
        return Row(Numbers(), size())

    def _state_width(self) -> int:
        return 2

    def _first_limit(self, scores: Floats) -> float:
        return float(scores.mean() + self.params.k * np.hypot(scores.std(), self.params.floor))

    def _run(self, scores: Floats, state: Floats, out: Floats) -> None:
        _limits(scores, state, out, self._numbers)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limits(scores: Floats, state: Floats, out: Floats, p: Floats) -> None:
    for i in range(len(scores)):
        row, score = state[i], scores[i]
        spread = np.sqrt(row[_SQUARES] / max(row[COUNT], 1.0) + p[_FLOOR] ** 2)
        out[i] = bounded(row, row[_MEAN] + p[_K] * spread, p)
        if np.isfinite(score) and admitted(row, score, out[i], p):
            row[COUNT] += 1.0
            apart = score - row[_MEAN]  # Welford 1962
            row[_MEAN] += apart / row[COUNT]
            row[_SQUARES] += apart * (score - row[_MEAN])

"""Tail likelihood of recent scores: the anomaly likelihood of HTM (Ahmad et al. 2017, eq. 3 to 7).

``L_t = 1 - Q((m_t - mu_t) / sigma_t)`` with the mean m of the last ``short`` scores and the mean and deviation of the
last ``memory``; anomalous where ``L_t >= 1 - epsilon``. Solved for the newest score this is a limit:
``short·(mu + z·sigma) - (sum of the short - 1 scores before)`` with ``Q(z) = epsilon``.

As published but for three things, which keep state small and scores unbounded: the long moments forget exponentially
once ``memory`` scores are in, instead of keeping them all; they are those of the past, without the newest score and
without alarms; and a score below the mean is never anomalous, however high those before it were.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count, size
from eddy.models.thresholds.base import COUNT, FIRST, OWN, AdaptiveThreshold, Learning, admitted, bounded

_MEAN, _VARIANCE, _AT, _KNOWN, _RING = OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4
_Z, _SHORT, _MEMORY, _FLOOR = FIRST, FIRST + 1, FIRST + 2, FIRST + 3


@dataclass(frozen=True)
class LikelihoodParameters(Learning):
    """Parameters.

    Attributes:
        epsilon: tail probability of the short mean; the paper's 1e-5.
        short: scores in the short mean; 10 as in HTM's own code.
        memory: scores in the long moments; the paper's 8,000.
        floor: smallest standard deviation, in units of the score.
    """

    learn: int = 300
    epsilon: float = 1e-5
    short: int = 10
    memory: int = 8000
    floor: float = 1e-9


class LikelihoodThreshold(AdaptiveThreshold):
    """Set the limit so that the mean of the last few scores becomes improbably high for this series above it.

    Works for noisy scores: it finds runs of raised scores and needs a single one to be ``short`` times as far out.
    **Fails** on short events for that reason, and on scores with a heavy tail, because the tail is taken for a normal
    one.

    Parameters: :class:`LikelihoodParameters`.
    Cost: ``short`` + 5 numbers of state a series, about 35 ns a score.

    References:
        Ahmad, Lavin, Purdy, Agha 2017, Unsupervised real-time anomaly detection for streaming data, equations 3 to 7.

    Examples:
        >>> import numpy as np
        >>> scores = np.r_[np.random.default_rng(0).normal(10, 1, 500), np.full(10, 15.0)]
        >>> threshold = LikelihoodThreshold.fit({"pump": scores[:500]}, epsilon=1e-4)
        >>> state = threshold.initial_state(1)
        >>> limits = [threshold.limits(scores[i : i + 1], np.array([-1]), state)[0] for i in range(510)]
        >>> bool((scores > limits)[505:].any() and not (scores > limits)[400:500].any())  # a run, no single score
        True
    """

    policy = "likelihood"
    Parameters = LikelihoodParameters
    params: LikelihoodParameters

    def _check(self) -> None:
        super()._check()
        self._require("epsilon", 0 < self.params.epsilon < 0.5, "a number above 0 and below 0.5")
        self._require("short", 1 <= self.params.short <= 1000, "1 to 1000")
        self._require("memory", self.params.memory >= self.params.short, "at least 'short'")
        self._require("floor", self.params.floor > 0, "a number above 0")

    def _own_numbers(self) -> list[float]:
        z = -NormalDist().inv_cdf(self.params.epsilon)
        return [z, float(self.params.short), float(self.params.memory), self.params.floor]

    def _own_bounds(self) -> Bounds:
        before = self.params.short - 1  # scores that are kept
        return Row(Numbers(), size(), count(max(before - 1, 0)), count(before), Numbers(before))

    def _state_width(self) -> int:
        return _RING - OWN + self.params.short - 1

    def _first_limit(self, scores: Floats) -> float:
        z = float(self._numbers[_Z])
        return float(scores.mean() + self.params.short * z * np.hypot(scores.std(), self.params.floor))

    def _run(self, scores: Floats, state: Floats, out: Floats) -> None:
        _limits(scores, state, out, self._numbers)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limits(scores: Floats, state: Floats, out: Floats, p: Floats) -> None:
    short = int(p[_SHORT])
    for i in range(len(scores)):
        row, score = state[i], scores[i]
        known, mean = int(row[_KNOWN]), row[_MEAN]
        before = (short - 1 - known) * mean  # while there are too few scores, the mean stands for the others
        for k in range(known):
            before += row[_RING + k]
        spread = np.sqrt(row[_VARIANCE] + p[_FLOOR] ** 2)
        out[i] = bounded(row, max(short * (mean + p[_Z] * spread) - before, mean), p)
        if not np.isfinite(score):
            continue
        if admitted(row, score, out[i], p):
            row[COUNT] += 1.0
            share = 1.0 / min(row[COUNT], p[_MEMORY])
            apart = score - mean
            row[_MEAN] = mean + share * apart
            row[_VARIANCE] = (1.0 - share) * (row[_VARIANCE] + share * apart * apart)
        if short > 1:  # the short mean is of all scores, alarms too: it says how things are now
            row[_RING + int(row[_AT])] = score
            row[_AT] = (row[_AT] + 1.0) % (short - 1)
            row[_KNOWN] = min(known + 1.0, short - 1.0)

"""A limit that keeps a promised rate of false alarms: so many a week, whatever the distribution of the scores.

Scores are taken in blocks of ``block`` points, of which only the maximum counts: an alarm is a block in which a score
is above the limit, so one excursion is one alarm and not one per point. Of all blocks of a series' past the highest
:data:`KEPT` maxima are kept. To be exceeded in a share q of the blocks, the limit is the k-th largest of n maxima,
``k = q·(n + 1)``: while blocks are exchangeable the next one exceeds it with probability q, whatever the distribution
(the argument of conformal prediction). Where the past is too short to show it (k below 1), the excesses over the lowest
maximum kept are taken for exponential: the tail of block maxima of all usual distributions with finite moments.

**Every score teaches**, alarms included, with no label: what the series does is what is normal for it, and labelled or
not, an anomaly is one block of the past. When k would pass the number of maxima kept, every second one is dropped and
n halved: the newer half then weighs more, so that the limit follows what changes for good.

Fails where scores grow with time (each block is then above the last), and keeps the promise on the whole, not in each
week: alarms still come together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numba import njit

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Floats, Ints
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count
from eddy.models.core.threshold import Threshold

KEPT = 48  # highest maxima of a series
_WEEK_SECONDS = 7 * 86_400.0
_BLOCKS, _POINTS, _HIGHEST, _HELD, _SETTLED, _BEFORE, _FIRST = range(
    7
)  # numbers of a row; the maxima in descending order from _FIRST on
_BOUNDS = {"start": math.inf, "lowest": -math.inf, "highest": math.inf}


@dataclass(frozen=True)
class RateParameters:
    """Parameters.

    Attributes:
        alarms_per_week: that a series may raise while it is normal.
        interval_seconds: between its points.
        block: points that one alarm may last; a longer one counts again.
        learn: blocks of its own that a series needs before its limit follows them.
        settle_days: after so many days the past is begun anew, once: the scores of a detector that learns while it runs
            are higher at first, and these would keep the limit too high for long. 0: never.
    """

    alarms_per_week: float = 1.0
    interval_seconds: float = 60.0
    block: int = 24
    learn: int = 12
    settle_days: float = 14.0

    @property
    def settle(self) -> float:
        """Blocks after which the past is begun anew; 0: never."""
        return float(round(self.settle_days * 86_400.0 / (self.block * self.interval_seconds)))

    @property
    def share(self) -> float:
        """Of the blocks that may hold an alarm."""
        return self.alarms_per_week * self.block * self.interval_seconds / _WEEK_SECONDS


class RateThreshold(Threshold):
    """Set the limit that a normal series exceeds so many times a week, by the block maxima of its own scores.

    Works from a dozen blocks on, whatever the distribution of the scores, and follows what changes for good.
    **Fails** where scores grow with time (each block is then above the last), and where the rate asked for is so low
    that the past cannot show it: one a month is met by half of the series after a quarter of a year (decision 070).

    Parameters: :class:`RateParameters`.
    Cost: 54 numbers of state a series, about 0.1 µs a score.

    Args:
        start: limit until a series has ``learn`` blocks; infinite = no alarm until then.
        lowest, highest: bounds of every limit.
        **params: see :class:`RateParameters`.

    Raises:
        ModelError: a parameter is unknown, has the wrong type or is out of its range; names it.

    References:
        Vovk, Gammerman, Shafer 2005, Algorithmic learning in a random world, for the rank that is exceeded with a given
        probability; Coles 2001, An introduction to statistical modeling of extreme values, for block maxima.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=20_000)
        >>> threshold = RateThreshold.fit({"pump": normal}, alarms_per_week=7.0)
        >>> bool(6 < threshold.start < 9)  # exceeded once in 1,440 scores: 7.3
        True
    """

    policy = "rate"

    def __init__(
        self, start: float = math.inf, lowest: float = -math.inf, highest: float = math.inf, **params: Any
    ) -> None:
        try:
            self.params = read_parameters(RateParameters, f"threshold {self.policy!r}", params)
        except SettingsError as error:
            raise ModelError(str(error)) from None
        own = self.params
        if not (own.alarms_per_week > 0 and own.interval_seconds > 0 and own.block >= 1 and own.learn >= 1):
            raise ModelError(f"threshold {self.policy!r}: found {asdict(own)}; expected numbers above 0")
        if not own.share < 1:
            raise ModelError(
                f"threshold {self.policy!r}: found {own.alarms_per_week:g} alarms a week in blocks of {own.block} "
                f"points; expected fewer alarms than the week has blocks ({own.alarms_per_week / own.share:.0f})"
            )
        if math.isnan(start) or not lowest <= highest:
            raise ModelError(
                f"threshold {self.policy!r}: found start={start}, lowest={lowest}, highest={highest}; "
                "expected numbers, lowest not above highest"
            )
        self._start, self.lowest, self.highest = float(start), float(lowest), float(highest)
        self.state_size = _FIRST + KEPT

    def state_bounds(self) -> Bounds:
        return Row(count(), count(self.params.block), Numbers(), count(KEPT), count(1), Numbers(1 + KEPT))

    @property
    def start(self) -> float:
        return min(max(self._start, self.lowest), self.highest)

    @classmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> Self:
        """The start from the validation scores of all series, block by block; bounds where they are given.

        Raises:
            SettingsError: a parameter is unknown or out of its range.
            ModelError: no finite score.
        """
        own = {name: value for name, value in params.items() if name not in _BOUNDS}
        bounds = {name: float(params[name]) for name in _BOUNDS if name in params}
        try:
            rule = cls(**own)
            row = np.zeros((1, rule.state_size))
            known = np.concatenate([*scores.values(), np.zeros(0)])
            known = known[np.isfinite(known)]
            if len(known):
                _teach(known, row[0], rule.params.block, rule.params.share, 0.0)
                if row[0, _BLOCKS] == 0:  # less than a block
                    row[0, _BLOCKS], row[0, _HELD], row[0, _FIRST] = 1.0, 1.0, row[0, _HIGHEST]
                bounds.setdefault("start", float(_limit(row[0], rule.params.share)))
            threshold = cls(**bounds, **own)
        except ModelError as error:
            raise SettingsError(str(error)) from None
        if not len(known):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        return threshold

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        out = np.empty(len(scores))
        _run(
            np.ascontiguousarray(scores, np.float64),
            state,
            out,
            np.array([self.start, self.lowest, self.highest]),
            self.params.block,
            self.params.learn,
            self.params.share,
            self.params.settle,
        )
        return out

    def to_params(self) -> dict[str, Any]:
        bounds = {"start": self._start, "lowest": self.lowest, "highest": self.highest}
        finite = {name: value if math.isfinite(value) else None for name, value in bounds.items()}
        return {"policy": self.policy, **finite, **asdict(self.params)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        own = {name: value for name, value in params.items() if name != "policy" and name not in _BOUNDS}
        missing = [f.name for f in fields(RateParameters) if f.name not in own]
        if missing:
            raise ModelError(f"threshold {cls.policy!r}: parameter {missing[0]!r} is missing")
        bounds = {}
        for name, none in _BOUNDS.items():
            value = params.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ModelError(f"threshold parameter {name!r}: found {value!r}, expected a number")
            bounds[name] = none if value is None else float(value)
        return cls(**bounds, **own)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limit(row: Floats, share: float) -> float:
    """What a share of blocks exceeds, from the maxima in the row; at least one is there."""
    held = int(row[_HELD])
    rank = share * (row[_BLOCKS] + 1.0)
    if rank >= 1.0:
        at = min(int(rank), held)
        below = row[_FIRST + min(at, held - 1)]
        here = row[_FIRST + at - 1]
        return float(here + (rank - int(rank)) * (below - here) if at == int(rank) else here)
    excess = 0.0
    for k in range(held):
        excess += row[_FIRST + k] - row[_FIRST + held - 1]
    return float(row[_FIRST] + excess / max(held - 1, 1) * np.log(1.0 / rank))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _learn(row: Floats, score: float, block: int, share: float, settle: float) -> None:
    """Take one score into the row."""
    row[_HIGHEST] = score if row[_POINTS] == 0.0 else max(row[_HIGHEST], score)
    row[_POINTS] += 1.0
    if row[_POINTS] < block:
        return
    row[_POINTS] = 0.0
    row[_BLOCKS] += 1.0
    held = int(row[_HELD])
    if held < KEPT:
        row[_HELD] = held + 1.0
        at = held
    elif row[_HIGHEST] > row[_FIRST + KEPT - 1]:
        at = KEPT - 1
    else:
        at = -1
    if at >= 0:
        while at > 0 and row[_FIRST + at - 1] < row[_HIGHEST]:
            row[_FIRST + at] = row[_FIRST + at - 1]
            at -= 1
        row[_FIRST + at] = row[_HIGHEST]
    if row[_SETTLED] == 0.0 and settle > 0.0 and row[_BLOCKS] >= settle:
        row[_BEFORE], row[_SETTLED] = _limit(row, share), 1.0
        row[_BLOCKS], row[_HELD] = 0.0, 0.0
        row[_FIRST : _FIRST + KEPT] = 0.0
    elif share * (row[_BLOCKS] + 1.0) >= KEPT - 1:
        for k in range(KEPT // 2):
            row[_FIRST + k] = row[_FIRST + 2 * k]
        row[_HELD] = float(KEPT // 2)
        row[_BLOCKS] = float(int(row[_BLOCKS]) // 2)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _teach(scores: Floats, row: Floats, block: int, share: float, settle: float) -> None:
    for score in scores:
        _learn(row, score, block, share, settle)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _run(
    scores: Floats, state: Floats, out: Floats, bounds: Floats, block: int, learn: int, share: float, settle: float
) -> None:
    for i in range(len(scores)):
        row = state[i]
        limit = row[_BEFORE] if row[_SETTLED] > 0.0 else bounds[0]
        if row[_BLOCKS] >= learn:
            limit = _limit(row, share)
        out[i] = min(max(limit, bounds[1]), bounds[2])
        if np.isfinite(scores[i]):
            _learn(row, scores[i], block, share, settle)

"""The score that a series' own past exceeds once in so many points: its return level, from block maxima.

Scores are taken in blocks of ``block`` points, of which only the maximum counts, so that one excursion is one alarm and
not one per point. The highest :data:`KEPT` maxima of a series' past are kept. The limit is the k-th largest of n
maxima, ``k = block · (n + 1) / period``; where the past is too short to show it (k below 1), the excesses over the
lowest maximum kept are taken for exponential, up to twice the past: of so short a past more cannot be asked. With
``memory``, scores are compared in units of the series' recent mean score, so that a spell in which a series is harder
to foresee raises the limit instead of alarms.

**Every score teaches**, alarms included, with no label. When k would pass the number of maxima kept, every second one
is dropped and n halved: the newer half then weighs more.

**The past begins with the training data.** A limit from the first hours of a stream is a guess: on web KPIs the same
forest has an F1 of 0.43 when its limit begins anew, and of 0.6 when it begins with the scores of the training data
(decision 075). So a threshold keeps the state of each series at the end of its training
(:attr:`eddy.models.core.threshold.Threshold.past`), and the job goes on from there.
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
from eddy.models.thresholds.base import read_bound
from eddy.models.thresholds.block_maxima import beyond_past, level_of, put, return_period

KEPT = 48  # highest maxima of a series
_BLOCKS, _POINTS, _HIGHEST, _HELD, _TRAINED, _USUAL, _LONG, _FIRST = range(8)  # of a row; maxima from there on
_LOWEST_RANK = 0.5  # the tail is trusted up to twice the past
_LONGER = 10.0  # memories: over so many, the long mean of scores, below which what is usual does not fall
_CLIP = 3.0  # usual scores: a higher score counts as this one for what is usual
_SMALLEST = 1e-9  # usual score, where all are 0
_BOUNDS = {"start": math.inf, "lowest": -math.inf, "highest": math.inf}


@dataclass(frozen=True)
class ReturnLevelParameters:
    """Parameters.

    Attributes:
        period: points in which the limit is exceeded once, on average.
        block: points that one alarm may last; a longer one counts again.
        memory: points over which the usual score is averaged, in units of which scores are compared: for scores above
            0 that grow with the spread of a series, such as errors. The mean over ten times as many counts where it is
            larger, or a calm spell would make alarms of what comes after it. 0: scores are compared as they are.
        interval_seconds: between points, by which an alert says how often such a score comes; 0: it does not say it.
    """

    period: float = 2000.0
    block: int = 24
    memory: float = 0.0
    interval_seconds: float = 0.0


class ReturnLevelThreshold(Threshold):
    """Set the limit that a series exceeds once in ``period`` points, by the block maxima of its own scores.

    Works whatever the distribution of the scores, at once for a series that training has seen, and follows what
    changes for good. A series that training has not seen has ``start`` until its own past is ``period`` points long.
    **Fails** where scores grow with time (each block is then above the last), and where anomalies are more frequent
    than one in ``period`` points: they are the past, too.

    Parameters: :class:`ReturnLevelParameters`.
    Cost: 56 numbers of state a series, about 0.1 µs a score.

    Args:
        start: limit until a series has ``period`` points; infinite = no alarm until then.
        lowest, highest: bounds of every limit.
        **params: see :class:`ReturnLevelParameters`.

    Raises:
        ModelError: a parameter is unknown, has the wrong type or is out of its range; names it.

    References:
        Coles 2001, An introduction to statistical modeling of extreme values, chapter 3 (return levels, block maxima).

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=20_000)
        >>> threshold = ReturnLevelThreshold.fit({"pump": normal}, period=1440.0)
        >>> bool(6 < threshold.start < 9)  # exceeded once in 1,440 scores: 7.3
        True
    """

    policy = "return-level"
    learns_from_training = True
    state_size = _FIRST + KEPT

    def __init__(
        self, start: float = math.inf, lowest: float = -math.inf, highest: float = math.inf, **params: Any
    ) -> None:
        try:
            self.params = read_parameters(ReturnLevelParameters, f"threshold {self.policy!r}", params)
        except SettingsError as error:
            raise ModelError(str(error)) from None
        own = self.params
        if not (own.block >= 1 and own.period > own.block and own.memory >= 0 and own.interval_seconds >= 0):
            raise ModelError(
                f"threshold {self.policy!r}: found period={own.period:g}, block={own.block}, memory={own.memory:g}; "
                "expected a block of at least 1 point, a longer period, and a memory of 0 or more points"
            )
        if math.isnan(start) or not lowest <= highest:
            raise ModelError(
                f"threshold {self.policy!r}: found start={start}, lowest={lowest}, highest={highest}; "
                "expected numbers, lowest not above highest"
            )
        self._start, self.lowest, self.highest = float(start), float(lowest), float(highest)

    def state_bounds(self) -> Bounds:
        return Row(count(), count(self.params.block), Numbers(), count(KEPT), count(1), Numbers(2 + KEPT))

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
        known = np.concatenate([*scores.values(), np.zeros(0)])
        known = known[np.isfinite(known)]
        try:
            rule = cls(**own)
            if len(known):
                row = rule.taught(known)
                if row[_BLOCKS] == 0:  # less than a block
                    row[_BLOCKS], row[_HELD], row[_FIRST] = 1.0, 1.0, row[_HIGHEST]
                level = _limit(row, rule.params.block / rule.params.period)
                bounds.setdefault("start", float(level * _usual(row) if rule.params.memory else level))
            threshold = cls(**bounds, **own)
        except ModelError as error:
            raise SettingsError(str(error)) from None
        if not len(known):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        return threshold

    def taught(self, scores: Floats) -> Floats:
        row = np.zeros(self.state_size)
        known = scores[np.isfinite(scores)]
        self._follow(known, np.zeros(len(known), np.int64), row[None])
        row[_TRAINED] = float(row[_BLOCKS] > 0)
        return row

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        return self._follow(scores, np.arange(len(scores)), state)[0]

    def limits_in_place(
        self, scores: Floats, rows: Ints, ts: Ints, binding: Ints, state: Floats
    ) -> tuple[Floats, Floats, Floats]:
        return self._follow(scores, rows, state)

    def _follow(self, scores: Floats, rows: Ints, state: Floats) -> tuple[Floats, Floats, Floats]:
        own = self.params
        numbers = np.array(
            [self.start, self.lowest, self.highest, own.block, own.block / own.period, own.memory, own.interval_seconds]
        )
        limits, periods, beyond = (np.empty(len(scores)) for _ in range(3))
        _run(np.ascontiguousarray(scores, np.float64), rows, state, limits, periods, beyond, numbers)
        return limits, periods, beyond

    def to_params(self) -> dict[str, Any]:
        bounds = {"start": self._start, "lowest": self.lowest, "highest": self.highest}
        finite = {name: value if math.isfinite(value) else None for name, value in bounds.items()}
        return {"policy": self.policy, **finite, **asdict(self.params)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        own = {name: value for name, value in params.items() if name != "policy" and name not in _BOUNDS}
        missing = [f.name for f in fields(ReturnLevelParameters) if f.name not in own and f.name != "interval_seconds"]
        if missing:
            raise ModelError(f"threshold {cls.policy!r}: parameter {missing[0]!r} is missing")
        bounds = {name: read_bound(params.get(name), name, none) for name, none in _BOUNDS.items()}
        return cls(**bounds, **own)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _limit(row: Floats, share: float) -> float:
    """What a share of blocks exceeds, from the maxima in the row; at least one is there."""
    rank = max(share * (row[_BLOCKS] + 1.0), _LOWEST_RANK)
    return float(level_of(row[_FIRST : _FIRST + int(row[_HELD])], rank))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _learn(row: Floats, score: float, block: int, share: float) -> None:
    """Take one score into the row."""
    row[_HIGHEST] = score if row[_POINTS] == 0.0 else max(row[_HIGHEST], score)
    row[_POINTS] += 1.0
    if row[_POINTS] < block:
        return
    row[_POINTS] = 0.0
    row[_BLOCKS] += 1.0
    row[_HELD] = put(row[_FIRST : _FIRST + KEPT], int(row[_HELD]), row[_HIGHEST])
    if share * (row[_BLOCKS] + 1.0) >= KEPT - 1:
        for k in range(KEPT // 2):
            row[_FIRST + k] = row[_FIRST + 2 * k]
        row[_HELD] = float(KEPT // 2)
        row[_BLOCKS] = float(int(row[_BLOCKS]) // 2)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _usual(row: Floats) -> float:
    return float(max(row[_USUAL], row[_LONG], _SMALLEST))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _run(scores: Floats, rows: Ints, state: Floats, limits: Floats, periods: Floats, beyond: Floats, p: Floats) -> None:
    """Write the limit of each score, and of those above it what the past says of them; then learn each.

    Args:
        scores, rows: (n,) and (n,) rows of the state; those of one row in order of time.
        state: (rows, …), changed in place.
        limits, periods, beyond: (n,) outputs, see :meth:`.Threshold.limits_in_place`.
        p: start, lowest, highest, block, share of blocks, memory, interval in seconds.
    """
    block, share, memory = int(p[3]), p[4], p[5]
    for i in range(len(scores)):
        row, score = state[rows[i]], scores[i]
        limit, unit = p[0], 1.0
        if memory > 0.0:
            unit = _usual(row)
        known = row[_TRAINED] > 0.0 or share * (row[_BLOCKS] + 1.0) >= 1.0
        if known:
            limit = _limit(row, share) * unit
        limits[i], periods[i], beyond[i] = min(max(limit, p[1]), p[2]), np.nan, np.nan
        if not np.isfinite(score):
            continue
        if known and score > limits[i]:
            maxima = row[_FIRST : _FIRST + int(row[_HELD])]
            beyond[i] = beyond_past(maxima, score / unit)
            if p[6] > 0.0:
                periods[i] = return_period(maxima, (row[_BLOCKS] + 1.0) * block * p[6], score / unit)
        if memory > 0.0:
            seen = row[_BLOCKS] * block + row[_POINTS]
            if seen == 0.0:
                row[_USUAL] = row[_LONG] = score
            usual = _usual(row)
            taken = min(score, _CLIP * usual)
            row[_USUAL] += (taken - row[_USUAL]) * max(1.0 / memory, 1.0 / (seen + 1.0))
            row[_LONG] += (taken - row[_LONG]) * max(1.0 / (_LONGER * memory), 1.0 / (seen + 1.0))
            score /= usual
        _learn(row, score, block, share)

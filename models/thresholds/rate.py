"""A limit that keeps a promised rate of false alarms: so many a week, whatever the distribution of the scores.

Scores are taken in blocks of at most ``block`` points, of which only the maximum counts, so that one excursion is one
alarm. Of all blocks of a series' past the highest maxima are kept. To be exceeded in a share q of the blocks, the limit
is the k-th largest of n maxima, ``k = q·(n + 1)``: while blocks are exchangeable the next one exceeds it with
probability q, whatever the distribution (the argument of conformal prediction). Where the past is too short to show it
(k below 1), the excesses over the lowest maximum kept are taken for exponential: the tail of block maxima of all usual
distributions with finite moments.

**What was promised is compared with what came.** Blocks are not exchangeable: scores stay high together, and drift. So
the alarms of a series are counted, each incident once, against the time that passed; q falls by the factor exp(-0.5)
for each alarm too many, and rises by it for each that is missing, at most by exp(-2) and exp(1). With this the number
of alarms varies less than by chance, and slow drifts are followed (adaptive conformal inference).

**Every score teaches**, alarms included, with no label: what the series does is what is normal for it, and labelled or
not, an anomaly is one block of the past. After 12 promised alarms every second maximum is dropped and n halved: the
newer half then weighs more. The past is begun anew after ``settle_days``, and after four times as many.

**Beside a detector's own limit** (``detector_limit``: scores that are calibrated already, one alert per event) the
promise is an upper bound: the own limit holds until a series is eight alarms ahead of the promise, and from there on
the rank decides. Scores a fifth above the own limit (more, the fewer alarms are asked for) are no false alarms: they
alert whatever came before, and do not count.

Event times give the interval between points; nobody has to state it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Floats, Ints
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds
from eddy.models.core.threshold import Threshold
from eddy.models.thresholds import rate_kernel as kernel
from eddy.models.thresholds.base import read_bound

_BOUNDS = {"start": math.inf, "lowest": -math.inf, "highest": math.inf, "detector_limit": math.nan}
_USUAL_INTERVAL = 60.0  # seconds, where neither event times nor parameters give one
_OLDER = "rate/54"  # layout until 30 November 2026: 48 maxima, and nothing of alarms and intervals
_OLDER_FIRST = 6


@dataclass(frozen=True)
class RateParameters:
    """Parameters.

    Attributes:
        alarms_per_week: that a series may raise while it is normal.
        interval_seconds: between its points, until its event times show it; 0: they alone.
        block: points that one alarm may last, at most; a longer one counts again. Less where alarms are frequent.
        learn: blocks of its own that a series needs before its limit follows them.
        settle_days: after so many days the past is begun anew, and after four times as many once more: the scores of a
            detector that learns while it runs are higher at first, and would keep the limit too high. 0: never.
    """

    alarms_per_week: float = 1.0
    interval_seconds: float = 0.0
    block: int = 24
    learn: int = 12
    settle_days: float = 14.0


class RateThreshold(Threshold):
    """Set the limit that a normal series exceeds so many times a week, by the block maxima of its own scores.

    Works from a dozen blocks on, whatever the distribution of the scores, and follows what changes for good.
    **Fails** where scores fall for ever (fewer alarms than promised), and where more than one alarm in 48 points is
    asked for: incidents last that long. Anomalies count as alarms, too: of several a day, one alarm a week finds few.

    Parameters: :class:`RateParameters`.
    Cost: 35 numbers of state a series, about 0.1 µs a score.

    Args:
        start: limit until a series has ``learn`` blocks; infinite = no alarm until then.
        lowest, highest: bounds of every limit.
        detector_limit: the limit of a detector whose scores are calibrated, which then is only raised; NaN: none.
        **params: see :class:`RateParameters`.

    Raises:
        ModelError: a parameter is unknown, has the wrong type or is out of its range; names it.

    References:
        Vovk, Gammerman, Shafer 2005, Algorithmic learning in a random world, for the rank that is exceeded with a given
        probability; Gibbs, Candès 2021, Adaptive conformal inference under distribution shift, for the count that
        corrects it; Coles 2001, An introduction to statistical modeling of extreme values, for block maxima.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=20_000)
        >>> threshold = RateThreshold.fit({"pump": normal}, alarms_per_week=7.0, interval_seconds=60.0)
        >>> bool(6 < threshold.start < 9)  # exceeded once in 1,440 scores: 7.3
        True
    """

    policy = "rate"
    state_size = kernel.WIDTH

    def __init__(
        self,
        start: float = math.inf,
        lowest: float = -math.inf,
        highest: float = math.inf,
        detector_limit: float = math.nan,
        **params: Any,
    ) -> None:
        try:
            self.params = read_parameters(RateParameters, f"threshold {self.policy!r}", params)
        except SettingsError as error:
            raise ModelError(str(error)) from None
        own = self.params
        if not (own.alarms_per_week > 0 and own.interval_seconds >= 0 and own.block >= 1 and own.learn >= 1):
            raise ModelError(
                f"threshold {self.policy!r}: found {asdict(own)}; expected alarms_per_week above 0, block and learn "
                "of at least 1"
            )
        if math.isnan(start) or not lowest <= highest or math.isinf(detector_limit):
            raise ModelError(
                f"threshold {self.policy!r}: found start={start}, lowest={lowest}, highest={highest}, "
                f"detector_limit={detector_limit}; expected numbers, lowest not above highest"
            )
        self._start, self.lowest, self.highest = float(start), float(lowest), float(highest)
        self.detector_limit = float(detector_limit)
        self._numbers = np.zeros(kernel.PARAMETERS)
        self._numbers[kernel.PROMISED], self._numbers[kernel.BLOCK] = own.alarms_per_week, own.block
        self._numbers[kernel.LEARN], self._numbers[kernel.SETTLE] = own.learn, own.settle_days * 86_400.0
        self._numbers[kernel.START], self._numbers[kernel.OWN] = self._start, self.detector_limit
        self._numbers[kernel.LOWEST], self._numbers[kernel.HIGHEST_LIMIT] = self.lowest, self.highest
        self._numbers[kernel.GIVEN] = own.interval_seconds

    def state_bounds(self) -> Bounds:
        return kernel.bounds(self.params.block)

    @property
    def start(self) -> float:
        first = self._start if math.isnan(self.detector_limit) else self.detector_limit
        return min(max(first, self.lowest), self.highest)

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
            row = np.zeros(rule.state_size)
            known = np.concatenate([*scores.values(), np.zeros(0)])
            known = np.ascontiguousarray(known[np.isfinite(known)], np.float64)
            if len(known):
                chosen = rule.params
                interval = chosen.interval_seconds or _USUAL_INTERVAL
                share = kernel.teach(known, row, interval, chosen.alarms_per_week, float(chosen.block))
                bounds.setdefault("start", float(kernel.exceeded(row, share)))
            threshold = cls(**bounds, **own)
        except ModelError as error:
            raise SettingsError(str(error)) from None
        if not len(known):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        return threshold

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        own = self._numbers.copy()
        own[kernel.GIVEN] = self.params.interval_seconds or _USUAL_INTERVAL
        return self._run(scores, np.arange(len(scores)), np.full(len(scores), np.nan), state, own)[0]

    def limits_in_place(
        self, scores: Floats, rows: Ints, ts: Ints, binding: Ints, state: Floats
    ) -> tuple[Floats, Floats, Floats]:
        return self._run(scores, rows, ts / 1000.0, state, self._numbers)

    def _run(
        self, scores: Floats, rows: Ints, seconds: Floats, state: Floats, own: Floats
    ) -> tuple[Floats, Floats, Floats]:
        limits, periods, beyond = (np.empty(len(scores)) for _ in range(3))
        kernel.run(np.ascontiguousarray(scores, np.float64), rows, state, seconds, limits, periods, beyond, own)
        return limits, periods, beyond

    def carried(self, layout: str, rows: Floats) -> Floats | None:
        if layout != _OLDER or rows.shape[1] != _OLDER_FIRST + 48:
            return super().carried(layout, rows)
        new = np.zeros((len(rows), self.state_size))
        new[:, :_OLDER_FIRST] = rows[:, :_OLDER_FIRST]
        new[:, kernel.HELD] = np.minimum(rows[:, kernel.HELD], kernel.KEPT)
        new[:, kernel.FIRST :] = rows[:, _OLDER_FIRST : _OLDER_FIRST + kernel.KEPT]
        new[:, kernel.INTERVAL] = self.params.interval_seconds
        seconds = rows[:, kernel.BLOCKS] * self.params.block * self.params.interval_seconds
        new[:, kernel.AGE] = np.maximum(seconds, rows[:, kernel.STAGE] * self.params.settle_days * 86_400.0)
        return new

    def to_params(self) -> dict[str, Any]:
        bounds = {"start": self._start, "lowest": self.lowest, "highest": self.highest}
        finite: dict[str, Any] = {name: value if math.isfinite(value) else None for name, value in bounds.items()}
        if not math.isnan(self.detector_limit):
            finite["detector_limit"] = self.detector_limit
        return {"policy": self.policy, **finite, **asdict(self.params)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        own = {name: value for name, value in params.items() if name != "policy" and name not in _BOUNDS}
        if "alarms_per_week" not in own:
            raise ModelError(f"threshold {cls.policy!r}: parameter 'alarms_per_week' is missing")
        bounds = {name: read_bound(params.get(name), name, none) for name, none in _BOUNDS.items()}
        return cls(**bounds, **own)

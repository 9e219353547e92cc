"""What all thresholds share that follow each series' own scores: a start, bounds, and what they must not learn.

**Start.** Until a series has ``learn`` scores of its own its limit is ``start``, chosen in fitting from the validation
scores of all series together.

**Anomalous scores do not teach.** A score above its limit is an alarm and changes nothing else (the rule of SPOT), or
an anomaly would raise the limit until it counts as normal. So that a series whose scores have changed for good does not
alert for ever, there is a bounded escape: ``patience`` alarms in a row, one taken back for each score that is none,
and from then on alarms are learned from like other scores, until there are fewer of them again. The limit then needs
the scores that the policy needs to follow, and never passes ``highest``.

**Bounds.** Every limit is kept between ``lowest`` and ``highest``. Fitting takes the median validation score for the
first and 10 times the start for the second, unless they are given.

State of a series: [scores learned, alarms in a row, …], zeros for a new one. The kernels run over one series' row at a
time, compiled, and get all parameters as one array.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Floats, Ints
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds, Row, count
from eddy.models.core.threshold import Threshold

COUNT, RUN, OWN = 0, 1, 2  # columns of a state row; a policy's own begin at OWN
START, LOWEST, HIGHEST, PATIENCE, LEARN, FIRST = (
    0,
    1,
    2,
    3,
    4,
    5,
)  # elements of the parameter array; own ones from FIRST
_ROOM = 10.0  # the limit may grow to so many times its start: lets a noisier series in, keeps it from going blind
_BOUNDS = {"start": math.inf, "lowest": -math.inf, "highest": math.inf}


@dataclass(frozen=True)
class Learning:
    """Parameters of every adaptive threshold.

    Attributes:
        learn: scores of its own that a series needs before the limit follows them.
        patience: alarms in a row after which alarms are learned from.
    """

    learn: int = 100
    patience: int = 200


class AdaptiveThreshold(Threshold):
    """Base class: parameters, bounds, state.

    Args:
        start: limit until a series has ``learn`` scores; infinite = no alarm until then.
        lowest, highest: bounds of every limit.
        **params: those of the policy, see its ``Parameters``.

    Raises:
        ModelError: a parameter is unknown, has the wrong type or is out of its range; names it.
    """

    Parameters: ClassVar[type[Learning]] = Learning

    def __init__(
        self, start: float = math.inf, lowest: float = -math.inf, highest: float = math.inf, **params: Any
    ) -> None:
        try:
            self.params = read_parameters(self.Parameters, f"threshold {self.policy!r}", params)
            self._check()
        except SettingsError as error:
            raise ModelError(str(error)) from None
        if math.isnan(start) or not lowest <= highest:
            raise ModelError(
                f"threshold {self.policy!r}: found start={start}, lowest={lowest}, highest={highest}; "
                "expected numbers, lowest not above highest"
            )
        self._start, self.lowest, self.highest = float(start), float(lowest), float(highest)
        common = [self._start, self.lowest, self.highest, float(self.params.patience), float(self.params.learn)]
        self._numbers = np.array([*common, *self._own_numbers()], np.float64)
        self.state_size = OWN + self._state_width()

    def state_bounds(self) -> Bounds:
        return Row(count(), count(self.params.patience), self._own_bounds())

    @property
    def start(self) -> float:
        return min(max(self._start, self.lowest), self.highest)

    @classmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> Self:
        """Start and bounds from the validation scores of all series; what is given in ``params`` stands.

        Raises:
            SettingsError: a parameter is unknown or out of its range.
            ModelError: no finite score.
        """
        pooled = np.concatenate([*scores.values(), np.zeros(0)])
        pooled = pooled[np.isfinite(pooled)]
        if not len(pooled):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        own = {name: value for name, value in params.items() if name not in _BOUNDS}
        try:
            bounds = {name: read_bound(params[name], name, none) for name, none in _BOUNDS.items() if name in params}
            start = bounds.get("start", cls(**own)._first_limit(pooled))
            room = _ROOM * start if 0 < start < math.inf else math.inf
            lowest = bounds.get("lowest", min(float(np.median(pooled)), bounds.get("highest", math.inf)))
            return cls(start, lowest, max(bounds.get("highest", room), lowest), **own)
        except ModelError as error:
            raise SettingsError(str(error)) from None

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        out = np.empty(len(scores))
        self._run(np.ascontiguousarray(scores, np.float64), state, out)
        return out

    def to_params(self) -> dict[str, Any]:
        bounds = {"start": self._start, "lowest": self.lowest, "highest": self.highest}
        finite = {name: value if math.isfinite(value) else None for name, value in bounds.items()}
        return {"policy": self.policy, **finite, **asdict(self.params)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        own = {name: value for name, value in params.items() if name != "policy" and name not in _BOUNDS}
        missing = [f.name for f in fields(cls.Parameters) if f.name not in own]
        if missing:
            raise ModelError(f"threshold {cls.policy!r}: parameter {missing[0]!r} is missing")
        return cls(**{name: read_bound(params.get(name), name, none) for name, none in _BOUNDS.items()}, **own)

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            found = getattr(self.params, name)
            raise ModelError(f"threshold {self.policy!r}: parameter {name!r}: found {found}, expected {expected}")

    def _check(self) -> None:
        """Raise ModelError where a parameter is out of its range."""
        self._require("learn", self.params.learn >= 2, "at least 2")
        self._require("patience", self.params.patience >= 1, "at least 1")

    def _own_numbers(self) -> list[float]:
        """The policy's parameters as the kernel wants them, from index FIRST on."""
        return []

    @abstractmethod
    def _own_bounds(self) -> Bounds:
        """What the numbers of a state row from OWN on may be."""

    @abstractmethod
    def _state_width(self) -> int:
        """Numbers of a state row from OWN on."""

    @abstractmethod
    def _first_limit(self, scores: Floats) -> float:
        """Limit that (n,) finite scores of all series suggest for one of which nothing is known."""

    @abstractmethod
    def _run(self, scores: Floats, state: Floats, out: Floats) -> None:
        """Write the limits to ``out`` and bring ``state`` up to date: a compiled loop over the rows."""


def read_bound(value: Any, name: str, none: float) -> float:
    """A number from the manifest or the command line; None = none."""
    if value is None:
        return none
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ModelError(f"threshold parameter {name!r}: found {value!r}, expected a number")
    return float(value)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def bounded(row: Floats, limit: float, p: Floats) -> float:
    """The limit of a series: the start until it has enough scores, then its own; within the bounds."""
    if row[COUNT] < p[LEARN]:
        limit = p[START]
    return float(min(max(limit, p[LOWEST]), p[HIGHEST]))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def admitted(row: Floats, score: float, limit: float, p: Floats) -> bool:
    """Whether a score may be learned from: it is no alarm, or alarms have lasted too long. Counts alarms."""
    if score > limit:
        row[RUN] = min(row[RUN] + 1.0, p[PATIENCE])
        return bool(row[RUN] >= p[PATIENCE])
    row[RUN] = max(row[RUN] - 1.0, 0.0)
    return True

"""``auto``, the default detector: one configuration for every series, nothing to train, from the first points on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from eddy.errors import SettingsError
from eddy.models.core.detector import (
    Explanation,
    Floats,
    Series,
    WindowBatch,
    WindowSpec,
)
from eddy.models.detectors.auto import kernel, shape_memory, short_memory, steady_season
from eddy.models.detectors.novelty import peak_filter, rarity, value
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.models.detectors.novelty.online_calibration import MOMENTS
from eddy.models.detectors.novelty.point_detector import PointDetector, attribution_of, member_bits
from eddy.models.detectors.novelty.value import FLOOR

MEMBERS = {
    "short": 1 << kernel.SHORT,
    "value": 1 << kernel.VALUE,
    "rarity": 1 << kernel.RARITY,
    "season": 1 << kernel.SEASON,
    "shape": 1 << kernel.SHAPE,
}
#: how far beyond 1 the evidence of alerts usually reaches, by member; of two of them in decades
_REACH = np.array([0.3, 1.0, np.log10(3.0), 0.3, 0.3])
_DECADES = np.array([False, True, True, False, False])
_FARTHEST = 2.0
#: severities by the sum of these: of the incidents of each level 44, 58, 77 and 85 % were labelled events
_STRENGTH, _SEVERITY = (0.0, 0.1, 0.5, 1.2, 5.0), (10.0, 25.0, 50.0, 75.0, 100.0)
#: New values are no news where they alone alert at least twice in training data, and as often as once in 2,000 points,
#: the first 500 and points of the same event not counted.
_EARLY, _FEWEST_EVENTS, _EVENTS_PER_POINT, _QUIET = 500, 2, 1 / 2000, 24
_BAND_SEASON = 3.0  # typical differences from the same slot of the nearest day
_GONE = "it is 0 for longer than ever before"
_UNUSUAL = {
    kernel.SHORT: "it moves further from its recent past than it usually does",
    kernel.VALUE: value.UNUSUAL,
    kernel.RARITY: rarity.UNUSUAL,
    kernel.SEASON: "the last 18 hours are unlike the same hours of earlier days",
    kernel.SHAPE: "its newest points have a shape that has not come before",
}


@dataclass(frozen=True)
class AutoParameters:
    """Parameters.

    Attributes:
        limit: score from which a point counts as an alert; the peak filter asks more of what follows soon after it.
        start_up: points collected from a series that training has not seen before new values, the rate of rare ones
            and the season count. Short memory scores from about the fiftieth point on.
        sparse: one alert per event, and a dense score below the limit elsewhere; False: the dense score of every point,
            to rank and to plot, which holds what was high and falls with each point.
        members: whose evidence counts, joined by commas: ``short``, ``value``, ``rarity``, ``season``, ``shape``. Fewer
            than all serve to measure what each of them earns.
    """

    limit: float = DEFAULT_LIMIT
    start_up: int = 200
    sparse: bool = True
    members: str = ",".join(MEMBERS)


class AutoDetector(PointDetector):
    """Score each point by the member with the most evidence: short memory, new value, rarity, season or shape.

    Each member is admitted where the series' own past supports it:

    - **short memory** (:mod:`eddy.models.detectors.auto.short_memory`): always; asks more, the shorter the past is;
    - **value novelty** (:mod:`eddy.models.detectors.novelty.value`): if the value is also unusual for the recent past,
      and the series is no ramp or counter, whose every value is new; noise without memory needs more of both. More
      zeros in a row than ever before are new by themselves, where they are as rare as one in 10,000 by the mean and
      variance of the recent past (negative binomial), in a series that was never negative: what is counted has stopped;
    - **rarity** (:mod:`eddy.models.detectors.novelty.rarity`): always;
    - **season** (:mod:`eddy.models.detectors.auto.steady_season`): if days are alike, from four weeks on;
    - **shape** (:mod:`eddy.models.detectors.auto.shape_memory`): in the season's place, if points are closer than 5
      seconds, so that there is no clock by which days could be aligned. It then leads.

    It needs one point at a time (a window of 1) and keeps 5,000 bytes of state a feature. Training is optional: a
    series that it did not see is scored from about its fiftieth point on, one that it saw continues from the end of its
    training data. A missing value is skipped; a filled-in point counts as missing. The score of a point that alerts is
    at or above ``limit``; every other point has a dense score below it, which ranks.

    Works on levels that move, new values, days that are alike, counters and bursts, with one configuration.
    **Fails** on changes that are odd in shape only, with no value, level, rate or daily profile out of the ordinary,
    on spells in which a series varies less than usual, on slow drifts, and with many features on what shows weakly in
    many of them at once: an isolation forest finds these (decision 075).

    Parameters: :class:`AutoParameters`.
    Cost: 5,000 bytes of state a feature; compiled, about 2 µs a point.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: see :class:`AutoParameters`.
        start: series id -> (state_size,) state at the end of its training data.

    References:
        Decision 070 has its development, and figures on the sets of docs/evaluation.md.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 50 + np.random.default_rng(0).normal(0, 1, (900, 1))
        >>> ts = np.arange(len(values)) * 60_000
        >>> train = Series("pump", ts[:800], values[:800], np.zeros(800, bool))
        >>> detector, _ = AutoDetector.fit([train], WindowSpec(1), {})
        >>> values[860] = 75.0
        >>> scores = detector.score_series("pump", ts[800:], values[800:])
        >>> (int(scores.argmax()), bool(scores[60] >= detector.default_limit))
        (60, True)
    """

    kind = "auto"
    parameters = AutoParameters
    #: parameters with which every point has its dense score: what ranks and plots runs the detector with these
    dense: ClassVar[Mapping[str, Any]] = {"sparse": False}
    kernel: ClassVar[Any] = kernel

    def __init__(self, spec: WindowSpec, params: AutoParameters, start: Mapping[str, Floats]) -> None:
        super().__init__(spec, params, start)
        if not params.limit > 0:
            raise SettingsError(f"{self.kind}: limit: found {params.limit}, expected a number above 0")
        self.members = member_bits(self.kind, params.members, MEMBERS)
        self.attribution_span = self._usual_span()

    @property
    def _steps_with(self) -> tuple[Any, ...]:
        return self.members, self.params.start_up, self.params.limit, self.params.sparse

    def _trained(self, row: Floats, data: Series) -> Floats:
        row[peak_filter.STATE_WIDTH + kernel.HELD] = 0.0  # no event of the training data ranks what comes after it
        if self.members & MEMBERS["value"] and self._values_are_no_news(data):
            row[peak_filter.STATE_WIDTH + kernel.RUNNING :: kernel.FEATURE_WIDTH] = kernel.WITHOUT_VALUE
        return row

    def _values_are_no_news(self, data: Series) -> bool:
        """Say whether new values alone would have alerted often on training data, which is taken to be normal."""
        alone = AutoDetector(self.spec, replace(self.params, members="value", sparse=True), {})
        scores = alone._run(np.zeros(self.state_size), data.values, data.ts)
        alerts = np.flatnonzero(scores >= alone.default_limit)
        events = alerts[np.diff(alerts, prepend=-_QUIET - 1) > _QUIET]
        allowed = max(_FEWEST_EVENTS, _EVENTS_PER_POINT * (len(scores) - _EARLY))
        return int((events > _EARLY).sum()) >= allowed

    def unusual(self, batch: WindowBatch) -> list[str]:
        _, new = self._blocks(batch)
        evidence = new[:, :, kernel.EVIDENCE : kernel.EVIDENCE + kernel.MEMBERS].copy()
        evidence[:, :, kernel.SHORT] /= kernel.SURPRISE
        found = [_UNUSUAL[member] for member in evidence.max(axis=1).argmax(axis=1).tolist()]
        gone = (batch.values[:, -1] == 0.0) & (evidence[:, :, kernel.VALUE] >= 1.0) & (new[:, :, kernel.LOWEST] >= 0.0)
        return [_GONE if zero else text for zero, text in zip(gone.any(axis=1).tolist(), found, strict=True)]

    def severities(self, batch: WindowBatch, scores: Floats) -> Floats:
        """Add up how far each member goes beyond the evidence with which it alerts, twice its usual reach at most.

        The sum is a severity by how often such alerts were labelled events on the development sets (decision 070).
        """
        _, new = self._blocks(batch)
        evidence = new[:, :, kernel.EVIDENCE : kernel.EVIDENCE + kernel.MEMBERS]
        ratio = evidence.max(axis=1)
        ratio[:, kernel.SHORT] = [kernel.short_evidence(row) for row in new]
        beyond = np.where(_DECADES, np.log10(np.maximum(ratio, 1.0)), ratio - 1.0) / _REACH
        strength = np.clip(beyond, 0.0, _FARTHEST).sum(axis=1)
        return np.interp(strength, _STRENGTH, _SEVERITY)

    def _usual_span(self) -> int:
        """Points of a period where shapes are looked at, the longest over all series seen in training; else 1."""
        blocks = self._start[:, peak_filter.STATE_WIDTH :].reshape(-1, len(self.spec.features), kernel.FEATURE_WIDTH)
        clocked = blocks[:, :, kernel.SLOTS] > 0
        codes = np.where(clocked, 0.0, blocks[:, :, kernel.SHAPE_AT + shape_memory.PER_CODE])
        return max(int(codes.max(initial=0.0)) * shape_memory.CODES, 1)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """What the member with the most evidence expected of each feature, and where it would not have alerted.

        Short memory: the level of its most surprised average, and where that surprise would be the one wanted. Value
        novelty: the values seen before, or the nearest of them where it lies between them. Season: the same hour of the
        most similar day. Rarity says nothing of a single value; short memory answers in its place.
        """
        old, new = self._blocks(batch)
        points = np.maximum(old[:, :, kernel.SHORT_AT + short_memory.POINTS].max(axis=1), 1.0)
        factor = np.nan_to_num(np.asarray(limit, float) / self.params.limit, posinf=1.0)
        wanted = np.array([kernel.surprise_wanted(p) for p in points]) * factor
        evidence = new[:, :, kernel.EVIDENCE : kernel.EVIDENCE + kernel.MEMBERS].copy()
        evidence[:, :, kernel.SHORT] /= wanted[:, None]
        leading = evidence.argmax(axis=2)
        middle, reach = _short_band(old, new, wanted + kernel.ONE_OF * np.log10(len(self.spec.features)))
        running = old[:, :, kernel.RUNNING] > 0
        for member, (own, around) in {
            kernel.VALUE: _value_band(old, new, points, factor),
            kernel.SEASON: _season_band(old, new),
        }.items():
            chosen = running & (leading == member)
            middle, reach = np.where(chosen, own, middle), np.where(chosen, around, reach)
        lower, upper, newest = middle - reach, middle + reach, batch.values[:, -1]
        lowest, highest = old[:, :, kernel.LOWEST], old[:, :, kernel.HIGHEST]
        beyond = running & (leading == kernel.VALUE) & ((newest > highest) | (newest < lowest))
        lower, upper = np.where(beyond, lowest - reach, lower), np.where(beyond, highest + reach, upper)
        middle = np.where(beyond, old[:, :, kernel.CENTRE], middle)
        return Explanation(middle, lower, upper, attribution_of(evidence.max(axis=2)))


def _short_band(old: Floats, new: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """(n, F) level of the most surprised average before the point, and how far from it that surprise is ``wanted``."""
    middle, reach = np.empty(old.shape[:2]), np.empty(old.shape[:2])
    for i, f in np.ndindex(*old.shape[:2]):
        leader = int(new[i, f, kernel.SHORT_AT + short_memory.LEADER])
        known = old[i, f, kernel.SHORT_AT + short_memory.POINTS] > 0
        middle[i, f], reach[i, f] = short_memory.band(old[i, f], kernel.SHORT_AT, leader, wanted[i])
        if not known:
            middle[i, f] = np.nan
    return middle, reach


def _value_band(old: Floats, new: Floats, points: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """(n, F) nearest value seen before, and how far from it novelty stays below what is wanted, in the series' units.

    Scaled values are logarithmic, so the band is taken to the side on which it is wider.
    """
    moments = old[:, :, kernel.VALUE_AT : kernel.VALUE_AT + MOMENTS]
    count = np.maximum(moments[:, :, 0], 2.0)
    deviation = np.sqrt(np.maximum(moments[:, :, 2], 0.0) / (count - 1.0) + FLOOR**2)
    wanted = np.array([kernel.deviates_wanted(p, old.shape[1]) for p in points]) * factor
    return _unscaled(old, new[:, :, kernel.NEAREST], moments[:, :, 1] + wanted[:, None] * deviation)


def _season_band(old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """(n, F) the same slot of the nearest day, and three typical differences from day to day."""
    at = kernel.SEASON_AT
    expected = new[:, :, at + steady_season.EXPECTED]
    return _unscaled(old, expected, _BAND_SEASON * old[:, :, at + steady_season.TYPICAL])


def _unscaled(old: Floats, y: Floats, reach: Floats) -> tuple[Floats, Floats]:
    centre, spread = old[:, :, kernel.CENTRE], old[:, :, kernel.SPREAD]

    def back(scaled: Floats) -> Floats:
        return np.asarray(centre + spread * np.sign(scaled) * np.expm1(np.minimum(np.abs(scaled), 300.0)))

    middle = back(y)
    return middle, np.maximum(back(y + reach) - middle, middle - back(y - reach))

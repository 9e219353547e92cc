"""Novelty of value, of season, of the rate of rare values, together or each alone; the default before ``auto``.

The score of a point is the largest of the members' deviates from their own past (the kernels' modules say what each
measures, and the source), kept only if it stands out among the last hundred points. It is a normal deviate:
:data:`DEFAULT_LIMIT`, the two-sided 5 % point, is its threshold without any tuning on labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eddy.errors import SettingsError
from eddy.models.core.detector import (
    Explanation,
    Floats,
    WindowBatch,
    WindowSpec,
)
from eddy.models.detectors.novelty import kernel, rarity, season, value
from eddy.models.detectors.novelty.online_calibration import MOMENTS
from eddy.models.detectors.novelty.point_detector import PointDetector, attribution_of, member_bits
from eddy.models.detectors.novelty.value import FLOOR

DEFAULT_LIMIT = 1.96
MEMBERS = {"value": kernel.VALUE, "season": kernel.SEASON, "rarity": kernel.RARITY}
_BAND_USUAL = float(np.log1p(1.0))  # scaled: one spread (5th to 95th percentile) to either side of the median
_BAND_SEASON = 3.0  # typical differences from the same slot of the nearest period
_UNUSUAL = {
    kernel.Z_VALUE: value.UNUSUAL,
    kernel.Z_SEASON: "its last period is unlike earlier ones",
    kernel.Z_RARITY: rarity.UNUSUAL,
}
_ONE_OF = 0.6  # decades of the score that each decade of features is worth
_BEYOND, _SEVERITY = (-1.0, -0.3, 0.3, 0.9, 1.6), (5.0, 25.0, 50.0, 75.0, 100.0)
_MAX_PERIOD_HOURS = 24.0 * 366 * 10


@dataclass(frozen=True)
class NoveltyParameters:
    """Parameters of the detector.

    Attributes:
        members: what is looked for, joined by commas: ``value``, ``season``, ``rarity``. Fewer than all serve to
            measure what each of them earns.
        limit: score from which a point counts as an alert; the peak stage asks more of what follows soon after it.
        start_up: points collected from a series that training has not seen before its first score.
        period_hours: length of the season.
    """

    members: str = ",".join(MEMBERS)
    limit: float = DEFAULT_LIMIT
    start_up: int = 250
    period_hours: float = 24.0


class NoveltyDetector(PointDetector):
    """Score how new a value, a phase of the season or the rate of rare values is for its series.

    The score is the largest of the members' deviates, kept only where it stands out among the last hundred points. It
    needs one point at a time (a window of 1) and keeps what it knows of a series in the state. Training is optional in
    effect: a series that it did not see is scored after ``start_up`` points of its own, one that it saw continues from
    the end of its training data. Several features: the largest deviate counts, shares go by squares. A missing value is
    skipped; a filled-in point counts as missing.

    Works on many kinds of series without any tuning: its limit means the same on each.
    **Fails** on slow drifts, on missing events where the gate finds no season, and in the first days of a series, when
    everything is new. What it has seen it never finds new again.

    Parameters: :class:`NoveltyParameters`.
    Cost: a fixed state of several kB for each series and feature; compiled, about a µs a point.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: see :class:`NoveltyParameters`.
        start: series id -> (state_size,) state at the end of its training data.

    References:
        Decision 050 has its development and figures on the Numenta Anomaly Benchmark (Lavin, Ahmad 2015).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = NoveltyDetector.fit([train], WindowSpec(1), {})
        >>> new = values[:100].copy()
        >>> new[60] = 14.0
        >>> scores = detector.score_series("pump", ts[-1] + (1 + np.arange(100)) * 3_600_000, new)
        >>> (int(scores.argmax()), bool(scores[60] > detector.default_limit))
        (60, True)
    """

    kind = "novelty"
    parameters = NoveltyParameters
    kernel: ClassVar[Any] = kernel

    def __init__(self, spec: WindowSpec, params: NoveltyParameters, start: Mapping[str, Floats]) -> None:
        super().__init__(spec, params, start)
        if not (params.limit > 0 and 0 < params.period_hours <= _MAX_PERIOD_HOURS):
            raise SettingsError(
                f"{self.kind}: found limit={params.limit}, period_hours={params.period_hours}; expected numbers above "
                f"0, a period of at most {_MAX_PERIOD_HOURS:g} hours"
            )
        self.members = member_bits(self.kind, params.members, MEMBERS)

    @property
    def _period_ms(self) -> float:
        return float(self.params.period_hours) * 3_600_000.0

    @property
    def _begins_with(self) -> tuple[Any, ...]:
        return (self._period_ms,)

    @property
    def _steps_with(self) -> tuple[Any, ...]:
        return self.members, self.params.start_up, self._period_ms, self.params.limit

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the nearest value seen before or, while the season's gate is open, by the nearest period, unless
        the value itself is new.

        The band is where value novelty stays below the limit, or three typical differences from period to period.
        Rarity, and the season while its gate is closed, do not score single values: they give median and usual range.
        """
        old, new = self._blocks(batch)
        deviates = new[:, :, [kernel.Z_VALUE, kernel.Z_SEASON, kernel.Z_RARITY]].max(axis=2)
        centre, spread = new[:, :, kernel.CENTRE], new[:, :, kernel.SPREAD]
        if self.members & kernel.VALUE:
            middle, reach = _value_band(old, new, limit)
        else:  # does not score single values: gives the usual range of start-up
            middle, reach = np.zeros_like(centre), np.full_like(centre, _BAND_USUAL)
        if self.members & kernel.SEASON:
            at = kernel.SEASON_AT
            seasonal = old[:, :, at + season.GATE] > season.OPEN
            seasonal &= new[:, :, kernel.Z_VALUE] <= limit[:, None]  # a new value is new at any time of day
            middle = np.where(seasonal, new[:, :, at + season.EXPECTED], middle)
            reach = np.where(seasonal, _BAND_SEASON * old[:, :, at + season.TYPICAL], reach)
        unknown = old[:, :, kernel.SPREAD] == 0  # still collecting
        expected, lower, upper = (
            np.where(unknown, np.nan, _unscaled(middle + way * reach, centre, spread)) for way in (0.0, -1.0, 1.0)
        )
        return Explanation(expected, lower, upper, attribution_of(deviates))

    def severities(self, batch: WindowBatch, scores: Floats) -> Floats:
        """Rate by how many times the limit the score is, in decades, less 0.6 for each decade of features.

        The largest of many features is large by chance. See docs/decisions/074-severity.md.
        """
        times = np.log10(np.maximum(scores / self.params.limit, 1.0))
        beyond = times - _ONE_OF * np.log10(len(self.spec.features))
        return np.interp(beyond, _BEYOND, _SEVERITY)

    def unusual(self, batch: WindowBatch) -> list[str]:
        _, new = self._blocks(batch)
        leading = new[:, :, list(_UNUSUAL)].max(axis=1).argmax(axis=1)
        return [list(_UNUSUAL.values())[member] for member in leading.tolist()]


def _value_band(old: Floats, new: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """Return (n, F) nearest value seen before, and how far from it value novelty stays below the limit, scaled."""
    moments = old[:, :, kernel.VALUE_AT : kernel.VALUE_AT + MOMENTS]
    count = np.maximum(moments[:, :, 0], 2.0)
    deviation = np.sqrt(np.maximum(moments[:, :, 2], 0.0) / (count - 1.0) + FLOOR**2)  # no moments while collecting
    return new[:, :, kernel.NEAREST], moments[:, :, 1] + limit[:, None] * deviation


def _unscaled(y: Floats, centre: Floats, spread: Floats) -> Floats:
    """Inverse of :func:`eddy.models.detectors.novelty.kernel.scaled`."""
    with np.errstate(over="ignore", invalid="ignore"):  # a band without an end is not finite, and so is not reported
        return np.asarray(centre + spread * np.sign(y) * np.expm1(np.abs(y)))

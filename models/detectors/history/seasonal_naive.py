"""Score how far a value lies from the median of its phase over the last four weeks."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import SEASONAL_NAIVE


class SeasonalNaiveDetector(PastRingDetector):
    """|x - median of the values one, two, … 28 periods ago|, in spreads of the training data.

    Fails where the season is not the period, drifts, or differs by weekday. Phase is counted in points: irregular
    sampling breaks it.
    """

    kind = "seasonal-naive"
    mode: ClassVar[int] = SEASONAL_NAIVE
    default_reach: ClassVar[int] = 28

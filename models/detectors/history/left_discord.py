"""Score how far the last segment is from the most similar segment before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from eddy.models.core.detector import Series
from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import DISCORD

_SEASONS = 2  # in a segment: two seasons also show the order of days, which one season alone does not
_LONGEST = 192  # points of an automatically chosen segment: each costs one operation per kept point


class LeftDiscordDetector(PastRingDetector):
    """Distance to the nearest earlier stretch, means removed: the left matrix profile over a bounded past.

    Needs no alignment with a season. Fails on noise (every stretch is new) and on anomalies that come twice. Costs
    ``past * period`` operations a point.

    References:
        Yeh et al. (2016). Matrix Profile I. ICDM. Lu et al. (2022). Matrix Profile XXIV: DAMP (left discords). KDD.
    """

    kind = "left-discord"
    mode: ClassVar[int] = DISCORD
    default_periods: ClassVar[int] = 14

    @classmethod
    def _usual_period(cls, series: Sequence[Series]) -> int:
        return min(_SEASONS * super()._usual_period(series), _LONGEST)

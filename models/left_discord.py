"""Left discord: how far the last stretch is from the most similar stretch before it."""

from __future__ import annotations

from typing import ClassVar

from models.past_ring import PastRingDetector
from models.ring_kernel import DISCORD


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

"""Score how far the last segment is from the most similar segment before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from eddy.models.core.detector import Series
from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import DISCORD

_SEASONS = 2  # in a segment: two seasons also show the order of days, which one season alone does not
_LONGEST = 192  # points of an automatically chosen segment, which bounds the cost of a point


class LeftDiscordDetector(PastRingDetector):
    """Score the distance of the newest points to the most similar subsequence before them, means removed.

    That is the left matrix profile over a bounded past.

    Works for a misshapen cycle, and needs no alignment with a season.
    **Fails** on noise (every subsequence is new), on anomalies that come twice, and on changes of level alone.
    No alert of it is ``critical``: it has not been shown to be that sure.

    Parameters: :class:`~eddy.models.detectors.history.base.RingParameters`; ``period`` is the length of the
    subsequence.
    Cost: ``past`` operations a point of a whole series, up to ``past * period`` at a single point, most of which bounds
    save; ``2 * past`` numbers of state a feature (decision 076).

    References:
        Yeh et al. (2016). Matrix Profile I. ICDM. Lu et al. (2022). Matrix Profile XXIV: DAMP (left discords). KDD.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = LeftDiscordDetector.fit([train], WindowSpec(1), {"period": 12})
        >>> values[400:406] = 10.0  # a cycle that stops for six hours
        >>> 200 + int(detector.score_series("pump", ts, values)[200:].argmax()) in range(400, 418)
        True
    """

    kind = "left-discord"
    mode: ClassVar[int] = DISCORD
    unlike: ClassVar[str] = "the last {points} points have a shape that has not come before"
    default_periods: ClassVar[int] = 14

    @classmethod
    def _usual_period(cls, series: Sequence[Series]) -> int:
        return min(_SEASONS * super()._usual_period(series), _LONGEST)

"""Score how far a value lies from the median of its phase over the last four weeks."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import SEASONAL_NAIVE


class SeasonalNaiveDetector(PastRingDetector):
    """Score |x - median of the values one, two, … 28 periods ago|, in spreads of the training data.

    Works for a strong season of known length; a floor that others should beat.
    **Fails** where the season is not the period, drifts, or differs by weekday. Phase is counted in points: irregular
    sampling breaks it. Of its rarest scores less than four fifths are real events, so no alert of it is ``critical``.

    Parameters: :class:`~eddy.models.detectors.history.base.RingParameters`.
    Cost: ``2 * 28 * period`` numbers of state a feature, a median of 28 a point.

    References:
        Hyndman, Athanasopoulos 2021, Forecasting: principles and practice, section 5.2 (the seasonal naive method).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = SeasonalNaiveDetector.fit([train], WindowSpec(1), {"period": 24})
        >>> values[400] = 10 - np.sin(400 * np.pi / 12)  # a usual value, at the wrong time of day
        >>> int(np.nanargmax(detector.score_series("pump", ts, values)))
        400
    """

    kind = "seasonal-naive"
    mode: ClassVar[int] = SEASONAL_NAIVE
    unlike: ClassVar[str] = "its newest point is unlike those at the same time of earlier periods"
    default_reach: ClassVar[int] = 28

"""Score the last day against the three most similar past days at the same phase."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import NEIGHBOURS


class SamePhaseNeighboursDetector(PastRingDetector):
    """Score the mean root mean square distance of the last period to its 3 nearest past periods at the same phase.

    Works for days that are unlike all earlier days, holidays and outages among them.
    **Fails** where there is no season (everything is equally far) and while fewer than 3 whole periods are known.
    Of its rarest scores less than four fifths are real events, so no alert of it is ``critical``.

    Parameters: :class:`~eddy.models.detectors.history.base.RingParameters`.
    Cost: ``2 * 57 * period`` numbers of state a feature; 57 operations a point of a whole series, up to
    ``57 * period`` at a single point.

    References:
        Decision 050 has its figures; nearest neighbours as outlier scores: Ramaswamy, Rastogi, Shim 2000, SIGMOD.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = SamePhaseNeighboursDetector.fit([train], WindowSpec(1), {"period": 24})
        >>> values[400:412] = 10.0  # half a day without its rise and fall
        >>> int(np.nanargmax(detector.score_series("pump", ts, values))) in range(400, 436)
        True
    """

    kind = "same-phase-neighbours"
    mode: ClassVar[int] = NEIGHBOURS
    default_reach: ClassVar[int] = 3
    default_periods: ClassVar[int] = 57

"""Score the last day against the three most similar past days at the same phase."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.kernel import NEIGHBOURS


class SamePhaseNeighboursDetector(PastRingDetector):
    """Mean root mean square distance of the last period to its 3 nearest past periods at the same phase.

    Fails where there is no season (everything is equally far) and while fewer than 3 whole periods are known.
    """

    kind = "same-phase-neighbours"
    mode: ClassVar[int] = NEIGHBOURS
    default_reach: ClassVar[int] = 3
    default_periods: ClassVar[int] = 57

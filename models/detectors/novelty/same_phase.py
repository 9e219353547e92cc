"""Compare the last hours with the same hours of every past day: the gated season alone."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.novelty import kernel
from eddy.models.detectors.novelty.detector import NoveltyDetector


class SamePhaseDetector(NoveltyDetector):
    """One member of :class:`~eddy.models.detectors.novelty.detector.NoveltyDetector`, to be measured beside it."""

    kind = "same-phase"
    members: ClassVar[int] = kernel.SEASON

"""Score how far a value lies from every value seen before: value novelty alone."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.novelty import kernel
from eddy.models.detectors.novelty.detector import NoveltyDetector


class ValueNoveltyDetector(NoveltyDetector):
    """One member of :class:`~eddy.models.detectors.novelty.detector.NoveltyDetector`, to be measured beside it."""

    kind = "value-novelty"
    members: ClassVar[int] = kernel.VALUE

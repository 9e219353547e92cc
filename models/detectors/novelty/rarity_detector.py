"""Detect that rare values have become common, or common ones rare."""

from __future__ import annotations

from typing import ClassVar

from eddy.models.detectors.novelty import kernel
from eddy.models.detectors.novelty.detector import NoveltyDetector


class RarityDetector(NoveltyDetector):
    """One member of :class:`~eddy.models.detectors.novelty.detector.NoveltyDetector`, to be measured beside it."""

    kind = "rarity"
    members: ClassVar[int] = kernel.RARITY

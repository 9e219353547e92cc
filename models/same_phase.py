"""The gated season alone: the last hours against the same hours of every past day."""

from __future__ import annotations

from typing import ClassVar

from models import novelty_kernel as kernel
from models.novelty import NoveltyDetector


class SamePhaseDetector(NoveltyDetector):
    """One member of :class:`~models.novelty.NoveltyDetector`, to be measured beside it."""

    kind = "same-phase"
    members: ClassVar[int] = kernel.SEASON

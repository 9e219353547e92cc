"""Rarity alone: whether rare values have become common, or common ones rare."""

from __future__ import annotations

from typing import ClassVar

from models import novelty_kernel as kernel
from models.novelty import NoveltyDetector


class RarityDetector(NoveltyDetector):
    """One member of :class:`~models.novelty.NoveltyDetector`, to be measured beside it."""

    kind = "rarity"
    members: ClassVar[int] = kernel.RARITY

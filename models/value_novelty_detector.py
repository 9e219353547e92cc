"""Value novelty alone: how far a value lies from every value seen before."""

from __future__ import annotations

from typing import ClassVar

from models import novelty_kernel as kernel
from models.novelty import NoveltyDetector


class ValueNoveltyDetector(NoveltyDetector):
    """One member of :class:`~models.novelty.NoveltyDetector`, to be measured beside it."""

    kind = "value-novelty"
    members: ClassVar[int] = kernel.VALUE

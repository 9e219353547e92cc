"""Define the records that pass from the sources to the stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.redis_layout import RecentPoint

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: a scored point as Redis has it
ScoredPoint = RecentPoint


@dataclass(frozen=True)
class SeriesRow:
    """Hold the newest state of one series as Redis has it; see :class:`eddy.client.SeriesState`."""

    series: str
    ts: int
    values: Mapping[str, float | None]
    score: float | None
    threshold: float | None
    state: str
    model: str
    written: int  # wall clock, epoch ms

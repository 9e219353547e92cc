"""What the sources read and the stores keep: the records that pass between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


@dataclass(frozen=True)
class ScoredPoint:
    """Hold one scored point as Redis has it; see :class:`eddy.client.RecentPoint`."""

    ts: int
    values: Mapping[str, float | None]
    expected: Mapping[str, float | None]
    lower: Mapping[str, float | None]
    upper: Mapping[str, float | None]
    score: float | None
    threshold: float | None
    imputed: int

"""Notice series that arrive over several partitions: Kafka keeps order only within one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.detector import Bools, Ints

#: how long a series counts as spread after it last changed its partition; one that moved for good is in order again
SPREAD_MS = 600_000
_NONE = -1


class Origins(NamedTuple):
    """Where the events of a batch come from: (n,) times of records in epoch ms, partitions, whether without a key."""

    times: Ints
    partitions: NDArray[np.int32]
    keyless: Bools


class PartitionWatch:
    """Keep the last partition of one shard's series, by slot.

    Attributes:
        partition: (slots,) of the newest event; negative: none yet.
        until: (slots,) steady time up to which the series counts as spread over several partitions.
        any: whether there ever was such a series.
    """

    def __init__(self) -> None:
        self.partition = np.zeros(0, np.int32)
        self.until = np.zeros(0, np.int64)
        self.any = False
        self._only = _NONE  # the one partition that all events came from so far

    def grow(self, more: int) -> None:
        """Make room for so many more slots."""
        self.partition = np.concatenate([self.partition, np.full(more, _NONE, np.int32)])
        self.until = np.concatenate([self.until, np.zeros(more, np.int64)])

    def forget(self, slots: Ints) -> None:
        """Reset slots that are to be reused."""
        self.partition[slots], self.until[slots] = _NONE, 0

    def postpone(self, elapsed: int) -> None:
        """Count the time that the job was down for none."""
        self.until[self.until > 0] += elapsed
        self.any = bool(self.until.any())

    def follow(self, slots: Ints, origins: Origins, now: int) -> None:
        """Take the origins of a batch before its events."""
        came = origins.partitions
        if self._only >= _NONE and (came == came[0]).all() and self._only in (_NONE, int(came[0])):
            self._only = int(came[0])
            self.partition[slots] = came
            return
        self._only = _NONE - 1  # several
        before = self.partition[slots]
        self.partition[slots] = came
        spread = ((before != _NONE) & (before != came)) | (self.partition[slots] != came) | origins.keyless
        if spread.any():
            self.until[slots[spread]] = now + SPREAD_MS
            self.any = True

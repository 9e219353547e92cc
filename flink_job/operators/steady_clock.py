"""Tell a shard how time passes, whatever happens to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Count on from the wall clock of the first frame by the monotonic clock.

    For durations: how long a series has been silent or an event held, and what happens every so often. Setting the
    computer's clock, in either direction, changes none of them. Times that people see are those of the wall clock.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began: tuple[int, float] | None = None

    def at(self, wall: int) -> int:
        """Return the time of a frame, epoch ms; ``wall`` is what its own clock says, and counts for the first only."""
        elapsed = self._monotonic()
        if self._began is None:
            self._began = wall, elapsed
        return self._began[0] + round((elapsed - self._began[1]) * 1000)

"""Bound the share of wall clock that reports for the dashboard take, so that they never delay scoring."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

_MAX_SAVED_SECONDS = 0.25  # wall clock whose share may be saved up: events wait behind what is spent at once


class CpuBudget:
    """An allowance of time that fills with the clock and is spent by measurement.

    Args:
        share: of wall clock, above 0, at most 1.
        clock: seconds, monotonic.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._clock = clock
        self._credit = share * _MAX_SAVED_SECONDS
        self._filled_at = clock()

    def left(self) -> bool:
        """Check for allowance that is left; one that was overdrawn fills up first."""
        now = self._clock()
        self._credit = min(self._credit + self._share * (now - self._filled_at), self._share * _MAX_SAVED_SECONDS)
        self._filled_at = now
        return self._credit > 0

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        """Deduct the time that the block takes from the allowance."""
        began = self._clock()
        try:
            yield
        finally:
            self._credit -= self._clock() - began

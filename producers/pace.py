"""Compute when each observation is due: at once, at a multiple of event time, or with a pause after each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError


@dataclass(frozen=True)
class Pace:
    """Set how fast to send.

    Attributes:
        speed: seconds of event time per second; None = flat out.
        delay_seconds: pause after each message; only without ``speed``.
    """

    speed: float | None = None
    delay_seconds: float = 0.0

    @property
    def flat_out(self) -> bool:
        """Return whether nothing is ever waited for."""
        return self.speed is None and self.delay_seconds == 0

    @classmethod
    def parse(cls, text: str | None, delay_seconds: float = 0.0) -> Pace:
        """Read ``--speed``: ``max`` or a factor such as ``3600``; None leaves it to the delay.

        Raises:
            DataError: neither.
        """
        if text is None:
            return cls(None, delay_seconds)
        if text.lower() == "max":
            return cls()
        try:
            speed = float(text.lower().removesuffix("x"))
        except ValueError:
            speed = math.nan
        if not 0 < speed < math.inf:
            raise DataError(f"--speed {text}: expected 'max' or a positive factor, such as 3600 (an hour per second)")
        return cls(speed)


class Schedule:
    """Convert event times to due times on the clock of the caller, in seconds."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._anchor: tuple[float, int] | None = None
        self._next = -math.inf
        self._latest = -math.inf

    def due(self, ts: NDArray[np.int64], now: float) -> NDArray[np.float64]:
        """Return due times of the next observations, ascending: one with an earlier event time never waits less."""
        if self.pace.speed is not None:
            if self._anchor is None:
                self._anchor = (now, int(ts[0]))
            clock, event = self._anchor
            due = np.maximum.accumulate(clock + (ts - event) / 1000.0 / self.pace.speed)
            due = np.maximum(due, self._latest)
            self._latest = float(due[-1])
            return np.asarray(due)
        if self.pace.delay_seconds:
            start = max(self._next, now)
            self._next = start + len(ts) * self.pace.delay_seconds
            return np.asarray(start + np.arange(len(ts)) * self.pace.delay_seconds)
        return np.full(len(ts), now)

    def restart(self) -> None:
        """Make the next observation due at once: it is unrelated to those before."""
        self._anchor, self._latest = None, -math.inf

"""Encode the time of day and the weekday at which a window ends, as context for a detector beside the values."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Floats, Ints

DAY_MS = 86_400_000
_DAY_HARMONICS = 4  # resolves peaks of about 3 hours
_DAYS = 7
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday (Monday = 0)
_DAYS_TO_LEARN_A_DAY = 3
_DAYS_TO_LEARN_A_WEEK = 13  # a week short of two by one day's gap still shows each weekday twice, except one


class SeasonPhase:
    """Encode times as daily harmonics and the day of the week (UTC).

    Uses only what the training data can teach: the day takes 3 days of data, the week 13; both need clocked points (an
    interval above 0), and the day needs points closer than 6 hours.

    Args:
        day, week: whether each of the two is encoded.
    """

    def __init__(self, day: bool, week: bool) -> None:
        self.day, self.week = day, week

    @classmethod
    def learnable(cls, interval_ms: int, span_ms: int) -> SeasonPhase:
        """Choose the encodings that ``span_ms`` of training data at this interval can teach."""
        daily = 0 < interval_ms <= DAY_MS // 4 and span_ms >= _DAYS_TO_LEARN_A_DAY * DAY_MS
        weekly = 0 < interval_ms <= DAY_MS and span_ms >= _DAYS_TO_LEARN_A_WEEK * DAY_MS
        return cls(daily, weekly)

    @property
    def size(self) -> int:
        """Return the number of encoded inputs."""
        return 2 * _DAY_HARMONICS * self.day + _DAYS * self.week

    def encode(self, end: Ints) -> Floats:
        """Return (n, size) encodings of (n,) epoch milliseconds."""
        parts = [np.zeros((len(end), 0))]
        if self.day:
            angle = 2 * np.pi * (end % DAY_MS)[:, None] / DAY_MS * np.arange(1, _DAY_HARMONICS + 1)
            parts += [np.sin(angle), np.cos(angle)]
        if self.week:
            weekday = (end // DAY_MS + _EPOCH_WEEKDAY) % _DAYS
            parts.append((weekday[:, None] == np.arange(_DAYS)).astype(float))
        return np.concatenate(parts, axis=1)

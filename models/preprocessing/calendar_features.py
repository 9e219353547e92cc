"""Where in the day and in the week a window ends: context that a detector can be given beside the values."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Floats, Ints

DAY_MS = 86_400_000
_DAY_HARMONICS = 4  # resolves peaks of about 3 hours
_DAYS = 7
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday (Monday = 0)
_DAYS_TO_LEARN_A_DAY = 3
_DAYS_TO_LEARN_A_WEEK = 13  # a week shorter than two by a day's gap still shows each weekday twice, but one


class SeasonPhase:
    """Encodes times as daily harmonics and the day of the week (UTC).

    Only what the training data can teach is used: the day needs 3 days of data, the week 13, and points that are
    clocked (an interval) and closer than 6 hours for the day.

    Args:
        day, week: which of the two are encoded.
    """

    def __init__(self, day: bool, week: bool) -> None:
        self.day, self.week = day, week

    @classmethod
    def learnable(cls, interval_ms: int, span_ms: int) -> SeasonPhase:
        """What ``span_ms`` of training data at this interval can teach."""
        daily = 0 < interval_ms <= DAY_MS // 4 and span_ms >= _DAYS_TO_LEARN_A_DAY * DAY_MS
        weekly = 0 < interval_ms <= DAY_MS and span_ms >= _DAYS_TO_LEARN_A_WEEK * DAY_MS
        return cls(daily, weekly)

    @property
    def size(self) -> int:
        """Number of encoded inputs."""
        return 2 * _DAY_HARMONICS * self.day + _DAYS * self.week

    def encode(self, end: Ints) -> Floats:
        """(n, size) from (n,) epoch milliseconds."""
        parts = [np.zeros((len(end), 0))]
        if self.day:
            angle = 2 * np.pi * (end % DAY_MS)[:, None] / DAY_MS * np.arange(1, _DAY_HARMONICS + 1)
            parts += [np.sin(angle), np.cos(angle)]
        if self.week:
            weekday = (end // DAY_MS + _EPOCH_WEEKDAY) % _DAYS
            parts.append((weekday[:, None] == np.arange(_DAYS)).astype(float))
        return np.concatenate(parts, axis=1)

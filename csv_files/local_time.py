"""Convert local times, as a wall clock shows them, to UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from eddy.errors import SettingsError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


class LocalClock:
    """Convert the local times of one file.

    In autumn the clock shows an hour twice: the first row of a series with such a time is the earlier one, a second row
    of the same series with the same time is the later one.

    Args:
        name: IANA name of the zone, such as ``Europe/Paris``.

    Raises:
        SettingsError: there is no such zone.
    """

    def __init__(self, name: str) -> None:
        try:
            self.zone = ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise SettingsError(
                f"--timezone {name!r}: unknown; expected an IANA name such as UTC or Europe/Paris"
            ) from None
        self.name = name
        self.is_utc = name in ("UTC", "Etc/UTC", "Zulu", "Etc/Zulu")
        self._seen: set[tuple[int, int]] = set()  # (series, local time) of the hours that the clock shows twice

    def to_utc(
        self, local: NDArray[np.int64], series: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return (UTC, True where the clock never shows this time), both (n,), epoch ms.

        Args:
            local: (n,) what the clock shows, as if it were UTC, in the file's order.
            series: (n,) codes of the series.
        """
        days = local // _DAY_MS
        unique, of = np.unique(days, return_inverse=True)
        # One offset on most days: the zone is asked twice a day, not once a row.
        bounds = np.array([[self._offset(int(day + at) * _DAY_MS, 0) for at in (0, 1)] for day in unique])
        utc = local - bounds[of, 0]
        never = np.zeros(len(local), bool)
        for row in np.flatnonzero((bounds[:, 0] != bounds[:, 1])[of]):
            shown = int(local[row])
            first, second = self._offset(shown, 0), self._offset(shown, 1)
            if first > second:  # shown twice
                key = (int(series[row]), shown)
                if key in self._seen:
                    first = second
                self._seen.add(key)
            never[row] = first < second
            utc[row] = shown - first
        return utc, never

    def _offset(self, local_ms: int, fold: int) -> int:
        shown = (_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=self.zone, fold=fold)
        offset = shown.utcoffset()
        return 0 if offset is None else offset // timedelta(milliseconds=1)

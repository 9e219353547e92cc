"""Give the shipped message format its fast path; the interface of formats is :mod:`eddy.formats`."""

from __future__ import annotations

from typing import Any

from eddy.event_times import USUAL_TIMES, TimeRange
from eddy.flink_job.wire.fast_parser import scan
from eddy.formats import Format, JsonFormat, find_format


class FastJsonFormat(JsonFormat):
    """Read plain JSON observations of one value straight from bytes to numbers, compiled; all others as JSON."""

    def scan(self, *arrays: Any) -> None:
        """Read the rows of a micro-batch that have the plain form."""
        scan(*arrays)


def job_format(setting: str, times: TimeRange = USUAL_TIMES) -> Format:
    """Make the format that ``job.format`` names, the shipped one with its fast path.

    Args:
        setting: the name.
        times: event times that are taken, ``settings.job.event_times``.

    Raises:
        SettingsError: there is no such format, or it cannot be loaded.
    """
    found = find_format(setting, times)
    if type(found) is not JsonFormat:
        return found
    fast = FastJsonFormat(found.argument)
    fast.times = times
    return fast

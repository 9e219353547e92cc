"""Columns of a data frame as arrays: times as epoch milliseconds, values as float64, series ids as text.

Every error names the column, says what was found and what was expected, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np

from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import Floats, Ints
from eddy.training.data.nab import parse_time

_SECONDS_BELOW = 100_000_000_000  # a number below it is epoch seconds: as milliseconds it would be March 1973
_LATEST_MS = 10_000_000_000_000  # the year 2286: a larger number is micro- or nanoseconds
_SHOWN = 40  # characters of a cell that an error shows
_TIMES = "date-times, ISO-8601 text, or epoch seconds or milliseconds"


def times_of(column: Any, timezone: str) -> Ints:
    """Read a narwhals series as (n,) epoch milliseconds.

    Args:
        column: date-times, dates, ISO-8601 text, or numbers: epoch seconds or milliseconds.
        timezone: zone of times that name none.

    Raises:
        DataError: a missing or unreadable time, or one that the zone's clock shows twice or never.
        SettingsError: an unknown time zone.
    """
    name, dtype = column.name, column.dtype
    missing = np.flatnonzero(column.is_null().to_numpy())
    if len(missing):
        raise DataError(
            f"column {name!r}: row {missing[0]} has no time ({len(missing)} of {len(column)} have none); drop such rows"
        )
    zone = _zone(timezone)
    if isinstance(dtype, nw.Datetime):
        return _from_datetimes(column, timezone)
    if isinstance(dtype, nw.Date):
        return _from_datetimes(column.cast(nw.Datetime("ms")), timezone)
    if dtype.is_numeric():
        return _from_numbers(name, column.cast(nw.Float64).to_numpy())
    if isinstance(dtype, nw.String | nw.Categorical | nw.Enum | nw.Object):
        return _from_cells(name, column.to_list(), zone)
    raise DataError(
        f"column {name!r}: found {_kind(column)}, expected {_TIMES}; convert it, or name another with time="
    )


def numbers_of(column: Any) -> Floats:
    """Read a narwhals series as (n,) float64, NaN where a value is missing.

    Raises:
        DataError: a value that is no number, or infinite.
    """
    name, dtype = column.name, column.dtype
    if dtype.is_numeric() or isinstance(dtype, nw.Boolean):
        found = np.asarray(column.cast(nw.Float64).to_numpy(), float)
    elif isinstance(dtype, nw.Object):  # pandas has whole numbers beside None like this
        found = np.array([_number(name, row, cell) for row, cell in enumerate(column.to_list())], float)
    else:
        raise DataError(
            f"column {name!r}: found {_kind(column)}, expected numbers; choose the value columns with values=, or, "
            "where it names the series, say so with series="
        )
    infinite = np.flatnonzero(np.isinf(found))
    if len(infinite):
        raise DataError(
            f"column {name!r}: row {infinite[0]} is infinite, expected a number; leave a missing value empty (NaN)"
        )
    return found


def texts_of(column: Any) -> list[str]:
    """Read a narwhals series as series ids.

    Raises:
        DataError: one is missing or empty, or the column holds what cannot name a series.
    """
    name, dtype = column.name, column.dtype
    if isinstance(dtype, nw.Object):
        found = [cell if cell is None else str(cell) for cell in column.to_list()]
    elif dtype.is_integer() or isinstance(dtype, nw.String | nw.Categorical | nw.Enum):
        found = column.cast(nw.String).to_list()
    else:
        raise DataError(f"column {name!r}: found {_kind(column)}, expected the series' names: text or whole numbers")
    for row, cell in enumerate(found):
        if not cell:
            raise DataError(f"column {name!r}: row {row} names no series; fill it in, or drop the row")
    return [str(cell) for cell in found]


def moment(ms: int) -> str:
    """Write epoch milliseconds for people, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


def _from_datetimes(column: Any, timezone: str) -> Ints:
    if column.dtype.time_zone is None and timezone != "UTC":
        try:
            column = column.dt.replace_time_zone(timezone)
        except Exception as error:  # each library has a class of its own for it
            raise DataError(
                f"column {column.name!r}: a time cannot be read in zone {timezone} ({str(error).splitlines()[0]}); "
                "expected times that its clock shows once; give the column a zone, or convert it to UTC"
            ) from None
    return np.asarray(column.dt.timestamp("ms").to_numpy(), np.int64)


def _from_numbers(name: str, found: Floats) -> Ints:
    odd = np.flatnonzero(~np.isfinite(found) | (np.abs(found) > _LATEST_MS))
    if len(odd):
        raise DataError(
            f"column {name!r}: row {odd[0]} is {found[odd[0]]:.0f}, expected epoch seconds or milliseconds; divide "
            "micro- or nanoseconds, or name another time column with time="
        )
    seconds = np.abs(found) < _SECONDS_BELOW
    if seconds.any() and not seconds.all():
        raise DataError(
            f"column {name!r}: row {int(np.flatnonzero(seconds)[0])} looks like epoch seconds, row "
            f"{int(np.flatnonzero(~seconds)[0])} like milliseconds; expected one of them; make them alike"
        )
    return np.asarray(np.rint(np.where(seconds, found * 1000, found)), np.int64)


def _from_cells(name: str, cells: list[Any], zone: ZoneInfo) -> Ints:
    read: dict[Any, int] = {}  # of equal cells, as in long form, one is parsed
    for row, cell in enumerate(cells):
        if cell not in read:
            read[cell] = _from_cell(name, row, cell, zone)
    return np.array([read[cell] for cell in cells], np.int64)


def _from_cell(name: str, row: int, cell: Any, zone: ZoneInfo) -> int:
    moment_of: Callable[[datetime], int] = lambda at: round(at.timestamp() * 1000)  # noqa: E731
    if isinstance(cell, date):
        at = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001
        return moment_of(at if at.tzinfo else at.replace(tzinfo=zone))
    text = str(cell).strip()
    try:
        if zone.key != "UTC":
            at = datetime.fromisoformat(text)
            return moment_of(at if at.tzinfo else at.replace(tzinfo=zone))
        return parse_time(text)
    except (DataError, ValueError):
        raise DataError(
            f"column {name!r}: row {row} is {text[:_SHOWN]!r}, expected {_TIMES}; convert it, or name another time "
            "column with time="
        ) from None


def _number(name: str, row: int, cell: Any) -> float:
    if cell is None:
        return np.nan
    try:
        if not isinstance(cell, str):
            return float(cell)
    except (TypeError, ValueError):
        pass
    raise DataError(
        f"column {name!r}: row {row} is {str(cell)[:_SHOWN]!r} ({type(cell).__name__}), expected numbers; choose the "
        "value columns with values=, or convert it"
    )


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise SettingsError(f"timezone {timezone!r}: unknown; expected a name such as UTC or Europe/Berlin") from None


def _kind(column: Any) -> str:
    """A column's type, with its first value where there is one."""
    first = next((cell for cell in column.head(20).to_list() if cell is not None), None)
    kind = "text" if isinstance(column.dtype, nw.String | nw.Categorical | nw.Enum) else str(column.dtype)
    return kind if first is None else f"{kind} such as {str(first)[:_SHOWN]!r}"

"""Read UCI's *Individual household electric power consumption* in its own format: seven features a minute, one series.

Cells are separated by ``;``, ``?`` is missing, ``Date`` is d/m/Y and ``Time`` local without a zone, read as UTC.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Floats, Ints

SERIES = "household-power"
_TIMES = ("Date", "Time")


def load_power(path: Path) -> tuple[tuple[str, ...], Ints, Floats]:
    """Return (features, (n,) epoch ms, (n, 7) values with NaN where missing), in the file's order.

    Raises:
        DataError: the file does not have that format; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    header = lines[0].split(";") if lines else []
    if tuple(header[:2]) != _TIMES or len(header) < 3:
        raise DataError(f"{path}: found the first line {';'.join(header)[:80]!r}, expected Date;Time;… as UCI has it")
    rows = [(number, line.split(";")) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if not rows:
        raise DataError(f"{path}: no row of data")
    ts, values = [], []
    for number, cells in rows:
        try:
            if len(cells) != len(header):
                raise ValueError(f"found {len(cells)} cells, expected {len(header)}")
            day, month, year = cells[0].split("/")
            ts.append(np.datetime64(f"{int(year):04}-{int(month):02}-{int(day):02}T{cells[1]}", "ms"))
            values.append([np.nan if cell.strip() in ("?", "") else float(cell) for cell in cells[2:]])
        except ValueError as error:
            raise DataError(f"{path} line {number}: {error}") from None
    return tuple(header[2:]), np.array(ts).astype(np.int64), np.array(values)


def is_power(path: Path) -> bool:
    """Return whether a file begins as UCI's does."""
    try:
        with path.open("rb") as file:
            return file.read(10) == b"Date;Time;"
    except OSError:
        return False

"""Read files of the UCR anomaly archive: one column of numbers; training length and anomaly are in the file's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Floats

INTERVAL_MS = 60_000  # the archive has no times: points are taken as a minute apart
_NAME = re.compile(r"_(\d+)_(\d+)_(\d+)\.txt$")


@dataclass(frozen=True)
class UcrSeries:
    """Hold one file: values, length of the training part, first and last index of the anomaly (0-based)."""

    name: str
    values: Floats
    train: int
    first: int
    last: int


def is_ucr(path: Path) -> bool:
    """Return whether a file has a name like those of the archive."""
    return _NAME.search(path.name) is not None


def load_ucr(path: Path) -> UcrSeries:
    """Read a file of the archive; everything but the values is in its name.

    Raises:
        DataError: the name does not end in ``_<train>_<first>_<last>.txt``, or a value is not a number.
    """
    match = _NAME.search(path.name)
    if match is None:
        raise DataError(f"{path}: the name has to end in _<training length>_<first>_<last>.txt")
    train, first, last = (int(group) for group in match.groups())
    try:
        values = np.array([float(number) for number in path.read_text().split()])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a list of numbers: {error}") from None
    if not train < len(values) or not first <= last <= len(values):
        raise DataError(f"{path}: {len(values)} values do not hold the spans that the name gives")
    return UcrSeries(path.stem, values, train, first - 1, last - 1)

"""Labelled public sets as recordings: a folder per set, in the three formats that they come in.

``nab/`` holds NAB's ``data`` and ``labels``. Under ``outside/`` each folder is a set: ``…__from_N.csv.gz`` with the
columns ``ts`` (epoch ms), features and ``anomaly`` (0 or 1), whose first N rows are for fitting; or files of the UCR
archive, ``…_<train>_<first>_<last>.txt`` (``.gz``), one column of numbers without a clock.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eddy.errors import DataError
from eddy.training.data.nab import LabelledSeries, load_folder
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.metrics.vus import spans

NAB = "nab"
_SPLIT = re.compile(r"__from_(\d+)\.csv\.gz$")
_UCR = re.compile(r"_(\d+)_(\d+)_(\d+)\.txt(\.gz)?$")
_NO_CLOCK_MS = 1  # between points of the UCR archive: so close that no day is looked for


@dataclass(frozen=True)
class OutsideSet:
    """One labelled set.

    Attributes:
        name: its folder.
        recordings: its series.
        nab: the same series as NAB's rules want them; empty for every other set.
        located: whether it is of the UCR archive: one anomaly a series, and the question is where.
    """

    name: str
    recordings: tuple[Recording, ...]
    nab: tuple[LabelledSeries, ...] = ()
    located: bool = False


def load_outside(folder: Path, names: Sequence[str] = ()) -> list[OutsideSet]:
    """Every set under ``folder``, in order of name; only those named where any are.

    Raises:
        DataError: no set, a name that is none, or a file that cannot be read; names it.
    """
    found: dict[str, Path] = {}
    if (folder / NAB / "data").is_dir():
        found[NAB] = folder / NAB
    outside = folder / "outside"
    found |= {path.name: path for path in sorted(outside.iterdir() if outside.is_dir() else [])}
    if not found:
        raise DataError(f"{folder}: no labelled set; expected nab/data and outside/<set>/ as data/README.md says")
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DataError(f"{folder}: no set {unknown[0]!r}; there: {', '.join(found)}")
    return [_load_set(name, path) for name, path in found.items() if not names or name in names]


def _load_set(name: str, path: Path) -> OutsideSet:
    if name == NAB:
        series = load_folder(path / "data", path / "labels" / "combined_windows.json")
        return OutsideSet(name, tuple(Recording.of_nab(one) for one in series), tuple(series))
    files = sorted(file for file in path.iterdir() if _SPLIT.search(file.name) or _UCR.search(file.name))
    if not files:
        raise DataError(f"{path}: no file named …__from_N.csv.gz or …_<train>_<first>_<last>.txt")
    located = all(_UCR.search(file.name) for file in files)
    read = _read_ucr if located else _read_split
    return OutsideSet(name, tuple(read(file) for file in files), located=located)


def _read_split(path: Path) -> Recording:
    match = _SPLIT.search(path.name)
    if match is None:
        raise DataError(f"{path}: expected …__from_N.csv.gz beside the others of its set")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            columns = file.readline().strip().split(",")
            table = np.atleast_2d(np.genfromtxt(file, delimiter=","))
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable table: {error}") from None
    if columns[0] != "ts" or columns[-1] != "anomaly" or table.shape[1] != len(columns):
        raise DataError(f"{path}: found columns {', '.join(columns)}; expected ts, features, anomaly")
    events = tuple(Event(first, last) for first, last in spans(table[:, -1] > 0))
    name = path.name.removesuffix(match.group(0))
    values = np.ascontiguousarray(table[:, 1:-1])
    return Recording(name, table[:, 0].astype(np.int64), values, tuple(columns[1:-1]), int(match.group(1)), events)


def _read_ucr(path: Path) -> Recording:
    match = _UCR.search(path.name)
    if match is None:
        raise DataError(f"{path}: expected …_<train>_<first>_<last>.txt beside the others of its set")
    train, first, last = (int(group) for group in match.groups()[:3])
    try:
        text = gzip.decompress(path.read_bytes()).decode() if match.group(4) else path.read_text()
        values = np.array([float(word) for word in text.split()])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a list of numbers: {error}") from None
    ts = np.arange(len(values), dtype=np.int64) * _NO_CLOCK_MS
    name = path.name.partition(".")[0]
    return Recording(name, ts, values[:, None], ("value",), train, (Event(first - 1, last - 1),))

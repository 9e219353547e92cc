"""Implement the Numenta Anomaly Benchmark: its files, its scoring rules, its threshold sweep, its result files.

Written from the benchmark's rules (Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms — the
Numenta Anomaly Benchmark", and the behaviour of NAB 1.1's sweeper). Labels are only used to score.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eddy.csv_files.time_text import read_text
from eddy.errors import DataError
from eddy.models.core.detector import Floats, Ints

PROBATION_SHARE = 0.15
PROBATION_MAX_ROWS = 750
_STEEPNESS = 5.0  # of the position sigmoid
_FAR = 3.0  # widths past a window from which a false positive costs its full weight


@dataclass(frozen=True)
class Profile:
    """Set the weights of a hit, a false alarm and a miss."""

    name: str
    tp: float
    fp: float
    fn: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_FP_rate", 1.0, 0.22, 1.0),
    Profile("reward_low_FN_rate", 1.0, 0.11, 2.0),
)
STANDARD = PROFILES[0]


@dataclass(frozen=True)
class LabelledSeries:
    """Hold one file of the benchmark.

    Attributes:
        name: path inside the data folder, ``group/file.csv``.
        timestamps: (n,) as written in the file.
        ts: (n,) epoch milliseconds.
        values: (n,) NaN where missing.
        windows: anomaly windows as (first row, last row), both included, in order.
    """

    name: str
    timestamps: tuple[str, ...]
    ts: Ints
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Return the number of rows at the start that are not scored and may be used for fitting."""
        return probation_rows(len(self.values))

    @property
    def group(self) -> str:
        return self.name.rpartition("/")[0]


def probation_rows(n: int) -> int:
    """Return the length of the probationary period of a series of ``n`` rows."""
    return min(int(PROBATION_SHARE * n), PROBATION_MAX_ROWS)


def parse_time(text: str) -> int:
    """Return epoch milliseconds of a date and time as text, read as in CSV files; UTC where it names no zone.

    Raises:
        DataError: the text is no date and time. Digits are one only if there are 8, 12 or 14 of them.
    """
    try:
        return read_text(text).ms
    except ValueError as error:
        raise DataError(f"time stamp {text!r}: {error}") from None


def load_folder(data: Path, labels: Path | None = None) -> list[LabelledSeries]:
    """Read every ``group/file.csv`` under ``data``, in order of name.

    Args:
        data: folder in NAB's layout; CSV files with the columns ``timestamp`` and ``value``.
        labels: ``combined_windows.json``; series that it does not name have no window. None: no labels at all.

    Raises:
        DataError: there is no CSV file, one is malformed, or the edges of a window are not rows of its series.
    """
    paths = sorted(data.rglob("*.csv"))
    if not paths:
        raise DataError(f"{data}: no CSV file; expected NAB's layout, <group>/<file>.csv")
    windows: Mapping[str, Sequence[Sequence[str]]] = {}
    if labels is not None:
        try:
            windows = json.loads(labels.read_text())
        except (OSError, ValueError) as error:
            raise DataError(f"{labels}: not a readable JSON file of anomaly windows: {error}") from None
    return [_load(path, path.relative_to(data).as_posix(), windows) for path in paths]


def _load(path: Path, name: str, windows: Mapping[str, Sequence[Sequence[str]]]) -> LabelledSeries:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}") from None
    if not rows or not {"timestamp", "value"} <= rows[0].keys():
        raise DataError(f"{path}: expected a header with timestamp,value and at least one row")
    values = np.array([_value(path, line, row["value"]) for line, row in enumerate(rows, 2)])
    ts = np.array([_stamp(path, line, row["timestamp"]) for line, row in enumerate(rows, 2)], np.int64)
    spans = []
    for left, right in windows.get(name, ()):
        edges = [np.flatnonzero(ts == parse_time(edge)) for edge in (left, right)]
        if not (len(edges[0]) and len(edges[1])):
            raise DataError(f"{path}: the window {left} to {right} has an edge that is not a row of the file")
        spans.append((int(edges[0][0]), int(edges[1][0])))
    return LabelledSeries(name, tuple(row["timestamp"] for row in rows), ts, values, tuple(sorted(spans)))


def _value(path: Path, line: int, cell: str | None) -> float:
    if cell is None:
        raise DataError(f"{path} line {line}: the row has no value")
    try:
        number = float(cell) if cell.strip() else np.nan
    except ValueError:
        raise DataError(f"{path} line {line}: value {cell[:40]!r} is not a number") from None
    if np.isinf(number):
        raise DataError(f"{path} line {line}: the value is infinite; leave the cell empty where a value is missing")
    return number


def _stamp(path: Path, line: int, cell: str | None) -> int:
    try:
        return parse_time(cell or "")
    except DataError as error:
        raise DataError(f"{path} line {line}: {error}") from None


def sigmoid(position: Floats | float) -> Floats:
    """Compute NAB's scaled sigmoid: about 1 at -1, 0 at 0, -1 beyond 3 widths past a window."""
    x = np.asarray(position, float)
    return np.where(x > _FAR, -1.0, 2.0 / (1.0 + np.exp(_STEEPNESS * np.minimum(x, _FAR))) - 1.0)


@dataclass(frozen=True)
class RowWorth:
    """Hold the value of a detection at each row of one series, before weights.

    Attributes:
        gain: (n,) in a window: value of the earliest detection there, 1 at its left edge; else 0.
        cost: (n,) outside windows: share of a full false positive, <= 1 (negative: none); else 0.
        window: (n,) index of the window, -1 outside, -2 in probation.
        count: number of windows.
    """

    gain: Floats
    cost: Floats
    window: Ints
    count: int


def row_worth(n: int, windows: Sequence[tuple[int, int]]) -> RowWorth:
    """Compute the value of a detection at each row from its position relative to the anomaly windows."""
    gain, cost = np.zeros(n), np.ones(n)
    index = np.full(n, -1, np.int64)
    rows = np.arange(n)
    best = float(sigmoid(-1.0))
    for k, (left, right) in enumerate(windows):
        width = right - left + 1
        inside = slice(left, right + 1)
        gain[inside] = sigmoid(-(right - rows[inside] + 1) / width) / best
        index[inside] = k
        cost[right + 1 :] = -sigmoid((rows[right + 1 :] - right) / max(width - 1, 1))
    cost[index >= 0] = 0.0
    index[: probation_rows(n)] = -2
    return RowWorth(gain, cost, index, len(windows))


class Corpus:
    """Score detections over a set of series by NAB's rules.

    Args:
        series: the labelled series; every score array passed later must match their lengths and order.
    """

    def __init__(self, series: Sequence[LabelledSeries]) -> None:
        self.series = list(series)
        worth = [row_worth(len(s.values), s.windows) for s in self.series]
        first = np.cumsum([0, *(w.count for w in worth)])
        self._gain = np.concatenate([w.gain for w in worth])
        self._cost = np.concatenate([w.cost for w in worth])
        self._window = np.concatenate(
            [np.where(w.window >= 0, w.window + k, w.window) for w, k in zip(worth, first, strict=False)]
        )
        self._owner = np.concatenate([np.full(len(s.values), i) for i, s in enumerate(self.series)])
        self._of_window = np.concatenate([np.full(w.count, i) for i, w in enumerate(worth)]).astype(np.int64)
        self.windows = int(first[-1])

    def score(self, detections: Sequence[NDBools], profile: Profile = STANDARD) -> float:
        """Return the NAB score, 0 (no detection at all) to 100, of boolean detections per row of each series.

        NaN if there is no window.
        """
        raw, perfect = self.raw(detections, profile)
        return 100.0 * float(raw.sum() / perfect.sum()) if self.windows else float("nan")

    def raw(self, detections: Sequence[NDBools], profile: Profile = STANDARD) -> tuple[Floats, Floats]:
        """Return (series,) score above the null detector's, and that of the perfect detector, unscaled."""
        hit = np.concatenate([np.asarray(d, bool) for d in detections]) & (self._window != -2)
        best = np.zeros(self.windows)
        inside = hit & (self._window >= 0)
        np.maximum.at(best, self._window[inside], self._gain[inside])
        found = np.zeros(self.windows, bool)
        found[self._window[inside]] = True
        raw = np.zeros(len(self.series))
        np.add.at(raw, self._of_window, np.where(found, profile.tp * best + profile.fn, 0.0))
        outside = hit & (self._window == -1)
        np.add.at(raw, self._owner[outside], -profile.fp * self._cost[outside])
        perfect = (profile.tp + profile.fn) * np.bincount(self._of_window, minlength=len(self.series))
        return raw, perfect.astype(float)

    def sweep(self, scores: Sequence[Floats], profile: Profile = STANDARD) -> tuple[float, float]:
        """Return (threshold, NAB score) of the best single threshold for all series; detections are ``>=`` it."""
        return best_threshold(*self.curve(scores, profile))

    def curve(self, scores: Sequence[Floats], profile: Profile = STANDARD) -> tuple[Floats, Floats]:
        """Return (k,) distinct scores, descending, and (k,) the NAB score with each as threshold. NaN never detects."""
        flat = np.concatenate([np.asarray(s, float) for s in scores])
        rows = np.flatnonzero((self._window != -2) & np.isfinite(flat))
        if not len(rows):
            return np.zeros(0), np.zeros(0)
        rows = rows[np.argsort(-flat[rows], kind="stable")]
        window = self._window[rows]
        change = np.where(window == -1, -profile.fp * self._cost[rows], 0.0)
        for k in range(self.windows):
            at = np.flatnonzero(window == k)
            if len(at):  # a window counts its best detection so far
                best = np.maximum.accumulate(profile.tp * self._gain[rows[at]] + profile.fn)
                change[at] = np.diff(best, prepend=0.0)
        total = np.cumsum(change)
        ordered = flat[rows]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        perfect = (profile.tp + profile.fn) * max(self.windows, 1)
        return ordered[last], 100.0 * total[last] / perfect


def best_threshold(levels: Floats, totals: Floats) -> tuple[float, float]:
    """Return the highest level with the best total; a level above every score if detecting nothing is better."""
    if not len(totals) or totals.max() <= 0:
        return (float(levels[0]) + 1.0 if len(levels) else 1.0), 0.0
    k = int(np.argmax(totals))
    return float(levels[k]), float(totals[k])


NDBools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def write_result(out: Path, detector: str, series: LabelledSeries, scores: Floats) -> Path:
    """Write ``OUT/<detector>/<group>/<detector>_<file>.csv`` in NAB's format: ``timestamp,value,anomaly_score,label``.

    Raises:
        DataError: a score is outside [0, 1].
    """
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(f"{detector} on {series.name}: scores outside [0, 1]")
    group, _, file = series.name.rpartition("/")
    path = out / detector / group / f"{detector}_{file}"
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.zeros(len(scores), np.int64)
    for left, right in series.windows:
        label[left : right + 1] = 1
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("timestamp", "value", "anomaly_score", "label"))
        for stamp, value, score, flag in zip(series.timestamps, series.values, scores, label, strict=True):
            writer.writerow((stamp, repr(float(value)), repr(float(score)), int(flag)))
    return path

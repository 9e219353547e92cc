"""Turn a data set into windows: clean, make regular, split in time without leakage, scale by the training part only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import Bools, Floats, Ints, Series, WindowSpec
from eddy.models.windowing.windows import regularise
from eddy.training.data.datasets import Dataset, RawSeries

Scaling = Literal["minmax", "standard", "robust", "none"]
PARTS = ("train", "validation", "test")
_MAX_NUMBERS = 250_000_000  # 2 GB of float64


@dataclass(frozen=True)
class Windows:
    """Hold the windows of one part.

    Attributes:
        values: (n, W, F) scaled.
        ends: (n,) epoch ms of each window's newest point; starts (n,) of its oldest.
        series: (n,) index into the names.
        imputed: (n, W) True where the point was filled in.
    """

    values: Floats
    starts: Ints
    ends: Ints
    series: Ints
    imputed: Bools


@dataclass(frozen=True)
class Prepared:
    """Hold the windows of all parts, and how they were made.

    Attributes:
        names: names of the series.
        parts: ``train``, ``validation``, ``test``.
        centre, spread: (S, F); a scaled value is (x - centre) / spread, from the training part of its series.
        left_out: windows with a missing value, which are in no part.
    """

    names: tuple[str, ...]
    parts: dict[str, Windows]
    centre: Floats
    spread: Floats
    left_out: int


def clean(data: Dataset) -> Dataset:
    """Sort by time, keep the first of equal times, and drop rows in which every value is missing: these become gaps."""
    kept = []
    for s in data.series:
        ts, first = np.unique(s.ts, return_index=True)
        values = s.values[first]
        there = ~np.isnan(values).all(axis=1)
        kept.append(RawSeries(s.name, ts[there], values[there]))
    return replace(data, series=tuple(kept))


def split(n: int, window: int, train: float, validation: float) -> dict[str, slice]:
    """Return the rows of each part of ``n`` rows in order of time, with ``window`` unused rows between parts.

    No window crosses from one part into another, and no two parts have windows near each other: the last training point
    and the first of validation are more than a window apart.

    Raises:
        SettingsError: the shares are outside 0 to 1, or their sum is.
    """
    if not (0 < train <= 1 and 0 <= validation < 1 and train + validation <= 1 + 1e-9):
        raise SettingsError(f"shares: found train {train}, validation {validation}; expected together at most 1")
    first, second = round(train * n), round((train + validation) * n)
    start = min(first + window, n)
    return {
        "train": slice(0, first),
        "validation": slice(start, max(second, start)),
        "test": slice(min(max(second, start if validation else first) + window, n), n),
    }


def prepare(
    data: Dataset,
    spec: WindowSpec,
    *,
    scaling: Scaling = "minmax",
    train: float = 0.6,
    validation: float = 0.2,
) -> Prepared:
    """Clean, make regular, split each series in time, scale, cut windows every ``spec.stride`` points.

    If the data set itself marks the rows for training (UCR), they are the training part.

    Raises:
        DataError: there is no training window; says what was found and what is needed. Or more windows than fit into
            memory.
        SettingsError: the scaling is unknown, or the shares are out of range.
    """
    if scaling not in get_args(Scaling):
        raise SettingsError(f"scaling {scaling!r} is unknown; expected one of {', '.join(get_args(Scaling))}")
    cleaned = clean(data)
    found: dict[str, list[Windows]] = {part: [] for part in PARTS}
    centre = np.zeros((len(cleaned.series), len(data.features)))
    spread = np.ones_like(centre)
    left_out = numbers = 0
    for k, raw in enumerate(cleaned.series):
        segments = regularise(raw.name, raw.ts, raw.values, spec)
        n = sum(len(s.ts) for s in segments)
        share = data.train_rows[raw.name] / max(n, 1) if raw.name in data.train_rows else train
        for part, rows in split(n, spec.window, share, min(validation, 1 - share)).items():
            pieces = _within(segments, rows)
            if part == "train" and pieces:
                centre[k], spread[k] = moments(np.concatenate([s.values for s in pieces]), scaling)
            for piece in pieces:
                windows, lost = _cut(piece, spec, k, centre[k], spread[k])
                found[part].append(windows)
                left_out += lost
                numbers += windows.values.size
                if numbers > _MAX_NUMBERS:
                    raise DataError(
                        f"more than {_MAX_NUMBERS * 8 // 10**9} GB of windows; take a larger --step-size, a smaller "
                        "--window-size, or fewer series"
                    )
    parts = {part: _joined(pieces, spec) for part, pieces in found.items()}
    if not len(parts["train"].ends):
        longest = max((len(s.ts) for s in cleaned.series), default=0)
        raise DataError(
            f"no training window: the longest series has {longest} points with a value, of which {train:.0%} are for "
            f"training; needed {spec.window} in one segment for windows of {spec.window}"
        )
    return Prepared(tuple(s.name for s in cleaned.series), parts, centre, spread, left_out)


def moments(values: Floats, scaling: Scaling) -> tuple[Floats, Floats]:
    """Return (F,) centre and (F,) spread of (n, F), NaN left out; a constant or empty feature has spread 1.

    ``minmax``: minimum and range, so that training values lie in [0, 1]; ``standard``: mean and standard deviation;
    ``robust``: median and interquartile range; ``none``: 0 and 1.
    """
    features = values.shape[1]
    centre, spread = np.zeros(features), np.ones(features)
    for f in range(features if scaling != "none" else 0):
        known = values[~np.isnan(values[:, f]), f]
        if not len(known):
            continue
        if scaling == "minmax":
            centre[f], wide = known.min(), known.max() - known.min()
        elif scaling == "standard":
            centre[f], wide = known.mean(), known.std()
        else:
            low, centre[f], high = np.percentile(known, (25, 50, 75))
            wide = high - low
        spread[f] = wide if wide > 0 else 1.0
    return centre, spread


def save(out: Path, prepared: Prepared, about: Mapping[str, Any]) -> list[Path]:
    """Write ``OUT.npz`` (plain arrays, readable with ``allow_pickle=False``) and ``OUT.json`` beside it."""
    stem = out.with_suffix("") if out.suffix in (".npz", ".json") else out
    arrays: dict[str, Any] = {"centre": prepared.centre, "spread": prepared.spread}
    for part, windows in prepared.parts.items():
        for name in ("values", "starts", "ends", "series", "imputed"):
            arrays[f"{part}_{name}"] = getattr(windows, name)
    files = [stem.with_name(stem.name + ending) for ending in (".npz", ".json")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(files[0], **arrays)
        files[1].write_text(json.dumps(about, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from None
    return files


def _within(segments: list[Series], rows: slice) -> list[Series]:
    """Return the parts of the segments that lie in the given rows, rows counted over all segments."""
    pieces, at = [], 0
    for s in segments:
        first, last = max(rows.start - at, 0), min(rows.stop - at, len(s.ts))
        if last > first:
            pieces.append(Series(s.name, s.ts[first:last], s.values[first:last], s.imputed[first:last]))
        at += len(s.ts)
    return pieces


def _cut(s: Series, spec: WindowSpec, k: int, centre: Floats, spread: Floats) -> tuple[Windows, int]:
    if len(s.ts) < spec.window:
        return _joined([], spec), 0
    views = sliding_window_view(s.values, spec.window, axis=0)[:: spec.stride].transpose(0, 2, 1)
    whole = ~np.isnan(views).any(axis=(1, 2))
    starts = np.arange(0, len(s.ts) - spec.window + 1, spec.stride)[whole]
    imputed = sliding_window_view(s.imputed, spec.window)[:: spec.stride][whole]
    values = (views[whole] - centre) / spread
    owner = np.full(len(starts), k, np.int64)
    return Windows(values, s.ts[starts], s.ts[starts + spec.window - 1], owner, imputed), int((~whole).sum())


def _joined(pieces: list[Windows], spec: WindowSpec) -> Windows:
    empty = np.zeros(0, np.int64)
    shape = (0, spec.window, len(spec.features))
    pieces = [Windows(np.zeros(shape), empty, empty, empty, np.zeros(shape[:2], bool)), *pieces]
    names = ("values", "starts", "ends", "series", "imputed")
    return Windows(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))

"""Data frames of made-up pumps, long and wide, in every library that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

START = pd.Timestamp("2025-01-01", tz="UTC")
POINTS, TRAINED = 1100, 800
SPIKES = {"pump-2": 900, "pump-1": 1000}  # in order of time, and not in that of the columns
#: from a pandas frame to each library's own
LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars-lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "arrow-stream": lambda frame: pa.Table.from_pandas(frame, preserve_index=False).to_reader(),
}


def wide(points: int = POINTS, spikes: dict[str, int] | None = None, names: int = 2) -> pd.DataFrame:
    """A column per pump: a daily season with noise, and four high points where a spike is."""
    frame = pd.DataFrame({"time": pd.date_range(START, periods=points, freq="10min")})
    for k in range(names):
        noise = np.random.default_rng(k).normal(0, 0.3, points)
        frame[f"pump-{k + 1}"] = 20 + 5 * np.sin(2 * np.pi * np.arange(points) / 144) + noise
    for name, at in (SPIKES if spikes is None else spikes).items():
        frame.loc[at : at + 3, name] += 15
    return frame


def long(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with a row per pump and time, in order of time."""
    melted = frame.melt("time", var_name="series", value_name="value").dropna(subset="value")
    return melted.sort_values("time", kind="stable", ignore_index=True)


def rows(frame: Any) -> list[dict[str, Any]]:
    """A frame of any library as plain rows, with times in epoch ms."""
    if isinstance(frame, pa.Table | pl.DataFrame):
        frame = frame.to_pandas()
    for name in ("time", "start", "end"):
        if name in frame:
            frame = frame.assign(**{name: [t.value // 10**6 for t in frame[name]]})
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def when(point: int) -> int:
    """Epoch ms of a point."""
    return START.value // 10**6 + point * 600_000


WIDE = wide()
OLD, NEW = WIDE[:TRAINED], WIDE[TRAINED:]
#: parameters of a detector with a window
FOREST: dict[str, Any] = {"kind": "isolation-forest", "window": 12, "params": {"trees": 20}}

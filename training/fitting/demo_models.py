"""Train the models of the demo, on the clean part of its stream or on the start of one real file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Floats, Ints, Progress, Series, WindowSpec, no_progress
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.fitting import artifacts
from eddy.training.fitting.fit import FALSE_RATE, ThresholdRule, Trained, fit_model, usual_window

SEED = 7
TAXI_WINDOW = 48  # half-hours: one day
WEEK_WINDOW = 336  # half-hours: one week, as in the original system
MARKET_WINDOW = 200  # ten-minute bars: the default window of the original system
#: prices wander: their place among the values of training says nothing
MARKET_PARAMETERS: Mapping[str, Any] = {"features": "window"}
WEEK_MS = 7 * 86_400_000
PREFIX_SHARE = 0.3  # of a single file: NYC taxi's July and August, before its first labelled anomaly
_PREFIX_FALSE_RATE = (
    1e-5  # for a single series, whose season may grow after the prefix, so that errors exceed the held-out ones
)
_QUIET = {"close_after": 24}  # points: half a day of demand, four hours of prices; bridges pauses within an incident


class Segment(Protocol):
    """Describe one series: ``ts`` (n,) epoch ms, ``values`` (n,)."""

    @property
    def ts(self) -> Ints: ...
    @property
    def values(self) -> Floats: ...


class CleanStream(Protocol):
    """Describe a stream for training: the clean part and the interval of each series."""

    @property
    def train(self) -> Mapping[str, Any]: ...
    @property
    def intervals(self) -> Mapping[str, int]: ...


def train_demo(stream: CleanStream, out_dir: Path, progress: Progress = no_progress) -> list[tuple[Manifest, bytes]]:
    """Train ``taxi`` (LSTM autoencoder on ``taxi-*``) and ``market`` (isolation forest on ``market-*``).

    Returns:
        (manifest without artifact, artifact) of each; both are also written under ``out_dir/<name>``.
    """
    plans: list[tuple[str, str, int, Mapping[str, Any], float]] = [
        ("market", "isolation-forest", MARKET_WINDOW, MARKET_PARAMETERS, FALSE_RATE),
        # whole days differ, so errors come in runs: a smaller rate halves false alerts and costs few hits
        ("taxi", "lstm-autoencoder", TAXI_WINDOW, {"epochs": 10, "windows_per_epoch": 6_000}, 1e-5),
    ]
    done = []
    for number, (group, kind, window, params, rate) in enumerate(plans):
        names = [name for name in stream.train if name.startswith(f"{group}-")]
        if not names:
            continue
        spec = WindowSpec(window, interval_ms=stream.intervals[names[0]])
        series = [_series(name, stream.train[name]) for name in names]
        trained = fit_model(
            group, kind, series, spec, patterns=(f"{group}-*",), params=params,
            rule=ThresholdRule(false_rate=rate), alerts=_QUIET, seed=SEED,
            progress=_part(progress, group, number, len(plans)),
        )  # fmt: skip
        artifacts.write(out_dir / group, trained)
        done.append((trained.manifest, trained.content))
    return done


def train_series(
    name: str, ts: Ints, values: Floats, out_dir: Path, share: float = PREFIX_SHARE, progress: Progress = no_progress
) -> Trained:
    """Train a weekly LSTM autoencoder on the first ``share`` of one series, such as NYC taxi demand.

    The window is a week if that is at most 336 points (half-hours), as in the original system, else a day.

    Args:
        name: series id; the model has the same name and applies to that series only.
        ts: (n,) epoch ms; ``values`` (n,), NaN where missing.
        out_dir: the model is written to ``out_dir/<name>``.
        share: share of the points to train on; it should hold at least three weeks and no known incident.
        progress: called with the current step.

    Raises:
        DataError: there are too few points for the window.
    """
    raw = RawSeries(name, np.asarray(ts, np.int64), np.asarray(values, float).reshape(-1, 1))
    data = Dataset(("value",), (raw,))
    interval = data.interval_ms()
    week = WEEK_MS // interval
    window = week if 2 <= week <= WEEK_WINDOW else usual_window("lstm-autoencoder", interval, MARKET_WINDOW)
    spec = WindowSpec(window, interval_ms=interval)
    trained = fit_model(
        name, "lstm-autoencoder", data.regular(spec, share=share), spec, patterns=(name,),
        params={"epochs": 12, "windows_per_epoch": 1_500}, rule=ThresholdRule(false_rate=_PREFIX_FALSE_RATE),
        alerts={"close_after": 48}, seed=SEED, progress=progress,
    )  # fmt: skip
    artifacts.write(out_dir / name, trained)
    return trained


def _series(name: str, segment: Segment) -> Series:
    ts = np.asarray(segment.ts, np.int64)
    return Series(name, ts, np.asarray(segment.values, float)[:, None], np.zeros(len(ts), np.bool_))


def _part(progress: Progress, name: str, number: int, count: int) -> Callable[[str, float], None]:
    return lambda what, share: progress(f"{name}: {what}", (number + share) / count)

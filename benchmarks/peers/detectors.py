"""Implement the workload's detectors with plain numpy, torch and scikit-learn. Every peer scores with these.

The models are Eddy's own (``export.py``), so scores are equal to Eddy's within rounding and alerts can be compared one
by one. Nothing of Eddy is imported: this runs in the peers' environments.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Score = Callable[[Any, Any], Any]  # (n, W) windows, (n,) binding -> (n,) scores
_FOREST_CAP, _FOREST_STILL, _LOCAL_FLOOR = 50.0, 0.05, 0.25
_NORMAL_RANGE = 3.29  # p95 - p5 of a standard normal


@dataclass(frozen=True)
class PeerDetector:
    """Hold a model of the workload, ready to score batches.

    Attributes:
        window: points per window.
        limit: a score above it is an alert.
        score: (n, W) windows in the series' units and (n,) binding, to (n,) scores.
        names: series that the model knows; ``binding`` is their index here, -1 for any other.
    """

    window: int
    limit: float
    score: Score
    names: tuple[str, ...]

    def bind(self, series: Sequence[str]) -> Any:
        """Return (n,) index of each series for ``binding``."""
        index = {name: i for i, name in enumerate(self.names)}
        return np.array([index.get(name, -1) for name in series], np.int64)


def load(folder: Path, threads: int = 1) -> PeerDetector:
    """Load the model that ``export.py`` wrote to a folder; torch may use ``threads`` threads."""
    about = json.loads((folder / "model.json").read_text())
    with np.load(folder / "arrays.npz") as stored:  # plain arrays: numpy unpickles nothing by default
        arrays = dict(stored)
    make = {"Z": _zscore, "F": _forest, "L": _lstm}[about["kind"]]
    return PeerDetector(about["window"], about["limit"], make(arrays, about, threads), tuple(about.get("series", ())))


def _zscore(arrays: dict[str, Any], about: dict[str, Any], threads: int) -> Score:
    def score(windows: Any, binding: Any) -> Any:
        centre = windows.mean(axis=1)
        return np.abs(windows[:, -1] - centre) / windows.std(axis=1)

    return score


class RunningZScore:
    """Compute the same score one value at a time, for systems and loops that process single events."""

    def __init__(self, window: int) -> None:
        self._values: deque[float] = deque(maxlen=window)
        self._window, self._base, self._sum, self._squares = window, 0.0, 0.0, 0.0

    def add(self, value: float) -> float | None:
        """Return the score of the newest value; None until the window is full."""
        values = self._values
        if not values:
            self._base = value  # sums of differences from it, since squares of large values would lose digits
        shifted = value - self._base
        if len(values) == self._window:
            oldest = values[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        values.append(shifted)
        self._sum += shifted
        self._squares += shifted * shifted
        if len(values) < self._window:
            return None
        mean = self._sum / self._window
        return abs(shifted - mean) / (self._squares / self._window - mean * mean) ** 0.5


def _forest(arrays: dict[str, Any], about: dict[str, Any], threads: int) -> Score:
    """Grow scikit-learn's forest again from the same rows with the same seed, which gives the same trees."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=about["trees"], max_samples=about["samples"], random_state=about["seed"], n_jobs=1
    ).fit(arrays["rows"])
    table, scales_of = arrays["scales"], _window_scales

    def score(windows: Any, binding: Any) -> Any:
        scales = table[binding]
        unseen = np.flatnonzero(binding < 0)
        if len(unseen):
            scales[unseen] = scales_of(windows[unseen])
        features = forest_features(windows, scales[:, 0], scales[:, 1])
        return -forest.score_samples(features.astype(np.float32))

    return score


def forest_features(windows: Any, sigma: Any, usual_run: Any) -> Any:
    """Compute (n, 9) window features, as the shipped forest does, of windows (n, W) without missing values."""
    newest = windows[:, ::-1]
    step = newest[:, :-1] - newest[:, 1:]
    size = np.abs(step)
    squares = step[:, :24] ** 2
    local = np.maximum(1.2533 * size[:, 8:].mean(axis=1), _LOCAL_FLOOR * sigma)
    short, long = np.sqrt(squares[:, :8].mean(axis=1)), np.sqrt(squares.mean(axis=1))
    middle = newest[:, :12]
    still = np.where((step != 0).any(axis=1), np.argmax(step != 0, axis=1), step.shape[1])
    high = np.stack([size[:, 0] / sigma, size[:, 0] / local, np.abs(newest[:, 0] - newest[:, :24].mean(axis=1)) / sigma,
                     still / usual_run])  # fmt: skip
    either = np.stack([size[:, :4].max(axis=1) / local, short / sigma, long / sigma, short / local,
                       (middle.max(axis=1) - middle.min(axis=1)) / local])  # fmt: skip
    high, either = np.log1p(np.minimum(high, _FOREST_CAP)), np.log(_FOREST_STILL + np.minimum(either, _FOREST_CAP))
    return np.concatenate([high[:2], either, high[2:]]).T


def _window_scales(windows: Any) -> Any:
    """Return (n, 3) σ of the increments, longest usual run of unchanged values, 1: for series not seen in training."""
    steps = np.diff(windows, axis=1)
    low, high = np.percentile(steps, (5, 95), axis=1)
    magnitude = np.maximum(1e-3 * np.median(np.abs(windows), axis=1), 1e-6)
    moves = np.where(steps != 0, np.abs(steps), np.nan)
    floor = np.maximum(0.1 * np.nan_to_num(np.nanmedian(moves, axis=1)), 1e-3 * magnitude)
    sigma = np.maximum((high - low) / _NORMAL_RANGE, floor)
    runs = np.array([_usual_run(row) for row in steps]) if (steps == 0).any() else np.zeros(len(windows))
    return np.stack([sigma, runs + 1.0, sigma], axis=1)


def _usual_run(steps: Any) -> float:
    """Return the 99th percentile of the lengths of runs of zeros."""
    edges = np.concatenate([[-1], np.flatnonzero(steps), [len(steps)]])
    return float(np.percentile(np.diff(edges) - 1, 99)) if len(edges) > 2 else float(len(steps))


def _lstm(arrays: dict[str, Any], about: dict[str, Any], threads: int) -> Score:
    """Chain encoder, repeated code, decoder, dense with torch's own ``nn.LSTM``, time first (faster on a CPU)."""
    import torch

    torch.set_num_threads(threads)
    weights = {name: torch.from_numpy(array) for name, array in arrays.items() if array.dtype == np.float32}
    hidden = arrays["encoder.recurrent"].shape[1]

    def network(name: str) -> Any:
        module = torch.nn.LSTM(arrays[f"{name}.input"].shape[1], hidden)
        with torch.no_grad():
            module.weight_ih_l0.copy_(weights[f"{name}.input"])
            module.weight_hh_l0.copy_(weights[f"{name}.recurrent"])
            module.bias_ih_l0.copy_(weights[f"{name}.bias"])
            module.bias_hh_l0.zero_()
        return module.eval()

    encoder, decoder = network("encoder"), network("decoder")
    scored, seen, clip = len(arrays["spread.position"]), about["window"] - about["hidden_points"], about["clip"]
    position, factor = arrays["spread.position"][:, 0], arrays["spread.series"][:, 0, 0]
    centres, spreads = arrays["scaler.centre"][:, 0], arrays["scaler.spread"][:, 0]

    @torch.inference_mode()
    def score(windows: Any, binding: Any) -> Any:
        centre, spread = centres[binding], spreads[binding]
        unseen = np.flatnonzero(binding < 0)
        if len(unseen):
            centre[unseen], spread[unseen] = _robust_moments(windows[unseen])
        x = (windows - centre[:, None]) / spread[:, None]
        shown = torch.from_numpy(np.clip(x[:, :seen], -clip, clip).astype(np.float32).T[:, :, None].copy())
        _, (state, _) = encoder(shown)
        code = torch.cat([state[-1], weights["embedding"][torch.from_numpy(binding)]], dim=1)
        decoded, _ = decoder(code.expand(scored, -1, -1))
        output = (decoded @ weights["dense.weight"].T + weights["dense.bias"])[:, :, 0].numpy().T
        errors = (x[:, : -scored - 1 : -1] - output) / (position[None] * factor[binding][:, None])
        return np.sqrt((errors**2).mean(axis=1))

    return score


def _robust_moments(windows: Any) -> Any:
    """Return (n,) median, and scale between the 5th and the 95th percentile, above a minimum, for unseen series."""
    low, centre, high = np.percentile(windows, (5, 50, 95), axis=1)
    floor = np.maximum(1e-3 * np.abs(centre), 1e-6)
    return centre, np.maximum((high - low) / _NORMAL_RANGE, floor)

"""A trained model over recorded data: at each point what it expected, its score, and whether it is an anomaly."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from eddy.models.core.detector import Series, WindowBatch
from eddy.models.serving.loaded_model import LoadedModel

_BATCH = 512  # windows explained at once where the detector keeps no state
COLUMNS = ("series", "ts", "feature", "value", "expected", "lower", "upper", "score", "threshold", "anomaly")


def write_predictions(model: LoadedModel, series: Sequence[Series], out: Path) -> tuple[int, int]:
    """Write a row per point and feature, in order of time; returns (points judged, anomalies).

    Args:
        model: detector and threshold as the job would load them.
        series: regular stretches (:meth:`eddy.training.data.datasets.Dataset.regular`), as the job's windows would see
        them.
        out: CSV file; cells are empty where the model cannot say.
    """
    points = anomalies = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for one in series:
            for batch, scores, limits, said in _scored(model, one):
                found = scores > limits
                points, anomalies = points + len(batch), anomalies + int(found.sum())
                for i in range(len(batch)):
                    for f, feature in enumerate(model.detector.spec.features):
                        numbers = (batch.values[i, -1, f], *(part[i, f] for part in said), scores[i], limits[i])
                        cells = [f"{x:.9g}" if np.isfinite(x) else "" for x in numbers]
                        rows.writerow([one.name, int(batch.end[i]), feature, *cells, int(found[i])])
    return points, anomalies


def _scored(model: LoadedModel, one: Series) -> Iterator[tuple[WindowBatch, np.ndarray, np.ndarray, tuple]]:  # type: ignore[type-arg]
    """Batches of windows in order of time, with scores, limits and (expected, lower, upper)."""
    detector, threshold = model.detector, model.threshold
    window = detector.spec.window
    state, of_threshold = detector.initial_state(1), threshold.initial_state(1)
    alone = bool(detector.state_size or threshold.state_size)
    size = 1 if alone else _BATCH
    for begin in range(window - 1, len(one.ts), size):
        ends = np.arange(begin, min(begin + size, len(one.ts)))
        rows = ends[:, None] + np.arange(1 - window, 1)
        own = state if detector.state_size else np.zeros((len(ends), 0))
        batch = WindowBatch(
            one.values[rows], one.imputed[rows], one.ts[ends],
            np.repeat(detector.bind([one.name]), len(ends)), own.copy(),
        )  # fmt: skip
        limits_of = np.repeat(threshold.bind([one.name]), len(ends))
        scores = detector.score(WindowBatch(batch.values, batch.imputed, batch.end, batch.binding, own))
        limits = threshold.limits(scores, limits_of, of_threshold if alone else np.zeros((len(ends), 0)))
        said = detector.explain(batch, limits)  # with the state before these points: nothing of them is known yet
        yield batch, scores, limits, (said.expected, said.lower, said.upper)

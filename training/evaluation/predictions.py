"""Write the expectation, the score and the verdict of a trained model at each point of recorded data."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from eddy.models.engine.engine import BatchResult, Engine, EngineOptions
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet
from eddy.redis_layout import Point
from eddy.training.data.datasets import Dataset
from eddy.training.evaluation.backtest import replay_series

COLUMNS = ("series", "ts", "feature", "value", "expected", "lower", "upper", "score", "threshold", "anomaly")


@dataclass(frozen=True)
class Predicted:
    """Count what was written.

    Attributes:
        points: points with a score.
        anomalies: those above their limit.
    """

    points: int
    anomalies: int


def write_predictions(model: LoadedModel, found: Dataset, out: Path, options: EngineOptions | None = None) -> Predicted:
    """Write a row per measured point and feature, each series in order of time, as the job's engine scores them.

    Args:
        model: detector and threshold, loaded as in the job.
        found: series that the model applies to, as read.
        out: CSV file; a cell is empty if the model has no value for it. A point has no row before a window is full.
        options: as in the job.
    """
    points = anomalies = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for one in found.series:
            for point in _scored(model, replace(found, series=(one,)), options or EngineOptions()):
                over = point.score is not None and point.limit is not None and point.score > point.limit
                points, anomalies = points + (point.score is not None), anomalies + over
                rows.writerows(_rows(point, over))
    return Predicted(points, anomalies)


def _scored(model: LoadedModel, found: Dataset, options: EngineOptions) -> Iterator[Point]:
    """Yield the scored points of one series in order of time."""
    models = ModelSet()
    models.adopt(model)
    points: list[Point] = []

    def collect(engine: Engine, result: BatchResult) -> None:
        points.extend(result.points)

    # Every point is reported: the allowance that bounds it in the job is as large as the series.
    every = replace(options, points_per_second=len(found.series[0].ts))
    replay_series(models, model.manifest.features, found, every, follow=collect)
    yield from points


def _rows(point: Point, over: bool) -> Iterator[tuple[object, ...]]:
    for feature, value in point.values.items():
        own = (value, point.expected[feature], point.lower[feature], point.upper[feature], point.score, point.limit)
        yield point.series, point.ts, feature, *("" if x is None else f"{x:.9g}" for x in own), int(over)

"""Choose the demo's data: the synthetic stream, or one file in NAB's format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from eddy.errors import DataError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Progress
from eddy.producers.labels import Label, read_labels
from eddy.producers.source import Source

_STREAM_SECONDS = 45.0  # wall clock that the replay takes unless --speed says otherwise
_NAB_TIME = "%Y-%m-%d %H:%M:%S.%f"


class Scenario(Protocol):
    """Provide the demo's data, models and labels."""

    title: str
    labels: Sequence[Label]
    intervals: Mapping[str, int]  # sampling interval by series, ms

    def train(self, folder: Path, progress: Progress) -> list[tuple[Manifest, bytes]]:
        """Train the models; return (manifest without artifact, artifact) of each."""

    def source(self) -> Source:
        """Return the source of the streamed data."""

    def speed(self) -> float:
        """Return the seconds of event time per second at which the demo takes its usual time."""


class SyntheticScenario:
    """Provide taxi-like demand and market-like prices with known incidents."""

    def __init__(self, seed: int) -> None:
        from eddy.producers.synthetic import generate

        self._stream = generate(seed)
        self.labels: Sequence[Label] = self._stream.labels
        self.intervals: Mapping[str, int] = self._stream.intervals
        self.title = f"{len(self._stream.names)} synthetic series, seed {seed}, {len(self.labels)} labelled incidents"

    def train(self, folder: Path, progress: Progress) -> list[tuple[Manifest, bytes]]:
        from eddy.training.fitting.demo_models import train_demo

        return train_demo(self._stream, folder, progress)

    def source(self) -> Source:
        from eddy.producers.synthetic import SyntheticSource

        return SyntheticSource(self._stream, "live")

    def speed(self) -> float:
        ts = self._stream.live.ts
        return float(ts[-1] - ts[0]) / 1000 / _STREAM_SECONDS


@dataclass
class FileScenario:
    """Provide one series in NAB's format, such as NYC taxi demand: train on its start, stream from its first row."""

    path: Path
    labels_file: Path | None
    share: float = 0.3

    def __post_init__(self) -> None:
        from eddy.producers.public_data_sets import taxi_source

        self.name = self.path.stem
        blocks = [block for block in taxi_source(self.path).blocks() if not hasattr(block, "name")]
        self._ts = np.concatenate([np.asarray(block.ts) for block in blocks])
        self._values = np.concatenate([np.asarray(block.values)[:, 0] for block in blocks])
        self.intervals: Mapping[str, int] = {self.name: int(np.median(np.diff(self._ts)))}
        labels = _labels(self.labels_file, self.path, self.name) if self.labels_file else []
        trained_until = int(self._ts[int(self.share * len(self._ts))])
        self.labels: Sequence[Label] = [label for label in labels if label.end > trained_until]
        known = f"{len(self.labels)} labelled windows" if self.labels_file else "no labels"
        self.title = f"{self.path.name}: {len(self._ts):,} points, {known}"

    def train(self, folder: Path, progress: Progress) -> list[tuple[Manifest, bytes]]:
        from eddy.training.fitting.demo_models import train_series

        trained = train_series(self.name, self._ts, self._values, folder, self.share, progress)
        return [(trained.manifest, trained.content)]

    def source(self) -> Source:
        from eddy.producers.public_data_sets import taxi_source

        return taxi_source(self.path)

    def speed(self) -> float:
        return float(self._ts[-1] - self._ts[0]) / 1000 / _STREAM_SECONDS


def scenario(data: Path | None, labels: Path | None, seed: int) -> Scenario:
    """Return the scenario that the command line asks for.

    Raises:
        DataError: labels without data, or a file that cannot be read.
    """
    if data is None:
        if labels is not None:
            raise DataError("--labels goes with --data; the synthetic stream brings its own")
        return SyntheticScenario(seed)
    return FileScenario(data, labels)


def _labels(path: Path, data: Path, series: str) -> list[Label]:
    """Read the windows of one file from NAB's ``combined_windows.json``, or labels in Eddy's own form."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"labels file {path}: cannot be read: {error}") from None
    if isinstance(content, dict) and "labels" in content:
        return [label for label in read_labels(path) if label.series == series]
    file_name = f"{data.parent.name}/{data.name}"
    windows = content.get(file_name) if isinstance(content, dict) else None
    if windows is None:
        raise DataError(f"labels file {path}: no entry {file_name!r}; expected NAB's combined_windows.json")
    return [Label(series, _epoch_ms(start), _epoch_ms(end), "window") for start, end in windows]


def _epoch_ms(text: str) -> int:
    moment = datetime.strptime(text, _NAB_TIME).replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)

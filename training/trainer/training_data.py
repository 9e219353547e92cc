"""Prepare the data of a training: recent history, without anomalies, split into a past and a held-back part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eddy.alert import Alert
from eddy.client import AlertStream
from eddy.errors import DataError
from eddy.learning_settings import LearningSettings
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.preprocessing.segments import first_points, joined
from eddy.models.windowing.windows import regularise
from eddy.patterns import fits
from eddy.settings import Settings
from eddy.training.data import datasets
from eddy.training.data.datasets import Dataset
from eddy.training.data.kafka_history import load_history
from eddy.training.data.labels import Labels, without_labelled

_MIN_POINTS = 64  # of a series after a drift: with fewer, its past before the drift is used too


@dataclass(frozen=True)
class Material:
    """Hold segments of series, one after the other.

    Attributes:
        past: data to fit to, anomalies missing.
        whole: each series, past and held-back part, as received; long gaps are jumps in time.
        held_back: first row of the held-back part in each of ``whole``.
        notes: remarks for readers of the manifest.
    """

    past: tuple[Series, ...]
    whole: tuple[Series, ...]
    held_back: tuple[int, ...]
    notes: tuple[str, ...]


def history(settings: Settings, patterns: Sequence[str], data: Path | None = None) -> Dataset:
    """Read the history of some series: from a file or folder, else from the observations topic."""
    if data is None:
        return load_history(settings, wanted=lambda name: fits(patterns, name))[0]
    found = datasets.load(data)
    chosen = tuple(s for s in found.series if fits(patterns, s.name))
    if not chosen:
        raise DataError(f"{data}: no series matches {' '.join(patterns)}")
    return replace(found, series=chosen)


def incidents(settings: Settings) -> Iterator[Alert]:
    """Yield all alerts of the alerts topic, oldest first."""
    with AlertStream(settings, from_start=True, stop_at_end=True) as alerts:
        yield from alerts


def anomalous(alerts: Iterable[Alert], max_excluded_points: int) -> Labels:
    """Return alerted spans by series, except those with so many anomalous points that they are a lasting change."""
    newest = {(alert.series, alert.id): alert for alert in alerts if alert.kind == "incident"}
    spans: dict[str, list[tuple[int, int]]] = {}
    for alert in newest.values():
        if alert.points < max_excluded_points:
            spans.setdefault(alert.series, []).append((alert.start, alert.end))
    return spans


def prepare(
    found: Dataset, spec: WindowSpec, options: LearningSettings, labels: Labels, since: Mapping[str, int]
) -> Material:
    """Select and split the histories.

    Args:
        found: the histories.
        spec: features, interval and gap policy of the model.
        options: number of points, and the share that is held back.
        labels: spans that must not be learned; in the held-back part they stay, as the job received them.
        since: by series, the event time from which its data are used.

    Raises:
        DataError: features that the model needs are missing, or nothing is left.
    """
    columns = _columns(found, spec)
    past: list[Series] = []
    whole: list[Series] = []
    held_back: list[int] = []
    notes: list[str] = []
    for raw in found.series:
        order = np.argsort(raw.ts, kind="stable")[-options.history_points :]
        ts, values = raw.ts[order], raw.values[order][:, columns]
        changed = since.get(raw.name)
        if changed is not None:
            fresh = ts >= changed
            if int(fresh.sum()) >= max(_MIN_POINTS, 2 * spec.window):
                ts, values = ts[fresh], values[fresh]
            else:
                notes.append(f"{raw.name}: {int(fresh.sum())} points since its drift, so those before it count too")
        segments = regularise(raw.name, ts, values, spec)
        if not segments:
            continue
        every = joined(segments)
        cut = len(every.ts) - max(round(options.holdout * len(every.ts)), 1)
        past += first_points(segments, cut)
        whole.append(every)
        held_back.append(cut)
    if not whole:
        raise DataError("training: no points of these series are left to learn from")
    return Material(tuple(without_labelled(past, labels)), tuple(whole), tuple(held_back), tuple(notes))


def _columns(found: Dataset, spec: WindowSpec) -> list[int]:
    lacking = [name for name in spec.features if name not in found.features]
    if lacking:
        raise DataError(f"training: the data have no {lacking[0]!r}; found {', '.join(found.features)}")
    return [found.features.index(name) for name in spec.features]

"""What a training learns from: recent history, without what was anomalous, cut into a past and a held-back part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eddy.alert import Alert
from eddy.alert_settings import fits
from eddy.client import AlertStream
from eddy.errors import DataError
from eddy.learning_settings import LearningSettings
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.windowing.windows import regularise
from eddy.settings import Settings
from eddy.training.data import datasets
from eddy.training.data.datasets import Dataset
from eddy.training.data.kafka_history import load_history
from eddy.training.data.labels import Labels, without_labelled

_FEWEST_POINTS = 64  # of a series after a drift: with fewer, its past before the drift counts too


@dataclass(frozen=True)
class Material:
    """Stretches of series, one after the other.

    Attributes:
        past: what is fitted to, anomalies missing.
        whole: the newest stretch of each series, past and held-back part, as it came.
        held_back: first row of the held-back part in each of ``whole``.
        notes: what a reader of the manifest should know.
    """

    past: tuple[Series, ...]
    whole: tuple[Series, ...]
    held_back: tuple[int, ...]
    notes: tuple[str, ...]


def history(settings: Settings, patterns: Sequence[str], data: Path | None = None) -> Dataset:
    """All that is known of some series: from a file or folder, else from the observations topic."""
    if data is None:
        return load_history(settings, wanted=lambda name: fits(patterns, name))[0]
    found = datasets.load(data)
    chosen = tuple(s for s in found.series if fits(patterns, s.name))
    if not chosen:
        raise DataError(f"{data}: no series matches {' '.join(patterns)}")
    return replace(found, series=chosen)


def incidents(settings: Settings) -> Iterator[Alert]:
    """All alerts of the alerts topic, oldest first."""
    with AlertStream(settings, from_start=True, stop_at_end=True) as alerts:
        yield from alerts


def anomalous(alerts: Iterable[Alert], max_excluded_points: int) -> Labels:
    """Stretches that were alerted, by series; those of so many anomalous points are taken for a lasting change."""
    newest = {(alert.series, alert.id): alert for alert in alerts if alert.kind == "incident"}
    spans: dict[str, list[tuple[int, int]]] = {}
    for alert in newest.values():
        if alert.points < max_excluded_points:
            spans.setdefault(alert.series, []).append((alert.start, alert.end))
    return spans


def prepare(
    found: Dataset, spec: WindowSpec, options: LearningSettings, labels: Labels, since: Mapping[str, int]
) -> Material:
    """Cut the histories.

    Args:
        found: histories.
        spec: features, interval and gap policy of the model.
        options: how many points, which share is held back.
        labels: stretches that must not teach; in the held-back part they stay, as the job saw them.
        since: by series, the event time from which its data count.

    Raises:
        DataError: features that the model needs are not there, or nothing is left.
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
            if int(fresh.sum()) >= max(_FEWEST_POINTS, 2 * spec.window):
                ts, values = ts[fresh], values[fresh]
            else:
                notes.append(f"{raw.name}: {int(fresh.sum())} points since its drift, so those before it count too")
        segments = regularise(raw.name, ts, values, spec)
        if not segments:
            continue
        newest = segments[-1]
        cut = len(newest.ts) - max(round(options.holdout * len(newest.ts)), 1)
        past += [*segments[:-1], Series(newest.name, newest.ts[:cut], newest.values[:cut], newest.imputed[:cut])]
        whole.append(newest)
        held_back.append(cut)
    if not whole:
        raise DataError("training: no points of these series are left to learn from")
    return Material(tuple(without_labelled(past, labels)), tuple(whole), tuple(held_back), tuple(notes))


def _columns(found: Dataset, spec: WindowSpec) -> list[int]:
    lacking = [name for name in spec.features if name not in found.features]
    if lacking:
        raise DataError(f"training: the data have no {lacking[0]!r}; found {', '.join(found.features)}")
    return [found.features.index(name) for name in spec.features]

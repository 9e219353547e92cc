"""Run a candidate over history, and compare its incidents with those that were alerted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from eddy.alert import Alert
from eddy.errors import DataError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import WindowSpec
from eddy.models.engine.engine import BatchResult, Engine, EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.models.windowing.sampling import mismatch, usual_step
from eddy.training.data.datasets import Dataset, RawSeries

Side = Literal["both", "would", "did"]


@dataclass(frozen=True)
class Found:
    """Hold an incident of a backtest; times in epoch ms."""

    series: str
    start: int
    end: int
    severity: int
    points: int
    model: str
    version: int


@dataclass(frozen=True)
class Line:
    """Pair an incident that the candidate would have opened with one that was opened; None: there is none."""

    would: Found | None
    did: Found | None

    @property
    def side(self) -> Side:
        """Return whose incident it is."""
        return "both" if self.would and self.did else "would" if self.would else "did"

    @property
    def series(self) -> str:
        """Return the series' id."""
        return (self.would or self.did).series  # type: ignore[union-attr]

    @property
    def start(self) -> int:
        """Return the start of the earlier incident, epoch ms."""
        return min(one.start for one in (self.would, self.did) if one)


def would_have(
    manifest: Manifest, content: bytes, found: Dataset, options: EngineOptions, start: int, end: int
) -> list[Found]:
    """Return incidents that a model would have opened in [start, end); earlier data fill its windows and state.

    Raises:
        ModelError: the model cannot be used.
        DataError: the model applies to none of the series, the data lack a feature, or no point could be scored.
    """
    models = ModelSet()
    models.put(replace(manifest, rollout={}), lambda _: content)
    lacking = [name for name in manifest.features if name not in found.features]
    if lacking:
        raise DataError(f"backtest: the data have no {lacking[0]!r}; found {', '.join(found.features)}")
    series = [s for s in found.series if manifest.applies_to(s.name)]
    if not series:
        raise DataError(f"backtest: {manifest.name} applies to {' '.join(manifest.series)}, none of the series found")
    windows = 0

    def count(_: Engine, result: BatchResult) -> None:
        nonlocal windows
        windows += result.windows

    alerts = replay_series(models, manifest.features, replace(found, series=tuple(series)), options, end, count)
    if not windows:
        reason = why_nothing(models.models[manifest.name].detector.spec, series)
        raise DataError(f"backtest: no point could be scored by {manifest.name}: {reason}")
    return incidents_of(alerts, start, end)


def why_nothing(spec: WindowSpec, series: Iterable[RawSeries]) -> str:
    """Say why a model has no score for any point of some series."""
    longest = max(series, key=lambda s: len(s.ts))
    other_interval = mismatch(longest.name, usual_step(longest.ts), spec)
    found = f"series {longest.name!r} has {len(longest.ts)} points, a window needs {spec.window} without a long gap"
    return other_interval or found


def replay_series(
    models: ModelSet,
    features: Sequence[str],
    found: Dataset,
    options: EngineOptions,
    end: int | None = None,
    follow: Callable[[Engine, BatchResult], None] | None = None,
) -> list[Alert]:
    """Run models over a data set in order of time; returns the alerts, groups included.

    Args:
        models: the models.
        features: those of the data set that the models want.
        found: series with at least these features.
        options: as in the job.
        end: epoch ms; only earlier points are taken.
        follow: see :func:`eddy.models.engine.replay.replay`.
    """
    series = found.series
    ts = np.concatenate([s.ts for s in series])
    codes = np.repeat(np.arange(len(series)), [len(s.ts) for s in series])
    values = np.full((len(ts), len(models.columns)), np.nan)
    for name in features:
        at = found.features.index(name)
        values[:, models.columns[name]] = np.concatenate([s.values[:, at] for s in series])
    kept = np.arange(len(ts)) if end is None else np.flatnonzero(ts < end)
    order = kept[np.argsort(ts[kept], kind="stable")]
    names = [s.name for s in series]
    return replay(models, options, names, codes[order], ts[order], values[order], follow=follow)


def incidents_of(alerts: Iterable[Alert], start: int, end: int) -> list[Found]:
    """Return incidents that notified people and began in [start, end), each from its newest message."""
    newest: dict[tuple[str, str], Alert] = {}
    for alert in alerts:
        if alert.kind == "incident" and not alert.suppressed and start <= alert.start < end:
            newest[alert.series, alert.id] = alert
    return [
        Found(a.series, a.start, a.end, a.severity, a.points, str(a.model["name"]), int(a.model["version"]))
        for a in newest.values()
    ]


def beside(would: Sequence[Found], did: Sequence[Found], slack_ms: int) -> list[Line]:
    """Pair both lists, in order of time: two incidents of a series belong together if they overlap.

    Args:
        would, did: incidents.
        slack_ms: largest gap between two incidents that still belong together.
    """
    left = list(did)
    lines = []
    for one in sorted(would, key=lambda f: f.start):
        same = [
            other
            for other in left
            if other.series == one.series and other.start <= one.end + slack_ms and one.start <= other.end + slack_ms
        ]
        partner = min(same, key=lambda f: abs(f.start - one.start), default=None)
        if partner is not None:
            left.remove(partner)
        lines.append(Line(one, partner))
    return sorted([*lines, *(Line(None, other) for other in left)], key=lambda line: (line.start, line.series))


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Count the pairs and the incidents without a counterpart."""
    return {side: sum(line.side == side for line in lines) for side in ("both", "would", "did")}

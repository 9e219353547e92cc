"""Replay recorded observations through the built-in detector: what a job with a cold start would have alerted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from eddy.alert import Alert, severity_level
from eddy.inputs.mapping import Observation
from eddy.models.core.detector import Floats, Ints
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import Engine
from eddy.models.engine.options import ColdStart, alerting_options
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings

DETECTOR = "auto"
MAX_SERIES = 20_000  # replayed: about 5 KB of state each
MAX_POINTS = 2_000_000
FIRST_SCORES = 50  # points of a series before 'auto' gives its first score


@dataclass(frozen=True)
class Incident:
    """Hold an incident that would have been alerted; times in epoch ms.

    Attributes:
        start, end: its first and last anomalous point.
        severity: the highest of its messages, 0-100; ``value`` and the band are of that message.
        value, expected, lower, upper: None = not known.
        reason: in a sentence.
        increase: the series is a counter: the value and the band are of its increase from point to point.
    """

    series: str
    start: int
    end: int
    severity: int
    points: int
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    reason: str
    increase: bool = False

    @property
    def level(self) -> str:
        """Return the severity level."""
        return severity_level(self.severity)


@dataclass(frozen=True)
class FirstLook:
    """Hold what a replay gave.

    Attributes:
        incidents: in order of their start.
        series, points: how many were replayed.
        short: series with too few points to be scored.
        left_out: series beyond :data:`MAX_SERIES`, those with the fewest points.
    """

    incidents: list[Incident] = field(default_factory=list)
    series: int = 0
    points: int = 0
    short: int = 0
    left_out: int = 0


class History:
    """Collect observations for a replay; of several features, each is a series of its own: the built-in detector
    reads one value.

    Attributes:
        several: whether there were observations of several features.
    """

    def __init__(self) -> None:
        self.several = False
        self._codes: dict[str, int] = {}
        self._series: list[int] = []
        self._ts: list[int] = []
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._ts)

    @property
    def is_full(self) -> bool:
        """Return whether no more should be added."""
        return len(self._ts) >= MAX_POINTS

    @property
    def names(self) -> list[str]:
        """Return the series in order of appearance."""
        return list(self._codes)

    def add(self, observation: Observation) -> None:
        """Take an observation."""
        self.several |= len(observation.values) > 1
        for name, series in _series_of(observation).items():
            self._series.append(self._codes.setdefault(series, len(self._codes)))
            self._ts.append(observation.ts)
            self._values.append(observation.values[name])

    def newest(self, now: int) -> int:
        """Return the newest event time, epoch ms; one beyond ``now`` only if all are."""
        ts = np.array(self._ts, np.int64)
        past = ts[ts <= now]
        return int((past if len(past) else ts).max())

    def columns(self) -> tuple[Ints, Ints, Floats]:
        """Return (series by index in :attr:`names`, epoch ms, value) of all points in order of time."""
        ts = np.array(self._ts, np.int64)
        order = np.argsort(ts, kind="stable")
        return np.array(self._series, np.int64)[order], ts[order], np.array(self._values)[order]


def _series_of(observation: Observation) -> Mapping[str, str]:
    if len(observation.values) == 1:
        return dict.fromkeys(observation.values, observation.series)
    return {name: f"{observation.series}/{name}" for name in observation.values}


def first_look(
    history: History, settings: Settings, since: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> FirstLook:
    """Replay a history with a cold start, in order of time.

    Args:
        history: what was recorded.
        settings: of the job: alert rules, detector and warm-up.
        since: epoch ms; incidents that began earlier are left out.
        progress: takes how many points of how many are done.

    Raises:
        SettingsError: ``learning.cold_start`` names a detector that has to be trained.
    """
    learning, detector = settings.learning, settings.detector
    models = ModelSet()
    kind = learning.cold_start or DETECTOR
    models.start_cold(cold_model(kind, learning.warmup_points, detector.false_alarms_per_week, detector.value_type))
    codes, ts, values = history.columns()
    counts = np.bincount(codes, minlength=len(history.names))
    chosen = np.argsort(-counts, kind="stable")[:MAX_SERIES]
    chosen = chosen[counts[chosen] > 0]
    place = np.full(len(counts), -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    kept = place[codes] >= 0
    codes, ts, values = place[codes[kept]], ts[kept], values[kept]
    names = [history.names[at] for at in chosen.tolist()]
    done = 0

    def follow(_: Engine, result: BatchResult) -> None:
        nonlocal done
        done += result.released
        progress(min(done, len(ts)), len(ts))

    # Nothing is late in a replay in order of time, so nothing has to wait.
    options = replace(alerting_options(settings), cold=ColdStart(), out_of_orderness_ms=0)
    alerts = replay(models, options, names, codes, ts, values[:, None], follow=follow)
    return FirstLook(
        incidents=[one for one in _incidents(alerts) if one.start >= since],
        series=len(names),
        points=len(ts),
        short=int((counts[chosen] < FIRST_SCORES).sum()),
        left_out=int((counts > 0).sum()) - len(names),
    )


def _incidents(alerts: list[Alert]) -> list[Incident]:
    """Return the incidents that would have notified people, each as its most severe message says."""
    messages: dict[tuple[str, str], list[Alert]] = {}
    for one in alerts:
        if one.kind == "incident" and not one.suppressed:
            messages.setdefault((one.series, one.id), []).append(one)
    found = []
    for every in messages.values():
        worst, last = max(every, key=lambda one: one.severity), every[-1]
        feature = next(iter(worst.values), "value")
        found.append(
            Incident(
                worst.series, last.start, last.end, worst.severity, last.points,
                worst.values.get(feature), worst.expected.get(feature), worst.lower.get(feature),
                worst.upper.get(feature), worst.reason, feature in worst.increases,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.start, one.series))

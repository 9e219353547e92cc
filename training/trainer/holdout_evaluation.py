"""Evaluate a model on held-back recent data, unchanged, and with injected anomalies that a person would see.

Live data have no labels. But one can measure how much of a normal segment a model alerts, and how many injected
anomalies it finds. Both go into one figure, F1: precision counts the alarmed blocks of the unchanged segment as false,
recall the anomalies found. A model that always alerts has almost no precision, one that never does has no recall, so
neither a worn-out nor a poisoned model can win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Floats, Series
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.preprocessing.counters import converted
from eddy.models.serving.model_set import ModelSet
from eddy.training.fitting.counter_series import find_counters

BLOCK = 8  # points: several alarms in one block count once
_MAX_POINTS = 400_000  # in all series; the newest of each are used
_MAX_EVENTS, _MIN_EVENTS = 30, 6  # in a series; in a short one they are closer together
_DRAWS = 3  # times that anomalies are injected anew: with fewer draws, the figure depends more on luck
_BATCH = 8192


@dataclass(frozen=True)
class InjectedAnomaly:
    """Describe an injected anomaly: index of the series, first and last row of its held-back part, kind."""

    series: int
    first: int
    last: int
    kind: str


@dataclass(frozen=True)
class HoldoutMetrics:
    """Hold the result of a hold-out evaluation.

    Attributes:
        events, found: injected anomalies, over all draws, and those with an alarm on one of their points.
        blocks, false: blocks of :data:`BLOCK` points of the unchanged segment, and those with an alarm.
        silent: share of the held-back points without a score.
    """

    events: int
    found: int
    blocks: int
    false: int
    silent: float

    @property
    def f1(self) -> float:
        """Return F1 of precision and recall; 0 if nothing was found. Anomalies count once for all draws."""
        found, events = self.found / _DRAWS, self.events / _DRAWS
        return 2 * found / (found + self.false + events) if found else 0.0

    def plain(self) -> dict[str, Any]:
        """Return the metrics as JSON-able data."""
        return {
            "f1": round(self.f1, 4), "events": self.events, "found": self.found, "blocks": self.blocks,
            "false": self.false, "silent": round(self.silent, 4),
        }  # fmt: skip


def evaluate_on_holdout(
    manifest: Manifest, content: bytes, series: Sequence[Series], held_back: Sequence[int], seed: int = 0
) -> HoldoutMetrics:
    """Run a model over series as the job would, without its past, and evaluate it on their held-back parts.

    Injected anomalies are compared with the limits of the unchanged series: there are far more of them than anybody
    expects in so short a time, and a limit that follows the scores would take them for normal.

    Args:
        manifest, content: the model; it is applied to all of these series here.
        series: whole histories; the data before the held-back part only fill windows and state.
        held_back: first row of each series that counts.
        seed: random seed of the anomalies' places and sizes.

    Raises:
        ModelError: the model cannot be used.
    """
    series, starts = _bounded(series, held_back)
    models = ModelSet()
    # Anomalies are injected into what the model scores, so the engine finds the increases of counters ready.
    models.put(replace(manifest, series=("*",), value_type="gauge"), lambda _: content)
    series = _with_increases(series, manifest, models)
    clean = _scored(models, series)
    false = blocks = 0
    for own, start in zip(clean, starts, strict=True):
        part = own.scores[start:] > own.limits[start:]
        cuts = np.arange(0, len(part), BLOCK)
        blocks += len(cuts)
        false += int(np.logical_or.reduceat(part, cuts).sum()) if len(part) else 0
    found = count = 0
    for draw in range(_DRAWS):
        changed, events = inject(series, starts, manifest.window, seed + draw)
        scores = [own.scores for own in _scored(models, changed)]
        count += len(events)
        for e in events:
            rows = slice(starts[e.series] + e.first, starts[e.series] + e.last + 1)
            found += bool((scores[e.series][rows] > clean[e.series].limits[rows]).any())
    held = sum(len(s.ts) - start for s, start in zip(series, starts, strict=True))
    seen = sum(int(np.isfinite(own.scores[start:]).sum()) for own, start in zip(clean, starts, strict=True))
    return HoldoutMetrics(count, found, blocks, false, 1.0 - seen / max(held, 1))


def _with_increases(series: Sequence[Series], manifest: Manifest, models: ModelSet) -> list[Series]:
    """Return series as a model scores them, row by row; of filled-in points nothing is scored."""
    (model,) = models.models.values()
    spec = model.detector.spec
    counters = find_counters(series, spec, manifest.value_type)
    if manifest.value_type == "auto":
        counters = {**counters, **{name: tuple(own) for name, own in model.counters.items()}}
    found = []
    for one in series:
        if own := counters.get(one.name):
            values, there = np.full(one.values.shape, np.nan), ~one.imputed
            values[there] = converted(one.ts[there], one.values[there], spec, [f in own for f in spec.features])
            one = replace(one, values=values)  # noqa: PLW2901
        found.append(one)
    return found


def inject(
    series: Sequence[Series], starts: Sequence[int], window: int, seed: int
) -> tuple[list[Series], list[InjectedAnomaly]]:
    """Copy series and inject anomalies into the held-back parts, so far apart that no window holds two of them.

    ``spike``: 1 to 3 points off by 1 to 2 ranges of the series; ``shift``: 6 to 16 points moved by 1 to 2 usual ranges
    (5th to 95th percentile, or half of the full range if that is more, since less would not be visible on a plot);
    ``burst``: 8 to 16 points of noise as wide as the usual range. Sizes are those of the held-back part itself.
    """
    rng = np.random.default_rng(seed)
    changed, events = [], []
    for k, (one, start) in enumerate(zip(series, starts, strict=True)):
        values = one.values.copy()
        room = len(values) - start
        apart = max(4 * BLOCK, min(2 * window, 400, room // _MIN_EVENTS))
        count = min(_MAX_EVENTS, room // apart)
        stride = room // max(count, 1)
        for number in range(count):
            kind = ("spike", "shift", "burst")[number % 3]
            length = int(rng.integers(*{"spike": (1, 4), "shift": (6, 17), "burst": (8, 17)}[kind]))
            first = (
                number * stride + int(rng.integers(BLOCK, stride - length))
                if stride > length + BLOCK
                else number * stride
            )
            part = values[start + first : start + first + length]
            feature = int(rng.integers(values.shape[1]))
            if len(part) < length or np.isnan(part[:, feature]).any():
                continue
            _disturb(part[:, feature], kind, values[start:, feature], rng)
            events.append(InjectedAnomaly(k, first, first + length - 1, kind))
        changed.append(replace(one, values=values))
    return changed, events


def _disturb(part: Floats, kind: str, of: Floats, rng: np.random.Generator) -> None:
    low, bottom, top, high = np.nanpercentile(of, (0, 5, 95, 100))
    spread = max(top - bottom, (high - low) / 2) or max(abs(top), 1e-3)
    way = 1.0 if rng.random() < 0.5 else -1.0
    if kind == "spike":
        part += way * rng.uniform(1, 2) * max(high - low, spread)
    elif kind == "shift":
        part += way * rng.uniform(1, 2) * spread
    else:
        part += rng.normal(0, spread, len(part))


def _bounded(series: Sequence[Series], held_back: Sequence[int]) -> tuple[list[Series], list[int]]:
    """Limit the points in all: keep the newest of each series, or fewer series."""
    each = max(_MAX_POINTS // max(len(series), 1), 2000)
    kept, starts = [], []
    for one, start in list(zip(series, held_back, strict=True))[: max(_MAX_POINTS // each, 1)]:
        cut = max(len(one.ts) - each, 0)
        kept.append(Series(one.name, one.ts[cut:], one.values[cut:], one.imputed[cut:]))
        starts.append(max(start - cut, 0))
    return kept, starts


@dataclass(frozen=True)
class _Scored:
    """Hold (n,) scores of a series and their limits; NaN where there is none."""

    scores: Floats
    limits: Floats


def _scored(models: ModelSet, series: Sequence[Series]) -> list[_Scored]:
    """Return the scores and limits of each series."""
    engine = Engine(models, EngineOptions(report_scores=True))
    engine.adopt_models()
    slots = engine.slots([s.name for s in series])
    at = {int(slot): k for k, slot in enumerate(slots)}
    codes = np.repeat(slots, [len(s.ts) for s in series])
    ts = np.concatenate([s.ts for s in series])
    values = np.concatenate([np.where(s.imputed[:, None], np.nan, s.values) for s in series])
    columns = np.full((len(ts), len(models.columns)), np.nan)
    (model,) = models.models.values()
    columns[:, [models.columns[name] for name in model.manifest.features]] = values
    order = np.argsort(ts, kind="stable")
    found = [_Scored(np.full(len(s.ts), np.nan), np.full(len(s.ts), np.nan)) for s in series]
    for begin in range(0, len(order), _BATCH):
        part = order[begin : begin + _BATCH]
        for _, of, when, scores, limits in engine.process(codes[part], ts[part], columns[part], 0).scores:
            for slot in np.unique(of).tolist():
                own, k = of == slot, at[slot]
                rows = np.searchsorted(series[k].ts, when[own])
                found[k].scores[rows], found[k].limits[rows] = scores[own], limits[own]
    return found

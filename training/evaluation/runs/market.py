"""Evaluate the shipped model for prices on streams with known incidents: train on the clean part, replay the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eddy.models.core.detector import Floats, Ints, Progress, Series, WindowSpec, no_progress
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.training.evaluation.metrics.alert_matching import Labelled, match
from eddy.training.fitting.demo_models import MARKET_PARAMETERS, MARKET_WINDOW, CleanStream
from eddy.training.fitting.fit import ThresholdRule, fit_model

_CLOSE_AFTER = {"close_after": 24}  # points without an anomaly that end an incident, as in the demo's model


@dataclass(frozen=True)
class MarketResult:
    """Hold the result of one stream: incidents found, alerts that match none, and the latter per 1,000 live points."""

    seed: int
    labelled: int
    found: int
    alerts: int
    false: int
    points: int
    false_per_thousand: float
    recall: float
    median_delay: float
    by_kind: dict[str, tuple[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def run_market(
    seed: int,
    stream: CleanStream,
    names: Sequence[str],
    codes: Ints,
    ts: Ints,
    values: Floats,
    labels: Sequence[Labelled],
    false_rate: float,
    progress: Progress = no_progress,
) -> MarketResult:
    """Train the demo's isolation forest for prices on windows of 200 bars, then replay; no label is used.

    The threshold comes from held-out clean scores.

    Args:
        seed: the stream's seed, for the table.
        stream: its clean part and intervals.
        names: series; ``codes`` (n,) is the index of each live observation's series.
        ts: (n,) epoch ms of the live part.
        values: (n,).
        labels: the incidents.
        false_rate: share of held-out clean windows that the limit leaves above it.
        progress: called with the current step.
    """
    train = [
        Series(name, part.ts, np.asarray(part.values, float)[:, None], np.zeros(len(part.ts), bool))
        for name, part in stream.train.items()
    ]
    spec = WindowSpec(MARKET_WINDOW, interval_ms=stream.intervals[names[0]])
    trained = fit_model(
        "market",
        "isolation-forest",
        train,
        spec,
        params=MARKET_PARAMETERS,
        rule=ThresholdRule(false_rate=false_rate),
        alerts=_CLOSE_AFTER,
        progress=progress,
    )
    models = ModelSet()
    models.put(trained.manifest, lambda _: trained.content)
    # The windows are full when the live part begins, as in a job that has been running.
    lead = [s.ts[-MARKET_WINDOW:] for s in train]
    owners = np.array([list(names).index(s.name) for s in train], np.int64)
    every_ts = np.concatenate([*lead, ts])
    order = np.argsort(every_ts, kind="stable")
    every_code = np.concatenate([np.repeat(owners, [len(part) for part in lead]), np.asarray(codes, np.int64)])
    every_value = np.concatenate([*(s.values[-MARKET_WINDOW:, 0] for s in train), np.asarray(values, float)])
    replayed = replay(models, EngineOptions(), names, every_code[order], every_ts[order], every_value[order, None])
    alerts = [alert for alert in replayed if alert.end >= int(ts[0])]
    found = match(alerts, labels, stream.intervals)
    rate = 1000 * found.false / len(ts)
    return MarketResult(
        seed, found.labelled, found.found, found.incidents, found.false, len(ts), rate, found.recall,
        found.median_delay, found.by_kind,
    )  # fmt: skip

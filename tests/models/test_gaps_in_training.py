"""Check that a long gap in training data throws nothing away, whatever the detector: every segment counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.models.catalog import DETECTORS, THRESHOLDS, threshold_from_params
from eddy.models.core.detector import Bools, Floats, Ints, WindowSpec
from eddy.models.engine.engine import EngineOptions
from eddy.models.windowing.windows import regularise
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.evaluation.backtest import would_have
from eddy.training.fitting.fit import ThresholdRule, Trained, fit_model

INTERVAL = 600_000
HOUR, DAY = 6, 144
START = 1_736_121_600_000  # Monday 6 January 2025
WINDOW, DAYS, AFTER = 24, 21, 7
SPEC = WindowSpec(WINDOW, interval_ms=INTERVAL)
FOREST = {"trees": 20, "samples": 128}
SEQUENCE = {"epochs": 1, "windows_per_epoch": 100}
PARAMS: dict[str, Mapping[str, Any]] = {
    "auto": {},
    "consistency": {"start_up": 50},
    "dmd": {"rank": 6},
    "ensemble": {"members": [{"kind": "zscore"}, {"kind": "seasonal-naive", "params": {"period": 36}}]},
    "isolation-forest": FOREST,
    "left-discord": {"period": 36, "past": 4 * DAY},
    "lstm-autoencoder": {**SEQUENCE, "hidden": 4, "rebuilt": 4},
    "lstm-encdec": {**SEQUENCE, "hidden": 4},
    "lstm-repeat-vector": {**SEQUENCE, "units": "4"},
    "novelty": {},
    "river": {"estimator": "GaussianScorer"},
    "same-phase-neighbours": {"period": 36, "past": 4 * DAY},
    "seasonal-naive": {"period": 36, "past": 4 * DAY},
    "sklearn": {"n_neighbors": 10, "samples": 200},
    "zscore": {},
}
WEDNESDAY = 16 * DAY + 8 * HOUR  # a row in the last week of training


def week(days: int, seed: int = 1) -> tuple[Ints, Floats]:
    """(ts, values) of a shop: a level on weekdays, another at weekends, noise."""
    n = days * DAY
    ts = START + INTERVAL * np.arange(n, dtype=np.int64)
    level = np.where(np.arange(n) // DAY % 7 < 5, 100.0, 40.0)
    return ts, level + np.random.default_rng(seed).normal(0, 1.5, n)


def fit(kind: str, kept: Bools, rule: ThresholdRule | None = None, days: int = DAYS) -> Trained:
    ts, values = week(days)
    segments = regularise("shop", ts[kept], values[kept, None], SPEC)
    return fit_model("m", kind, segments, SPEC, params=PARAMS[kind], seed=3, rule=rule)


@cache
def whole(kind: str) -> Trained:
    return fit(kind, np.ones(DAYS * DAY, np.bool_))


def outages(*rows: tuple[int, int]) -> Bools:
    kept = np.ones(DAYS * DAY, np.bool_)
    for first, points in rows:
        kept[first : first + points] = False
    return kept


ONE = outages((WEDNESDAY, 9 * HOUR))
TWO = outages((WEDNESDAY, 9 * HOUR), (WEDNESDAY + 10 * HOUR, 9 * HOUR))
LAST = outages((DAYS * DAY - 10 * HOUR, 9 * HOUR))  # an hour of data after it


def scores(trained: Trained) -> int:
    return int(trained.manifest.metrics["validation_scores"])


def limit(trained: Trained) -> float:
    return float(threshold_from_params(trained.manifest.threshold).start)


def incidents(trained: Trained) -> int:
    ts, values = week(DAYS + AFTER)
    data = Dataset(("value",), (RawSeries("shop", ts, values[:, None]),))
    start, end = int(ts[DAYS * DAY]), int(ts[-1]) + 1
    return len(would_have(trained.manifest, trained.content, data, EngineOptions(), start, end))


def test_every_detector_is_checked_here() -> None:
    assert set(PARAMS) == {name for name in DETECTORS.names() if not name.startswith("test-")}


@pytest.mark.parametrize("kept", [ONE, TWO, LAST], ids=["one", "an hour between two", "an hour after"])
@pytest.mark.parametrize("kind", PARAMS)
def test_outage_costs_no_more_than_its_own_points(kind: str, kept: Bools) -> None:
    full, cut = whole(kind), fit(kind, kept)
    lost = int((~kept).sum()) + 2 * WINDOW
    assert scores(full) - lost <= scores(cut) <= scores(full) + WINDOW
    assert limit(cut) == pytest.approx(limit(full), rel=0.35)
    assert incidents(cut) <= incidents(full) + 1


@pytest.mark.parametrize("kind", PARAMS)
def test_every_day_counts_where_there_is_a_gap_each_night(kind: str) -> None:
    found, times = [], 2 if kind in ("lstm-encdec", "lstm-repeat-vector") else 1  # which keep half of it for themselves
    for days in (10 * times, 20 * times):
        kept = np.isin(np.arange(days * DAY) % DAY // HOUR, np.arange(8, 19))
        found.append(scores(fit(kind, kept, days=days)))
    assert 1.6 <= found[1] / found[0] <= 2.6, found
    assert found[1] >= 20 * (11 * HOUR - WINDOW) / 4 - 20, "a quarter of all windows, held out"


@pytest.mark.parametrize("kind", ["zscore", "consistency", "novelty"])
def test_segments_that_are_all_too_short_are_refused_with_the_reason(kind: str) -> None:
    kept = np.arange(DAY) % 72 < 5
    with pytest.raises(DataError, match=r"5|10"):
        fit(kind, kept, days=1)


@pytest.mark.parametrize("name", sorted(THRESHOLDS.names()))
def test_thresholds_are_fitted_on_all_segments(name: str) -> None:
    rule = ThresholdRule(name) if name != "fixed" else ThresholdRule("max")
    full, cut = fit("zscore", np.ones(DAYS * DAY, np.bool_), rule), fit("zscore", TWO, rule)
    assert limit(cut) == pytest.approx(limit(full), rel=0.2)

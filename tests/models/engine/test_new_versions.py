"""Check what a new version of a model keeps of its series' state: only what means the same to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Floats, Series, WindowSpec
from eddy.models.engine.engine import EngineOptions
from tests.models.small_models import Event, Job, inline, manifest, model_set

INTERVAL = 30 * 60_000
START = 1_736_208_000_000  # a Monday
DAY = 48
SPEC = WindowSpec(8, interval_ms=INTERVAL)
PARAMS: dict[str, Mapping[str, Any]] = {
    "auto": {},
    "novelty": {},
    "value-novelty": {},
    "rarity": {},
    "same-phase": {},
    "seasonal-naive": {"period": DAY, "past": 4 * DAY},
    "same-phase-neighbours": {"period": DAY, "past": 4 * DAY},
    "left-discord": {"period": 12, "past": 4 * DAY},
    "dmd": {"rank": 6},
    "consistency": {"start_up": 50},
    "river": {"estimator": "GaussianScorer"},
    "ensemble": {
        "members": [
            {"kind": "left-discord", "params": {"period": 12, "past": 4 * DAY}},
            {"kind": "same-phase-neighbours", "params": {"period": DAY, "past": 4 * DAY}},
        ]
    },
    "isolation-forest": {"trees": 10, "samples": 64, "smooth": 3},
    "lstm-autoencoder": {"epochs": 1, "hidden": 4, "rebuilt": 4, "smooth": 3},
}
#: Their state holds a scale of its own for each series, so that it means the same after training on other data.
SELF_CONTAINED = {"auto", "novelty", "value-novelty", "rarity", "same-phase"}
STATELESS = {"lstm-encdec", "lstm-repeat-vector", "sklearn", "zscore"}
TRAINED, BEFORE, AFTER = 12 * DAY, 6 * DAY, 3 * DAY


def season(seed: int, n: int, at: int, factor: float) -> tuple[np.ndarray, Floats]:
    """(ts, values) of a daily season with noise."""
    ts = START + INTERVAL * np.arange(at, at + n, dtype=np.int64)
    noise = np.random.default_rng(seed).normal(0, 1.5, n)
    return ts, factor * (100.0 + 20 * np.sin(2 * np.pi * np.arange(at, at + n) / DAY) + noise)


@cache
def fitted(kind: str, factor: float, number: int = 0) -> Detector:
    ts, values = season(1, TRAINED, 0, factor)
    train = [Series("a", ts, values[:, None], np.zeros(TRAINED, np.bool_))]
    return DETECTORS.get(kind).fit(train, SPEC, PARAMS[kind], seed=3 + number)[0]


def version(detector: Detector, number: int) -> Any:
    return manifest("m", detector, limit=1e9, version=number)


def live(factor: float) -> list[Event]:
    """Normal points of the new level, before and after the change of versions."""
    ts, values = season(2, BEFORE + AFTER, TRAINED, factor)
    return [("a", t, {"value": x}) for t, x in zip(ts.tolist(), values.tolist(), strict=True)]


def scores(job: Job, events: list[Event]) -> Floats:
    found = [one[3] for part in range(0, len(events), 50) for one in job.send(events[part : part + 50]).scores]
    return np.concatenate(found) if found else np.zeros(0)


OPTIONS = EngineOptions(report_scores=True)


def test_every_detector_with_state_is_checked_here() -> None:
    assert {DETECTORS.current(kind)[0] for kind in PARAMS} | STATELESS == {
        name for name in DETECTORS.names() if not name.startswith("test-")
    }
    assert all(DETECTORS.get(kind).state_size == 0 for kind in STATELESS)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("factor", [1.1, 3.0])
@pytest.mark.parametrize("kind", PARAMS)
def test_model_retrained_on_another_level_scores_normal_points_as_a_fresh_start_does(
    kind: str, factor: float, restart: bool
) -> None:
    old, new = fitted(kind, 1.0), fitted(kind, factor)
    assert new.state_size, "a detector without state has nothing to carry over"
    events = live(factor)
    job = Job(model_set(version(old, 1)), OPTIONS)
    scores(job, events[:BEFORE])
    if restart:
        job.checkpoint()
        job = job.restarted(model_set(version(new, 2)))
    else:
        assert job.models.put(version(new, 2), inline)
    swapped = scores(job, events[BEFORE:])
    first = model_set(version(old if kind in SELF_CONTAINED else new, 1))
    reference = Job(first, OPTIONS)
    begin = 0 if kind in SELF_CONTAINED else BEFORE - new.spec.window + 1  # the window is full, the state is not
    expected = scores(reference, events[begin:])[-AFTER:]
    assert len(swapped) == AFTER
    np.testing.assert_allclose(swapped, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("kind", PARAMS)
def test_state_is_kept_by_a_version_with_the_same_artifact(kind: str, restart: bool) -> None:
    detector, events = fitted(kind, 1.0), live(1.0)
    kept, plain = (Job(model_set(version(detector, 1)), OPTIONS) for _ in range(2))
    scores(kept, events[:BEFORE])
    if restart:
        kept.checkpoint()
        kept = kept.restarted(model_set(version(detector, 2)))
    else:
        assert kept.models.put(version(detector, 2), inline)
    found = scores(kept, events[BEFORE:])
    np.testing.assert_array_equal(found, scores(plain, events)[-AFTER:])


def test_layout_names_what_the_state_depends_on() -> None:
    spec = WindowSpec(1, interval_ms=INTERVAL)
    novelty = DETECTORS.get("novelty")
    ts, values = season(1, TRAINED, 0, 1.0)
    train = [Series("a", ts, values[:, None], np.zeros(TRAINED, np.bool_))]
    layouts = {
        novelty.fit(train, spec, params)[0].state_layout
        for params in ({}, {"period_hours": 12.0}, {"start_up": 100}, {"limit": 3.0})
    }
    assert len(layouts) == 4, "the same size, another meaning"
    other = [replace(train[0], values=3 * train[0].values)]
    assert novelty.fit(train, spec, {})[0].state_layout == novelty.fit(other, spec, {})[0].state_layout
    members = [{"kind": kind, "params": {"period": 12, "past": 60}} for kind in ("left-discord", "seasonal-naive")]
    one, two = (DETECTORS.get("ensemble").fit(train, spec, {"members": m})[0] for m in (members, members[::-1]))
    assert one.state_size == two.state_size
    assert one.state_layout != two.state_layout, "members in another order"

"""Check that trained detectors and adaptive thresholds alert in the job as they do offline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Series, WindowSpec
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.training.fitting.fit import ThresholdRule, fit_model
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

NAMES = ("s-0", "s-1", "s-2")
TRAINED, LIVE = 480, 240
GRACE = 8  # points: detectors that judge a segment speak up late
#: (series, index of the live point): what is added there
ODD = {("s-0", 90): 6.0, ("s-1", 150): -7.0, ("s-1", 151): -7.0, ("s-2", 200): 9.0}
#: model -> detector, points in a window, its parameters, threshold
MODELS: dict[str, tuple[str, int, dict[str, Any], ThresholdRule | None]] = {
    "spot": ("zscore", 24, {}, ThresholdRule("spot", params={"q": 1e-3, "level": 0.9, "learn": 100})),
    "likelihood": ("zscore", 24, {}, ThresholdRule("likelihood", params={"epsilon": 1e-3, "short": 2, "learn": 50})),
    "modes": ("dmd", 25, {"rank": 6}, ThresholdRule("max", params={"factor": 1.5})),
    "modes-spot": ("dmd", 25, {"rank": 6}, ThresholdRule("dspot", params={"q": 1e-3, "level": 0.9, "learn": 100})),
    "shapes": ("ensemble", 1, {"peaks": True}, None),
    "mixed": (
        "ensemble",
        24,
        {"rule": "max", "peaks": True, "members": [{"kind": "novelty"}, {"kind": "zscore", "window": 24}]},
        None,
    ),
}


def at(index: int) -> int:
    """Event time of a live point."""
    return START + (TRAINED + index) * STEP


def waves() -> dict[str, np.ndarray]:
    """(TRAINED + LIVE,) values per series; the odd points are in the live part."""
    rng = np.random.default_rng(11)
    t = np.arange(TRAINED + LIVE)
    made = {
        name: 10 + np.sin(2 * np.pi * (t + 7 * k) / 24) + rng.normal(0, 0.1, len(t)) for k, name in enumerate(NAMES)
    }
    for (name, index), by in ODD.items():
        made[name][TRAINED + index] += by
    return made


def trained(values: dict[str, np.ndarray]) -> list[Manifest]:
    ts = START + np.arange(TRAINED, dtype=np.int64) * STEP
    series = [Series(name, ts, v[:TRAINED, None], np.zeros(TRAINED, bool)) for name, v in values.items()]
    return [
        fit_model(name, kind, series, WindowSpec(window), params=params, rule=rule).publishable()
        for name, (kind, window, params, rule) in MODELS.items()
    ]


def test_job_alerts_equal_offline_alerts(stack: Stack, unique_topics: Settings) -> None:
    values = waves()
    manifests = trained(values)
    observations = [(name, at(i), float(values[name][TRAINED + i])) for i in range(LIVE) for name in NAMES]
    harness.publish(unique_topics, *manifests)
    harness.send(unique_topics, [harness.event(*o) for o in observations])
    harness.run_to_end(stack, unique_topics)
    found = harness.alerts(unique_topics)
    assert harness.plain(found) == harness.plain(harness.offline(manifests, observations))
    hits = {
        (alert.model["name"], name)
        for alert in found
        if alert.kind == "incident"
        for name, index in ODD
        if alert.series == name and alert.start <= at(index + GRACE) and alert.end >= at(index)
    }
    missed = {(model, name) for model in MODELS for name, _ in ODD} - hits
    assert not missed, "every model has its say about every odd point, or nothing was compared"

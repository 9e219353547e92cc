"""Check that new series are scored on their own within a bounded time, then by one model for all of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eddy.connections import redis_client
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.training.registry.registry import Registry
from tests.integration import harness
from tests.integration.harness import START, STEP
from tests.integration.test_learning import trainer
from tests.integration.test_trainer import DAY, learning

pytestmark = pytest.mark.stack

WARM_UP, NAMES = 50, [f"pump-{k}" for k in range(500)]


def values(points: int, begin: int = 0, seed: int = 0) -> np.ndarray:
    """(points, 500): alike series, each at its own level and size."""
    rng = np.random.default_rng(seed)
    level, size = np.random.default_rng(99).uniform(1, 100, (2, len(NAMES)))
    phase = 2 * np.pi * (begin + np.arange(points)[:, None]) / DAY
    return level + size * (np.sin(phase) + rng.normal(0, 0.05, (points, len(NAMES))))


def send(settings: Settings, rows: np.ndarray, begin: int) -> None:
    harness.send(
        settings,
        [
            harness.event(name, START + (begin + i) * STEP, float(v))
            for i, row in enumerate(rows)
            for name, v in zip(NAMES, row, strict=False)
        ],
    )


def test_five_hundred_new_series_warm_up_are_scored_and_then_share_a_model(
    stack: Stack, unique_topics: Settings
) -> None:
    settings = learning(
        unique_topics, cold_start="auto", warmup_points=WARM_UP, cold_start_model_detector="dmd",
        cold_start_train_after_points=200, min_seconds_between_trainings=0,
        cold_start_series="pump-*", history_points=200,
    )  # fmt: skip
    client, prefix = redis_client(settings.redis), settings.redis.prefix

    def states() -> set[str]:
        pipeline = client.pipeline(transaction=False)
        for name in NAMES:
            pipeline.hget(f"{prefix}:series:{name}", "state")
        return {(found or b"").decode() for found in pipeline.execute()}

    with harness.running(stack, settings) as (cluster, number):
        send(settings, values(WARM_UP - 5), 0)
        harness.until(lambda: states() == {"warming"}, "all 500 are warming")
        send(settings, values(45, WARM_UP - 5, 1), WARM_UP - 5)
        harness.until(lambda: states() <= {"ok", "open", "anomalous"}, "all 500 are watched")
        assert harness.read(settings, "dlq") == []
        before = {a.series for a in harness.alerts(settings)}
        spiked = values(10, 90, 2)
        quiet = next(k for k, name in enumerate(NAMES) if name not in before)
        spiked[3, quiet] += 2000
        send(settings, spiked, 90)
        harness.until(lambda: NAMES[quiet] in {a.series for a in harness.alerts(settings)}, "its spike is alerted")
        assert {a.model["name"] for a in harness.alerts(settings)} == {"cold-start"}

        send(settings, values(110, 100, 3)[:, :40], 100)
        harness.until(lambda: harness.read(settings, "training"), "a model for all of them is asked for")
        with trainer(settings) as lines:
            harness.until(lambda: "family" in Registry(settings).read().current, f"trained: {lines}", 120)
        harness.until(lambda: harness.events(settings, "model-loaded"), "the job uses it")
        newcomer = [harness.event("pump-new", START + i * STEP, float(v)) for i, v in enumerate(values(80, 0, 4)[:, 0])]
        newcomer[70] = harness.event("pump-new", START + 70 * STEP, 5000.0)
        harness.send(settings, newcomer)
        mine = lambda: [a for a in harness.alerts(settings) if a.series == "pump-new"]  # noqa: E731
        harness.until(mine, "the new member is watched by the family's model")
        assert {a.model["name"] for a in mine()} == {"family"}
        cluster.stop(number, drain=True)
    (request,) = {r.key for r in harness.read(settings, "training")}
    assert request == b"family"
    assert json.loads(harness.read(settings, "training")[0].value)["reason"] == "cold-start"

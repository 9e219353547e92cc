"""Check that work per batch, tick and new version grows with what changed, not with all series: it is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from eddy.models.alerting.incidents import IncidentTracker
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import Rollout
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.model_set import COLD, ModelSet
from eddy.models.windowing.windows import WindowStore
from tests.models.small_models import Job, inline, manifest, model_set, points

FEW, MANY = 20, 400
WARM_UP = 20


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often methods were called since the counter was last cleared."""
    counter: Counter[str] = Counter()

    def counted(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            counter[f"{owner.__name__}.{name}"] += 1
            return method(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapper)

    counted(Manifest, "applies_to")
    counted(Rollout, "calls")
    counted(IncidentTracker, "adopt")
    return counter


def of_many(count: int, value: float = 0.0, at: int = 0) -> list[Any]:
    return [event for k in range(count) for event in points(f"s-{k}", [value], at)]


def test_new_series_of_a_canary_costs_the_same_however_many_there_are(calls: Counter[str]) -> None:
    def cost(count: int) -> Counter[str]:
        candidate = manifest("z.candidate", rollout={"of": "z", "stage": "canary", "share": 0.5})
        job = Job(model_set(manifest(), candidate))
        job.send(of_many(count))
        calls.clear()
        job.send(points("new", [0.0]))
        return calls.copy()

    few = cost(FEW)
    assert sum(few.values()) > 0
    assert cost(MANY) == few


def test_tick_looks_at_no_series_whose_training_was_requested() -> None:
    class Watched(dict[int, str]):
        looks = 0

        def __getitem__(self, row: int) -> str:
            Watched.looks += 1
            return super().__getitem__(row)

        def __contains__(self, row: object) -> bool:
            Watched.looks += 1
            return super().__contains__(row)

        def __iter__(self) -> Any:
            Watched.looks += len(self)
            return super().__iter__()

    models = ModelSet()
    models.start_cold(cold_model("novelty", WARM_UP))
    job = Job(models, EngineOptions(cold=ColdStart(2)))
    for at in range(3):
        job.send(of_many(MANY, at=at))
    assert len(job.engine.tick(1).cold) == MANY
    scorer = job.engine.scorers[COLD]
    scorer.series_of = Watched(scorer.series_of)
    job.send(points("new", [0.0, 0.0, 0.0]))
    Watched.looks = 0
    assert job.engine.tick(2).cold == ["new"]
    assert Watched.looks <= 2
    assert job.engine.tick(3).cold == []
    assert Watched.looks <= 2


def test_new_version_carries_over_the_incidents_that_there_are(calls: Counter[str]) -> None:
    job = Job(model_set(manifest()))
    for at in range(6):
        job.send(of_many(MANY, 0.1 * (at % 2), at))
    job.send(points("s-7", [50.0], 6))
    assert len(job.engine.scorers["z"].incidents.open) == 1
    calls.clear()
    job.models.put(manifest(version=2), inline)
    job.send([])
    assert calls["IncidentTracker.adopt"] == 1
    assert len(job.engine.scorers["z"].incidents.open) == 1


@pytest.mark.parametrize(("before", "after"), [(5, 3), (3, 5), (4, 4)])
def test_windows_of_many_series_are_carried_over_as_those_of_one(before: int, after: int) -> None:
    rng = np.random.default_rng(1)
    old = WindowStore(WindowSpec(before))
    old.grow(12)
    rows = rng.integers(0, 12, 60)
    old.push(rows, np.arange(60), rng.normal(size=(60, 1)))
    together, alone = WindowStore(WindowSpec(after)), WindowStore(WindowSpec(after))
    of = rng.permutation(12)
    together.grow(12)
    alone.grow(12)
    together.adopt(np.arange(12), old, of)
    for row in range(12):
        alone.adopt(np.array([row]), old, of[row : row + 1])
    for name in ("ring", "filled", "head", "count", "until_due", "last", "points"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


def test_version_with_another_window_scores_all_series_at_once() -> None:
    job = Job(model_set(manifest()))
    for at in range(6):
        job.send(of_many(FEW, 0.1 * (at % 2), at))
    job.models.put(manifest(detector=RollingZScore(WindowSpec(3)), version=2), inline)
    assert job.send(of_many(FEW, 0.1, 6)).windows == FEW

"""Check live state: it shows the band that a point was held against, not the one after the point was learned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.engine import EngineOptions
from eddy.models.serving.model_set import ModelSet
from tests.models.engine.test_new_versions import BEFORE, PARAMS, fitted, live
from tests.models.small_models import Event, Job, inline, manifest, model_set

ODD = 500.0
LIVE = EngineOptions(live_per_second=10)


def models(kind: str) -> ModelSet:
    return model_set(manifest("m", fitted(kind, 1.0), limit=2.0))


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("kind", PARAMS)
def test_live_state_shows_the_same_band_as_the_recent_point(kind: str, batch: int) -> None:
    options = EngineOptions(live_per_second=10, points_per_second=10**6)
    job, events = Job(models(kind), options), live(1.0)
    job.send(events[:BEFORE])
    last: list[Event] = [*events[BEFORE : BEFORE + batch - 1], ("a", events[BEFORE + batch - 1][1], {"value": ODD})]
    job.engine.tick(1000)
    (*_, recent) = job.send(last).points
    (found,) = job.engine.tick(2000).live
    assert recent.values == found.values == {"value": ODD}
    for name in ("expected", "lower", "upper"):
        assert getattr(found, name) == pytest.approx(getattr(recent, name))
    assert found.score == pytest.approx(recent.score)
    assert (found.ts, found.state) == (recent.ts, recent.state)


def test_learned_point_does_not_widen_its_own_band() -> None:
    job, events = Job(models("novelty"), EngineOptions(live_per_second=10)), live(1.0)
    job.send(events[:BEFORE])
    job.send([("a", events[BEFORE][1], {"value": ODD})])
    (found,) = job.engine.tick(1000).live
    expected, upper = found.expected["value"], found.upper["value"]
    assert expected is not None
    assert upper is not None
    assert expected < upper < ODD, "it is outside of what was expected"


@pytest.mark.parametrize("kind", ["novelty", "isolation-forest"])
def test_band_is_left_out_after_a_restart_until_the_next_point(kind: str) -> None:
    job, events = Job(models(kind), EngineOptions(live_per_second=10)), live(1.0)
    job.send(events[:BEFORE])
    job.checkpoint()
    job = job.restarted()
    (found,) = job.engine.tick(1000).live
    assert (found.expected, found.score) == ({"value": None}, None)
    job.send(events[BEFORE : BEFORE + 1])
    (found,) = job.engine.tick(2000).live
    assert found.expected["value"] == pytest.approx(100, abs=40)


@pytest.mark.parametrize("kind", ["novelty", "isolation-forest"])
def test_points_scored_just_before_a_new_version_are_reported_after_it(kind: str) -> None:
    first = manifest("m", fitted(kind, 1.0), limit=2.0)
    job, events = Job(model_set(first), LIVE), live(1.0)
    job.send(events[:BEFORE])
    job.engine.tick(1000)
    scored = job.send(events[BEFORE : BEFORE + 1])
    assert scored.windows == 1
    job.models.put(replace(first, version=2), inline)
    (found,) = job.engine.tick(2000).live
    assert (found.ts, found.version, found.state) == (events[BEFORE][1], 2, "ok")
    assert found.score is not None
    assert job.engine.tick(3000).live == [], "once"


def test_state_of_a_version_that_loads_after_a_restart_is_reported() -> None:
    first = manifest("m", fitted("isolation-forest", 1.0), limit=2.0)
    job, events = Job(model_set(first), LIVE), live(1.0)
    job.send(events[:BEFORE])
    job.checkpoint()
    job = job.restarted(ModelSet())
    assert job.engine.tick(1000).live == [], "there is no model yet"
    job.models.put(replace(first, version=2), inline)
    (found,) = job.engine.tick(2000).live
    assert (found.ts, found.version) == (events[BEFORE - 1][1], 2)


def test_part_of_a_longer_window_is_not_reported() -> None:
    first = manifest("m", RollingZScore(WindowSpec(4)), limit=2.0)
    job = Job(model_set(first), LIVE)
    job.send([("a", 1000 * i, {"value": float(i % 3)}) for i in range(10)])
    longer = manifest("m", RollingZScore(WindowSpec(8)), limit=2.0, version=2)
    job.models.put(longer, inline)
    assert job.engine.tick(1000).live == []

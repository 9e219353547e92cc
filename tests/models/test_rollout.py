"""Check shadow and canary: which version sends alerts, and which closes an open incident."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eddy.errors import ModelError
from eddy.learning_settings import LearningSettings
from eddy.models.artifacts.rollout import in_share, rollout_of
from eddy.models.engine.engine import EngineOptions
from eddy.training.trainer.rollout_monitor import Counts, out_of_band
from tests.models.small_models import Job, inline, manifest, model_set, points

SERIES = [f"s-{k}" for k in range(40)]


def pending(stage, share=0.5, **more):
    return manifest("z.candidate", rollout={"of": "z", "stage": stage, "share": share}, **more)


def send(job, values, start):
    """The same values on every series."""
    alerts, recorded = [], []
    for i, value in enumerate(values):
        result = job.send([event for name in SERIES for event in points(name, [value], start + i)])
        alerts += result.alerts
        recorded += result.shadow
    return alerts, recorded


def calm(n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, n).round(3).tolist()


def callers(alerts):
    return {(a.model["name"], a.series) for a in alerts if a.state == "open"}


def test_shadow_records_alerts_without_sending_and_starts_with_full_windows():
    job = Job(model_set(manifest()))
    send(job, calm(10), 0)
    job.models.put(pending("shadow"), inline)
    alerts, recorded = send(job, [30.0, *calm(4, 1)], 10)
    assert callers(alerts) == {("z", name) for name in SERIES}
    assert callers(recorded) == {("z.candidate", name) for name in SERIES}
    assert {a.state for a in recorded} == {"open", "closed"}


def test_canary_sends_alerts_for_its_share_of_series_only():
    job = Job(model_set(manifest(), pending("canary", 0.5)))
    alerts, recorded = send(job, [*calm(10), 30.0, *calm(4, 1)], 0)
    chosen = {name for name in SERIES if in_share(name, 0.5)}
    assert 10 < len(chosen) < 30
    assert callers(alerts) == {(("z.candidate" if name in chosen else "z"), name) for name in SERIES}
    assert callers(recorded) == {(("z" if name in chosen else "z.candidate"), name) for name in SERIES}


def test_incident_opened_by_a_model_is_closed_by_the_same_model():
    job = Job(model_set(manifest()))
    alerts, _ = send(job, [*calm(10), 30.0], 0)
    assert len(callers(alerts)) == len(SERIES)
    job.models.put(pending("canary", 1.0), inline)
    job.checkpoint()
    job = job.restarted()
    alerts, _ = send(job, calm(4, 1), 11)
    assert {(a.model["name"], a.series) for a in alerts if a.state == "closed"} == {("z", name) for name in SERIES}
    alerts, _ = send(job, [60.0], 15)
    assert callers(alerts) == {("z.candidate", name) for name in SERIES}
    job.checkpoint()
    job = job.restarted()
    job.models.withdraw("z.candidate")
    alerts, _ = send(job, calm(4, 2), 16)
    assert {(a.model["name"], a.state) for a in alerts} == {("z.candidate", "closed")}
    assert len(alerts) == len(SERIES)


def test_new_series_follows_the_rollout_stage():
    job = Job(model_set(manifest(), pending("shadow")))
    job.send(points("s-0", calm(3)))
    alerts, recorded = send(job, [*calm(10), 30.0], 3)
    assert {name for name, _ in callers(alerts)} == {"z"}
    assert callers(recorded) == {("z.candidate", name) for name in SERIES}


def test_canary_shares_are_nested_and_of_the_configured_size():
    names = [f"series {k}" for k in range(5000)]
    tenth, half = ({n for n in names if in_share(n, share)} for share in (0.1, 0.5))
    assert tenth < half
    assert 400 < len(tenth) < 600
    assert not any(in_share(n, 0.0) for n in names)
    assert all(in_share(n, 1.0) for n in names)


@pytest.mark.parametrize(
    "rollout",
    [{"stage": "shadow"}, {"of": "z.candidate", "stage": "shadow"}, {"of": "z", "stage": "live"},
     {"of": "z", "stage": "canary", "share": 2}],
)  # fmt: skip
def test_invalid_rollout_is_refused(rollout):
    broken = replace(pending("shadow"), rollout=rollout)
    with pytest.raises(ModelError, match="rollout"):
        rollout_of(broken)
    with pytest.raises(ModelError, match="rollout"):
        model_set(broken)


def test_rollout_figures_are_counted_per_version():
    job = Job(model_set(manifest(), pending("shadow", limit=-1.0)), EngineOptions(figures=True))
    send(job, calm(10), 0)
    found = {model: stats for model, _, stats in job.engine.take_scoring_stats()}
    assert found["z"].windows == found["z.candidate"].windows == 7 * len(SERIES)
    assert found["z"].alarms == 0
    assert found["z.candidate"].alarms == found["z.candidate"].windows
    assert job.engine.take_scoring_stats() == []
    job.models.put(manifest(version=2), inline)
    send(job, calm(1), 10)
    assert ("z", 2) in {(model, version) for model, version, _ in job.engine.take_scoring_stats()}


def test_candidate_outside_the_alarm_rate_band_is_rejected():
    options = LearningSettings(max_alarm_ratio=3.0, ignored_alarm_rate=0.01)
    old = Counts(10_000, 50, 0)
    assert out_of_band(Counts(99, 99), old, options) == ""
    assert out_of_band(Counts(1000, 15), old, options) == ""
    assert out_of_band(Counts(1000, 20), old, options) == ""  # above, but it may be chance
    assert "alarm rate" in out_of_band(Counts(1000, 60), old, options)
    assert out_of_band(Counts(1000, 60), Counts(10_000, 500), options) == ""
    assert "no score" in out_of_band(Counts(1000, 0, 500), old, options)

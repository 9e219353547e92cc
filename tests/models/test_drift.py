"""Check drift detection: lasting changes are found and followed, anomalies are not, for any batches and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Explanation, WindowSpec
from eddy.models.drift.monitor import DriftOptions
from eddy.models.engine.engine import EngineOptions
from tests.models.small_models import STEP, Job, Level, manifest, model_set, points

OPTIONS = EngineOptions(drift=DriftOptions(lasting=20, learn=50, ask_after=30, max_factor=10.0))
N = 400


def still(n=N, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n)


def level(limit=1.0, **more):
    return manifest(detector=Fixed(WindowSpec(1)), limit=limit, **more)


class Fixed(Level):
    """The distance from 0."""

    state_size = 0

    def bind(self, series):
        return np.full(len(series), -1, np.int64)

    def _score(self, batch):
        return np.abs(batch.values[:, -1, 0])

    def _explain(self, batch, limit):
        zero = np.zeros((len(batch), 1))
        return Explanation(zero, zero - limit[:, None], zero + limit[:, None], zero + 1)


Fixed.kind = "test-fixed"
DETECTORS.register(Fixed)


def run(values, batch=64, restart_after=(), series="s-0"):
    """(drifts, wishes, alerts, job) of one series."""
    job, drifts, retrain_requests, alerts = Job(model_set(level()), OPTIONS), [], [], []
    events = points(series, values)
    for number, start in enumerate(range(0, len(events), batch)):
        result = job.send(events[start : start + batch])
        drifts += [d for _, _, d in result.drifts]
        retrain_requests += [w for _, _, w in result.retrain_requests]
        alerts += result.alerts
        if number in restart_after:
            job.checkpoint()
            job = job.restarted()
    return drifts, retrain_requests, alerts, job


def test_stationary_series_reports_no_drift():
    drifts, retrain_requests, alerts, _ = run(still(5000))
    assert not drifts
    assert not retrain_requests
    assert not alerts


@pytest.mark.parametrize("length", [1, 3, 10])
def test_anomaly_is_not_reported_as_drift(length):
    values = still()
    values[200 : 200 + length] += 5.0
    drifts, _, alerts, job = run(values)
    assert not drifts
    assert [a.state for a in alerts] == ["open", "closed"]
    assert not job.engine.scorers["z"].drift.adapted(0)


def test_lasting_change_is_reported_once_adapts_the_limit_and_requests_training():
    values = still()
    values[200:] += 4.0
    drifts, retrain_requests, alerts, job = run(values)
    score = [d for d in drifts if d.stream == "score"]
    assert len(score) == 1
    assert score[0].direction == 1
    assert score[0].since == 200 * STEP
    assert 215 * STEP <= score[0].at <= 225 * STEP
    assert {(d.stream, d.direction) for d in drifts} == {("score", 1), ("value", 1)}
    assert [wanted.since for wanted in retrain_requests] == [200 * STEP] * 3  # after 30, 60 and 120 points
    assert [a.state for a in alerts if a.state != "update"] == ["open", "closed"]
    scorer = job.engine.scorers["z"]
    assert scorer.drift.adapted(0)
    assert 4.0 < scorer.limit[0] < 6.0


def test_anomaly_after_drift_is_found_and_does_not_move_the_limit():
    values = still(600)
    values[200:] += 4.0
    values[400] += 4.0
    _, _, alerts, job = run(values)
    assert 400 * STEP in {a.start for a in alerts}
    assert job.engine.scorers["z"].limit[0] < 6.0


def test_adapted_limit_stays_within_its_bounds():
    values = still(900)
    values[200:] += 100.0
    _, _, _, job = run(values)
    assert job.engine.scorers["z"].limit[0] == 10.0  # ten times its own
    values = still(900)
    values[200:260] += 4.0
    _, _, _, job = run(values)
    assert 1.0 <= job.engine.scorers["z"].limit[0] <= 6.0


def test_second_lasting_change_is_followed_too():
    values = still(900)
    values[200:] += 4.0
    values[500:] += 5.0
    drifts, retrain_requests, _, job = run(values)
    assert [d.since for d in drifts if d.stream == "score"] == [200 * STEP, 500 * STEP]
    assert {wanted.since for wanted in retrain_requests} == {200 * STEP, 500 * STEP}
    assert job.engine.scorers["z"].limit[0] > 9.0


@pytest.mark.parametrize(("batch", "restarts"), [(1, ()), (7, (3, 20, 40)), (400, ())])
def test_batches_and_restarts_change_nothing(batch, restarts):
    values = still()
    values[200:] += 4.0
    values[300] += 9.0
    expected, found = run(values, 64), run(values, batch, restarts)
    assert found[:2] == expected[:2]
    assert [(a.state, a.start, a.end, a.threshold) for a in found[2]] == [
        (a.state, a.start, a.end, a.threshold) for a in expected[2]
    ]
    states = [job.engine.scorers["z"].drift.state[0] for *_, job in (expected, found)]
    np.testing.assert_array_equal(*states)


def test_new_version_starts_with_its_own_limit_and_same_artifact_keeps_the_adapted_one():
    values = still()
    values[200:] += 4.0
    *_, job = run(values)
    same = level(version=2, alerts={"close_after": 5})
    job.models.put(same, lambda m: m.inline_artifact())
    job.send(points("s-0", [4.0], start=N))
    assert job.engine.scorers["z"].drift.adapted(0)
    other = manifest(detector=Fixed(WindowSpec(2)), limit=9.0, version=3)
    job.models.put(other, lambda m: m.inline_artifact())
    job.send(points("s-0", [4.0], start=N + 1))
    assert not job.engine.scorers["z"].drift.adapted(0)
    assert job.engine.scorers["z"].limit[0] == 9.0


def test_wider_spread_is_drift_and_missing_values_are_not():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.1, 600)
    values[300:] *= 4.0
    values[100:104] = np.nan
    drifts, *_ = run(values)
    assert ("step", 1) in {(d.stream, d.direction) for d in drifts}
    assert all(d.since >= 290 * STEP for d in drifts)


def test_state_restores_when_drift_detection_is_switched_on_and_off():
    job = Job(model_set(level()))
    job.send(points("s-0", still(100)))
    job.checkpoint()
    job.options = OPTIONS
    on = job.restarted()
    on.send(points("s-0", still(100), start=100))
    on.checkpoint()
    on.options = EngineOptions()
    off = on.restarted()
    assert off.engine.scorers["z"].drift is None
    assert off.engine.scorers["z"].store.count[0] == 1

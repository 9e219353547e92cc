"""Check the trainer's parts: the request queue, the training data, and the trial that compares models."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.errors import DataError, ModelError
from eddy.event_times import ANY_TIME
from eddy.learning_settings import LearningSettings
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.thresholds.fixed import FixedThreshold
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.fitting.fit import ThresholdRule, fit_model
from eddy.training.trainer import history, rollout_monitor
from eddy.training.trainer.history import Training
from eddy.training.trainer.holdout_evaluation import evaluate_on_holdout, inject
from eddy.training.trainer.requests import RequestQueue, check_first_version
from eddy.training.trainer.rollout_monitor import RolloutWatch
from eddy.training.trainer.training_data import anomalous, prepare
from eddy.training.trainer.worker_process import decide
from eddy.training_request import TrainingRequest
from tests.cli.alerts_at_hand import alert

NOW, LATEST = 1_735_689_600_000, ANY_TIME.last_ms
FIGURES = {"schema": 1, "model": "m", "version": 1, "windows": 100, "alarms": 5, "silent": 0}
STEP = 60_000
NO_REGISTRY: Any = None
DAY = 48


def request(model="m", ts=1, **more):
    return TrainingRequest(model, "drift", ts, **more)


def wave(n=1500, level=0.0, seed=0, name="s", begin=0):
    rng = np.random.default_rng(seed)
    values = level + np.sin(2 * np.pi * (np.arange(n) + begin) / DAY) + rng.normal(0, 0.05, n)
    ts = (np.arange(n, dtype=np.int64) + begin) * STEP
    return Series(name, ts, values[:, None], np.zeros(n, np.bool_))


def test_training_request_survives_json():
    one = request(since={"a": 5}, series=("a*",), detector="dmd", interval_ms=STEP)
    assert TrainingRequest.from_json(one.to_json()) == one
    for broken in (
        b"",
        b"[]",
        b"{}",
        one.to_json().replace(b'"drift"', b'"whim"'),
        one.to_json().replace(b"5", b'"5"'),
    ):
        with pytest.raises(DataError):
            TrainingRequest.from_json(broken)


def next_of(queue: RequestQueue, now_ms: int) -> TrainingRequest:
    """The request that is served next, which there has to be."""
    ready = queue.ready(now_ms)
    assert ready is not None
    return ready


def test_requests_for_a_waiting_model_are_merged():
    queue = RequestQueue(10, 0)
    assert queue.add(request(ts=1, since={"a": 1}), 7) == "added"
    assert queue.add(request(ts=2, since={"b": 2}), 8) == "merged"
    assert len(queue) == 1
    ready = next_of(queue, 0)
    assert ready == request(ts=2, since={"a": 1, "b": 2})
    assert queue.settled(9) == 7
    queue.done(ready, 5)
    assert queue.ready(6) is None
    assert queue.settled(9) == 9
    assert queue.add(request(ts=2), 8) == "known"


def test_recently_trained_model_waits_while_others_are_served():
    queue = RequestQueue(10, 100)
    queue.served("m", 1, 1000)
    queue.add(request(ts=2), 0)
    queue.add(request("other", ts=3), 1)
    assert next_of(queue, 1050).model == "other"
    queue.done(next_of(queue, 1050), 1060)
    assert queue.ready(1061) is None
    assert next_of(queue, 1100).model == "m"
    assert queue.settled(2) == 0


def test_request_during_training_is_served_afterwards():
    queue = RequestQueue(10, 0)
    queue.add(request(ts=1), 0)
    running = next_of(queue, 0)
    queue.add(request(ts=2), 1)
    queue.done(running, 10)
    assert next_of(queue, 10).ts == 2
    assert queue.settled(2) <= 1


def test_number_of_waiting_requests_is_bounded():
    queue = RequestQueue(2, 0)
    assert [queue.add(request(f"m{k}"), k) for k in range(3)] == ["added", "added", "too-many"]


def test_junk_names_never_take_the_place_of_the_jobs_own_request():
    queue = RequestQueue(64, 0)
    answers = [queue.add(request(f"junk-{k}"), k, now=NOW) for k in range(100)]
    assert answers.count("too-many") == 36
    assert queue.add(request("family", ts=NOW), 100, expected=True, now=NOW) == "added"
    assert next_of(queue, NOW).model == "family", "and they do not make it wait either"
    queue.done(next_of(queue, NOW), NOW)
    assert next_of(queue, NOW).model == "junk-0"
    assert queue.settled(101) == 0


@pytest.mark.parametrize("ts", [NOW * 2, LATEST])
def test_request_from_far_ahead_does_not_make_later_ones_pass_for_known(ts):
    queue = RequestQueue(10, 0)
    assert queue.add(request(ts=ts), 0, now=NOW) == "added"
    queue.done(next_of(queue, NOW), NOW)
    assert queue.add(request(ts=NOW), 1, now=NOW) == "known"
    assert queue.add(request(ts=NOW + 1), 2, now=NOW + 1) == "added"
    remembered = RequestQueue(10, 0)
    remembered.served("m", ts, NOW)
    assert remembered.add(request(ts=NOW + 2 * 3_600_000), 3, now=NOW + 2 * 3_600_000) == "added"


NO_FIGURES = [
    b"", b"[]", b"nonsense", b"[" * 100_000, b'{"model": "m"}', *(
        json.dumps({**FIGURES, name: value}).encode()
        for name, value in [
            ("model", "\ud800"), ("model", 7), ("model", ""), ("model", "x\x1b"), ("version", 0), ("version", "1"),
            ("windows", 1e999), ("windows", -1), ("windows", 10**400), ("windows", True), ("alarms", -5),
            ("alarms", 101), ("silent", 101), ("silent", None), ("alarms", float("nan")),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize("value", NO_FIGURES)
def test_figures_that_are_none_are_refused_and_stop_nothing(value):
    watch = RolloutWatch(NO_REGISTRY, LearningSettings(), lambda *_, **__: None)
    assert not watch.take(value)
    assert not watch.take(None)
    watch.check()  # nothing fresh: the registry is not asked


def test_counts_of_versions_are_bounded(monkeypatch):
    monkeypatch.setattr(rollout_monitor, "_MAX_VERSIONS", 3)
    watch = RolloutWatch(NO_REGISTRY, LearningSettings(), lambda *_, **__: None)
    for number in range(1, 10):
        assert watch.take(json.dumps({**FIGURES, "version": number}).encode())
    assert [version for _, version in watch._counts] == [7, 8, 9]


@pytest.mark.parametrize(
    "value",
    [
        b"", b"[]", b"7", b"[" * 100_000, b'{"model": "m"}',
        b'{"model":"m","request_ts":1e999,"done_at":1,"outcome":"x"}',
        b'{"model":"m","request_ts":1,"done_at":9000000000000000000,"outcome":"x"}',
        b'{"model":"\\ud800","request_ts":1,"done_at":1,"outcome":"x"}',
        b'{"model":["m"],"request_ts":1,"done_at":1,"outcome":"x"}',
        b'{"model":"m","request_ts":"1","done_at":1,"outcome":"x"}',
    ],
)  # fmt: skip
def test_remembered_trainings_that_are_none_are_left_out(value):
    assert history._training(value) is None
    assert history._training(b'{"model":"m","request_ts":1,"done_at":2,"outcome":"x"}') == Training("m", 1, 2, "x")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_offset_is_committed_only_after_its_request_is_served(steps):
    queue, position = RequestQueue(2, 0), 0
    open_offsets: dict[str, list[int]] = {}
    for number, (model, serve) in enumerate(steps):
        ready = queue.ready(number) if serve else None
        if ready is not None:
            queue.done(ready, number)
            open_offsets.pop(ready.model)
        elif queue.add(request(model, ts=number + 1), position) in ("added", "merged"):
            open_offsets.setdefault(model, []).append(position)
            position += 1
        first = min((min(of) for of in open_offsets.values()), default=position)
        assert queue.settled(position) == first


def test_long_incidents_are_not_excluded_from_training():
    short = alert(id="1", series="s", start=10 * STEP, end=12 * STEP, points=2)
    long = alert(id="2", series="s", start=20 * STEP, end=900 * STEP, points=40)
    grown = alert(id="1", series="s", start=10 * STEP, end=14 * STEP, points=4)
    assert anomalous([short, long, grown], 40) == {"s": [(10 * STEP, 14 * STEP)]}


def test_training_data_start_at_the_drift_without_anomalies():
    raw = wave(1000)
    found = Dataset(("value",), (RawSeries("s", raw.ts, raw.values), RawSeries("t", raw.ts, raw.values)))
    spec = WindowSpec(20, interval_ms=STEP)
    options = LearningSettings(holdout=0.25, max_excluded_points=50)
    material = prepare(found, spec, options, {"s": [(600 * STEP, 605 * STEP)]}, {"s": 500 * STEP})
    assert [len(s.ts) for s in material.whole] == [500, 1000]
    assert material.whole[0].ts[0] == 500 * STEP
    assert material.held_back == (375, 750)
    missing = np.isnan(material.past[0].values[:, 0])
    assert material.past[0].ts[missing].tolist() == [t * STEP for t in range(600, 606)]
    assert not np.isnan(material.whole[0].values).any()
    late = prepare(found, spec, options, {}, {"s": 990 * STEP})
    assert len(late.whole[0].ts) == 1000
    assert "10 points since its drift" in late.notes[0]


def test_held_back_part_is_a_share_of_all_points_whatever_the_gaps():
    """An hour of data after an outage is not all that a challenger is tried on."""
    whole = wave()
    kept = np.ones(len(whole.ts), bool)
    kept[1300:1440] = False  # longer than a gap that is filled
    found = Dataset(("value",), (RawSeries("s", whole.ts[kept], whole.values[kept]),))
    material = prepare(found, WindowSpec(12, interval_ms=STEP), LearningSettings(holdout=0.25), {}, {})
    (history,), (cut,) = material.whole, material.held_back
    assert history.ts.tolist() == whole.ts[kept].tolist()
    assert len(history.ts) - cut == 340
    assert [len(s.ts) for s in material.past] == [1020]


def test_trial_anomalies_are_injected_apart_in_the_held_back_part():
    series = [wave(1500, seed=1), wave(900, seed=2, name="t")]
    changed, events = inject(series, [1000, 500], 20, 3)
    assert len(events) > 10
    for one, after, start, k in zip(series, changed, (1000, 500), (0, 1), strict=True):
        differs = np.flatnonzero((one.values != after.values).any(axis=1))
        own = [e for e in events if e.series == k]
        assert set(differs) <= {start + row for e in own for row in range(e.first, e.last + 1)}
        assert all(b.first - a.last > 20 for a, b in itertools.pairwise(own))
        assert differs.min() >= start
    assert {e.kind for e in events} == {"spike", "shift", "burst"}


def fitted(series, limit=None, rule=None):
    spec, params = WindowSpec(DAY, interval_ms=STEP), {"rank": 8, "online": False}
    trained = fit_model("m", "dmd", [series], spec, params=params, rule=rule)
    if limit is None:
        return trained.manifest, trained.content
    threshold = FixedThreshold(limit).to_params()
    return type(trained.manifest)(**{**vars(trained.manifest), "threshold": threshold}), trained.content


def test_trial_prefers_a_good_model_to_one_that_never_or_always_alerts():
    recent = wave(1500, seed=4)
    good, deaf, shrill = fitted(wave(seed=5)), fitted(wave(seed=5), 1e9), fitted(wave(seed=5), 1e-9)
    figures = [evaluate_on_holdout(manifest, content, [recent], [1000]) for manifest, content in (good, deaf, shrill)]
    assert figures[0].f1 > 0.8
    assert figures[1].f1 == 0.0
    assert figures[2].found == figures[2].events
    assert figures[2].f1 < 0.5
    assert decide(figures[0], figures[2], 0.05, 0.3).better
    assert not decide(figures[2], figures[0], 0.05, 0.3).better
    assert not decide(figures[0], figures[0], 0.05, 0.3).better
    assert decide(figures[0], None, 0.05, 0.3).better
    assert not decide(figures[1], None, 0.05, 0.3).better


def test_trial_prefers_the_model_trained_on_the_new_level():
    after = wave(1500, level=9.0, seed=6)
    own = Series("s", after.ts[:1000], after.values[:1000], after.imputed[:1000])
    old, new = (fitted(one, rule=ThresholdRule()) for one in (wave(seed=5), own))  # whose limits do not follow
    was, now = (evaluate_on_holdout(manifest, content, [after], [1000]).f1 for manifest, content in (old, new))
    assert now > was + 0.05


def test_limits_of_the_hold_out_are_those_without_injected_anomalies():
    """Of far more anomalies than the promised rate allows, nearly all are found; the unchanged series stays quiet."""
    manifest, content = fitted(wave(seed=5))
    found = evaluate_on_holdout(manifest, content, [wave(1500, seed=4)], [1000])
    assert found.events >= 18  # in ten days
    assert found.found > 0.8 * found.events
    assert found.false <= 2


def test_request_publishes_no_first_version_but_that_for_new_series():
    learning = LearningSettings(cold_start_model="family")
    check_first_version(request("family"), learning)
    with pytest.raises(ModelError, match=r"'pumps' is not in the registry; .*learning\.cold_start_model"):
        check_first_version(request("pumps", series=("*",), detector="novelty"), learning)

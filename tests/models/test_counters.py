"""Counters: which series are, and what is scored of them, on shapes as exporters, meters and vehicles give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import ValueType
from eddy.models.core.detector import Floats, Series, WindowSpec
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.engine.replay import replay
from eddy.models.preprocessing.counters import FEW_RISES, Counters, converted, increase, is_counter
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.training.fitting.fit import fit_model
from eddy.training.trainer.holdout_evaluation import evaluate_on_holdout
from tests.models.small_models import Job, points

MINUTE = 60_000
START = 1_735_689_600_000
DAY = 1440


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def restarted(steps: Floats, at: list[int], total: float = 0.0) -> Floats:
    """Add steps up to a counter that begins anew, with what the process did since, at some rows."""
    found = np.empty(len(steps))
    for i, step in enumerate(steps):
        total = step * 0.4 if i in at else total + step
        found[i] = total
    return found


def cpu_seconds(n: int = 3 * DAY) -> Floats:
    """node_cpu_seconds_total: float increments; the machine restarts twice."""
    return restarted(60 * np.clip(rng(1).normal(0.3, 0.05, n), 0, 1), [1700, 3100], 81_234.5)


def network_bytes(n: int = 3 * DAY) -> Floats:
    """node_network_receive_bytes_total of an office: nothing at night."""
    hour = np.arange(n) % DAY // 60
    return np.cumsum(np.where((hour > 7) & (hour < 19), rng(2).poisson(900_000, n), 0)).astype(float)


def odometer(n: int = 3 * DAY) -> Floats:
    """Kilometres to one decimal, of a van that stands half of the time."""
    driving = np.repeat(rng(3).random(n // 30) < 0.5, 30)
    return np.round(152_340.2 + np.cumsum(driving * rng(4).uniform(0.5, 1.5, n)), 1)


def smart_meter(n: int = 60 * 96) -> Floats:
    """kWh by the quarter of an hour, to three decimals."""
    day = 1 + np.sin(2 * np.pi * np.arange(n) / 96)
    return np.round(40_211 + np.cumsum(0.05 + 0.2 * day * rng(5).random(n)), 3)


def requests_total(n: int = 3 * DAY) -> Floats:
    """Requests of a service that is deployed anew every few hours."""
    return restarted(rng(6).poisson(35, n).astype(float), list(range(400, n, 400)))


def rare_errors(n: int = 20 * DAY) -> Floats:
    """An error every half an hour or so."""
    return np.cumsum(rng(7).random(n) < 1 / 30).astype(float)


COUNTERS = {
    "cpu seconds": cpu_seconds,
    "network bytes": network_bytes,
    "odometer": odometer,
    "smart meter": smart_meter,
    "requests": requests_total,
    "rare errors": rare_errors,
    "straight": lambda: np.arange(4000.0),
}


def warm_morning() -> Floats:
    """Degrees to one decimal, by the minute: up from 6 to 14 o'clock, then down."""
    return np.round(12 + 7 * np.sin(2 * np.pi * (np.arange(DAY) / DAY - 0.25)), 1)


def disk(n: int = 20 * DAY) -> Floats:
    """GB used, by the minute: with temporary files that come and go, cleaned every four days."""
    filled = 20 + 0.01 * (np.arange(n) % (4 * DAY))
    return filled + rng(8).exponential(0.1, n)


def log_disk(n: int = 20 * DAY) -> Floats:
    """GB used by logs alone, which never shrink: a counter, until it has been cleaned three times."""
    return 20 + 0.01 * (np.arange(n) % (4 * DAY))


def leaking_memory(n: int = 20 * DAY) -> Floats:
    """MB of a process that leaks, with a collector of garbage, restarted each two days."""
    return 200 + 0.5 * (np.arange(n) % (2 * DAY)) + rng(9).uniform(0, 30, n)


GAUGES = {
    "warm morning": warm_morning,
    "disk": disk,
    "leaking memory": leaking_memory,
    "business that grows": lambda: np.cumsum(rng(10).normal(0.4, 1, 4000)) + 1000,
    "constant": lambda: np.full(4000, 7.0),
    "setting that changed twice": lambda: np.repeat([1.0, 2.0, 5.0], 1000),
    "buffer that is flushed": lambda: np.arange(4000.0) % 96,
    "noise near 0": lambda: rng(11).random(4000),
    "below zero": lambda: np.arange(-4000.0, 0.0),
    "from below zero, as scaled data are": lambda: np.tile(np.linspace(-1, 1, 1500), 3),
    "nothing": lambda: np.full(4000, np.nan),
}


@pytest.mark.parametrize("name", COUNTERS)
def test_counters_are_recognised(name):
    assert is_counter(COUNTERS[name]())


@pytest.mark.parametrize("name", GAUGES)
def test_gauges_are_not_taken_for_counters(name):
    assert not is_counter(GAUGES[name]())


def test_a_few_points_show_that_a_series_may_be_a_counter():
    assert is_counter(cpu_seconds()[:40], FEW_RISES)
    assert not is_counter(cpu_seconds()[:40])
    assert not is_counter(np.arange(15.0), FEW_RISES)
    assert not is_counter(rng().normal(size=500), FEW_RISES)


def test_increases_are_those_of_prometheus():
    values = np.array([5.0, 9.0, 9.0, 2.0, 3.5])
    assert increase(values[:-1], values[1:]).tolist() == [4.0, 0.0, 2.0, 1.5]


def converted_values(values: Sequence[float] | Floats, interval: int = MINUTE, ts=None) -> list[float]:
    ts = START + np.arange(len(values)) * MINUTE if ts is None else ts
    return converted(ts, np.asarray(values, float)[:, None], WindowSpec(1, interval_ms=interval), [True])[:, 0].tolist()


def test_nothing_is_scored_where_a_counter_begins_anew():
    found = converted_values([100.0, 110.0, 121.0, 4.0, 14.0])
    assert str(found) == "[nan, 10.0, 11.0, nan, 10.0]"


def test_a_fall_to_what_no_reset_leaves_is_scored_as_the_increase_from_0():
    assert converted_values([5000.0, 5010.0, 5020.0, 3000.0, 5040.0])[1:] == [10.0, 10.0, 3000.0, 2040.0]


def test_a_small_step_back_is_not_scored():
    found = converted_values([5000.0, 5010.0, 5020.0, 5019.5, 5030.0])
    assert str(found) == "[nan, 10.0, 10.0, nan, 10.5]"


@pytest.mark.parametrize("interval", [MINUTE, 0])
def test_the_increase_over_missed_points_is_spread_over_them(interval):
    """Where points are not clocked, the usual time between them says how many are missing."""
    at = np.delete(np.arange(60), np.arange(40, 50))
    found = converted_values(10.0 * at, interval, START + at * MINUTE)
    assert found[1:] == [10.0] * 49


def test_rounding_of_large_values_is_no_news():
    """20.01 + 0.01 is not 20.02 to the bit, and above 32 the difference is another one."""
    assert set(converted_values(20 + 0.01 * np.arange(4000))[1:]) == {0.01}


def test_missing_values_and_their_time_count():
    assert converted_values([10.0, np.nan, np.nan, 40.0])[3] == 10.0


def turns_of(values: Floats, batch: int) -> tuple[list[float], list[int]]:
    """What is scored, batch by batch, and where that changed."""
    counters = Counters(WindowSpec(1))
    counters.grow(1)
    found, changes = [], []
    for at in range(0, len(values), batch):
        part = values[at : at + batch]
        ts = START + np.arange(at, at + len(part)) * MINUTE
        one = counters.convert(np.zeros(len(part), np.int64), ts, part[:, None])
        found += one.values[:, 0].tolist()
        if one.turns is not None:
            changes += (at + np.flatnonzero(np.diff(one.turns, prepend=0))).tolist()
    return found, changes


def test_a_series_that_falls_lastingly_is_a_gauge_again_for_good():
    values = np.concatenate([np.arange(1000.0), np.arange(1000.0, 0, -1), np.arange(5000.0)])
    found, changes = turns_of(values, len(values))
    assert changes == [200, 1003]
    assert found[200:1000] == [1.0] * 800
    assert np.isnan(found[1001:1003]).all()
    assert found[1003:] == values[1003:].tolist()
    np.testing.assert_array_equal(turns_of(values, 7)[0], found)
    assert turns_of(values, 7)[1] == changes


def test_leaks_with_restarts_are_gauges_after_their_third():
    """Each fall to a tenth of the highest value is scored as an increase; the third says that it is no counter."""
    values = np.tile(200 + np.arange(2000.0), 5)
    found, changes = turns_of(values, len(values))
    assert changes == [200, 6000]
    assert found[2000] == found[4000] == 200.0


# -- through the engine --------------------------------------------------------------------------------------------


def cold(value_type: ValueType = "auto") -> ModelSet:
    models = ModelSet()
    models.start_cold(cold_model("auto", 0, value_type=value_type))
    return models


def alerts_on(values: Floats, models: ModelSet | None = None, ts=None, step: int = MINUTE):
    ts = START + np.arange(len(values)) * step if ts is None else ts
    codes = np.zeros(len(values), np.int64)
    found = replay(models or cold(), EngineOptions(cold=ColdStart()), ["s"], codes, ts, values[:, None])
    return [alert for alert in found if alert.state == "open"], ts


def rows_of(alerts, ts) -> list[int]:
    return [int(np.searchsorted(ts, alert.start)) for alert in alerts]


def test_a_straight_ramp_raises_nothing_and_its_hole_does():
    ramp = np.arange(1.0, 5001.0)
    assert alerts_on(ramp)[0] == []
    ramp[4900:4911] = 3000
    alerts, ts = alerts_on(ramp)
    assert rows_of(alerts, ts) == [4900]
    assert alerts[0].reason == "increase of value 3,000, expected 1 to 1"
    assert (alerts[0].values, alerts[0].increases) == ({"value": 3000.0}, ("value",))
    assert (alerts[0].window or {})["values"] == {"value": [3000.0]}


@pytest.mark.parametrize("name", COUNTERS)
def test_nothing_is_raised_where_counters_begin_anew(name):
    values = COUNTERS[name]()
    resets = np.flatnonzero(np.diff(values) < 0) + 1
    alerts, ts = alerts_on(values)
    near = [row for row in rows_of(alerts, ts) if (np.abs(resets - row) <= 3).any()]
    assert near == []
    assert len(alerts) <= 2 + len(values) // (3 * DAY)


def test_a_service_that_stands_still_or_runs_wild_is_found():
    steps = rng(12).poisson(400, 4000).astype(float)
    steps[3000:3030] = 0
    steps[3500:3510] *= 4
    alerts, ts = alerts_on(np.cumsum(steps))
    found = rows_of(alerts, ts)
    assert any(3000 <= row < 3030 for row in found)
    assert any(3500 <= row < 3510 for row in found)
    before = rows_of(*alerts_on(np.cumsum(steps), cold("gauge")))
    assert not any(3500 <= row < 3510 for row in before)


def test_a_reader_that_hung_raises_nothing():
    kept = np.delete(np.arange(4000), np.arange(3000, 3040))
    values = np.cumsum(rng(13).poisson(400, 4000)).astype(float)[kept]
    alerts, ts = alerts_on(values, ts=START + kept * MINUTE)
    assert not any(2995 <= row <= 3005 for row in rows_of(alerts, ts))


def test_a_disk_of_logs_is_a_gauge_from_the_third_time_that_it_is_cleaned():
    found, changes = turns_of(log_disk(), 10_000)
    assert changes == [200, 12 * DAY]
    assert not is_counter(log_disk())
    alerts, ts = alerts_on(log_disk())
    assert rows_of(alerts, ts) == [4 * DAY, 8 * DAY]
    assert len(found) == 20 * DAY


@pytest.mark.parametrize("name", GAUGES)
def test_gauges_get_the_alerts_that_they_got(name):
    values = GAUGES[name]()
    found, before = alerts_on(values)[0], alerts_on(values, cold("gauge"))[0]
    assert [replace(a, settings_digest="") for a in found] == [replace(a, settings_digest="") for a in before]


STREAMS = {
    "count": np.arange(700.0),
    "reset": np.concatenate([np.arange(500.0), np.arange(300.0)]),
    "back": np.concatenate([np.arange(300.0), np.arange(300.0, 0, -1)]),
    "noise": rng(14).normal(50, 1, 700),
    "hole": np.where((np.arange(700) > 600) & (np.arange(700) < 606), 300.0, np.arange(700.0)),
}


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6), st.sets(st.integers(0, 4)))
@settings(max_examples=10, deadline=None)
def test_batches_and_restarts_change_nothing(sizes, restarts):
    events = sorted(
        (event for name, values in STREAMS.items() for event in points(name, values.tolist(), START // MINUTE, MINUTE)),
        key=lambda event: event[1],
    )

    def run(sizes: list[int], restarts: set[int]) -> list[bytes]:
        job, found, at, k = Job(cold(), EngineOptions(cold=ColdStart())), list[bytes](), 0, 0
        while at < len(events):
            size = sizes[k % len(sizes)]
            found += [alert.to_json() for alert in job.send(events[at : at + size]).alerts]
            if k in restarts:
                job.checkpoint()
                job = job.restarted(cold())
            at, k = at + size, k + 1
        return sorted(found)

    whole = run([len(events)], set())
    assert any(b"increase" in alert for alert in whole)
    assert run(sizes, restarts) == whole


def trained(value_type: ValueType, values: dict[str, Floats], kind: str = "auto", window: int = 1):
    series = [
        Series(name, START + np.arange(len(own)) * MINUTE, own[:, None], np.zeros(len(own), bool))
        for name, own in values.items()
    ]
    return fit_model("m", kind, series, WindowSpec(window, interval_ms=MINUTE), value_type=value_type)


def test_training_finds_the_counters_and_the_job_scores_the_same_series_so():
    steps, level = rng(15).poisson(400, 6000).astype(float), rng(16).normal(50, 1, 6000)
    model = trained("auto", {"bytes": np.cumsum(steps[:4000]), "level": level[:4000]})
    assert any("1 of 2 series are counters" in note and "bytes" in note for note in model.notes)
    assert model.manifest.value_type == "auto"
    steps[5500:5510] *= 4
    level[5700] = 70
    models = ModelSet()
    models.adopt(load_model(model.manifest, model.content))
    for name, values, where in (("bytes", np.cumsum(steps), 5500), ("level", level, 5700)):
        rest = values[4000:]
        ts = START + np.arange(4000, 6000) * MINUTE
        found = replay(models, EngineOptions(), [name], np.zeros(2000, np.int64), ts, rest[:, None])
        rows = [int(np.searchsorted(ts, a.start)) + 4000 for a in found if a.state == "open"]
        assert any(where <= row < where + 10 for row in rows)
        assert all(bool(a.increases) == (name == "bytes") for a in found)


def test_a_model_of_gauges_is_that_of_before_to_the_bit():
    level = {"level": rng(17).normal(50, 1, 3000)}
    assert trained("auto", level).content == trained("gauge", level).content


@pytest.mark.parametrize("kind", ["isolation-forest", "zscore"])
def test_detectors_of_windows_are_trained_on_increases(kind):
    steps = rng(18).normal(400, 20, 4000)
    model = trained("counter", {"a": np.cumsum(steps)}, kind, 24)
    models = ModelSet()
    models.adopt(load_model(model.manifest, model.content))
    live = rng(19).normal(400, 20, 1000)
    live[700] = 4000
    alerts, ts = alerts_on(50_000 + np.cumsum(live), models)
    assert 700 in rows_of(alerts, ts)
    assert len(alerts) < 5


def test_a_new_version_that_scores_otherwise_begins_anew_and_one_that_scores_the_same_goes_on():
    steps = rng(20).poisson(400, 3000).astype(float)
    model = trained("auto", {"a": np.cumsum(steps)})
    live = points("a", (np.cumsum(steps) + 5e6).tolist(), START // MINUTE + 3000, MINUTE)
    same_as_before: dict[ValueType, bool] = {"auto": True, "counter": True, "gauge": False}
    for value_type, same in same_as_before.items():
        models = ModelSet()
        models.adopt(load_model(model.manifest, model.content))
        job = Job(models, EngineOptions())
        job.send(live[:1000])
        before = job.engine.scorers["m"].state[0].copy()
        models.adopt(load_model(replace(model.manifest, version=2, value_type=value_type), model.content))
        job.engine.adopt_models()
        scorer = job.engine.scorers["m"]
        assert bool((scorer.state[0] == before).all()) == same
        assert scorer.increases[0].tolist() == [same]
        job.send(live[1000:1001])
        assert scorer.store.ring[0, 0, 0] == pytest.approx(steps[1000] if same else live[1000][2]["value"])


def test_state_of_before_counters_goes_on():
    """A checkpoint without counters is that of a job of before: its series are watched from the restart on."""
    job = Job(cold("gauge"), EngineOptions(cold=ColdStart()))
    job.send(points("a", np.arange(500.0).tolist(), START // MINUTE, MINUTE))
    job.checkpoint()
    state = job.engine.scorers["cold-start"].state[0].copy()
    job = job.restarted(cold())
    scorer = job.engine.scorers["cold-start"]
    assert (scorer.state[0] == state).all()
    job.send(points("a", np.arange(500.0, 1000.0).tolist(), START // MINUTE + 500, MINUTE))
    assert scorer.increases[0].tolist() == [True]


def test_each_feature_is_scored_by_itself():
    values = np.column_stack([np.cumsum(rng(21).poisson(9, 600)), rng(22).normal(5, 1, 600)])
    counters = Counters(WindowSpec(1, features=("total", "level")))
    counters.grow(1)
    found = counters.convert(np.zeros(600, np.int64), START + np.arange(600) * MINUTE, values)
    np.testing.assert_array_equal(found.values[:, 1], values[:, 1])
    assert found.values[300:, 0].max() < 40
    assert found.increases is not None
    assert found.increases[-1].tolist() == [True, False]


def test_an_open_incident_closes_where_a_series_turns_out_to_be_a_counter():
    values = 5.0 + np.concatenate([np.zeros(300), np.arange(198.0), 1e6 + np.arange(20.0)])
    ts = START + np.arange(len(values)) * MINUTE
    found = replay(cold(), EngineOptions(cold=ColdStart()), ["s"], np.zeros(len(ts), np.int64), ts, values[:, None])
    assert [(a.state, int(np.searchsorted(ts, a.start)), a.increases) for a in found][-2:] == [
        ("open", 498, ()),
        ("closed", 498, ()),
    ]


@pytest.mark.parametrize("found", [{"counters": [1]}, {"counters": {"a": "value"}}, {"counters": {"a": [1]}}])
def test_an_artifact_with_other_counters_is_refused(found, monkeypatch):
    monkeypatch.setattr(artifact, "_header", lambda _: found)
    with pytest.raises(ModelError, match="counters: found something else"):
        artifact.read_counters(b"")


def test_a_hold_out_injects_its_anomalies_into_the_increases():
    steps = rng(24).poisson(400, 4000).astype(float)
    model = trained("auto", {"a": np.cumsum(steps[:2500])})
    ts, nothing = START + np.arange(4000) * MINUTE, np.zeros(4000, bool)
    counter = Series("a", ts, np.cumsum(steps)[:, None], nothing)
    gauge = trained("gauge", {"a": steps[:2500]})
    found = evaluate_on_holdout(model.manifest, model.content, [counter], [2500])
    beside = evaluate_on_holdout(gauge.manifest, gauge.content, [Series("a", ts, steps[:, None], nothing)], [2500])
    assert found.events > 0
    assert abs(found.f1 - beside.f1) < 0.1

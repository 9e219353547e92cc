"""Check the engine: batches, restarts, changing models, silent series, and the content of alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.alert import incident_id
from eddy.alert_settings import AlertSettings
from eddy.feedback import Feedback
from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine import engine as engine_module
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.state.codec import BLOCK, pack, unpack, unpack_text
from tests.models.small_models import STEP, Adaptive, Job, Level, inline, manifest, model_set, points, run

SERIES = ["s-0", "s-1", "t-2"]


@pytest.fixture(scope="module", autouse=True)
def catalog() -> Iterator[None]:
    with DETECTORS.registered(Level), THRESHOLDS.registered(Adaptive):
        yield


PICKY = {
    "close_after": 1,
    "close_ratio": 0.7,
    "cool_down_ms": 5 * STEP,
    "overrides": [{"series": "s-*", "min_deviation": 3.0, "direction": "above"}],
}


def several():
    """Models that differ in everything: window, stride, interval, features, state, policy, series."""
    wide = WindowSpec(3, 2, ("b", "value"), interval_ms=STEP, gap_policy="linear", max_gap=3)
    return model_set(
        manifest("z", limit=1.2),
        manifest("wide", RollingZScore(wide), limit=1.1, alerts={"open_points": 2, "of_points": 3, "close_after": 1}),
        manifest("level", Level(WindowSpec(1)), threshold={"policy": Adaptive.policy}, series=("s-*", "!s-1")),
        manifest("level-b", Level(WindowSpec(2, 1, ("b",), STEP)), alerts={"close_ratio": 0.5, "close_after": 1}),
        manifest("picky", limit=1.1, alerts=PICKY),
    )


VALUES = st.sampled_from([float("nan"), 0.0, 0.5, 1.0, -1.0, 5.0, -20.0])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(SERIES),
        st.integers(0, 30).map(lambda t: t * STEP),
        st.fixed_dictionaries({"value": VALUES}, optional={"b": VALUES}),
    ),
    max_size=60,
)


@given(EVENTS, st.integers(1, 9), st.sets(st.integers(0, 20)), st.sampled_from([0, 4 * STEP]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_batches_and_restarts_change_nothing(events, batch, restarts, bound, ordered):
    if ordered:
        events = sorted(events, key=lambda event: event[1])
    options = EngineOptions(out_of_orderness_ms=bound)
    whole, _ = run(several, events, max(len(events), 1), options)
    cut, _ = run(several, events, batch, options, restarts)
    assert cut == whole


@given(EVENTS, st.integers(1, 9), st.integers(0, 10))
@settings(max_examples=100, deadline=None)
def test_models_that_load_after_a_restart_keep_their_windows(events, batch, restart):
    """State is restored before the registry is read; the job holds events until models are loaded."""
    events = sorted(events, key=lambda event: event[1])
    whole, _ = run(several, events, max(len(events), 1))
    found, last = [], several().models
    job = Job(several())
    for number, start in enumerate(range(0, len(events), batch)):
        found += job.send(events[start : start + batch]).alerts
        if number == restart:
            job.checkpoint()
            job = job.restarted(model_set())
            for model in last.values():
                job.models.put(model.manifest, inline)
                job.engine.adopt_models()
    assert {(a.id, a.state, a.points) for a in found} == {(a["id"], a["state"], a["points"]) for a in whole}


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, n).tolist()


def states(result):
    return [(alert.series, alert.state) for alert in result.alerts]


# -- what is written -------------------------------------------------------------------------------------------


def test_checkpoint_writes_only_changed_state_pages():
    job = Job(model_set(manifest()))
    names = [f"s-{k}" for k in range(2 * BLOCK + 10)]
    job.send([event for name in names for event in points(name, [0.0])])
    assert set(job.checkpoint()) == {f"{kind}/{block}" for kind in ("names", "clock", "window/z") for block in range(3)}
    assert job.checkpoint() == {}
    job.send(points(names[BLOCK], [1.0], start=1))
    assert set(job.checkpoint()) == {"clock/1", "window/z/1"}
    job = job.restarted()
    assert job.checkpoint() == {}, "what was just restored is not written again"
    job.send(points(names[-1], [1.0], start=1))
    assert set(job.checkpoint()) == {"clock/2", "window/z/2"}
    job.send(points(names[0], [0.1, -0.1, 0.2, 50.0], start=1))
    assert set(job.checkpoint()) == {"clock/0", "window/z/0", "open/z"}


def test_held_events_are_checkpointed_until_released():
    job = Job(model_set(manifest()), EngineOptions(out_of_orderness_ms=10 * STEP))
    job.send(points("s-0", [0.0]))
    assert "held" in job.checkpoint()
    job.send([], final=True)
    assert job.checkpoint()["held"] is None
    assert "held" not in job.checkpoint()


def test_model_added_at_a_restart_is_checkpointed_for_silent_series():
    job = Job(model_set(manifest("z")))
    job.send(points("s-0", [0.0, 1.0]))
    job.checkpoint()
    job = job.restarted(model_set(manifest("z"), manifest("y")))
    job.send(points("s-1", [0.0]))
    job.checkpoint()
    restarted = job.restarted(model_set(manifest("z"), manifest("y")))
    assert restarted.engine.scorers["y"].row_of[:2].tolist() == job.engine.scorers["y"].row_of[:2].tolist()


# -- models come and go ----------------------------------------------------------------------------------------


def put(job, manifest):
    assert job.models.put(manifest, lambda m: m.inline_artifact())


def test_withdrawn_model_is_removed_from_the_state():
    job = Job(model_set(manifest("z"), manifest("y")))
    job.send(points("s-0", [*noise(8), 50.0]))
    job.checkpoint()
    assert {key for key in job.store if "/y" in key} == {"window/y/0", "open/y"}
    job.models.withdraw("y")
    job.send(points("s-0", noise(1), start=9))
    job.checkpoint()
    assert not [key for key in job.store if "/y" in key]
    assert job.engine.covered[0], "z goes on"
    job.models.withdraw("z")
    job.send(points("s-0", noise(1), start=10))
    assert not job.engine.covered[0]


def test_model_withdrawn_during_downtime_closes_its_incidents_and_leaves_no_state():
    job = Job(model_set(manifest("z", limit=1e9), manifest("y", version=3)))
    (opened,) = job.send(points("s-0", [*noise(8), 50.0])).alerts
    job.engine.take_feedback(Feedback(opened.id, "s-0", "y", "ack", "eva", 0, 0, 0), 0)
    job.checkpoint()
    assert {key for key in job.store if "/y" in key} == {"window/y/0", "open/y", "feedback/y"}
    models = model_set(manifest("z", limit=1e9))
    job = job.restarted(models)
    job.send(points("s-0", noise(1), start=9))
    job.checkpoint()
    assert "window/y/0" in job.store, "the registry has not been read: the model may still come"
    models.register({"z", "y"})
    assert job.send(points("s-0", noise(1), start=10)).alerts == []
    models.withdraw("y")
    (closed,) = job.send(points("s-0", noise(1), start=11)).alerts
    assert (closed.id, closed.state, closed.acknowledged) == (opened.id, "closed", True)
    assert (closed.model, closed.detector, closed.values) == (opened.model, opened.detector, opened.values)
    job.checkpoint()
    assert not [key for key in job.store if "/y" in key]
    assert job.send(points("s-0", noise(1), start=12)).alerts == []
    put(job, manifest("y", version=4))
    assert job.send(points("s-0", noise(3), start=13)).windows == 3, "y begins with an empty window"
    job.checkpoint()
    assert {key for key in job.store if "/y" in key} == {"window/y/0"}


def test_restart_after_a_withdrawal_closes_the_incident_at_once():
    job = Job(model_set(manifest("y")))
    (opened,) = job.send(points("s-0", [*noise(8), 50.0])).alerts
    job.checkpoint()
    models = model_set()
    models.register(())
    job = job.restarted(models)
    assert [(a.id, a.state) for a in job.send([]).alerts] == [(opened.id, "closed")]
    assert not job.engine.restored.models
    job.checkpoint()
    assert {key.split("/")[0] for key in job.store} == {"names", "clock"}


def test_added_model_scores_existing_series():
    job = Job(model_set(manifest("z")))
    job.send(points("s-0", noise(4)))
    put(job, manifest("y", series=("s-*",)))
    assert states(job.send(points("s-0", [*noise(4), 50.0], start=4))) == [("s-0", "open")] * 2


@pytest.mark.parametrize("window", [3, 4, 6])
@pytest.mark.parametrize("restart", [False, True])
def test_new_version_keeps_windows_and_open_incidents(window, restart):
    job = Job(model_set(manifest("z", limit=1.4)))
    opened = job.send(points("s-0", [0.0, 0.1, -0.1, 50.0])).alerts
    put(job, manifest("z", RollingZScore(WindowSpec(window)), limit=1.3, version=2))
    found = list(job.send(points("s-0", noise(2), start=4)).alerts)
    if restart:
        job.checkpoint()
        job = job.restarted()
    found += job.send(points("s-0", noise(6), start=6)).alerts
    assert [(a.id, a.state, a.model["version"]) for a in [*opened, *found]][:2] == [
        (opened[0].id, "open", 1),
        (opened[0].id, "closed", 2),
    ]


def test_wider_window_is_scored_once_it_is_full():
    job = Job(model_set(manifest("z")))
    job.send(points("s-0", noise(10)))
    put(job, manifest("z", RollingZScore(WindowSpec(7)), version=2))
    sent = [job.send(points("s-0", [0.0], start=10 + i)).windows for i in range(5)]
    assert sent == [0, 0, 1, 1, 1], "4 points were kept"


def test_detector_state_survives_a_new_version_of_the_same_kind():
    def version(number, limit):
        return manifest("level", Level(WindowSpec(1)), limit=limit, version=number)

    job = Job(model_set(version(1, 1e6)))
    job.send(points("s-0", [100.0] * 40))
    put(job, version(2, 10.0))
    assert states(job.send(points("s-0", [100.0], start=40))) == []
    assert states(job.send(points("s-0", [50.0], start=41))) == [("s-0", "open")]


def test_changed_series_pattern_adds_and_removes_series():
    job = Job(model_set(manifest("z", series=("s-*",))))
    job.send(points("s-0", noise(4)) + points("t-0", noise(4)))
    assert job.engine.covered[:2].tolist() == [True, False]
    put(job, manifest("z", series=("t-*",), version=2))
    assert job.send(points("s-0", noise(4), start=4) + points("t-0", noise(4), start=4)).windows == 1
    assert job.engine.covered[:2].tolist() == [False, True]


# -- while the job was down ------------------------------------------------------------------------------------


def test_narrower_series_pattern_applies_after_a_restart():
    job = Job(model_set(manifest("z")))
    job.send(points("s-0", noise(8)) + points("t-0", noise(8)))
    job.checkpoint()
    job = job.restarted(model_set(manifest("z", series=("t-*",), version=2)))
    assert job.send(points("s-0", noise(2), start=8) + points("t-0", noise(2), start=8)).windows == 2
    assert job.engine.covered[:2].tolist() == [False, True]


def test_windows_are_dropped_when_features_or_interval_change():
    def version(number, **spec):
        return manifest("z", RollingZScore(WindowSpec(4, **spec)), version=number)

    for change in ({"features": ("b",)}, {"interval_ms": STEP}):
        job = Job(model_set(version(1)))
        job.send(points("s-0", noise(8)))
        job.checkpoint()
        job = job.restarted(model_set(version(2, **change)))
        assert job.engine.scorers["z"].store.count[0] == 0, change


def test_incidents_keep_their_series_when_the_window_changes_during_downtime():
    job = Job(model_set(manifest("z", series=("t-*",), limit=1.4)))
    job.send(points("s-0", [0.0]))
    job.send(points("t-0", [0.0, 0.1, -0.1, 50.0]))
    assert list(job.engine.scorers["z"].incidents.open) == [0]
    job.checkpoint()
    wider = model_set(manifest("z", RollingZScore(WindowSpec(6)), version=2, limit=1.4))
    job = job.restarted(wider)
    scorer = job.engine.scorers["z"]
    for row in scorer.incidents.open:
        slot = scorer.slot_of[row]
        assert slot is not None
        assert job.engine.names[slot] == "t-0"


# -- silent series ---------------------------------------------------------------------------------------------

TTL = 1_000_000


def evicting(*manifests):
    return Job(model_set(*(manifests or [manifest()])), EngineOptions(state_ttl_ms=TTL))


def test_silent_series_are_evicted_and_their_slots_reused():
    job = evicting()
    job.send(points("s-0", noise(4)), now=1)
    job.send(points("s-1", noise(4)), now=TTL)
    job.engine.tick(TTL + 2)
    assert job.engine.names == [None, "s-1"]
    assert job.send(points("s-2", noise(5)), now=TTL + 3).windows == 2, "it starts with an empty window"
    assert job.engine.names == ["s-2", "s-1"]
    job.checkpoint()
    job = job.restarted()
    assert job.engine.slot_of == {"s-2": 0, "s-1": 1}
    assert job.send(points("s-2", noise(1), start=5), now=TTL + 4).windows == 1


def test_state_page_without_series_is_deleted():
    job = evicting()
    job.send([event for k in range(BLOCK + 1) for event in points(f"s-{k}", [0.0])], now=1)
    job.checkpoint()
    job.send(points("s-0", [0.0], start=1), now=TTL)
    job.engine.tick(TTL + 2)
    assert job.checkpoint()["window/z/1"] is None
    assert len(unpack(job.store["window/z/0"])["slot"]) == BLOCK
    job = job.restarted()
    assert job.engine.slot_of == {"s-0": 0}


def test_windows_without_a_model_are_not_given_to_another_series():
    job = evicting()
    job.send(points("s-0", noise(4)), now=1)
    job.checkpoint()
    job = job.restarted(model_set())
    job.engine.tick(2)
    job.engine.tick(TTL + 70_000)
    assert job.engine.names == [None]
    job.engine.slots(["s-1"])
    put(job, manifest())
    assert job.send(points("s-1", noise(3)), now=TTL + 70_001).windows == 0


def test_large_fleet_is_evicted_over_several_ticks(monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_EVICTED_PER_TICK", 10)
    job = evicting(manifest(), manifest("y", series=("s-1*",)))
    names = [f"s-{k}" for k in range(25)]
    job.send([event for name in names for event in points(name, [*noise(3), 50.0])], now=1)
    left, closed = [], []
    for second in range(1, 5):
        result = job.engine.tick(TTL + 1000 * second)
        left.append(len(job.engine.slot_of))
        closed += states(result)
    assert left == [15, 5, 0, 0]
    y = [name for name in names if name.startswith("s-1")]
    assert sorted(closed) == sorted((name, "closed") for name in [*names, *y])
    assert all(not scorer.series_of for scorer in job.engine.scorers.values())
    assert job.send(points("s-9", noise(4)), now=TTL + 9000).windows == 1
    job.engine.tick(TTL + 10_000)
    assert list(job.engine.slot_of) == ["s-9"], "the next eviction is a minute later, and it is not silent"


def test_downtime_does_not_count_as_silence():
    job = evicting()
    job.send(points("s-0", noise(4)), now=1)
    job.checkpoint()
    job = job.restarted()
    job.engine.tick(10 * TTL)
    assert job.engine.names == ["s-0"]
    job.engine.tick(11 * TTL + 1)
    assert job.engine.names == [None]


# -- incidents whose series or model goes ----------------------------------------------------------------------


def opened(job, now=0):
    (alert,) = job.send(points("s-0", [0.0, 0.1, -0.1, 50.0]), now=now).alerts
    assert alert.state == "open"
    return alert


def test_incident_closes_when_its_series_falls_silent():
    job = evicting()
    alert = opened(job, now=1)
    (closed,) = job.engine.tick(TTL + 60_002).alerts
    assert (closed.id, closed.state, closed.values) == (alert.id, "closed", alert.values)


def test_incident_closes_when_its_model_is_withdrawn():
    job = Job(model_set(manifest()))
    alert = opened(job)
    job.models.withdraw("z")
    (closed,) = job.engine.tick(5).alerts
    assert (closed.id, closed.state, closed.model["name"], closed.detected_at) == (alert.id, "closed", "z", 5)


def test_incident_closes_when_the_model_no_longer_covers_its_series():
    job = Job(model_set(manifest()))
    alert = opened(job)
    put(job, manifest(series=("t-*",), version=2))
    (closed,) = job.engine.tick(5).alerts
    assert (closed.id, closed.state) == (alert.id, "closed")


# -- what people see -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 10])
@pytest.mark.parametrize("restart", [(), (0, 1)])
def test_alert_carries_the_values_of_the_highest_score(batch, restart):
    always = {"quantiles": [0.0] * 8, "mean_excess": 1e-9}  # every score has the highest severity: no updates

    def models():
        return model_set(manifest("z", Level(WindowSpec(1)), calibration=always))

    alerts, _ = run(models, points("s-0", [9.0, 20.0, 12.0, *[4.5] * 12]), batch, restart_after=restart)
    found = {alert["state"]: alert for alert in alerts}
    assert found["open"]["values"] == {"value": 9.0}
    assert found["closed"]["values"] == {"value": 20.0}
    assert found["closed"]["score"] == 20.0 - found["closed"]["expected"]["value"]


def only(alerts, state="open"):
    (alert,) = [one for one in alerts if one.state == state]
    return alert


def test_alert_carries_its_window_and_confidence():
    spec = WindowSpec(4, interval_ms=STEP, max_gap=5)
    job = Job(model_set(manifest("z", RollingZScore(spec))))
    events = points("s-0", [0.0, 0.1]) + points("s-0", [-0.1], start=3) + points("s-0", [50.0], start=4)
    first = only(job.send(events).alerts)
    assert first.window == {
        "start": STEP,
        "end": 4 * STEP,
        "interval_ms": STEP,
        "size": 4,
        "values": {"value": [0.1, 0.1, -0.1, 50.0]},
        "imputed": [0, 1, 0, 0],
    }
    assert first.confidence == pytest.approx(0.75 * 4 / 200, abs=1e-3), "one of four filled in, four points seen"
    job.send(points("s-0", noise(300), start=5))
    later = only(job.send(points("s-0", [50.0], start=305)).alerts)
    assert later.confidence == 1.0
    assert later.settings_digest == first.settings_digest != ""


def test_long_window_of_many_features_is_truncated_in_the_alert():
    names = tuple(f"f{k}" for k in range(12))
    job = Job(model_set(manifest("z", RollingZScore(WindowSpec(100, 1, names)))))
    rows = np.random.default_rng(0).uniform(-1, 1, (100, 12))
    rows[-1, 7] = 99.0
    alert = only(
        job.send([("s-0", i * STEP, dict(zip(names, row, strict=True))) for i, row in enumerate(rows.tolist())]).alerts
    )
    assert (alert.window["size"], alert.window["start"]) == (100, None)
    assert {len(values) for values in alert.window["values"].values()} == {64}
    assert len(alert.window["values"]) == 8
    assert alert.window["values"]["f7"][-1] == 99.0


@pytest.mark.parametrize(
    ("rules", "values", "opens"),
    [
        ({}, [50.0, -50.0], 2),
        ({"direction": "above"}, [50.0, -50.0], 1),
        ({"direction": "below"}, [50.0, -50.0], 1),
        ({"min_deviation": 100.0}, [50.0, 300.0], 1),
        ({"min_deviation_relative": 3.5}, [50.0, 300.0], 0),  # three times the mean of the window of 4 is most
        ({"overrides": [{"series": "t-*", "direction": "above"}]}, [50.0, -50.0], 2),
    ],
)
def test_direction_and_min_deviation_rules_filter_points(rules, values, opens):
    job = Job(model_set(manifest(alerts={"close_after": 3, **rules})))
    sent = [value for one in values for value in [*noise(8), one]]
    assert len([a for a in job.send(points("s-0", sent)).alerts if a.state == "open"]) == opens


def test_incident_during_maintenance_is_suppressed(tmp_path):
    file = tmp_path / "plant.ics"
    lines = ["DTSTART:19700101T000006Z", "DTEND:19700101T000010Z"]
    event = ["BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT"]
    file.write_text("\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:t", *event, "END:VCALENDAR", ""]))
    alerts = AlertSettings.model_validate({"calendars": [{"file": str(file), "series": "s-*"}]})
    values = [*noise(7), 50.0, *noise(5)]
    found = Job(model_set(manifest()), EngineOptions(alerts=alerts)).send(points("s-0", values) + points("t-0", values))
    assert [(a.series, a.state, a.suppressed) for a in found.alerts] == [
        ("s-0", "open", "maintenance: plant"),
        ("s-0", "closed", "maintenance: plant"),
        ("t-0", "open", None),
        ("t-0", "closed", None),
    ]
    assert found.alerts[0].id == incident_id("s-0", "z", 7 * STEP)


def test_state_of_the_previous_version_is_restored():
    """The previous version had no point count and no suppression."""
    job = Job(model_set(manifest()))
    opened(job)
    job.checkpoint()
    block = unpack(job.store["window/z/0"])
    del block["points"]
    job.store["window/z/0"] = pack(block)
    incidents = json.loads(unpack_text(job.store["open/z"]))
    incidents["0"]["incident"] = {
        k: v for k, v in incidents["0"]["incident"].items() if k not in ("told", "updates", "suppressed")
    }
    incidents["0"]["evidence"] = {
        k: v for k, v in incidents["0"]["evidence"].items() if k not in ("confidence", "window")
    }
    job.store["open/z"] = json.dumps(incidents).encode()
    job = job.restarted()
    alert = only(job.send(points("s-0", noise(4), start=4)).alerts, "closed")
    assert (alert.values, alert.window, alert.confidence, alert.suppressed) == ({"value": 50.0}, None, 1.0, None)


def test_clock_state_survives_a_restart():
    """What was seen, what waits to be confirmed, and over which partitions a series comes."""
    job = Job(model_set(manifest()))
    job.send([*points("s-0", noise(30)), ("s-0", 10**9, {"value": 1.0})])
    clock = job.engine.clock
    clock.partitions.partition[0], clock.partitions.until[0] = 3, 9000
    job.checkpoint()
    job = job.restarted()
    after = job.engine.clock
    assert (after.waiting, after.parked, after.parked_slots()) == (1, 1, {0})
    assert after.partitions.partition[0] == 3
    assert after.partitions.until[0] == 9000
    assert job.send(points("s-0", noise(30))).duplicates == 30
    assert after.partitions.any
    assert [one.ts for one in job.send(points("s-0", [0.0], start=30)).ahead] == [10**9]


@pytest.mark.parametrize("stored", ["<i4", "<i8"])
def test_points_are_counted_beyond_32_bits(stored):
    """Whatever width the state has: an earlier version wrote 32 bits."""
    job = Job(model_set(manifest()))
    job.send(points("s-0", noise(4)))
    job.checkpoint()
    block = unpack(job.store["window/z/0"])
    block["points"] = np.full(len(block["points"]), 2**31 - 2, stored)
    job.store["window/z/0"] = pack(block)
    for version in (1, 2):
        job = job.restarted(model_set(manifest(version=version)))
        job.send(points("s-0", noise(5), start=4 * version + version))
        job.checkpoint()
    found = unpack(job.store["window/z/0"])["points"]
    assert found.dtype == np.int64
    assert found[0] == 2**31 + 8
    put(job, manifest("z", RollingZScore(WindowSpec(7)), version=3))
    job.engine.adopt_models()
    assert job.engine.scorers["z"].store.points[0] == 2**31 + 8, "another window takes the count over as well"


def later(job, values):
    """Events that follow what the job has seen of s-0."""
    seen = int(job.engine.clock.last[0]) // STEP + 1 if "s-0" in job.engine.slot_of else 0
    return points("s-0", values, start=seen)


def test_reported_points_stay_within_points_per_second():
    job = Job(model_set(manifest("z")), EngineOptions(points_per_second=100))
    job.send(points("s-0", noise(4)), now=1000)
    reported = 0
    for second in range(1, 11):
        for part in range(20):  # 60 points a second, in micro-batches of 50 ms
            now = second * 1000 + 50 * part
            reported += len(job.send(later(job, noise(3)), now=now).points)
        job.engine.tick((second + 1) * 1000)
    assert reported == 600


def test_live_state_rotates_over_changed_series():
    job = Job(model_set(manifest()), EngineOptions(live_per_second=2))
    names = [f"s-{k}" for k in range(5)]
    job.send([event for name in names for event in points(name, noise(4))])
    seen = [sorted(point.series for point in job.engine.tick(k).live) for k in range(4)]
    assert sorted(name for part in seen for name in part) == names
    assert [len(part) for part in seen] == [2, 2, 1, 0]
    job.send(points("s-3", noise(1), start=4))
    (point,) = job.engine.tick(9).live
    assert (point.series, point.ts, point.model) == ("s-3", 4 * STEP, "z")


def test_scores_are_reported_when_enabled():
    job = Job(several(), EngineOptions(report_scores=True))
    result = job.send([("s-0", i * STEP, {"value": 0.0, "b": 1.0}) for i in range(6)])
    found = {name: ts.tolist() for name, _, ts, _, _ in result.scores}
    assert found == {
        "z": [3 * STEP, 4 * STEP, 5 * STEP],
        "wide": [2 * STEP, 4 * STEP],
        "level": [i * STEP for i in range(6)],
        "level-b": [i * STEP for i in range(1, 6)],
        "picky": [3 * STEP, 4 * STEP, 5 * STEP],
    }
    assert result.windows == 19


def test_series_that_no_model_can_score_is_not_called_ok():
    job = Job(model_set(manifest()), EngineOptions(live_per_second=10))
    job.send([("s-1", at * STEP, {"value": 1.0}) for at in range(8)])
    job.send([("s-2", at * STEP, {"other": 1.0}) for at in range(8)])
    found = {point.series: (point.state, point.score is None) for point in job.engine.tick(10**6).live}
    assert found == {"s-1": ("ok", False), "s-2": ("unscored", True)}

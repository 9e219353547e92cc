from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.dashboard.pages.series import _applicable
from eddy.dashboard.parts.series_chart import values_of
from eddy.dashboard.records import ScoredPoint, SeriesRow
from eddy.dashboard.sources.availability import Watch
from eddy.dashboard.stores.incidents import IncidentStore
from eddy.dashboard.stores.points import Columns, Growing, ScoredPoints, SeriesPoints, scored_points
from eddy.dashboard.stores.series_table import SPARK, SeriesTable
from eddy.dashboard.stores.watched_series import WatchedSeries
from eddy.feedback import Action, Feedback
from eddy.redis_layout import Point, RecentPoint, decode_recent, encode_recent, encode_series
from tests.dashboard.messages import alert


def row(series: str, ts: int = 1, value: float = 1.0, state: str = "ok", written: int = 10_000, **more) -> SeriesRow:
    return SeriesRow(
        series, ts, {"value": value}, more.get("score", 1.0), more.get("threshold", 2.0), state, "m", written
    )


# -- the table of series ------------------------------------------------------------------------------------------


def test_newest_row_of_a_series_counts():
    table = SeriesTable(silent_seconds=60)
    table.put([row("a", 1, 5.0), row("b", 1)])
    before = table.view(10_000)
    table.put([row("a", 2, 7.0, "open")])
    after = table.view(10_000)
    assert (before.value[before.index["a"]], after.value[after.index["a"]]) == (5.0, 7.0)
    assert after.counts() == {"ok": 1, "anomalous": 0, "open": 1, "silent": 0, "warming": 0}
    assert after.spark[after.index["a"]][-2:].tolist() == [5.0, 7.0]


def test_silent_series_is_marked_unless_it_has_an_open_incident():
    table = SeriesTable(silent_seconds=60)
    table.put([row("a"), row("b", state="open"), row("c", written=70_000)])
    assert table.view(80_000).counts() == {"ok": 1, "anomalous": 0, "open": 1, "silent": 1, "warming": 0}


def test_series_missing_in_redis_are_removed():
    table = SeriesTable(silent_seconds=60)
    table.put([row(f"s{k}", value=float(k)) for k in range(200)])
    table.keep_only({"s3", "s150"})
    table.put([row("new", value=9.0)])
    view = table.view(0)
    assert view.names == ("s3", "s150", "new")
    assert view.value.tolist() == [3.0, 150.0, 9.0]


def test_series_can_be_searched_filtered_and_sorted():
    table = SeriesTable(silent_seconds=60)
    table.put([row("Pump-1", score=1.0), row("pump-2", score=None, state="open"), row("fan", score=3.0)])
    view = table.view(0)
    assert [view.names[k] for k in view.select("PUMP")] == ["Pump-1", "pump-2"]
    assert [view.names[k] for k in view.select(state="open")] == ["pump-2"]
    assert len(view.select(model="none of these")) == 0
    assert [view.names[k] for k in view.order(view.select(), "ratio", True)] == ["fan", "Pump-1", "pump-2"]
    assert [view.names[k] for k in view.order(view.select(), "series", False)] == ["fan", "Pump-1", "pump-2"]
    assert view.names[view.order(view.select(), "state", True)[0]] == "pump-2"


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=3 * SPARK, unique=True))
def test_sparkline_has_the_newest_values(values):
    table = SeriesTable(silent_seconds=60)
    for ts, value in enumerate(values):
        table.put([row("a", ts, float(value)), row("a", ts, float(value))])
    if values:
        line = table.view(0).spark[0]
        assert line[~np.isnan(line)].tolist() == [float(v) for v in values[-SPARK:]]


# -- incidents ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.permutations(range(4)))
def test_repeated_and_reordered_messages_make_one_incident(order):
    messages = [
        alert(detected_at=100),
        alert(state="update", severity=90, detected_at=200),
        alert(state="closed", severity=90, detected_at=300),
        alert(detected_at=100),
    ]
    store = IncidentStore(10)
    for k in order:
        store.put(messages[k])
    view = store.view()
    (incident,) = view.newest
    assert (incident.alert.state, incident.opened, incident.messages) == ("closed", 100, 3)
    assert view.open == ()


def test_most_severe_unacknowledged_incident_comes_first():
    store = IncidentStore(10)
    for series, severity in (("a", 60), ("b", 99), ("c", 80)):
        store.put(alert(series, severity=severity))
    store.note_feedback(feedback("b", "ack"))
    assert [i.alert.series for i in store.view().open] == ["c", "a", "b"]


def test_suppressed_incident_needs_no_attention():
    store = IncidentStore(10)
    store.put(alert(suppressed="maintenance: mondays"))
    (incident,) = store.view().open
    assert not incident.needs_attention
    store.put(alert())  # it outlasted the maintenance
    assert store.view().open[0].needs_attention


def test_feedback_accumulates_and_may_arrive_before_the_incident():
    store = IncidentStore(10)

    def verdict() -> str:
        given = store.view().newest[0].verdict
        assert given is not None
        return given.words()

    store.note_feedback(feedback("a", "ack"))
    store.note_feedback(feedback("a", "label", label="sensor-fault"))
    store.note_feedback(b"no feedback")
    store.put(alert("a"))
    assert verdict() == "acknowledged, labelled sensor-fault"
    store.note_feedback(feedback("a", "unack"))
    assert verdict() == "labelled sensor-fault"


def test_open_incidents_are_never_dropped():
    store = IncidentStore(3)
    store.put(alert("open", start=1, detected_at=1))
    for k in range(10):
        store.put(alert(f"s{k}", "closed", start=10 + k, detected_at=10 + k))
    names = {i.alert.series for i in store.view().newest}
    assert names == {"open", "s8", "s9"}


def feedback(series: str, action: Action, label: str | None = None) -> bytes:
    known = alert(series)
    return Feedback(known.id, series, "m", action, "me", 1, known.start, known.end, label).to_json()


# -- sources ------------------------------------------------------------------------------------------------------


def test_source_is_away_after_two_late_answers_since_the_first():
    watch = Watch("Kafka", "here")
    watch.answers()
    watch.away("late")
    assert watch.state.ok
    watch.away("late")
    away = watch.state
    watch.away("gone")
    assert (away.ok, watch.state.ok, watch.state.reason) == (False, False, "gone")
    assert watch.state.since == away.since
    watch.answers()
    assert watch.state.ok
    assert watch.state.reason == ""


def test_source_that_never_answered_is_away_at_once():
    watch = Watch("Kafka", "here")
    watch.away("no connection")
    assert watch.state.ok is False


# -- points -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 500), max_size=40), max_size=8))
def test_points_are_sorted_and_deduplicated(batches):
    table = Growing(1)
    first: dict[int, float] = {}
    for number, batch in enumerate(batches):
        for ts in batch:
            first.setdefault(ts, number)
        table.add(np.array(batch, np.int64), np.full((len(batch), 1), float(number)))
    columns = table.columns()
    assert columns.ts.tolist() == sorted(first)
    assert columns.data[:, 0].tolist() == [float(first[ts]) for ts in sorted(first)]


def test_columns_held_by_a_reader_do_not_change():
    table = Growing(1)
    table.add(np.arange(5), np.zeros((5, 1)))
    held = table.columns()
    table.add(np.array([2, 9]), np.ones((2, 1)))
    table.add(np.arange(20, 900), np.ones((880, 1)))
    assert held.ts.tolist() == [0, 1, 2, 3, 4]
    assert not held.data.any()


def scored(ts: int, *features: str) -> ScoredPoint:
    numbers = dict.fromkeys(features, 1.0)
    return ScoredPoint(ts, numbers, numbers, numbers, numbers, 1.0, 2.0, 0)


def test_version_with_other_features_starts_a_new_history():
    looked = WatchedSeries(1000)
    looked.ask("a")
    looked.add_scored("a", {"m": [scored(1, "x")]})
    looked.add_scored("a", {"m": [scored(2, "x", "y")]})
    looked.publish()
    assert looked.ask("a").scored["m"].features == ("x", "y")
    assert looked.newest("a") == {"m": 2}


def test_memory_is_bounded_and_the_last_viewed_series_is_kept():
    looked = WatchedSeries(100)
    for name in ("a", "b", "c"):
        looked.ask(name)
        looked.add_scored(name, {"m": [scored(ts, "x") for ts in range(60)]})
    assert looked.names() == ["c"]


@pytest.mark.parametrize("state", ["open", "closed"])
def test_group_is_an_incident_of_its_own(state):
    store = IncidentStore(10)
    group = replace(
        alert("group:ff", state), kind="group", members=({"series": "a", "id": "x", "severity": 3},), member_count=1
    )
    store.put(group)
    store.put(replace(group, state="update", member_count=2))
    assert store.view().by_series["group:ff"][0].messages == 2


# -- counters -----------------------------------------------------------------------------------------------------


def counter_point(ts: int, value: float, *increases: str) -> Point:
    return Point("s", ts, {"value": value}, {"value": 1.0}, {}, {}, 0.5, 2.0, "ok", "m", 1, 0, increases)


def test_redis_says_of_points_whether_increases_were_scored():
    for increases in ((), ("value",)):
        point = counter_point(5, 1.0, *increases)
        fields = {
            name.encode(): str(v).encode() if not isinstance(v, bytes) else v
            for name, v in encode_recent(point).items()
        }
        assert decode_recent(b"5-1", fields).increases == increases
        assert json.loads(encode_series(point)["model:m"]).get("increases", []) == list(increases)


def test_a_series_that_turns_out_to_be_a_counter_begins_a_new_history():
    store = WatchedSeries(1000)
    store.ask("s")
    recent = [
        RecentPoint(ts, {"value": v}, {}, {}, {}, 0.5, 2.0, 0, own) for ts, v, own in ((1, 90.0, ()), (2, 91.0, ()))
    ]
    store.add_scored("s", {"m": recent})
    store.add_scored("s", {"m": [*recent, RecentPoint(3, {"value": 1.0}, {}, {}, {}, 0.5, 2.0, 0, ("value",))]})
    store.publish()
    scored = store.ask("s").scored["m"]
    assert (scored.increases, scored.table.ts.tolist(), scored.column("value", "value").tolist()) == (
        ("value",),
        [3],
        [1.0],
    )


def test_the_page_draws_increases_of_a_counter_and_says_so():
    ts = np.arange(1, 6, dtype=np.int64)
    raw = Columns(ts[:4], np.array([[5.0], [7.0], [2.0], [3.0]]))
    _, table = scored_points(("value",), [RecentPoint(5, {"value": 4.0}, {}, {}, {}, 0.5, 2.0, 0, ("value",))])
    scored = ScoredPoints(("value",), Columns(ts[4:], table), ("value",))
    points = SeriesPoints("s", {"m": scored}, ("value",), raw)
    seen = values_of(points, scored, "value", None, None)
    assert str(seen.data.tolist()) == "[nan, 2.0, nan, 1.0, 4.0]"
    assert "counter: the increase is scored" in str(_applicable(points, "m"))
    assert "counter" not in str(_applicable(SeriesPoints("s", {"m": ScoredPoints(("value",), scored.table)}), "m"))

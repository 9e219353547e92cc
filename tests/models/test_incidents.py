"""Check incidents against a plain reference implementation of the policy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.alert import severity_level
from eddy.alert_settings import AlertRules
from eddy.models.alerting.incidents import NO_POINT, IncidentTracker

ROWS = 2
NAN = float("nan")
COOL_DOWN_MS = 6


@st.composite
def policies(draw):
    of_points = draw(st.integers(1, 6))
    return AlertRules(
        open_points=draw(st.integers(1, of_points)),
        of_points=of_points,
        close_after=draw(st.integers(1, 4)),
        close_after_ms=draw(st.sampled_from([0, 0, 7])),
        close_ratio=draw(st.sampled_from([1.0, 0.5])),
        cool_down_ms=draw(st.sampled_from([0, COOL_DOWN_MS])),
        max_updates=draw(st.integers(0, 3)),
    )


#: (row, score, severity); the limit is 10 or -10
POINTS = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.sampled_from([NAN, 0.0, 6.0, 10.0, 11.0, 12.0, 20.0]), st.integers(0, 100)),
    max_size=60,
)
#: event times of maintenance
MAINTENANCE = st.sets(st.integers(0, 60), max_size=20)
SEVERITY_LEVELS = ["low", "medium", "high", "critical"]


class PlainSeries:
    """The life of one series' incidents, from the documentation of AlertRules."""

    def __init__(self, rules, maintenance):
        self.rules, self.maintenance = rules, maintenance
        self.verdicts: list[Any] = []
        self.incident: Any = None
        self.before: Any = None

    def step(self, ts, score, limit, severity):
        """What a scored point changes: None, or (state, start, end, points, peak, severity, suppressed)."""
        rules = self.rules
        if self.incident is None:
            self.verdicts = [*self.verdicts, (score > limit, ts)][-rules.of_points :]
            times = [t for over, t in self.verdicts if over]
            if score > limit and len(times) >= rules.open_points:
                self.verdicts = []
                self.incident = {"start": times[0], "end": ts, "points": len(times), "peak": score, "worst": severity}
                self.incident |= {"quiet": 0, "word": severity_level(severity), "left": rules.max_updates}
                self.incident["suppressed"] = self.reason(ts)
                return self.told("open")
            return None
        incident = self.incident
        closing_limit = limit * rules.close_ratio if limit > 0 else limit / rules.close_ratio
        if not score > closing_limit:
            incident["quiet"] += 1
            if incident["quiet"] < rules.close_after or ts < incident["end"] + rules.close_after_ms:
                return None
            if incident["suppressed"] is None and rules.cool_down_ms:
                self.before = ts, incident["worst"]
            result = self.told("closed")
            self.incident = None
            return result
        incident |= {"end": ts, "quiet": 0, "points": incident["points"] + 1}
        higher = score > incident["peak"]
        if higher:
            incident |= {"peak": score, "worst": max(severity, incident["worst"])}
        word = severity_level(incident["worst"])
        if incident["suppressed"]:
            incident["suppressed"] = self.reason(ts)
            if incident["suppressed"]:
                return None
            incident["word"] = word
            return self.told("open")
        if higher and word != incident["word"] and incident["left"] > (word != "critical"):
            incident |= {"word": word, "left": incident["left"] - 1}
            return self.told("update")
        return None

    def reason(self, ts):
        if self.before is not None:
            since, worst = self.before
            more = SEVERITY_LEVELS.index(severity_level(self.incident["worst"])) > SEVERITY_LEVELS.index(
                severity_level(worst)
            )
            if ts < since + self.rules.cool_down_ms and not more:
                return "maintenance" if ts in self.maintenance else "cool-down"
            if ts not in self.maintenance:
                self.before = None
        return "maintenance" if ts in self.maintenance else None

    def told(self, state):
        one = self.incident
        return state, one["start"], one["end"], one["points"], one["peak"], one["worst"], one["suppressed"]


def columns(points, limit):
    rows = np.array([row for row, *_ in points], np.int64)
    scores = np.array([score for _, score, _ in points], float)
    return (
        rows,
        np.arange(len(points), dtype=np.int64),
        scores if limit > 0 else scores - 20.0,
        np.full(len(points), float(limit)),
        np.array([severity for *_, severity in points], np.int64),
    )


def told(transition, start):
    """(event time, row) of the point, unless none stands for it; and what consumers see."""
    i = transition.incident
    at = start + transition.at if transition.at != NO_POINT else None
    return (at, transition.row), (
        transition.state,
        i.start,
        i.end,
        i.points,
        i.peak,
        i.severity,
        i.suppressed,
    )


def run(rules, data, batch, restart=False, maintenance=()):
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    found = []
    suppressor = (lambda _, ts: "maintenance" if ts in maintenance else None) if maintenance else None
    for start in range(0, len(data[0]), batch):
        rows, ts, scores, limits, severities = (column[start : start + batch] for column in data)
        changes = tracker.track([rules], np.zeros(ROWS, np.int64), rows, ts, scores, limits, severities, suppressor)
        found += [told(change, start) for change in changes if change.state != "peak"]
        if restart:
            tracker = restored(tracker)
    return found


def restored(tracker):
    """What a restart gives back: the arrays with the windows, the rest as JSON."""
    other = IncidentTracker()
    other.grow(ROWS)
    other.bits[:] = tracker.bits
    other.restore(json.loads(json.dumps(tracker.to_params())))
    return other


@given(policies(), POINTS, st.sampled_from([10, -10]), st.sampled_from([1, 3, 1000]), st.booleans(), MAINTENANCE)
@settings(max_examples=400, deadline=None)
def test_incidents_equal_those_of_the_reference_model(rules, points, limit, batch, restart, maintenance):
    data = columns(points, limit)
    plain = [PlainSeries(rules, maintenance) for _ in range(ROWS)]
    expected = []
    for row, *point in zip(*(column.tolist() for column in data), strict=True):
        if (change := plain[row].step(*point)) is not None:
            expected.append((row, change))
    found = run(rules, data, batch, restart, maintenance)
    assert [(row, change) for (_, row), change in found] == expected
    for (at, _), (state, _, end, _, peak, *_) in found:
        assert (at is None) == (state == "closed") or (state == "open" and at is None)
        assert at is None or (at == end and data[2][at] <= peak)


def test_incident_starts_at_the_oldest_point_that_opened_it():
    """Single anomalous points, each fewer than n points after the last, must not move the start back indefinitely."""
    rules = AlertRules(open_points=3, of_points=4)
    points = [(0, 20.0 if i % 3 == 0 else 0.0, 50) for i in range(30)] + [(0, 20.0, 50)] * 3
    ((_, (state, start, end, count, *_)),) = run(rules, columns(points, 10), 1000)
    assert (state, start, end, count) == ("open", 30, 32, 3)


def test_only_a_higher_severity_level_sends_an_update():
    points = [(0, 11.0, 30), (0, 12.0, 49), (0, 13.0, 50), (0, 12.5, 80), (0, 14.0, 51)]
    found = [(at, change[0], change[5]) for (at, _), change in run(AlertRules(), columns(points, 10), 1000)]
    assert found == [(0, "open", 30), (2, "update", 50)]


def test_updates_are_limited_and_the_last_is_kept_for_critical():
    points = [(0, 11.0, 10), (0, 12.0, 30), (0, 13.0, 60), (0, 14.0, 80), (0, 15.0, 90)]
    found = [(at, change[0], change[5]) for (at, _), change in run(AlertRules(), columns(points, 10), 1000)]
    assert found == [(0, "open", 10), (1, "update", 30), (3, "update", 80)], "three words higher, two updates"
    assert [c[0] for _, c in run(AlertRules(max_updates=0), columns(points, 10), 1000)] == ["open"]


def test_incident_that_outlasts_maintenance_opens_unsuppressed():
    points = [(0, 11.0, 30), (0, 20.0, 60), (0, 12.0, 30), (0, 12.0, 30), *[(0, 0.0, 0)] * 24]
    found = run(AlertRules(), columns(points, 10), 1000, maintenance={0, 1, 2})
    assert [(at, change[0], change[4], change[-1]) for (at, _), change in found] == [
        (0, "open", 11.0, "maintenance"),
        (None, "open", 20.0, None),  # the highest score was explained before
        (None, "closed", 20.0, None),
    ]


def test_cool_down_suppresses_the_next_incident_unless_more_severe():
    rules = AlertRules(close_after=1, cool_down_ms=100)
    points = [(0, 11.0, 30), (0, 0.0, 0), (0, 11.0, 30), (0, 0.0, 0), (0, 11.0, 80), (0, 0.0, 0)]
    found = [(change[0], change[-1]) for _, change in run(rules, columns(points, 10), 1000)]
    assert found == [
        ("open", None),
        ("closed", None),
        ("open", "cool-down"),
        ("closed", "cool-down"),
        ("open", None),
        ("closed", None),
    ]


def test_state_of_the_previous_version_is_restored():
    """The previous version had neither updates nor suppression."""
    before = {"start": 1, "end": 3, "points": 2, "peak": 12.0, "limit": 10.0, "severity": 60, "quiet": 1}
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    tracker.restore({"0": {"incident": before, "evidence": {}}, "1": {"times": [7]}})
    found = list(tracker.track([AlertRules()], np.zeros(ROWS, np.int64), *columns([(0, 13.0, 80)], 10)))
    assert [(t.state, t.incident.points) for t in found] == [("update", 3)]
    assert tracker.times == {1: [7]}


def test_clear_removes_all_state_of_a_row():
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    rules, rules_of = [AlertRules(open_points=2, of_points=4, close_after=1, cool_down_ms=9)], np.zeros(ROWS, np.int64)
    points = [(0, 20.0, 9), (0, 20.0, 9), (0, 0.0, 9), (0, 20.0, 9), (1, 20.0, 9)]
    list(tracker.track(rules, rules_of, *columns(points, 10)))
    assert tracker.concerned() == {0, 1}
    tracker.clear(0)
    tracker.clear(1)
    assert not tracker.concerned()
    assert tracker.to_params() == {}
    assert list(tracker.track(rules, rules_of, *columns([(1, 20.0, 9), (0, 20.0, 9)], 10))) == []


def test_each_row_has_its_own_rules():
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    rules, rules_of = [AlertRules(), AlertRules(open_points=2, of_points=2)], np.array([0, 1])
    points = [(0, 20.0, 9), (1, 20.0, 9), (1, 20.0, 9)]
    assert [(t.row, t.at) for t in tracker.track(rules, rules_of, *columns(points, 10))] == [(0, 0), (1, 2)]

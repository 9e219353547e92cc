"""Incidents against a plain model of the policy: opened, updated, closed; batches change nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.alert import severity_word
from eddy.errors import ModelError
from models.alert_policy import AlertPolicy, IncidentTracker

ROWS = 2
NAN = float("nan")


@st.composite
def policies(draw):
    of_points = draw(st.integers(1, 6))
    return AlertPolicy(
        open_points=draw(st.integers(1, of_points)),
        of_points=of_points,
        close_after=draw(st.integers(1, 4)),
        close_ratio=draw(st.sampled_from([1.0, 0.5])),
    )


#: (row, score, severity); the limit is 10 or -10
POINTS = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.sampled_from([NAN, 0.0, 6.0, 10.0, 11.0, 12.0, 20.0]), st.integers(0, 100)),
    max_size=60,
)


class PlainSeries:
    """The life of one series' incidents, from the documentation of AlertPolicy."""

    def __init__(self, policy):
        self.policy, self.verdicts, self.incident = policy, [], None

    def step(self, ts, score, limit, severity):
        """What a scored point changes: None, or (state, start, end, points, peak, severity)."""
        policy = self.policy
        if self.incident is None:
            self.verdicts = [*self.verdicts, (score > limit, ts)][-policy.of_points :]
            times = [t for over, t in self.verdicts if over]
            if score > limit and len(times) >= policy.open_points:
                self.verdicts = []
                self.incident = {"start": times[0], "end": ts, "points": len(times), "peak": score, "worst": severity}
                self.incident["quiet"] = 0
                return self.told("open")
            return None
        incident = self.incident
        closing_limit = limit * policy.close_ratio if limit > 0 else limit / policy.close_ratio
        if score > closing_limit:
            incident |= {"end": ts, "quiet": 0, "points": incident["points"] + 1}
            if score > incident["peak"]:
                before = severity_word(incident["worst"])
                incident |= {"peak": score, "worst": max(severity, incident["worst"])}
                return self.told("update") if severity_word(incident["worst"]) != before else None
            return None
        incident["quiet"] += 1
        if incident["quiet"] < policy.close_after:
            return None
        result = self.told("closed")
        self.incident = None
        return result

    def told(self, state):
        incident = self.incident
        return state, incident["start"], incident["end"], incident["points"], incident["peak"], incident["worst"]


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
    i = transition.incident
    return (start + transition.at, transition.row), (
        transition.state,
        i.start,
        i.end,
        i.points,
        i.peak,
        i.severity,
    )


def run(policy, data, batch, restart=False):
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    found = []
    for start in range(0, len(data[0]), batch):
        changes = tracker.track(policy, *(column[start : start + batch] for column in data))
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


@given(policies(), POINTS, st.sampled_from([10, -10]), st.sampled_from([1, 3, 1000]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_incidents_are_those_of_the_plain_model(policy, points, limit, batch, restart):
    data = columns(points, limit)
    plain = [PlainSeries(policy) for _ in range(ROWS)]
    expected = []
    for i, (row, *point) in enumerate(zip(*(column.tolist() for column in data), strict=True)):
        if (change := plain[row].step(*point)) is not None:
            expected.append(((i, row), change))
    assert run(policy, data, batch, restart) == expected


def test_the_start_is_the_oldest_anomalous_point_among_those_that_opened_it():
    """Single anomalous points, each less than n points after the last, must not reach back for ever."""
    policy = AlertPolicy(open_points=3, of_points=4)
    points = [(0, 20.0 if i % 3 == 0 else 0.0, 50) for i in range(30)] + [(0, 20.0, 50)] * 3
    ((_, (state, start, end, count, *_)),) = run(policy, columns(points, 10), 1000)
    assert (state, start, end, count) == ("open", 30, 32, 3)


def test_a_word_more_severe_is_an_update_a_number_more_is_none():
    points = [(0, 11.0, 30), (0, 12.0, 49), (0, 13.0, 50), (0, 12.5, 80), (0, 14.0, 51)]
    found = [(at, change[0], change[-1]) for (at, _), change in run(AlertPolicy(), columns(points, 10), 1000)]
    assert found == [(0, "open", 30), (2, "update", 50)]


def test_clear_forgets_a_row():
    tracker = IncidentTracker()
    tracker.grow(ROWS)
    policy = AlertPolicy(open_points=2, of_points=4)
    list(tracker.track(policy, *columns([(0, 20.0, 9), (0, 20.0, 9), (1, 20.0, 9)], 10)))
    tracker.clear(0)
    tracker.clear(1)
    assert not tracker.open
    assert tracker.to_params() == {}
    assert list(tracker.track(policy, *columns([(1, 20.0, 9), (0, 20.0, 9)], 10))) == []


@pytest.mark.parametrize(
    "params",
    [
        {"open_points": 0},
        {"open_points": 3, "of_points": 2},
        {"of_points": 33},
        {"of_points": 2.5},
        {"open_points": 1.5, "of_points": 2},
        {"open_points": True},
        {"close_after": 0},
        {"close_after": float("inf")},
        {"close_ratio": 0},
        {"close_ratio": 1.1},
        {"close_ratio": NAN},
        {"close_ratio": "half"},
        {"of_points": "3"},
        {"of_points": None},
    ],
)
def test_a_policy_that_cannot_work_is_refused(params):
    with pytest.raises(ModelError, match="alerts: found"):
        AlertPolicy.from_params(params)


def test_an_unknown_name_is_refused_and_known_ones_are_listed():
    with pytest.raises(ModelError, match=r"alerts.cool_down: unknown; known: close_after"):
        AlertPolicy.from_params({"cool_down": 3})
    assert AlertPolicy.from_params({"close_after": 3}) == AlertPolicy(close_after=3)

"""Check that the peers' anomalous points are grouped by Eddy's alert policy, and progress is read from alerts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers.alerts import incidents_of_points, marks_of_alerts, steady
from eddy.alert_settings import AlertRules
from eddy.models.alerting.incidents import IncidentTracker


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_peer_incidents_follow_the_alert_policy(anomalous):
    work = Workload("Z", events=len(anomalous), series=1)
    ts = START + np.arange(len(anomalous)) * STEP_MS
    tracker = IncidentTracker()
    tracker.grow(1)
    n = len(anomalous)
    rows = np.zeros(n, np.int64)
    scores, limits = np.array(anomalous, float), np.full(n, 0.5)
    transitions = list(tracker.track([AlertRules()], rows[:1], rows, ts, scores, limits, rows))
    name = work.names()[0]
    expected: set[object] = {
        (name, t.incident.start, t.incident.end, t.incident.points) for t in transitions if t.state == "closed"
    }
    expected |= {(name, incident.start, None, None) for incident in tracker.open.values()}
    assert incidents_of_points(work, [(name, int(at)) for at in ts[anomalous]]) == expected


def test_shorter_series_close_by_their_own_last_point():
    """Ten events over three series: the first has four points, the others three."""
    work = Workload("Z", events=30 * 3 + 1, series=3)
    first, second, _ = work.names()
    # enough quiet points to close follow in the first series, one too few in the second
    late = START + (30 - AlertRules().close_after) * STEP_MS
    found = incidents_of_points(work, [(first, late), (second, late)])
    assert found == {(first, late, late, 1), (second, late, None, None)}


def test_duplicate_points_count_once():
    work = Workload("Z", events=100, series=1)
    name = work.names()[0]
    assert incidents_of_points(work, [(name, START)] * 3) == {(name, START, START, 1)}


def test_steady_rate_excludes_the_slow_start():
    """Twenty percent of the alerts come slowly, then ten a second, each for 100 events."""
    times = [0.0, 50.0, *(60 + k / 10 for k in range(8))]
    first, last = steady(marks_of_alerts(times, 1000), 1000)
    assert (last[1] - first[1]) / (last[0] - first[0]) == pytest.approx(800 / (60.7 - 50))

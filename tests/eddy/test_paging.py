"""Check that one cause pages once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eddy.alert_settings import AlertSettings
from eddy.models.alerting.grouping import IncidentGrouper
from eddy.paging import Pager
from tests.cli.alerts_at_hand import alert
from tests.integration import harness

OPEN = [alert(f"s-{k}") for k in range(6)]
MEMBERS = tuple({"series": one.series, "id": one.id, "severity": one.severity} for one in OPEN[:5])
GROUP = alert("group:1", kind="group", id="1" * 16, group="1" * 16, members=MEMBERS, member_count=5)


def called(pager, alerts, now=0.0):
    return [one.series for message in alerts for one in pager.take(message, now)]


def test_incident_pages_once_after_the_delay():
    pager = Pager(5)
    assert called(pager, [OPEN[0], replace(OPEN[0], state="update")]) == []
    assert pager.due(4.9) == []
    assert [one.state for one in pager.due(5)] == ["update"], "with what is known by then"
    assert called(pager, [OPEN[0]], 6) == []
    assert pager.due(20) == [], "a repeat"


def test_group_pages_once_for_all_its_members():
    pager = Pager(5)
    assert called(pager, OPEN[:5]) == []
    assert called(pager, [GROUP, replace(GROUP, state="update"), OPEN[1], replace(GROUP, state="closed")], 1) == [
        "group:1"
    ]
    assert called(pager, OPEN[5:], 1) == []
    assert [one.series for one in pager.due(20)] == ["s-5"], "it is of no group"


def test_suppressed_closed_or_acknowledged_incidents_page_nobody():
    pager = Pager(5)
    quiet = replace(OPEN[0], suppressed="cool-down")
    assert called(pager, [quiet, OPEN[1], replace(OPEN[1], state="closed")]) == []
    assert called(pager, [OPEN[2], replace(OPEN[2], state="update", acknowledged=True)]) == []
    assert pager.due(20) == []
    assert called(pager, [replace(quiet, suppressed=None)], 20) == []
    assert [one.series for one in pager.due(25)] == ["s-0"], "it has outlasted its reason"


def test_group_that_comes_late_covers_all_that_wait_for_it():
    """A group's message lists a hundred of its members; by its id the others belong to it as well."""
    settings = AlertSettings()
    grouper, pager = IncidentGrouper(settings), Pager(5)
    opened = [alert(f"s-{k}", start=harness.START + k, group=settings.group_of(harness.START + k)) for k in range(300)]
    calls = [call for one in opened for call in pager.take(one, 0)]
    calls += [call for message in grouper.take(opened, now=1) for call in pager.take(message, 1)]
    calls += pager.due(10)
    assert [call.kind for call in calls] == ["group"]


@pytest.mark.parametrize("count", [5, 36, 72, 1000])
def test_cause_that_many_series_share_pages_once(count):
    """Members come one by one, and the group, which lists a hundred, comes when five are there."""
    settings = AlertSettings()
    grouper, pager = IncidentGrouper(settings), Pager(5)
    calls = []
    for k in range(count):
        opened = alert(f"s-{k}", start=harness.START + k, group=settings.group_of(harness.START + k))
        messages = [opened, *grouper.take([opened], now=k)]
        calls += [call for message in messages for call in pager.take(message, now=k / count)]
    alone = alert("other", start=harness.START + settings.group_window_ms, group=None)
    pager.take(alone, 1)
    calls += pager.due(10)
    assert [(one.kind, one.series) for one in calls] == [("group", calls[0].series), ("incident", "other")]

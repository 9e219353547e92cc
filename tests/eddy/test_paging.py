"""Check that one cause pages once."""

from __future__ import annotations

from dataclasses import replace

from eddy.paging import Pager
from tests.cli.alerts_at_hand import alert

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

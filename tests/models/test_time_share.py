"""Check the time limit for reporting."""

from __future__ import annotations

from eddy.models.engine.time_budget import CpuBudget


def test_time_spent_stays_within_the_share_for_costly_reports():
    now = [0.0]
    share = CpuBudget(0.1, lambda: now[0])
    spent = 0.0
    while now[0] < 100:
        if share.left():
            with share.spend():
                now[0] += 0.5
                spent += 0.5
        now[0] += 0.01
    assert 9 < spent < 11


def test_unused_time_is_saved_for_a_quarter_second_at_most():
    now = [0.0]
    share = CpuBudget(0.1, lambda: now[0])
    now[0] = 1000
    assert share.left()
    with share.spend():
        now[0] += 0.024
    assert share.left()
    with share.spend():
        now[0] += 0.01
    assert not share.left()

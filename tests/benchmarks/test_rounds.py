"""Check that of several rounds the median is reported and a failure in any round is shown."""

from __future__ import annotations

from typing import Any

from benchmarks.measuring.running import typical
from benchmarks.peers.race import _middle
from benchmarks.report.tables import rows_of


def run(rate: int, cost: float, **more: Any) -> dict[str, Any]:
    return {
        "system": "eddy",
        "title": "Eddy",
        "versions": {},
        "workload": {"kind": "Z", "series": 200},
        "events_per_second": rate,
        "cpu_us_per_event": cost,
        "broker_cpu_us_per_event": 0.3,
        "first_alert_seconds": 10.0,
        "peak_rss_mb": 500,
        "incidents": 7,
        "equal": True,
        **more,
    }


def test_median_round_counts_and_the_range_is_shown() -> None:
    runs = [run(300, 1.0), run(100, 3.0), run(200, 2.5)]
    chosen = typical(runs, lambda one: float(one["cpu_us_per_event"]))
    assert chosen == runs[2] | {"rounds_events_per_second": [300, 100, 200]}
    assert typical(runs[:2], lambda one: float(one["events_per_second"]))["events_per_second"] == 100
    assert rows_of({"benchmark": "peers", "results": [chosen]})[1][3] == "200 (100–300)"


def test_single_round_is_reported_unchanged() -> None:
    assert typical([run(300, 1.0)], lambda one: 0.0) == run(300, 1.0)
    assert rows_of({"benchmark": "peers", "results": [run(300, 1.0)]})[1][3] == "300"


def test_failure_or_different_incidents_in_any_round_are_shown() -> None:
    failed = {**run(0, 0.0), "failed": "no room"}
    del failed["equal"]
    assert _middle([run(300, 1.0), failed, run(200, 1.0)])["failed"] == "no room"
    other = run(300, 1.0, equal=False, missing=1, extra=2)
    row = rows_of({"benchmark": "peers", "results": [_middle([run(100, 1.0), other, run(200, 1.0)])]})[1]
    assert row[-1] == "1 missing, 2 extra"

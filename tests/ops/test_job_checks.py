"""Check what 'eddy doctor' makes of the job's metrics."""

from __future__ import annotations

from eddy.ops.job_checks import _metrics


def test_limit_of_memory_that_was_reached_is_a_warning() -> None:
    assert list(_metrics({"events": 10.0, "limits_reached": 0.0})) == []
    (check,) = _metrics({"events": 10.0, "limits_reached": 3.0})
    assert (check.name, check.level) == ("limits of memory", "warn")
    assert "3 observations" in check.found

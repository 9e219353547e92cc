"""Build messages and settings for the dashboard's tests."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from eddy.alert import Alert, AlertState, incident_id, severity_level


def alert(series: str = "taxi-1", state: AlertState = "open", severity: int = 80, **changes: Any) -> Alert:
    """Build an alert of an incident that began at 1,700,000,000,000."""
    start = changes.pop("start", 1_700_000_000_000)
    base = Alert(
        id=incident_id(series, "m", start),
        series=series,
        state=state,
        start=start,
        end=changes.pop("end", start + 60_000),
        detected_at=changes.pop("detected_at", int(time.time() * 1000)),
        score=9.0,
        threshold=3.0,
        severity=severity,
        severity_word=severity_level(severity),
        points=2,
        imputed=0,
        values={"value": 12.0},
        expected={"value": 4.0},
        lower={"value": 2.0},
        upper={"value": 6.0},
        attribution={"value": 1.0},
        model={"name": "m", "version": 3, "sha256": "ab" * 32},
        detector="rolling-zscore",
    )
    return replace(base, **changes)

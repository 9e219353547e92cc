"""Write alerts and points where the job would write them, and run the ``eddy`` command as a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eddy.alert import Alert, incident_id, severity_level
from eddy.configuration import as_environment
from eddy.flink_job.sinks.redis import RedisSink
from eddy.redis_layout import Point
from eddy.settings import Settings
from tests.integration import harness

ROOT = Path(__file__).parents[2]
START, STEP = harness.START, harness.STEP


def alert(series: str = "s-1", state: str = "open", start: int = START, severity: int = 60, **fields: Any) -> Alert:
    values: dict[str, Any] = {
        "id": incident_id(series, "z", start),
        "series": series,
        "state": state,
        "start": start,
        "end": start,
        "detected_at": start + 5,
        "score": 4.5,
        "threshold": 3.0,
        "severity": severity,
        "severity_word": severity_level(severity),
        "points": 1,
        "imputed": 0,
        "values": {"value": 9.0},
        "expected": {"value": 1.0},
        "lower": {"value": -2.0},
        "upper": {"value": 4.0},
        "attribution": {"value": 1.0},
        "model": {"name": "z", "version": 2, "sha256": "0" * 64},
        "detector": "zscore",
    }
    return Alert(**(values | fields))


def point(series: str = "s-1", ts: int = START, value: float | None = 1.0, **fields: Any) -> Point:
    values: dict[str, Any] = {
        "series": series,
        "ts": ts,
        "values": {"value": value},
        "expected": {"value": 1.0},
        "lower": {"value": None},
        "upper": {"value": 4.0},
        "score": 0.5,
        "limit": 3.0,
        "state": "ok",
        "model": "z",
        "version": 2,
        "imputed": 1,
    }
    return Point(**(values | fields))


def to_kafka(settings: Settings, alerts: Iterable[Alert | bytes]) -> None:
    topic = settings.topics.name("alerts")
    with harness.producer(settings) as client:
        for one in alerts:
            key = one.series.encode() if isinstance(one, Alert) else None
            client.send(topic, key=key, value=one.to_json() if isinstance(one, Alert) else one)


def to_redis(
    settings: Settings, alerts: Iterable[Alert] = (), live: Iterable[Point] = (), points: Iterable[Point] = ()
):
    writer = RedisSink(settings)
    writer.open()
    writer.put(0, alerts, live, points)
    writer.close()
    assert unwritten(writer, 0) == 0


def unwritten(writer: RedisSink, shard: int) -> int:
    """How many alerts and feedback messages of a shard Redis has not taken yet."""
    with writer._lock:
        return sum(item.shard == shard for item in writer._messages)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from eddy.cli.main import main; main()", *arguments]


def environment(settings: Settings) -> dict[str, str]:
    import os

    plain = {name: value for name, value in os.environ.items() if not name.startswith("EDDY_")}
    return plain | as_environment(settings) | {"PYTHONUNBUFFERED": "1"}


def eddy(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(settings),
        timeout=120,
    )

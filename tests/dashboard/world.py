"""Fill real Redis and Kafka through the job's own writer with the data that the dashboard's tests show."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer

from eddy.alert import Alert
from eddy.connections import kafka_client, redis_client
from eddy.flink_job.operators.source_counts import SourceFigures
from eddy.flink_job.sinks.redis import RedisSink
from eddy.redis_layout import Point
from eddy.settings import Settings

EPOCH = 1_735_689_600_000  # 2025-01-01
MINUTE = 60_000
NASTY = "<script>alert(1)</script>"
WORSE = "\"><img src=x onerror=alert(2)>/%2e%2e/'&amp;"


class World:
    """Write the data that the job and the producers would write."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = redis_client(settings.redis)
        self._writer = RedisSink(settings)
        self._writer.open()
        self._producer: Any = KafkaProducer(**kafka_client(settings.kafka), acks="all")

    def close(self) -> None:
        self._writer.close()
        self._producer.close()
        self.redis.close()

    def job(self, alerts: Sequence[Alert] = (), live: Sequence[Point] = (), points: Sequence[Point] = ()) -> None:
        """Write to Redis as the job does, and its alerts to Kafka; return when both have the data."""
        for alert in alerts:
            self._producer.send(self._topic("alerts"), key=alert.series.encode(), value=alert.to_json())
        self._producer.flush(20)
        before, deadline = self._writer.written, time.monotonic() + 30
        self._writer.put(0, alerts, live, points)
        while self._writer.written < before + len(alerts) + len(live) + len(points):
            assert time.monotonic() < deadline, "Redis did not take it all"
            time.sleep(0.02)

    def observe(self, series: str, ts: int, **values: float) -> None:
        """Send an observation to its topic."""
        message = {"series": series, "ts": ts, "values": values}
        self._producer.send(self._topic("observations"), key=series.encode(), value=json.dumps(message).encode())

    def dead_letter(self, series: str, value: bytes, reason: str, detail: str) -> None:
        """Send a dead letter in the job's format."""
        origin = {"topic": self._topic("observations"), "partition": "0", "offset": "7", "timestamp": "1"}
        headers = [(k, v.encode()) for k, v in {"reason": reason, "detail": detail, **origin}.items()]
        self._producer.send(self._topic("dlq"), key=series.encode(), value=value, headers=headers)

    def source(self, subtask: int, ago_ms: int, records: int, dead: dict[str, int]) -> None:
        """Send figures of an input source, as a subtask of the job does."""
        topics = ["plant.telemetry", "plant.eu"]
        figures = SourceFigures(EPOCH, records, records - 100, 100, EPOCH, 3, dead=Counter(dead), muted=subtask == 1)
        value = figures.message("input.0", topics, "eddy", subtask, int(time.time() * 1000) - ago_ms)
        self._producer.send(self._topic("sources"), key=b"input.0/%d" % subtask, value=value)

    def event(self, **fields: Any) -> None:
        """Send an event, as the job does."""
        value = json.dumps({"ts": int(time.time() * 1000), "job": "eddy", **fields}).encode()
        self._producer.send(self._topic("events"), key=str(fields.get("model", "")).encode(), value=value)

    def flush(self) -> None:
        self._producer.flush(20)

    def _topic(self, role: str) -> str:
        return self.settings.topics.name(role)


def point(series: str, k: int, state: str = "ok", features: Sequence[str] = ("value",), **changes: Any) -> Point:
    """Build the k-th point of a series: a day's wave, a minute apart, with a band around it."""
    middle = {name: 100.0 + 10 * f + 20 * math.sin(2 * math.pi * k / 240 + f) for f, name in enumerate(features)}
    values = changes.pop("values", {name: v + 3 * math.sin(k * 1.7) for name, v in middle.items()})
    return Point(
        series=series,
        ts=EPOCH + k * MINUTE,
        values=values,
        expected=middle,
        lower={name: v - 8 for name, v in middle.items()},
        upper={name: v + 8 for name, v in middle.items()},
        score=changes.pop("score", 1.0 + 0.5 * math.sin(k)),
        limit=3.0,
        state=state,
        model=changes.pop("model", "waves"),
        version=1,
        imputed=changes.pop("imputed", 0),
    )

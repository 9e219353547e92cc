"""Read a system's alerts and their times, and compare them with those of other systems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition

from benchmarks.measuring.workload import START, STEP_MS, Workload
from eddy.alert_settings import AlertRules

STEADY_FROM = 0.2  # share of the events during which a system may still be starting up
IncidentKey = tuple[str, int, int | None, int | None]  # series, start; end and points once it is closed
Mark = tuple[float, float]  # (seconds since the epoch, events done)


@dataclass(frozen=True)
class Raised:
    """Hold a message on an alert topic.

    Attributes:
        at: seconds since the epoch, when the broker appended it.
        value: the message.
    """

    at: float
    value: dict[str, Any]


def of_incidents(raised: Sequence[Raised]) -> list[Raised]:
    """Return Eddy's messages of single series, without those of groups."""
    return [one for one in raised if one.value.get("kind", "incident") == "incident"]


def read(bootstrap: str, topic: str) -> list[Raised]:
    """Read all messages of a topic, in the order in which the broker received them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"read-{topic}", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        left = 0
        for number in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), 30)
            left += high - low
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Raised] = []
        while len(found) < left:
            batch = consumer.consume(min(10_000, left - len(found)), 30)
            assert batch, f"{topic}: {len(found)} of {left} messages could be read"
            found += [Raised(m.timestamp()[1] / 1000, orjson.loads(m.value())) for m in batch]
        return sorted(found, key=lambda raised: raised.at)
    finally:
        consumer.close()


def incidents_of_points(work: Workload, points: Iterable[tuple[str, int]]) -> set[IncidentKey]:
    """Combine anomalous points (series, ts) into incidents by Eddy's alert policy."""
    quiet = AlertRules().close_after
    by_series: dict[str, list[int]] = defaultdict(list)
    for series, ts in sorted(set(points)):
        by_series[series].append(ts)
    found: set[IncidentKey] = set()
    index = {name: k for k, name in enumerate(work.names())}
    for series, times in by_series.items():
        own = (work.events - index[series] + work.series - 1) // work.series
        final = START + (own - 1) * STEP_MS
        group: list[int] = []
        for ts in [*times, None]:
            if group and (ts is None or ts - group[-1] > quiet * STEP_MS):
                closed = final - group[-1] >= quiet * STEP_MS
                found.add((series, group[0], group[-1], len(group)) if closed else (series, group[0], None, None))
                group = []
            if ts is not None:
                group.append(ts)
    return found


def incidents_of_eddy(raised: Sequence[Raised]) -> set[IncidentKey]:
    """Return Eddy's incidents from their last messages."""
    last = {r.value["id"]: r.value for r in raised}
    found: set[IncidentKey] = set()
    for value in last.values():
        closed = value["state"] == "closed"
        found.add((value["series"], value["start"], *((value["end"], value["points"]) if closed else (None, None))))
    return found


def marks_of_alerts(times: Sequence[float], events: int) -> list[Mark]:
    """Estimate progress from the times of alerts, which are evenly distributed over the events."""
    return [(at, (k + 1) / len(times) * events) for k, at in enumerate(times)]


def steady(marks: Sequence[Mark], events: int) -> tuple[Mark, Mark]:
    """Return the first and the last mark of the steady state."""
    first = next(mark for mark in marks if mark[1] >= STEADY_FROM * events)
    return first, marks[-1]

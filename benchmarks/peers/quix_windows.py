"""Fold raw events into intervals of a minute on Quix Streams: ``tumbling_window``, RocksDB state, changelog topic.

    python quix_windows.py CONFIG NUMBER        (processes of the same consumer group, a state folder each)

As its documentation teaches: event time by a timestamp extractor, and ``agg`` with its own aggregators, beside custom
ones for errors and distinct users, of which it has none. The key of a message is its host.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Aggregator, Count, Max, Mean

from benchmarks.peers.config import Config
from benchmarks.peers.totals import FIRST_ERROR, GRACE, MINUTE

IDLE_SECONDS = 10.0  # without a message for so long, everything has been processed


class Errors(Aggregator):
    """Count events whose status is an error."""

    def initialize(self) -> int:
        return 0

    def agg(self, old: int, new: dict[str, Any], timestamp: int) -> int:
        return old + (new["status"] >= FIRST_ERROR)

    def result(self, value: int) -> int:
        return value


class Distinct(Aggregator):
    """Count distinct values of a column; a ``Collector`` would send every event to the changelog, and is slower."""

    def initialize(self) -> dict[str, int]:
        return {}  # a set, as JSON can hold it

    def agg(self, old: dict[str, int], new: dict[str, Any], timestamp: int) -> dict[str, int]:
        old[new[self.column]] = 1
        return old

    def result(self, value: dict[str, int]) -> int:
        return len(value)


def event_time(value: dict[str, Any], *_: Any) -> int:
    """Return an event's own time in ms."""
    return int(value["at"]) * 1000


def encoded(window: dict[str, Any], host: str, *_: Any) -> dict[str, Any]:
    values = {name: value for name, value in window.items() if name not in ("start", "end")}
    return {"host": host, "w": window["start"]} | values


def main() -> None:
    config, number = Config.read(sys.argv[1]), sys.argv[2]
    app = Application(
        config.bootstrap,
        consumer_group="quix-intervals",
        auto_offset_reset="earliest",
        state_dir=Path(config.folder) / f"state-{number}",
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 10},  # as in the plain loop
    )
    events = app.topic(config.topic, key_deserializer="str", value_deserializer="json", timestamp_extractor=event_time)
    values: dict[str, Any] = {"requests": Count()}
    if config.form == "requests5":
        values |= {"errors": Errors(), "mean_ms": Mean("ms"), "most": Max("ms"), "users": Distinct("user")}
    frame = app.dataframe(events).tumbling_window(MINUTE, grace_ms=GRACE).agg(**values).final()
    frame = frame.apply(encoded, metadata=True)
    frame.to_topic(app.topic(config.alerts, value_serializer="json", key_serializer="str"))
    app.run(timeout=IDLE_SECONDS)


if __name__ == "__main__":
    main()

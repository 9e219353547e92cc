"""Run the workload on Quix Streams: windows in its RocksDB state with changelog topic, one message at a time.

    python quix_app.py CONFIG NUMBER        (processes of the same consumer group, a state folder each)

The z-score is computed in the stateful callback. Forest and LSTM would take a call per event there, so the callback
passes the window to a batching sink (its own class), which scores all windows of a checkpoint in one call.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.sinks.base import BatchingSink, SinkBatch
from quixstreams.state import State

from benchmarks.measuring.message_forms import event_of
from benchmarks.peers.config import Config
from benchmarks.peers.detectors import PeerDetector, load
from benchmarks.peers.windows import encode

IDLE_SECONDS = 10.0  # without a message for so long, everything has been processed
DOUBLE_BYTES = 8


class Scores(BatchingSink):
    """Score the windows of a checkpoint, and send the alerts."""

    def __init__(self, detector: PeerDetector, config: Config) -> None:
        super().__init__()
        self._detector, self._topic = detector, config.alerts
        self._producer = Producer({"bootstrap.servers": config.bootstrap})

    def write(self, batch: SinkBatch) -> None:
        items = [item.value for item in batch]
        windows = np.frombuffer(b"".join(item[2] for item in items)).reshape(len(items), -1)
        scores = self._detector.score(windows, self._detector.bind([item[0] for item in items]))
        for i in np.flatnonzero(scores > self._detector.limit):
            self._producer.produce(self._topic, encode(items[i][0], items[i][1], scores[i]), items[i][0])
        self._producer.flush(30)


def window_of(state: State, value: float, size: int) -> bytes:
    """Append to the window in the state; return it, oldest point first."""
    window = (state.get_bytes("window", b"") + struct.pack("d", value))[-size * DOUBLE_BYTES :]
    state.set_bytes("window", window)
    return window


def main() -> None:
    config, number = Config.read(sys.argv[1]), sys.argv[2]
    detector = load(Path(config.model))
    size, limit = detector.window, detector.limit
    app = Application(
        config.bootstrap,
        consumer_group=f"quix-{config.kind}",
        auto_offset_reset="earliest",
        state_dir=Path(config.folder) / f"state-{number}",
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 10},  # as in the plain loop
    )
    observations = app.topic(config.topic, key_deserializer="str", value_deserializer="json")
    frame = app.dataframe(observations)
    if config.form != "own":
        frame = frame.apply(
            lambda found: dict(zip(("series", "ts", "value"), event_of(config.form, found), strict=True))
        )

    def zscore(event: dict[str, Any], state: State) -> bytes | None:
        window = window_of(state, event["value"], size)
        if len(window) < size * DOUBLE_BYTES:
            return None
        values = struct.unpack(f"{size}d", window)
        mean = sum(values) / size
        variance = sum([(v - mean) ** 2 for v in values]) / size
        score = abs(values[-1] - mean) / variance**0.5
        return encode(event["series"], event["ts"], score) if score > limit else None

    def collect(event: dict[str, Any], state: State) -> tuple[str, int, bytes] | None:
        window = window_of(state, event["value"], size)
        return (event["series"], event["ts"], window) if len(window) == size * DOUBLE_BYTES else None

    def is_something(found: Any) -> bool:
        return found is not None

    if config.kind == "Z":
        frame = frame.apply(zscore, stateful=True).filter(is_something)
        frame.to_topic(app.topic(config.alerts, value_serializer="bytes", key_serializer="str"))
    else:
        frame.apply(collect, stateful=True).filter(is_something).sink(Scores(detector, config))
    app.run(timeout=IDLE_SECONDS)


if __name__ == "__main__":
    main()

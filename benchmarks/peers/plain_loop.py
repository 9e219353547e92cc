"""Run the workload in a plain Python loop: one consumer, one process, windows in a dictionary, no durable state.

    python plain_loop.py CONFIG batch|event

``batch`` scores the messages of a poll in one call; ``event`` processes one message at a time (rolling z-score only).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import orjson
from confluent_kafka import Consumer, Producer

from benchmarks.measuring.message_forms import event_of
from benchmarks.peers.config import Config
from benchmarks.peers.detectors import RunningZScore, load
from benchmarks.peers.windows import BatchScorer, decode, encode

POLL_MESSAGES, POLL_SECONDS = 10_000, 0.05


def main() -> None:
    config, mode = Config.read(sys.argv[1]), sys.argv[2]
    consumer = Consumer({
        "bootstrap.servers": config.bootstrap, "group.id": f"plain-{mode}", "auto.offset.reset": "earliest",
        # By default it waits for a second whenever 100,000 messages are ready: 125,000 events/s at most.
        "fetch.queue.backoff.ms": 10,
    })  # fmt: skip
    consumer.subscribe([config.topic])
    producer = Producer({"bootstrap.servers": config.bootstrap, "linger.ms": 5})
    step = _batched(config) if mode == "batch" else _one_by_one(config)
    handled = 0
    while handled < config.events:
        values = [message.value() for message in consumer.consume(POLL_MESSAGES, POLL_SECONDS)]
        for series, ts, score in step(values):
            producer.produce(config.alerts, encode(series, ts, score), series)
        producer.poll(0)
        handled += len(values)
    producer.flush(30)
    consumer.close()


def _batched(config: Config):  # type: ignore[no-untyped-def]
    scorer = BatchScorer(load(Path(config.model), threads=config.cores))

    def step(values: list[bytes]) -> Iterable[tuple[str, int, float]]:
        return scorer.score_batch(*decode(values, config.form)) if values else ()

    return step


def _one_by_one(config: Config):  # type: ignore[no-untyped-def]
    detector = load(Path(config.model))
    running: dict[str, RunningZScore] = {}

    def step(values: list[bytes]) -> Iterable[tuple[str, int, float]]:
        for value in values:
            series, ts, number = event_of(config.form, orjson.loads(value))
            windows = running.get(series)
            if windows is None:
                windows = running[series] = RunningZScore(detector.window)
            score = windows.add(number)
            if score is not None and score > detector.limit:
                yield series, ts, score

    return step


if __name__ == "__main__":
    main()

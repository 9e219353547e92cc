"""Run the workload on Bytewax: a micro-batch per partition as one item, windows in one recoverable state.

    python -m bytewax.run benchmarks.peers.bytewax_flow:flow -r RECOVERY -s 10 -i I -a ADDRESSES      (PEER_CONFIG=FILE)

Uses its Kafka source and sink, ``flat_map_batch`` and ``stateful_batch`` as documented. One item per micro-batch and
partition makes it fast: items per event would take a Python call in each operator.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from confluent_kafka import OFFSET_BEGINNING

from benchmarks.peers.config import Config
from benchmarks.peers.detectors import load
from benchmarks.peers.windows import BatchScorer, decode, encode

POLL_MESSAGES = 10_000

config = Config.read(os.environ["PEER_CONFIG"])
detector = load(Path(config.model))  # one process per core, so one thread for each


class PartitionWindows(StatefulBatchLogic[list[bytes], KafkaSinkMessage[bytes, bytes], Any]):
    """Keep the windows of one partition's series."""

    def __init__(self, state: Any) -> None:
        self.scorer = BatchScorer(detector, *(state or ()))

    def on_batch(self, values: list[list[bytes]]) -> tuple[list[KafkaSinkMessage[bytes, bytes]], bool]:
        found = self.scorer.score_batch(*decode([event for part in values for event in part], config.form))
        return [KafkaSinkMessage(series.encode(), encode(series, ts, score)) for series, ts, score in found], False

    def snapshot(self) -> Any:
        return dict(self.scorer.names), self.scorer.history.copy()


def by_partition(messages: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, list[bytes]]]:
    """Group the messages of one poll into one item per partition."""
    parts: dict[str, list[bytes]] = defaultdict(list)
    for message in messages:
        parts[str(message.partition)].append(message.value)
    return list(parts.items())


flow = Dataflow("eddy-peer")
source: Any = KafkaSource(
    [config.bootstrap], [config.topic], tail=False, starting_offset=OFFSET_BEGINNING, batch_size=POLL_MESSAGES,
    add_config={"fetch.queue.backoff.ms": "10"},  # as in the plain loop: otherwise it pauses for a second now and then
)  # fmt: skip
messages = op.input("observations", flow, source)
batches = op.flat_map_batch("partitions", messages, by_partition)
alerts = op.stateful_batch("score", batches, PartitionWindows)
op.output("alerts", op.map("values", alerts, lambda pair: pair[1]), KafkaSink([config.bootstrap], config.alerts))

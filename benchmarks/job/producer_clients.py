"""Measure the cost of sending: the demo's stream through each Kafka client, at full speed.

Run: ``eddy bench producers``. It starts a stack of its own.
CPU is that of this process alone, encoding and network threads included; the rate also depends on the broker.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient

from benchmarks.measuring.machine import describe
from eddy.configuration import load
from eddy.connections import kafka_client
from eddy.producers.pace import Pace
from eddy.producers.sender import send
from eddy.producers.source import Replay
from eddy.producers.synthetic import SyntheticSource, SyntheticStream, generate
from eddy.producers.transport import Client
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated

ROUNDS: dict[Client, int] = {"librdkafka": 4, "kafka-python": 1}


class Rounds(SyntheticSource):
    """Repeat the stream several times."""

    def __init__(self, stream: SyntheticStream, rounds: int) -> None:
        super().__init__(stream, "all")
        self.parts = self.parts * rounds


def measure(settings: Settings, stream: SyntheticStream, client: Client) -> dict[str, object]:
    cpu = time.process_time()
    report = send(Replay(Rounds(stream, ROUNDS[client])), settings, Pace(), client=client)
    cpu = time.process_time() - cpu
    return {
        "client": client,
        "events": report.delivered,
        "seconds": report.seconds,
        "events_per_s": round(report.rate),
        "cpu_us_per_event": round(cpu / report.events * 1e6, 2),
        "events_per_cpu_s": round(report.events / cpu),
    }


def run(overrides: Sequence[str], settings: Settings | None = None) -> dict[str, Any]:
    """Run every client, on a stack of its own unless ``settings`` name a broker."""
    if settings is None:
        with tempfile.TemporaryDirectory() as folder:
            own = isolated(load(overrides).settings, Path(folder))
            with Stack(own, owned=True):
                return run(overrides, own)
    topic = f"benchmark-{uuid.uuid4().hex[:8]}"
    settings = settings.model_copy(update={"topics": settings.topics.model_copy(update={"observations": topic})})
    admin = KafkaAdminClient(**kafka_client(settings.kafka))
    config = {"num_partitions": settings.stack.partitions, "replication_factor": 1, "configs": {}}
    admin.create_topics({topic: config}, wait_for_metadata=True)
    try:
        stream = generate()
        results = [measure(settings, stream, client) for client in ROUNDS]
    finally:
        admin.delete_topics([topic])
        admin.close()
    return {"benchmark": "producers", "machine": describe(), "results": results}


def main() -> None:
    for one in run(sys.argv[1:])["results"]:
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()

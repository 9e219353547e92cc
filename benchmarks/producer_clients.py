"""What sending costs: the demo's stream through each Kafka client, flat out.

Run: ``python -m benchmarks.producer_clients`` with a broker up (``eddy up``); its topic goes with it.
CPU is that of this process alone, encoding and network threads included; the rate also depends on the broker.
"""

from __future__ import annotations

import json
import sys
import time
import uuid

from kafka.admin import KafkaAdminClient

from eddy.configuration import load
from eddy.connections import kafka_client
from eddy.settings import Settings
from producers.pace import Pace
from producers.sender import send
from producers.source import Replay
from producers.synthetic import SyntheticSource, SyntheticStream, generate
from producers.transport import Client

ROUNDS: dict[Client, int] = {"librdkafka": 4, "kafka-python": 1}


class Rounds(SyntheticSource):
    """The stream several times over."""

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


def main() -> None:
    settings = load(sys.argv[1:]).settings
    topic = f"benchmark-{uuid.uuid4().hex[:8]}"
    settings = settings.model_copy(update={"topics": settings.topics.model_copy(update={"observations": topic})})
    admin = KafkaAdminClient(**kafka_client(settings.kafka))
    config = {"num_partitions": settings.stack.partitions, "replication_factor": 1, "configs": {}}
    admin.create_topics({topic: config}, wait_for_metadata=True)
    try:
        stream = generate()
        for client in ROUNDS:
            print(json.dumps(measure(settings, stream, client)), flush=True)
    finally:
        admin.delete_topics([topic])
        admin.close()


if __name__ == "__main__":
    main()

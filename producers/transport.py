"""Send to Kafka in two ways with the same partitions and the same guarantees.

Measured by ``python -m benchmarks.job.producer_clients``, CPU of this process per message, encoding included:
kafka-python 69 µs, librdkafka's batch call 3.0 µs (350,000 messages/s with the broker on the same two cores). So
replays at a pace use kafka-python, and flat out librdkafka does the work. Both hash the key as Java's default
partitioner does (murmur2), wait for all replicas, retry, and are idempotent: a series keeps its partition and its
order.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any, Literal, Protocol

from kafka.errors import KafkaError, KafkaTimeoutError

from eddy.connections import kafka_admin, kafka_producer, librdkafka_client, librdkafka_producer
from eddy.errors import StackError
from eddy.settings import KafkaSettings

Client = Literal["kafka-python", "librdkafka"]

LOGGER = "eddy.producers.librdkafka"  # its log of retries; the sender reports what fails in the end
CONNECT_SECONDS = 5.0
DELIVERY_SECONDS = 60.0  # retries of one message end here; then it has failed
BATCH_BYTES = 512 * 1024
PACED_LINGER_MS = 5
FLAT_OUT_LINGER_MS = 20
MESSAGES_IN_FLIGHT = 100_000


class Transport(Protocol):
    """Send encoded messages to one topic, in order."""

    name: str
    #: messages that the client refused (such as too large ones), by reason; the others go on
    refused: Counter[str]
    #: messages that were not delivered after all retries, by reason: nothing more should be sent after them
    undelivered: Counter[str]

    def send(self, keys: list[bytes], values: list[bytes]) -> None:
        """Hand over messages. Call only when there is room: else one could be refused and the next accepted."""

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until there is room for another block; return whether there is."""

    def flush(self, seconds: float) -> int:
        """Wait until all is delivered or has failed; return how many are still on their way at the end."""

    def close(self) -> None:
        """Give up messages still on their way, and disconnect."""


def check_topic(settings: KafkaSettings, topic: str) -> None:
    """Raise unless the broker answers and has the topic.

    Raises:
        StackError: names which of the two, and what to do.
    """
    milliseconds = round(CONNECT_SECONDS * 1000)
    try:
        admin = kafka_admin(settings, bootstrap_timeout_ms=milliseconds)
        try:
            topics = admin.list_topics()
        finally:
            admin.close()
    except (KafkaError, OSError, ValueError) as error:
        raise StackError(
            f"Kafka at {settings.bootstrap_servers} does not answer ({error}); start the local stack with 'eddy up' "
            "or set kafka.bootstrap_servers (and kafka.security_protocol)"
        ) from None
    if topic not in topics:
        raise StackError(
            f"Kafka at {settings.bootstrap_servers} has no topic {topic!r}; 'eddy up' creates it in the local stack, "
            "elsewhere create it first, or set another name (topics.prefix, topics.observations, topics.labels)"
        )


def connect(settings: KafkaSettings, topic: str, client: Client) -> Transport:
    """Connect the transport of that name."""
    return Librdkafka(settings, topic) if client == "librdkafka" else KafkaPython(settings, topic)


class KafkaPython:
    """Send through kafka-python's producer: for replays at a pace."""

    name = "kafka-python"

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.topic = topic
        self.refused: Counter[str] = Counter()
        self.undelivered: Counter[str] = Counter()
        self._handed_over = 0
        self._settled = 0
        self._producer = kafka_producer(
            settings,
            linger_ms=PACED_LINGER_MS,
            batch_size=BATCH_BYTES,
            max_request_size=settings.max_message_bytes,
            delivery_timeout_ms=max(round(DELIVERY_SECONDS * 1000), settings.request_timeout_ms + PACED_LINGER_MS),
            bootstrap_timeout_ms=round(CONNECT_SECONDS * 1000),
        )

    def send(self, keys: list[bytes], values: list[bytes]) -> None:
        for key, value in zip(keys, values, strict=True):
            try:
                future = self._producer.send(self.topic, value, key)
            except KafkaError as error:
                self.refused[type(error).__name__] += 1
                continue
            self._handed_over += 1
            future.add_callback(self._delivered).add_errback(self._failed)

    def wait_for_room(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._handed_over - self._settled > MESSAGES_IN_FLIGHT:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _delivered(self, _: Any) -> None:
        self._settled += 1

    def _failed(self, error: BaseException) -> None:
        self.undelivered[type(error).__name__] += 1
        self._settled += 1

    def flush(self, seconds: float) -> int:
        with contextlib.suppress(KafkaTimeoutError):
            self._producer.flush(timeout=seconds)
        # The futures are done before their callbacks have run: the network thread is a moment behind.
        deadline = time.monotonic() + min(seconds, 1.0)
        while self._handed_over > self._settled and time.monotonic() < deadline:
            time.sleep(0.001)
        return self._handed_over - self._settled

    def close(self) -> None:
        with contextlib.suppress(KafkaTimeoutError):
            self._producer.close(timeout=0 if self._handed_over > self._settled else 5)
            return
        # When the flush inside times out, close() leaves its thread running: end it, as nothing is waited for any more.
        self._producer._sender.force_close()


class Librdkafka:
    """Send through confluent-kafka's producer: at full speed."""

    name = "librdkafka"

    def __init__(self, settings: KafkaSettings, topic: str, linger_ms: int = FLAT_OUT_LINGER_MS) -> None:
        self.topic = topic
        self.refused: Counter[str] = Counter()
        self.undelivered: Counter[str] = Counter()
        options = librdkafka_options(settings) | {"linger.ms": linger_ms}
        self._producer = librdkafka_producer(options, LOGGER)

    def send(self, keys: list[bytes], values: list[bytes]) -> None:
        messages: list[dict[str, Any]] = [{"value": v, "key": k} for k, v in zip(keys, values, strict=True)]
        if self._producer.produce_batch(self.topic, messages, on_delivery=self._delivered) < len(messages):
            for message in messages:
                if "_error" in message:
                    self.refused[_reason(message["_error"])] += 1
        self._producer.poll(0)

    def wait_for_room(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while len(self._producer) > MESSAGES_IN_FLIGHT:
            if time.monotonic() > deadline:
                return False
            self._producer.poll(0.05)
        return True

    def _delivered(self, error: Any, _: Any) -> None:
        if error is not None:  # with delivery.report.only.error it always is
            self.undelivered[_reason(error)] += 1

    def flush(self, seconds: float) -> int:
        return int(self._producer.flush(seconds))

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(1)


def librdkafka_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return our connection settings as librdkafka's options."""
    return {
        **librdkafka_client(settings, "librdkafka-producer"),
        "request.timeout.ms": settings.request_timeout_ms,
        "message.timeout.ms": max(round(DELIVERY_SECONDS * 1000), settings.request_timeout_ms),
        "message.max.bytes": settings.max_message_bytes,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "delivery.report.only.error": True,
        "linger.ms": FLAT_OUT_LINGER_MS,
        "batch.size": BATCH_BYTES,
        "queue.buffering.max.messages": 10 * MESSAGES_IN_FLIGHT,
        "queue.buffering.max.kbytes": 1024 * 1024,
        "allow.auto.create.topics": False,
    }


def _reason(error: Any) -> str:
    return str(error.str()) if hasattr(error, "str") else str(error)

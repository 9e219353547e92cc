"""Write messages to Kafka that must have arrived before anything else is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

from kafka.errors import KafkaError

from eddy.connections import kafka_producer
from eddy.errors import StackError
from eddy.settings import Settings

_SEND_SECONDS = 30.0


class TopicWriter:
    """Write messages and wait until the broker has each. Use it as a context manager, or :meth:`close` it.

    Args:
        settings: connection, and the largest message.

    Raises:
        StackError: no broker answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._where = settings.kafka.bootstrap_servers
        largest, wait_ms = settings.kafka.max_message_bytes, settings.kafka.request_timeout_ms
        with self._reaching("Kafka"):
            self._producer = kafka_producer(
                settings.kafka, acks="all", max_request_size=largest, bootstrap_timeout_ms=wait_ms
            )

    @contextlib.contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            reason = str(error) or type(error).__name__
            message = f"{what} at {self._where} does not take it: {reason}; is Kafka up ('eddy status')?"
            raise StackError(message) from None

    def __enter__(self) -> TopicWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from the broker."""
        self._producer.close()

    def send(self, topic: str, *messages: tuple[str, bytes | None]) -> None:
        """Write (key, value) messages, in order; a value of None deletes the key of a compacted topic.

        Raises:
            StackError: the broker did not take them all.
        """
        with self._reaching(f"topic {topic}"):
            waiting = [self._producer.send(topic, key=key.encode(), value=value) for key, value in messages]
            for future in waiting:
                future.get(_SEND_SECONDS)

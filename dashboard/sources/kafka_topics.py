"""Follow the Kafka topics that the dashboard shows, beginning a limited number of messages back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from eddy.connections import librdkafka_consumer
from eddy.dashboard.sources.availability import Watch
from eddy.settings import KafkaSettings
from eddy.texts import escaped

log = logging.getLogger(__name__)
logging.getLogger("dashboard.librdkafka").setLevel(logging.CRITICAL)  # the dashboard itself shows that Kafka is away

_PROBE_SECONDS = 2.0
_ANSWER_SECONDS = 0.5  # longest wait for a broker that may be away: the other sources wait as long
_FIRST_ANSWER_SECONDS = 2.0
_AT_ONCE = 1000
_EVERYTHING = 0


def consumer(settings: KafkaSettings, buffered_kbytes: int) -> Any:
    """Return a librdkafka consumer that commits nothing and whose group no other part uses."""
    options = {
        "group.id": "eddy-dashboard",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "fetch.message.max.bytes": min(settings.max_message_bytes, 1_000_000),
        "queued.max.messages.kbytes": buffered_kbytes,
        "fetch.wait.max.ms": 200,
        "reconnect.backoff.max.ms": 2000,
        "error_cb": lambda _: None,  # a probe finds out that Kafka is away, and when it is back
    }
    return librdkafka_consumer(settings, options, "dashboard.librdkafka")


class KafkaTopics:
    """Read several topics with one consumer.

    Args:
        settings: connection.
        handlers: by topic name, the function that takes a message.
        back: by topic name, how many messages before the end to start with, per partition; 0 = all.
        measured: a topic of which only the ends are read.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        handlers: Mapping[str, Callable[[Any], None]],
        back: Mapping[str, int],
        measured: str,
    ) -> None:
        self.watch = Watch("Kafka", settings.bootstrap_servers)
        self.totals: dict[str, int] = {}  # by topic: messages in it
        self.ends: dict[int, int] = {}  # of the measured topic, by partition
        self.ends_at = 0.0  # monotonic seconds
        self.caught_up = False
        self._handlers, self._back, self._measured = handlers, back, measured
        self._known: set[tuple[str, int]] = set()
        self._consumer = consumer(settings, buffered_kbytes=65_536)
        self._probed = -1e9

    def read(self, seconds: float) -> int:
        """Hand received messages to their handlers for at most ``seconds``; return how many. Never wait long."""
        if not self._there():
            return 0
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            messages = self._consumer.consume(_AT_ONCE, timeout=0.02)
            for message in messages:
                if message.error() is None:
                    self._hand_over(message)
                    count += 1
            if not messages:
                self.caught_up = True
                break
        return count

    def _hand_over(self, message: Any) -> None:
        """Hand a message to its handler: one that nobody can use costs itself, never those behind it."""
        try:
            self._handlers[message.topic()](message)
        except Exception as error:
            where = f"{message.topic()}[{message.partition()}] offset {message.offset()}"
            log.warning("the dashboard leaves out %s: %s: %s", where, type(error).__name__, escaped(error))

    def close(self) -> None:
        """Disconnect from the broker."""
        self._consumer.close()

    def _there(self) -> bool:
        now = time.monotonic()
        if now - self._probed < _PROBE_SECONDS:
            return bool(self.watch.state.ok)
        self._probed = now
        try:
            first = self.watch.state.ok is None
            found = self._consumer.list_topics(timeout=_FIRST_ANSWER_SECONDS if first else _ANSWER_SECONDS).topics
            self._take(found)
            self._measure(found)
        except KafkaException as error:
            self.watch.away(error.args[0].str())
            return bool(self.watch.state.ok)
        self.watch.answers()
        return True

    def _take(self, topics: Mapping[str, Any]) -> None:
        """Start to read partitions that are new."""
        fresh = []
        for name in self._handlers:
            for number in topics[name].partitions if name in topics else ():
                if (name, number) not in self._known:
                    low, high = self._consumer.get_watermark_offsets(TopicPartition(name, number), _ANSWER_SECONDS)
                    back = self._back.get(name, _EVERYTHING)
                    fresh.append(TopicPartition(name, number, max(low, high - back) if back else low))
        if fresh:
            self._consumer.incremental_assign(fresh)
            self._known |= {(place.topic, place.partition) for place in fresh}
            self.caught_up = False

    def _measure(self, topics: Mapping[str, Any]) -> None:
        totals = dict.fromkeys(self._handlers, 0)
        for name, number in self._known:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(name, number), cached=True)
            totals[name] += max(0, high - max(low, 0))
        self.totals = totals
        ends = {}
        for number in topics[self._measured].partitions if self._measured in topics else ():
            ends[number] = self._consumer.get_watermark_offsets(
                TopicPartition(self._measured, number), _ANSWER_SECONDS
            )[1]
        self.ends, self.ends_at = ends, time.monotonic()

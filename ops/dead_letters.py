"""Survey the dead-letter topic and replay dead letters: the work behind ``eddy dlq``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from eddy.connections import kafka_producer
from eddy.errors import StackError
from eddy.ops.mapped_dead_letters import MappedDeadLetters
from eddy.ops.original_records import OriginalRecords
from eddy.settings import Settings
from eddy.topic_reader import TopicReader, whole_topic

_SHOWN_BYTES = 200
_BATCH = 500  # dead letters between two commits of how far the replay is
_ANY = "*"
LATE = "late"  # the reason that no repair takes away: what was late once is later the next time
_MAX_LATE = 2  # times that a late observation is sent: the second is for a setting that has been raised
_SEND_SECONDS = 30
_LARGEST = 2**31 - 1  # for the producer; the broker has the last word, on what is compressed


def headers_of(record: Any) -> dict[str, str]:
    """Return a dead letter's headers as text."""
    return {name: value.decode(errors="replace") for name, value in record.headers}


def survey(settings: Settings, reason: str, limit: int) -> dict[str, Any]:
    """Count dead letters by reason, and return the newest ``limit`` of each."""
    counts: Counter[str] = Counter()
    samples: dict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=limit))
    for record in whole_topic(settings, "dlq"):
        headers = headers_of(record)
        name = headers.get("reason", "unknown")
        if reason in ("", name):
            counts[name] += 1
            samples[name].append(_sample(record, headers))
    return {
        "topic": settings.topics.name("dlq"),
        "total": counts.total(),
        "reasons": dict(counts.most_common()),
        "samples": {name: list(dead_letters) for name, dead_letters in samples.items() if limit},
    }


def _sample(record: Any, headers: dict[str, str]) -> dict[str, Any]:
    value = record.value or b""
    return {
        **{name: headers.get(name, "") for name in ("reason", "detail", "topic", "partition", "offset", "timestamp")},
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "value": value[:_SHOWN_BYTES].decode(errors="replace") + ("…" if len(value) > _SHOWN_BYTES else ""),
        "bytes": len(value),
    }


@dataclass
class _Message:
    """Hold a record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


class Replay:
    """Send dead letters again, those with ``reason`` or all, and remember how far the replay is.

    The place is kept in the offsets of one consumer group: the metadata of a partition's offset says, for each reason
    and for all of them, behind which dead letter the next replay starts. One that fails again comes back as a new one
    behind the end that this call read, so no call sends a dead letter twice. A late observation that came back twice is
    not sent any more: its series has gone on, and only a backfill scores it.

    All go to the observations topic: nothing is ever written into a topic of ``input``. A dead letter of such a topic
    is read again through its mapping, and its observations are sent; one that still is none becomes a new one at the
    end, with today's reason.
    """

    def __init__(self, settings: Settings, reason: str = "", dry_run: bool = False) -> None:
        self.sent: Counter[str] = Counter()
        self.read = 0  # dead letters found that are to be sent
        self.gone = 0  # large observations that the observations topic does not hold any more
        self.failed: Counter[str] = Counter()  # letters of mapped topics that still are no observations, by reason
        self.returned = 0  # late observations that were sent before and came back
        self._late: Counter[bytes] = Counter()  # how often the topic holds each late observation, by its digest
        self.complete = False
        self._settings, self._reason, self._dry_run = settings, reason, dry_run
        self._topic = settings.topics.name("observations")
        self._batch: list[Any] = []
        self._originals = OriginalRecords(settings.kafka, self._topic)
        self._mapped = MappedDeadLetters(settings)
        self._places: dict[TopicPartition, dict[str, int]] = {}

    def report(self) -> dict[str, Any]:
        """Return what was done, for JSON."""
        return {
            "topic": self._topic,
            "sent": self.sent.total(),
            "found": self.read,
            "gone": self.gone,
            "failed": dict(self.failed.most_common()),
            "returned": self.returned,
            "reasons": dict(self.sent.most_common()),
            "dry_run": self._dry_run,
            "complete": self.complete,
        }

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Send the dead letters; when ``stopped`` returns True, finish those on their way and end.

        Raises:
            StackError: Kafka went away; the batches sent until then are remembered.
        """
        reader = TopicReader(self._settings, "dlq", f"{self._settings.job.group_id}-dlq-replay")
        producer = None if self._dry_run else self._producer()
        try:
            self._read_places(reader)
            ends = reader.ends()
            self._seek(reader)
            for record in reader.to_end():
                if stopped():
                    self._flush(reader, producer)
                    return
                if record.offset < ends[_partition(record)] and self._wanted(record):
                    self.read += 1
                    self._batch.append(record)
                if len(self._batch) >= _BATCH:
                    self._flush(reader, producer)
            self._flush(reader, producer)
            self._remember(reader, ends)
            self.complete = True
        finally:
            reader.close()
            self._originals.close()
            self._mapped.close()
            if producer is not None:
                producer.close()

    def _producer(self) -> Any:
        # an observation may be far larger than what a broker takes, and a small batch all the same, once compressed
        options = {"acks": "all", "enable_idempotence": True, "max_request_size": _LARGEST, "compression_type": "gzip"}
        return kafka_producer(self._settings.kafka, **options)

    def _read_places(self, reader: TopicReader) -> None:
        for partition in reader.partitions:
            found = reader.consumer.committed(partition, metadata=True)
            metadata = found.metadata if found is not None else ""
            self._places[partition] = json.loads(metadata) if metadata else {}

    def _seek(self, reader: TopicReader) -> None:
        starts = reader.consumer.beginning_offsets(reader.partitions)
        for partition, places in self._places.items():
            place = 0 if self._reason in ("", LATE) else places.get(_ANY, 0)  # which late ones were sent is read again
            reader.consumer.seek(partition, max(place, starts[partition]))

    def _wanted(self, record: Any) -> bool:
        reason = headers_of(record).get("reason", "unknown")
        done = max(self._places[_partition(record)].get(name, 0) for name in (_ANY, reason))
        if self._reason not in ("", reason):
            return False
        if reason == LATE:
            digest = hashlib.blake2b(b"%r" % ((record.key, record.value),), digest_size=8).digest()
            self._late[digest] += 1
            if self._late[digest] > _MAX_LATE and record.offset >= done:
                self.returned += 1
                return False
        return bool(record.offset >= done)

    def _flush(self, reader: TopicReader, producer: Any) -> None:
        """Send a batch, wait until Kafka has it, then remember it: in this order, none is ever left out."""
        batch, self._batch = self._batch, []
        before = self.sent.copy(), self.failed.copy(), self.gone
        try:
            messages = [message for record in batch for message in self._outgoing(record)]
            if producer is not None:
                futures = [producer.send(**vars(message)) for message in messages]
                for future in futures:
                    future.get(_SEND_SECONDS)
        except (KafkaError, StackError) as error:
            self.sent, self.failed, self.gone = before
            if isinstance(error, StackError):  # the cluster of a source is away
                raise
            message = f"topic {self._topic}: a letter could not be sent: {error}; run the replay again"
            raise StackError(message) from None
        self._remember(reader, {_partition(record): record.offset + 1 for record in batch})

    def _outgoing(self, record: Any) -> Iterator[_Message]:
        """Yield what is to be sent for a dead letter, and count it: observations, or itself again if it stays."""
        headers = headers_of(record)
        reason = headers.get("reason", "unknown")
        if not self._mapped.are_about(headers):
            # the letter itself or, where it holds only a beginning, the observation; a dry run does not look for it
            whole = self._originals.find(headers) if "truncated" in headers and not self._dry_run else record
            if whole is None:
                self.gone += 1
                return
            self.sent[reason] += 1
            yield _Message(self._topic, whole.key, whole.value)
            return
        found = self._mapped.read(record, headers)
        if found.gone:
            self.gone += 1
        elif found.refusal is not None:
            self.failed[found.refusal.reason] += 1
            said = {"reason": found.refusal.reason, "detail": found.refusal.detail}
            kept = [(name, value) for name, value in record.headers if name not in said]
            yield _Message(record.topic, record.key, record.value, [*((n, v.encode()) for n, v in said.items()), *kept])
        else:
            self.sent[reason] += 1
            for key, value in found.observations:
                yield _Message(self._topic, key, value)

    def _remember(self, reader: TopicReader, behind: dict[TopicPartition, int]) -> None:
        if self._dry_run or not behind:
            return
        offsets = {}
        for partition, place in behind.items():
            places = self._places[partition]
            places[self._reason or _ANY] = place
            if not self._reason:  # all are done up to here: places kept for single reasons before are obsolete
                places = self._places[partition] = {n: p for n, p in places.items() if n == _ANY or p > place}
            offsets[partition] = OffsetAndMetadata(place, json.dumps(places), -1)
        reader.consumer.commit(offsets)


def _partition(record: Any) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)

"""Model messages: what the registry topic holds now, and where a model's artifact is fetched from."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import fsspec
from kafka import KafkaConsumer, TopicPartition

from eddy.connections import kafka_client
from eddy.errors import ModelError, StackError
from eddy.settings import Settings
from models.artifact import MAX_ARTIFACT_BYTES
from models.manifest import Manifest

_ALLOWED_SCHEMES = ("file", "s3", "https")


def current_models(settings: Settings, seconds: float = 60.0) -> dict[bytes, bytes]:
    """The newest message of each key of the registry topic, as of now.

    Raises:
        StackError: the topic does not exist, or its end was not reached in time.
    """
    topic = settings.topics.name("models")
    consumer = KafkaConsumer(
        **kafka_client(settings.kafka),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=settings.kafka.max_message_bytes,
    )
    try:
        found = consumer.partitions_for_topic(topic)
        if not found:
            where = settings.kafka.bootstrap_servers
            raise StackError(f"topic {topic} does not exist at {where}; 'eddy up' or 'eddy topics' creates it")
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        latest: dict[bytes, bytes | None] = {}
        deadline = time.monotonic() + seconds
        while any(consumer.position(p) < ends[p] for p in partitions):
            if time.monotonic() > deadline:
                raise StackError(f"topic {topic}: its end was not reached within {seconds:.0f} s")
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    latest[record.key or b""] = record.value
        return {key: value for key, value in latest.items() if value is not None}
    finally:
        consumer.close()


def fetch_artifact(manifest: Manifest) -> bytes:
    """The artifact's bytes, inline or from its URI.

    Raises:
        ModelError: nothing to fetch, a scheme that is not allowed, too large, or unreadable.
    """
    inline = manifest.inline_artifact()
    if inline is not None:
        return inline
    where = f"model {manifest.name} version {manifest.version}"
    scheme = urlsplit(manifest.uri).scheme or "file"
    if not manifest.uri or scheme not in _ALLOWED_SCHEMES:
        raise ModelError(f"{where}: uri {manifest.uri!r}: expected one of {', '.join(_ALLOWED_SCHEMES)}")
    try:
        with fsspec.open(manifest.uri, "rb") as file:
            content = bytes(file.read(MAX_ARTIFACT_BYTES + 1))
    except (OSError, ImportError, ValueError) as error:
        raise ModelError(f"{where}: uri {manifest.uri!r} cannot be read: {error}") from None
    if len(content) > MAX_ARTIFACT_BYTES:
        raise ModelError(f"{where}: artifact larger than {MAX_ARTIFACT_BYTES} bytes")
    return content

"""Build the two JVM ends of the graph (``jvm/src/eddy/flink``).

This is the only module that reaches below PyFlink's public API.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from collections.abc import Mapping as ReadOnly
from typing import Any

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

from eddy.flink_job.graph.input_plan import plan, templates, wants_headers
from eddy.flink_job.graph.kafka_properties import consumer, producer
from eddy.flink_job.operators.source_clocks import wants_clocks
from eddy.flink_job.wire.flink_types import BYTES
from eddy.flink_job.wire.frames import ALERTS, DLQ, MARK, TOPIC_ROLES
from eddy.inputs.clusters import Cluster, clusters
from eddy.inputs.readers import own_topics
from eddy.settings import Settings


class Observations:
    """Read the observations topic, and the topics of input sources, as frames keyed by shard.

    Args:
        env: to build in.
        settings: of the job.
        read: turns the records of a cluster that the JVM leaves to Python into results of
            :class:`~eddy.flink_job.operators.reading.ReadingOperator`; gets their stream and the cluster's number.
    """

    def __init__(
        self, env: StreamExecutionEnvironment, settings: Settings, read: Callable[[DataStream, int], DataStream]
    ) -> None:
        self._env, self._settings = env._j_stream_execution_environment, settings
        every = clusters(settings)
        options = _texts(settings)
        first = {**options, **_input_options(settings, every, every[0])} if every else options
        watched = wants_clocks(settings)
        client = consumer(settings, headers=bool(every) and _headers(every[0]), watched=watched)
        shards = _pipeline().shards(self._env, _java_map(first), _java_map(client))
        self._unusable = DataStream(_pipeline().unusable(shards))
        self._frames = shards
        for cluster in every:
            if cluster.number:
                options = {**_texts(settings), **_input_options(settings, every, cluster)}
                elsewhere = settings.model_copy(update={"kafka": cluster.kafka})
                client = consumer(elsewhere, headers=_headers(cluster), watched=watched)
                shards = _pipeline().shards(self._env, _java_map(options), _java_map(client))
                self._frames = self._frames.union(_array(shards))
                self._unusable = self._unusable.union(DataStream(_pipeline().unusable(shards)))
            found = read(DataStream(_pipeline().unread(shards)), cluster.number)._j_data_stream
            suffix = _java_map({**_texts(settings), "suffix": _suffix(cluster)})
            self._frames = self._frames.union(_array(_pipeline().readFrames(found, suffix)))
            self._unusable = self._unusable.union(DataStream(_pipeline().readRecords(found, suffix)))

    def by_shard(self) -> KeyedStream:
        """Return frames, also of the feedback topic, keyed in the JVM: ``DataStream.key_by`` would send each
        through Python once more.
        """
        options = _options(self._settings, consumer(self._settings))
        frames = _pipeline().withFeedback(self._frames, self._env, *options)
        key_type = Types.ROW([Types.INT()]).get_java_type_info()
        keyed = frames.keyBy(get_gateway().jvm.KeyByKeySelector(), key_type)
        return KeyedStream(keyed, BYTES, DataStream(frames))

    def unusable(self) -> DataStream:
        """Return records for topics: dead letters of oversized, skipped and unreadable messages; figures of sources."""
        return self._unusable


def _input_options(settings: Settings, every: Sequence[Cluster], cluster: Cluster) -> dict[str, str]:
    """Return what the JVM needs to know of the sources of a cluster."""
    times = settings.job.event_times
    own = [] if cluster.number else [settings.topics.name("observations")]
    topics = [*own, *(topic for source in cluster.sources.values() for topic in source.topics)]
    patterns = [source.pattern for source in cluster.sources.values() if source.pattern]
    read = {"input_topics": ",".join(dict.fromkeys(topics))}
    if patterns:  # which must not read what the job writes, nor what Kafka keeps for itself
        ours = sorted(map(re.escape, own_topics(settings.topics)))
        others = f"(?!(?:{'|'.join(ours)}|__.*)$)(?:{'|'.join(f'(?:{one})' for one in patterns)})"
        read["pattern"] = "|".join([*(re.escape(topic) for topic in topics), others])
    return {
        **read,
        "clusters": str(len(every)),
        "cluster": str(cluster.number),
        "suffix": _suffix(cluster),
        "input": plan(cluster.mappings(settings), settings.schema_registry),
        "first_ms": str(times.first_ms),
        "last_ms": str(times.last_ms),
        "templates": json.dumps(templates(cluster.sources)),
        "accept_templates": str(settings.job.accept_templates).lower(),
    }


def _suffix(cluster: Cluster) -> str:
    """Return what distinguishes a cluster's operators: by its address, so that another order is no other state."""
    return f"-{zlib.crc32(cluster.kafka.bootstrap_servers.encode()):08x}" if cluster.number else ""


def _headers(cluster: Cluster) -> bool:
    return any(wants_headers(source) for source in cluster.sources.values())


def _array(stream: Any) -> Any:
    """Return one stream as Java's ``union`` takes it."""
    streams = get_gateway().new_array(get_gateway().jvm.org.apache.flink.streaming.api.datastream.DataStream, 1)
    streams[0] = stream
    return streams


def models(env: StreamExecutionEnvironment, settings: Settings) -> DataStream:
    """Read the registry topic, a record for each message."""
    options = _options(settings, consumer(settings, settings.kafka.max_message_bytes))
    return DataStream(_pipeline().models(env._j_stream_execution_environment, *options))


def alerts(records: DataStream, settings: Settings) -> KeyedStream:
    """Take the alerts out of frames of records, all under one key, with the marks of checkpoints among them."""
    stream = _pipeline().alerts(records._j_data_stream, _options(settings, {})[0])
    key_type = Types.ROW([Types.INT()]).get_java_type_info()
    keyed = stream.keyBy(get_gateway().jvm.KeyByKeySelector(), key_type)
    return KeyedStream(keyed, BYTES, DataStream(stream))


def publish(records: DataStream, settings: Settings) -> None:
    """Write frames of records to the topics of :data:`eddy.flink_job.wire.frames.TOPIC_ROLES`."""
    _pipeline().publish(records._j_data_stream, *_options(settings, producer(settings)))


def _pipeline() -> Any:
    return get_gateway().jvm.eddy.flink.Pipeline


def _options(settings: Settings, client: ReadOnly[str, str]) -> tuple[object, object]:
    return _java_map(_texts(settings)), _java_map(client)


def _texts(settings: Settings) -> dict[str, str]:
    job, topics = settings.job, settings.topics
    return {
        "observations": topics.name("observations"),
        "models": topics.name("models"),
        "feedback": topics.name("feedback"),
        "topics": ",".join(topics.name(role) for role in TOPIC_ROLES),
        "dlq": str(DLQ),
        "alerts": str(ALERTS),
        "mark": str(MARK),
        "group": job.group_id,
        "start_from": str(round(job.start_time.timestamp() * 1000)) if job.start_time else job.start_from,
        "bounded": str(job.bounded).lower(),
        "delivery": job.delivery,
        "shards": str(job.shards),
        "max_parallelism": str(job.max_parallelism),
        "batch_ms": str(job.batch_ms),
        "batch_max_events": str(job.batch_max_events),
        "batch_max_bytes": str(job.batch_max_bytes),
        "max_event_bytes": str(job.max_event_bytes),
        "max_message_bytes": str(settings.kafka.max_message_bytes),
        "skip": ",".join(job.skip),
        "max_ahead_ms": str(job.max_ahead_ms),
        "clocks": str(wants_clocks(settings)).lower(),
    }


def _java_map(texts: ReadOnly[str, str]) -> object:
    result = get_gateway().jvm.java.util.HashMap()
    for name, text in texts.items():
        result.put(name, text)
    return result

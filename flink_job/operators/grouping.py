"""The second keyed function: alerts of all shards under one key, groups of incidents out."""

from __future__ import annotations

from collections.abc import Iterator

from pyflink.common import Types
from pyflink.datastream.functions import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from eddy.alert import Alert
from eddy.configuration import load
from eddy.flink_job.sinks.redis import RedisWriter
from eddy.flink_job.wire.flink_types import BYTES
from eddy.flink_job.wire.frames import ALERTS, MARK, Records, read_records
from eddy.models.alerting import grouping

BUCKETS = MapStateDescriptor("stretches", Types.STRING(), BYTES)
_REDIS = "redis"  # beside the stretches, which are named by numbers


class GroupingOperator:
    """Takes frames of alerts (bytes), yields at most one frame of group alerts (bytes) for each.

    State is written where a mark says that a barrier follows: every shard sends one, the last of them comes after all
    alerts that belong to the checkpoint.

    Args:
        overrides: as in :class:`eddy.flink_job.graph.functions.ScoringFunction`.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        """Begin; state can be read only with the first alert."""
        settings = load(self._overrides).settings
        self.groups = grouping.IncidentGrouper(settings.alerts)
        self.state = runtime_context.get_map_state(BUCKETS)
        self.out = Records()
        self.redis = RedisWriter(settings.redis) if settings.job.redis else None
        if self.redis is not None:
            self.redis.start()
        self._restored = False
        self._redis_pending = b""

    def close(self) -> None:
        """Give Redis what it has not got yet."""
        if self.redis is not None:
            self.redis.close()

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        """The alerts of one micro-batch, or a mark."""
        if not self._restored:
            self._restored = True
            self._restore()
        marked, now, alerts = False, 0, []
        for role, time, _, record in read_records(value):
            now = time
            if role == ALERTS and record is not None:
                alerts.append(Alert.from_json(record))
            marked = marked or role == MARK
        groups = self.groups.take(alerts, now)
        for group in groups:
            self.out.add(ALERTS, now, group.series.encode(), group.to_json())
        if self.redis is not None and groups:
            self.redis.put(0, groups, [], [])
        if marked:
            self._save()
        if records := self.out.take():
            yield records

    def _restore(self) -> None:
        entries = {key: bytes(value) for key, value in self.state.items()}
        self._redis_pending = entries.pop(_REDIS, b"")
        if self._redis_pending and self.redis is not None:
            self.redis.restore(0, self._redis_pending)
        self.groups.restore(entries)

    def _save(self) -> None:
        changes = self.groups.changes()
        waiting = self.redis.pending(0) if self.redis is not None else b""
        if waiting != self._redis_pending:
            self._redis_pending = waiting
            changes[_REDIS] = waiting or None
        for key, value in changes.items():
            if value is None:
                self.state.remove(key)
            else:
                self.state.put(key, value)

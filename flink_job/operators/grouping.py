"""Group incidents: the second keyed function takes the alerts of all shards under one key and gives group alerts."""

from __future__ import annotations

from collections.abc import Iterator

from pyflink.common import Types
from pyflink.datastream.functions import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from eddy.alert import Alert
from eddy.configuration import load
from eddy.flink_job.operators.event_messages import event_message
from eddy.flink_job.operators.limit_events import LimitEvents
from eddy.flink_job.sinks.fan_out import FanOut
from eddy.flink_job.wire.flink_types import BYTES
from eddy.flink_job.wire.frames import ALERTS, EVENTS, MARK, Records, read_records
from eddy.models.alerting import grouping

BUCKETS = MapStateDescriptor("stretches", Types.STRING(), BYTES)
_SHARD = 0  # whose items the sinks take groups for


class GroupingOperator:
    """Take frames of alerts (bytes), yield at most one frame of group alerts (bytes) for each.

    State is written where a mark says that a barrier follows: every shard sends one, the last of them comes after all
    alerts that belong to the checkpoint.

    Args:
        overrides: as in :class:`eddy.flink_job.graph.functions.ScoringFunction`.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the sinks; state can be read only with the first alert."""
        settings = load(self._overrides).settings
        self._job = settings.job.name
        self._limits = LimitEvents()
        self._limits_reached = runtime_context.get_metrics_group().add_group("eddy").counter("limits_reached")
        self.groups = grouping.IncidentGrouper(settings.alerts)
        self.state = runtime_context.get_map_state(BUCKETS)
        self.out = Records()
        self.sinks = FanOut.of(settings)
        self._restored = False

    def close(self) -> None:
        """Have the sinks deliver what waits."""
        self.sinks.close()

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        """Take the alerts of one micro-batch, or a mark."""
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
        self.sinks.put(_SHARD, groups)
        if left_out := self.groups.take_left_out():
            self._tell(left_out, now)
        if marked:
            self._save()
        if records := self.out.take():
            yield records

    def _tell(self, left_out: int, now: int) -> None:
        self._limits_reached.inc(left_out)
        what = f"{left_out} incidents are counted in their groups, but not listed"
        most = f"a group lists {grouping.MAX_BUCKET_MEMBERS}, all together {grouping.MAX_MEMBERS}"
        for event in self._limits.reached("members of groups", f"{what}: {most}", now):
            self.out.add(EVENTS, now, *event_message(self._job, now, event))

    def _restore(self) -> None:
        entries = {key: bytes(value) for key, value in self.state.items()}
        self.sinks.take_entries(_SHARD, entries)
        self.groups.restore(entries)

    def _save(self) -> None:
        for key, value in {**self.groups.changes(), **self.sinks.changes(_SHARD)}.items():
            if value is None:
                self.state.remove(key)
            else:
                self.state.put(key, value)

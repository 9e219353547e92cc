"""For programs that act on alerts: iterate them from Kafka, read the live state from Redis.

Every alert, as it comes, and once more after a restart from where this consumer left off::

    from eddy.client import AlertStream

    with AlertStream(group="pager") as alerts:
        for alert in alerts:
            print(alert.series, alert.state, alert.severity_word)

What is wrong now, and what a series looks like::

    from eddy.client import LiveState

    live = LiveState()
    for alert in live.open_incidents():
        state = live.series(alert.series)
        print(alert.series, alert.severity, state.values if state else "silent")

Both take :class:`~eddy.settings.Settings`; without, they read file and environment as every part of Eddy does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any

import redis
from kafka.structs import OffsetAndMetadata

from eddy.alert import Alert
from eddy.configuration import load
from eddy.connections import redis_client
from eddy.errors import DataError, StackError
from eddy.feedback import Feedback
from eddy.redis_layout import (
    IncidentFeedback,
    Keys,
    RecentPoint,
    SeriesState,
    decode_feedback,
    decode_recent,
    decode_series,
)
from eddy.settings import Settings
from eddy.topic_reader import TopicReader

log = logging.getLogger(__name__)

__all__ = ["Alert", "AlertStream", "Feedback", "IncidentFeedback", "LiveState", "RecentPoint", "SeriesState"]


class AlertStream:
    """The alerts topic as an iterator; it waits for more until it is closed.

    Delivery: with a ``group``, at least once. An alert's place is committed when the next one is asked for, so one that
    was being handled when the program ended comes again; tell repeats by (:attr:`~eddy.alert.Alert.id`, ``state``,
    ``end``). Run one stream per group: it reads all partitions.

    Args:
        settings: connection and topic names.
        group: name under which Kafka remembers how far this consumer is; None: nothing is remembered.
        from_start: begin at the oldest alert, not at the next one to come; a group goes on where it is, if it is known.
        series: only alerts of series that fit this glob pattern.
        stop_at_end: end after the alerts that are there now.

    Raises:
        StackError: no broker answers, or the topic does not exist.

    Examples:
        All that were raised for taxis so far::

            with AlertStream(from_start=True, stop_at_end=True, series="taxi-*") as alerts:
                severe = [alert for alert in alerts if alert.severity >= 75]
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        group: str | None = None,
        from_start: bool = False,
        series: str = "*",
        stop_at_end: bool = False,
    ) -> None:
        self._reader = TopicReader(settings or load().settings, "alerts", group)
        self._group, self._series, self._stop_at_end = group, series, stop_at_end
        self._place(from_start)

    def _place(self, from_start: bool) -> None:
        reader = self._reader
        if from_start:
            reader.from_start()
        else:
            reader.from_end()
        if self._group:
            for partition in reader.partitions:
                committed = reader.consumer.committed(partition)
                if committed is not None:
                    reader.consumer.seek(partition, committed)

    def __enter__(self) -> AlertStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()

    def __iter__(self) -> Iterator[Alert]:
        for record in self._records():
            try:
                alert = Alert.from_json(record.value or b"")
            except DataError as error:
                where = f'partition="{record.topic}[{record.partition}]" offset="{record.offset}"'
                log.warning("skipped a message that is no alert: %s %s", where, error)
                continue
            if fnmatchcase(alert.series, self._series):
                yield alert
            self._commit(record)

    def _records(self) -> Iterator[Any]:
        if self._stop_at_end:
            yield from self._reader.to_end()
            return
        while True:
            for records in self._reader.poll().values():
                yield from records

    def _commit(self, record: Any) -> None:
        if self._group:
            place = next(p for p in self._reader.partitions if p.partition == record.partition)
            self._reader.consumer.commit({place: OffsetAndMetadata(record.offset + 1, "", -1)})


class LiveState:
    """What the job keeps in Redis: current, capped, and gone after ``redis.ttl_seconds`` of silence.

    Args:
        settings: connection and key prefix.

    Raises:
        StackError: from every method, if Redis does not answer.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = (settings or load().settings).redis
        self._client = redis_client(self._settings)
        self._keys = Keys(self._settings.prefix)

    def open_incidents(self) -> list[Alert]:
        """The last alert of each incident that is open now, the newest incident first; suppressed ones are apart."""
        return self._open(self._keys.open)

    def suppressed_incidents(self) -> list[Alert]:
        """As :meth:`open_incidents`: those that nobody is called for, see :attr:`eddy.alert.Alert.suppressed`."""
        return self._open(self._keys.suppressed)

    def open_groups(self) -> list[Alert]:
        """The last alert of each group that is open now, the newest first; its members are open incidents, too."""
        return self._open(self._keys.groups)

    def _open(self, key: str) -> list[Alert]:
        ids = self._ask("zrevrange", key, 0, -1)
        found = self._ask("mget", [self._keys.alert(number.decode()) for number in ids]) if ids else []
        return [Alert.from_json(value) for value in found if value is not None]

    def alerts(self, count: int = 100) -> list[Alert]:
        """The last alerts, newest first, suppressed ones and groups included."""
        entries = self._ask("xrevrange", self._keys.alerts, count=count)
        return [Alert.from_json(fields[b"alert"]) for _, fields in entries]

    def feedback(self, incident: str) -> IncidentFeedback:
        """What people said of an incident or group."""
        return decode_feedback(self._ask("hgetall", self._keys.feedback(incident)))

    def alert(self, incident: str) -> Alert | None:
        """The last alert of an incident or group."""
        value = self._ask("get", self._keys.alert(incident))
        return None if value is None else Alert.from_json(value)

    def series(self, series: str) -> SeriesState | None:
        """The newest of one series."""
        return decode_series(series, self._ask("hgetall", self._keys.series(series)))

    def recent(self, series: str, model: str, count: int = 500) -> list[RecentPoint]:
        """The last points of a series as one model saw them, oldest first."""
        entries = self._ask("xrevrange", self._keys.recent(series, model), count=count)
        return [decode_recent(number, fields) for number, fields in reversed(entries)]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._client, command)(*arguments, **options)
        except redis.RedisError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            message = f"Redis at {where} does not answer: {error}; 'eddy status' shows whether it runs"
            raise StackError(message) from None

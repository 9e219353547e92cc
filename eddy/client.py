"""Act on alerts from your own program: iterate them from Kafka, read the live state from Redis.

Handle every alert as it comes; after a restart this consumer continues where it ended::

    from eddy.client import AlertStream

    with AlertStream(group="pager") as alerts:
        for alert in alerts:
            print(alert.series, alert.state, alert.severity_word)

Read the open incidents, and the newest point of their series:

    >>> from eddy.client import LiveState
    >>> live = LiveState()
    >>> for alert in live.open_incidents():
    ...     print(alert.series, alert.severity, live.series(alert.series).values)
    pump-1 80 {'value': 9.0}

Both take :class:`~eddy.settings.Settings`; without, they read file and environment as every part of Eddy does. The
examples show a plant with two pumps and a fan; :class:`~eddy.errors.StackError` says which service does not answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import redis
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from eddy.alert import Alert
from eddy.configuration import load
from eddy.connections import redis_client
from eddy.errors import DataError, StackError
from eddy.feedback import Feedback
from eddy.patterns import matches
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
from eddy.texts import escaped
from eddy.topic_reader import TopicReader

log = logging.getLogger(__name__)

_COMMIT_EVERY_S = 0.2  # a commit waits for the broker; an alert alone would cost milliseconds

__all__ = ["Alert", "AlertStream", "Feedback", "IncidentFeedback", "LiveState", "RecentPoint", "SeriesState"]


class AlertStream:
    """Iterate the alerts topic, and wait for more alerts until the stream is closed.

    Delivery: with a ``group``, at least once. An alert counts as handled when the next one is asked for; the offsets of
    handled ones are committed every 0.2 seconds and before the stream waits for more. So after a program was killed,
    what it handled in the last moment and the alert in its hands come again; recognise repeats by
    (:attr:`~eddy.alert.Alert.id`, ``state``, ``end``). Run one stream per group: it reads all partitions.

    Args:
        settings: connection and topic names.
        group: name under which Kafka keeps this consumer's offsets; None: they are not kept.
        from_start: begin at the oldest alert, not at the next one to come; a known group continues at its offsets.
        series: glob pattern; alerts of other series are left out.
        stop_at_end: end after the alerts that are there now.

    Raises:
        StackError: no broker answers, or the topic does not exist.

    Examples:
        >>> with AlertStream(from_start=True, stop_at_end=True, series="fan-*") as alerts:
        ...     for alert in alerts:
        ...         print(alert.series, alert.state, alert.severity_word)
        fan-1 open high
        fan-1 closed high
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
        self._handled: dict[TopicPartition, int] = {}  # offset of the next record, where it is not committed yet
        self._commit_at = time.monotonic() + _COMMIT_EVERY_S
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
        """Commit what was handled, which the last alert is not, and disconnect from the broker.

        Examples:
            >>> stream = AlertStream(from_start=True, stop_at_end=True)
            >>> next(iter(stream)).series
            'pump-1'
            >>> stream.close()
        """
        try:
            self._commit()
        except KafkaError as error:
            log.warning("alerts handled last come again: their place could not be committed: %s", error)
        self._reader.close()

    def __iter__(self) -> Iterator[Alert]:
        for record in self._records():
            try:
                alert = Alert.from_json(record.value or b"")
            except DataError as error:
                where = f'partition="{record.topic}[{record.partition}]" offset="{record.offset}"'
                log.warning("skipped a message that is no alert: %s %s", where, escaped(error))
            else:
                if matches(self._series, alert.series):
                    yield alert
            self._handled[TopicPartition(record.topic, record.partition)] = record.offset + 1
            if time.monotonic() >= self._commit_at:
                self._commit()

    def _records(self) -> Iterator[Any]:
        if self._stop_at_end:
            yield from self._reader.to_end()
            self._commit()
            return
        while True:
            for records in self._reader.poll().values():
                yield from records
            self._commit()

    def _commit(self) -> None:
        if self._group and self._handled:
            places = {place: OffsetAndMetadata(offset, "", -1) for place, offset in self._handled.items()}
            self._reader.consumer.commit(places)
        self._handled.clear()
        self._commit_at = time.monotonic() + _COMMIT_EVERY_S


class LiveState:
    """Read the job's live state from Redis: current, capped, and removed after ``redis.ttl_seconds`` of silence.

    Args:
        settings: connection and key prefix.

    Raises:
        StackError: from every method, if Redis does not answer.

    Examples:
        >>> live = LiveState()
        >>> [(alert.series, alert.severity_word) for alert in live.open_incidents()]
        [('pump-1', 'critical')]
        >>> live.close()
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = (settings or load().settings).redis
        self._client = redis_client(self._settings)
        self._keys = Keys(self._settings.prefix)

    def open_incidents(self) -> list[Alert]:
        """Return the last alert of each open incident, the newest incident first, without suppressed ones.

        Examples:
            >>> [alert.series for alert in LiveState().open_incidents()]
            ['pump-1']
        """
        return self._open(self._keys.open)

    def suppressed_incidents(self) -> list[Alert]:
        """Return the same for suppressed incidents, see :attr:`eddy.alert.Alert.suppressed`.

        Examples:
            >>> [(alert.series, alert.suppressed) for alert in LiveState().suppressed_incidents()]
            [('pump-2', 'maintenance: plant')]
        """
        return self._open(self._keys.suppressed)

    def open_groups(self) -> list[Alert]:
        """Return the last alert of each open group, the newest first; its members are open incidents, too.

        Examples:
            >>> [(group.kind, group.member_count) for group in LiveState().open_groups()]
            [('group', 2)]
        """
        return self._open(self._keys.groups)

    def _open(self, key: str) -> list[Alert]:
        ids = self._ask("zrevrange", key, 0, -1)
        found = self._ask("mget", [self._keys.alert(number.decode()) for number in ids]) if ids else []
        return [Alert.from_json(value) for value in found if value is not None]

    def alerts(self, count: int = 100) -> list[Alert]:
        """Return the last ``count`` alerts, newest first, including suppressed ones and groups.

        Examples:
            >>> [(alert.series, alert.state) for alert in LiveState().alerts(count=2)]
            [('group:3f', 'open'), ('pump-2', 'open')]
        """
        entries = self._ask("xrevrange", self._keys.alerts, count=count)
        return [Alert.from_json(fields[b"alert"]) for _, fields in entries]

    def feedback(self, incident: str) -> IncidentFeedback:
        """Return the newest feedback on an incident or group; both fields are None if there was none.

        Examples:
            >>> live = LiveState()
            >>> incident = live.open_incidents()[0]
            >>> live.feedback(incident.id).acknowledged.by
            'ann'
        """
        return decode_feedback(self._ask("hgetall", self._keys.feedback(incident)))

    def alert(self, incident: str) -> Alert | None:
        """Return the last alert of an incident or group; None if Redis does not have it (any more).

        Examples:
            >>> LiveState().alert("0123456789abcdef") is None
            True
        """
        value = self._ask("get", self._keys.alert(incident))
        return None if value is None else Alert.from_json(value)

    def series(self, series: str) -> SeriesState | None:
        """Return the newest state of one series; None if it is unknown or silent for long.

        Examples:
            >>> LiveState().series("pump-1").state
            'open'
        """
        return decode_series(series, self._ask("hgetall", self._keys.series(series)))

    def recent(self, series: str, model: str, count: int = 500) -> list[RecentPoint]:
        """Return the last ``count`` points of a series as one model scored them, oldest first.

        Examples:
            >>> [point.values["value"] for point in LiveState().recent("pump-1", "pumps", count=2)]
            [2.0, 9.0]
        """
        entries = self._ask("xrevrange", self._keys.recent(series, model), count=count)
        return [decode_recent(number, fields) for number, fields in reversed(entries)]

    def close(self) -> None:
        """Close the connections.

        Examples:
            >>> LiveState().close()
        """
        self._client.close()

    def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._client, command)(*arguments, **options)
        except redis.RedisError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            message = f"Redis at {where} does not answer: {error}; 'eddy status' shows whether it runs"
            raise StackError(message) from None

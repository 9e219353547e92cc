"""Read Redis, Kafka and Flink from one thread: however many browsers are open, the sources are read once."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import redis

from eddy.dashboard.sources.flink_rest import FlinkRest, JobHealth
from eddy.dashboard.sources.history import History
from eddy.dashboard.sources.kafka_topics import KafkaTopics
from eddy.dashboard.sources.redis_live import RedisLive, alert_in
from eddy.dashboard.stores.dead_letters import DeadLetterStore
from eddy.dashboard.stores.incidents import IncidentStore
from eddy.dashboard.stores.input_sources import InputSourceStore
from eddy.dashboard.stores.models import ModelStore
from eddy.dashboard.stores.rates import Rates
from eddy.dashboard.stores.series_table import SeriesTable
from eddy.dashboard.stores.snapshot import Snapshot
from eddy.dashboard.stores.watched_series import WatchedSeries
from eddy.errors import SettingsError
from eddy.flink_rest import rest_address
from eddy.formats import Format, find_format
from eddy.inputs.readers import Readers
from eddy.settings import Settings

log = logging.getLogger(__name__)

_FLINK_SECONDS = 1.0
_FULL_SECONDS = 30.0  # how often to check for series that Redis has forgotten, and for open incidents that were missed
_KAFKA_SHARE, _HISTORY_SHARE = 0.3, 0.2  # of a refresh period, at most: the rest of the machine is the job's
_FEEDBACK_BACK, _EVENTS_BACK, _SOURCES_BACK = 20_000, 200, 1000


class Collector:
    """Read all sources from one thread: :meth:`start` begins, :attr:`snapshot` holds the newest result."""

    def __init__(self, settings: Settings) -> None:
        dashboard = settings.dashboard
        self._refresh_seconds = dashboard.refresh_ms / 1000
        self.watched_series = WatchedSeries(dashboard.max_points)
        self._series = SeriesTable(dashboard.silent_seconds)
        self._incidents, self._models = IncidentStore(dashboard.max_alerts), ModelStore()
        form = _format(settings)
        self._dead_letters, self._rates = DeadLetterStore(form), Rates()
        self._inputs = InputSourceStore()
        self._redis = RedisLive(settings.redis)
        topics = settings.topics
        handlers = {
            topics.name("alerts"): self._take_alert,
            topics.name("feedback"): lambda message: self._incidents.note_feedback(message.value() or b""),
            topics.name("events"): lambda message: self._models.put_event(message.value()),
            topics.name("drift"): lambda message: self._models.put_event(message.value()),
            topics.name("dlq"): self._dead_letters.put,
            topics.name("sources"): lambda message: self._inputs.put(message.value() or b""),
            topics.name("models"): self._take_model,
            topics.name("models") + ".history": lambda m: self._models.put_history(m.value(), m.timestamp()[1]),
        }
        back = {
            topics.name("alerts"): dashboard.max_alerts,
            topics.name("feedback"): _FEEDBACK_BACK,
            topics.name("events"): _EVENTS_BACK,
            topics.name("drift"): _EVENTS_BACK,
            topics.name("dlq"): dashboard.max_dead_letters,
            topics.name("sources"): _SOURCES_BACK,
        }
        observations = topics.name("observations")
        self._kafka = KafkaTopics(settings.kafka, handlers, back, observations)
        self._history = History(_readers(settings), dashboard.history_messages)
        self._flink = FlinkRest(rest_address(settings.stack, dashboard.flink), settings.job.name, observations)
        self._job: JobHealth | None = None
        self._flink_read = self._full = -1e9
        self._redis_was_away = True
        self._stop = threading.Event()
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self.snapshot = self._poll()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self.watched_series.requested.set()
        self._thread.join(10)
        self._kafka.close()
        self._history.close()

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._read()
                self.snapshot = self._poll()
            except Exception:  # whatever one message or answer holds, the dashboard goes on
                log.exception("the dashboard could not read a source's answer")
            left = self._refresh_seconds - (time.monotonic() - began)
            while left > 0 and self.watched_series.requested.wait(left) and not self._stop.is_set():
                self.watched_series.requested.clear()  # a browser waits: read its series between two full reads
                self._ask_redis(only_points=True)
                left = self._refresh_seconds - (time.monotonic() - began)

    def _read(self) -> None:
        self._ask_redis()
        now = time.monotonic()
        if now - self._flink_read >= _FLINK_SECONDS:
            self._flink_read = now
            self._job = self._flink.read()
        self._kafka.read(self._refresh_seconds * _KAFKA_SHARE)
        if self._kafka.watch.state.ok and self._kafka.caught_up:
            found = self._history.read(self._refresh_seconds * _HISTORY_SHARE)
            for series, blocks in found.items():
                for block in blocks:
                    self.watched_series.add_raw(series, *block)
        self._rates.add(int(time.time() * 1000), self._kafka.ends, self._kafka.ends_at, self._job)
        self.watched_series.publish()

    def _ask_redis(self, only_points: bool = False) -> None:
        try:
            if not only_points:
                self._all_series()
            names = self.watched_series.names()
            for series in names:
                self._history.want(series, self.watched_series.is_known(series))
                self.watched_series.add_scored(series, self._redis.points(series, self.watched_series.newest(series)))
                self.watched_series.set_late(series, self._dead_letters.late(series), self._history.progress(series))
            self._history.keep_only(set(names))
        except redis.RedisError as error:
            self._redis.watch.away(str(error))
            self._redis_was_away = True
            return
        self._redis.watch.answers()
        self.watched_series.publish()

    def _all_series(self) -> None:
        now = time.monotonic()
        if self._redis_was_away:
            self._redis.start_over()
            self._redis_was_away = False
            self._full = -1e9
        self._series.put(self._redis.changed())
        for alert in self._redis.alerts():
            self._incidents.put(alert)
        if now - self._full >= _FULL_SECONDS:
            self._full = now
            self._series.keep_only(self._redis.names())
            for alert in self._redis.open_alerts(self._incidents.known):
                self._incidents.put(alert)

    def _take_alert(self, message: Any) -> None:
        alert = alert_in(message.value() or b"")
        if alert is not None:
            self._incidents.put(alert)

    def _take_model(self, message: Any) -> None:
        name = (message.key() or b"").decode(errors="replace")
        self._models.put_current(name, message.value(), message.timestamp()[1])

    def _poll(self) -> Snapshot:
        now = int(time.time() * 1000)
        self._number += 1
        return Snapshot(
            number=self._number,
            at=now,
            series=self._series.view(now),
            incidents=self._incidents.view(),
            models=self._models.view(),
            dead_letters=self._dead_letters.view(),
            rates=self._rates.view(),
            totals=dict(self._kafka.totals),
            job=self._job,
            inputs=self._inputs.view(),
            sources=(self._redis.watch.state, self._kafka.watch.state, self._flink.watch.state),
        )


def _format(settings: Settings) -> Format:
    """Return the job's format; JSON where the one of another package is not installed beside the dashboard."""
    try:
        return find_format(settings.job.format, settings.job.event_times)
    except SettingsError as error:
        log.warning("no history of series, and no late points: %s", error)
        return find_format("json", settings.job.event_times)


def _readers(settings: Settings) -> Readers:
    """Return how topics of observations are read; without a format that is not installed beside the dashboard."""
    plain = settings.job.model_copy(update={"format": "json"})
    for tried in (settings, settings.model_copy(update={"job": plain}), settings.model_copy(update={"input": ()})):
        try:
            return Readers(tried)
        except SettingsError as error:
            log.warning("not all topics of observations can be read back: %s", error)
    return Readers(settings.model_copy(update={"job": plain, "input": ()}))

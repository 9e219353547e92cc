"""Run the trainer service: take requests, train one model at a time, publish better models."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from eddy.errors import DataError, EddyError, ModelError
from eddy.messages import MAX_NAME
from eddy.models.artifacts.fetch import fetch_artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.settings import Settings
from eddy.texts import escaped
from eddy.topic_reader import TopicReader
from eddy.training.registry.candidates import publish_candidate
from eddy.training.registry.registry import Registry
from eddy.training.trainer.history import Messages, Training, remembered
from eddy.training.trainer.requests import RequestQueue, check_first_version
from eddy.training.trainer.rollout_monitor import RolloutWatch
from eddy.training.trainer.worker_process import Fitting, Task
from eddy.training_request import TRAINER_GROUP, TrainingRequest

log = logging.getLogger(__name__)

_SIGN_OF_LIFE_S = 20.0
_HOUR_MS = 3_600_000
_MODELS_EVERY_S = 5.0
_REPORT_EVERY_S = 60.0
_SCHEDULE_EVERY_S = 30.0  # interval at which the registry is searched for models that are due


class Trainer:
    """Serve all requests for a registry. Delivery: at least once; a served request is recognised.

    Args:
        settings: connection, topics, ``learning``.
        data: file or folder to learn from; None: the observations topic.
        tell: called with one line about every event.

    Raises:
        StackError: no broker answers, or a topic does not exist.
    """

    def __init__(
        self, settings: Settings, data: Path | None = None, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.settings, self._data, self._report = settings, data, report
        self._registry = Registry(settings)
        options = settings.learning
        self._queue = RequestQueue(options.max_pending_requests, int(options.min_seconds_between_trainings * 1000))
        for known in remembered(settings):
            self._queue.served(known.model, known.request_ts, known.done_at)
        self._reader = TopicReader(settings, "training", TRAINER_GROUP)
        self._messages = Messages(settings)
        self._figures = TopicReader(settings, "figures")
        self._figures.from_end()
        self._watch = RolloutWatch(self._registry, options, self._send_event)
        self._fitting: Fitting | None = None
        self._committed: dict[Any, int] = {}
        self._committed_at = -1e9
        self._scheduled = self._models_read = self._unreadable_reported = -1e9
        self._models: set[str] = set()
        self._unreadable = 0
        (self._partition, *_) = self._reader.partitions
        begin = self._reader.consumer.committed(self._partition)
        if begin is None:
            self._reader.from_start()
        else:
            self._reader.consumer.seek(self._partition, begin)

    def run(self, stop: threading.Event, once: bool = False) -> int:
        """Work until ``stop`` is set, or, ``once``, until no waiting request may be served now.

        Returns the number of trainings that ended.
        """
        served = 0
        ends = self._reader.ends() if once else {}
        while not stop.is_set():
            self._take_requests()
            self._check_model_stats()
            self._schedule()
            served += self._go_on()
            self._commit()
            idle = self._fitting is None and self._queue.ready(_now()) is None
            if once and idle and not self._reader.short_of(ends):
                break
        return served

    def close(self) -> None:
        """End a running training; its request is kept for the next start."""
        if self._fitting is not None:
            self._fitting.close()
        self._commit()
        self._reader.close()
        self._figures.close()
        self._messages.close()

    # -- requests ----------------------------------------------------------------------------------------------

    def _take_requests(self) -> None:
        for records in self._reader.poll().values():
            for record in records:
                try:
                    request = TrainingRequest.from_json(record.value or b"")
                except DataError as error:
                    key = (record.key or b"").decode(errors="replace")
                    where = f"{record.topic}[{record.partition}] offset {record.offset}"
                    self._send_event("training-refused", escaped(key[:MAX_NAME]), reason=f"{error} ({where})")
                    continue
                expected = request.model in self._known_models()
                if self._queue.add(request, record.offset, expected, _now()) == "too-many":
                    reason = f"{len(self._queue)} requests wait already (learning.max_pending_requests)"
                    self._send_event("training-refused", request.model, reason=reason)

    def _known_models(self) -> set[str]:
        """Return the models of the registry and the one that the job asks for; as of a few seconds ago at most."""
        if time.monotonic() - self._models_read > _MODELS_EVERY_S:
            self._models = {*self._registry.read().current, self.settings.learning.cold_start_model}
            self._models_read = time.monotonic()
        return self._models

    def _schedule(self) -> None:
        """Request trainings of models whose last training is too long ago."""
        hours = self.settings.learning.schedule_hours
        if not hours or time.monotonic() - self._scheduled < _SCHEDULE_EVERY_S:
            return
        self._scheduled = time.monotonic()
        now = _now()
        for name, manifest in self._registry.read().current.items():
            if not manifest.rollout and now - self._queue.last_served(name) >= hours * _HOUR_MS:
                self._queue.add(TrainingRequest(name, "schedule", now), expected=True)

    def _check_model_stats(self) -> None:
        for records in self._figures.poll(0).values():
            for record in records:
                if not self._watch.take(record.value):
                    self._note_unreadable(record)
        self._watch.check()

    def _note_unreadable(self, record: Any) -> None:
        """Tell of figures that cannot be read: at most once a minute, with how many there were."""
        self._unreadable += 1
        if time.monotonic() - self._unreadable_reported < _REPORT_EVERY_S:
            return
        self._unreadable_reported = time.monotonic()
        where = f"{record.topic}[{record.partition}] offset {record.offset}"
        reason = f"{self._unreadable} messages so far are no figures, the last one {where}"
        self._send_event("figures-refused", "", reason=reason)

    def _commit(self) -> None:
        """Commit what is served; now and then also the time alone, by which 'eddy exporter' sees a living trainer.

        Kafka keeps a text with each offset: it is the time, in epoch ms.
        """
        settled = self._queue.settled(self._reader.consumer.position(self._partition))
        fresh = time.monotonic() - self._committed_at < _SIGN_OF_LIFE_S
        if fresh and settled == self._committed.get(self._partition):
            return
        self._committed_at = time.monotonic()
        try:
            self._reader.consumer.commit({self._partition: OffsetAndMetadata(settled, str(_now()), -1)})
            self._committed[self._partition] = settled
        except KafkaError as error:  # served requests are stored, so nothing is done twice
            log.warning("offsets of %s not committed: %s", self._reader.topic, error)

    # -- trainings ---------------------------------------------------------------------------------------------

    def _go_on(self) -> int:
        """Begin the next training, or take the result of the one that ended; return how many ended."""
        if self._fitting is None:
            request = self._queue.ready(_now())
            if request is None:
                return 0
            try:
                self._fitting = Fitting(self.settings, self._task(request))
            except EddyError as error:
                self._finish(request, "training-failed", reason=str(error))
                return 1
            self._send_event("training-started", request.model, reason=request.reason)
        if not self._fitting.finished():
            return 0
        fitting, self._fitting = self._fitting, None
        request = fitting.task.request
        try:
            result, manifest, content = fitting.result()
            champion = fitting.task.champion
            if not result.better:
                self._finish(request, "challenger-refused", reason=result.reason)
            elif champion is not None and self._in_use(champion.name) != champion.version:
                self._finish(request, "challenger-refused", reason="another version came into use meanwhile")
            else:
                published = self._publish(manifest, content, champion)
                self._finish(request, "challenger-published", version=published.version, reason=result.reason)
        except EddyError as error:
            self._finish(request, "training-failed", reason=str(error))
        finally:
            fitting.close()
        return 1

    def _publish(self, manifest: Manifest, content: bytes, champion: Manifest | None) -> Manifest:
        """Publish a version in full use, or as a candidate beside the version in use."""
        options = self.settings.learning
        if champion is None or options.rollout == "live":
            return self._registry.publish(manifest, content)
        return publish_candidate(
            self._registry, manifest, content, champion.name, options.rollout, options.canary_share
        )

    def _task(self, request: TrainingRequest) -> Task:
        champion = self._registry.read().current.get(request.model)
        if champion is None:  # before a process is started for it
            check_first_version(request, self.settings.learning)
            if not (request.series and request.detector):
                lacking = "series to train on" if not request.series else "detector"
                raise ModelError(f"model {request.model!r} is not in the registry, and the request names no {lacking}")
        return Task(
            request,
            champion,
            fetch_artifact(champion, self._registry.settings.registry) if champion else b"",
            self._data,
        )

    def _in_use(self, name: str) -> int:
        found = self._registry.read().current.get(name)
        return found.version if found else 0

    def _finish(self, request: TrainingRequest, event: str, **more: object) -> None:
        now = _now()
        self._messages.remember(Training(request.model, request.ts, now, event))
        self._queue.done(request, now)
        self._send_event(event, request.model, **more)

    def _send_event(self, event: str, model: str, **more: object) -> None:
        self._messages.event(_now(), event, model, **more)
        self._report(" ".join([event, escaped(model), *(f"{key}={escaped(value)}" for key, value in more.items())]))


def _now() -> int:
    return int(time.time() * 1000)

"""Queue requests for the trainer: one for each model, a bounded number, none lost by a restart."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from eddy.errors import ModelError
from eddy.learning_settings import LearningSettings
from eddy.settings import Settings
from eddy.topic_writer import TopicWriter
from eddy.training_request import TrainingRequest

MAX_AHEAD_MS = 3_600_000  # of a request's clock, before ours
Taken = Literal["added", "merged", "known", "too-many"]


@dataclass(frozen=True)
class _Waiting:
    request: TrainingRequest
    offset: int | None  # of its first message; None if no message asked for it
    expected: bool  # the model is known: it goes first, and is never pushed out


class RequestQueue:
    """Hold waiting requests, in order of arrival, and the time at which each model was served.

    Args:
        max_waiting: largest number of requests that may wait at once; those for models that are known are further
            ones, as many as there are models.
        min_pause_ms: pause after each training of a model, during which its next request waits.
    """

    def __init__(self, max_waiting: int, min_pause_ms: int) -> None:
        self._max_waiting, self._min_pause_ms = max_waiting, min_pause_ms
        self._waiting: dict[str, _Waiting] = {}
        self._served: dict[str, tuple[int, int]] = {}  # by model: request time of the newest one, and its end

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, request: TrainingRequest, offset: int | None = None, expected: bool = False, now: int | None = None
    ) -> Taken:
        """Add a request, or merge it into a waiting one for the same model.

        Args:
            request: the request.
            offset: offset of its message.
            expected: whether the model is one that the registry or the job knows; others cannot take its place.
            now: epoch ms; a request from far ahead counts as one of now, or later ones would pass for known.
        """
        if now is not None and request.ts > now + MAX_AHEAD_MS:
            request = replace(request, ts=now)
        if request.ts <= self._served.get(request.model, (-1, 0))[0]:
            return "known"  # served before a restart
        before = self._waiting.get(request.model)
        if before is not None:
            joined = before.request.merged(request)
            self._waiting[request.model] = _Waiting(joined, before.offset, before.expected or expected)
            return "merged"
        if not expected and len(self._waiting) >= self._max_waiting:
            return "too-many"
        self._waiting[request.model] = _Waiting(request, offset, expected)
        return "added"

    def ready(self, now: int) -> TrainingRequest | None:
        """Return the first request whose model has paused long enough; it keeps waiting until it is :meth:`done`."""
        for model, waiting in sorted(self._waiting.items(), key=lambda item: not item[1].expected):
            if now - self._served.get(model, (0, -self._min_pause_ms))[1] >= self._min_pause_ms:
                return waiting.request
        return None

    def done(self, request: TrainingRequest, now: int) -> None:
        """Mark a request as served, whatever the outcome; one that was merged into it meanwhile keeps waiting."""
        self._served[request.model] = request.ts, now
        left = self._waiting.pop(request.model, None)
        if left is not None and left.request.ts > request.ts:
            self._waiting[request.model] = left

    def served(self, model: str, request_ts: int, done_at: int) -> None:
        """Restore a training of an earlier run of the trainer."""
        self._served[model] = min(request_ts, done_at + MAX_AHEAD_MS), done_at

    def last_served(self, model: str) -> int:
        """Return the time at which a model's last training ended, epoch ms; 0 = never."""
        return self._served.get(model, (0, 0))[1]

    def settled(self, position: int) -> int:
        """Return the offset up to which all messages are processed, given that those before ``position`` were read."""
        return min([w.offset for w in self._waiting.values() if w.offset is not None], default=position)


def check_first_version(request: TrainingRequest, learning: LearningSettings) -> None:
    """Refuse a first version of any model but the one for new series: whoever may ask for trainings may not publish.

    Raises:
        ModelError: the request names another model that is not in the registry.
    """
    if request.model != learning.cold_start_model:
        raise ModelError(
            f"model {request.model!r} is not in the registry; a first version is trained on request only for "
            f"{learning.cold_start_model!r} (learning.cold_start_model): publish one with 'eddy models publish'"
        )


def send_request(settings: Settings, model: str) -> TrainingRequest:
    """Send a request for a model, on behalf of a person.

    Raises:
        StackError: Kafka did not accept the message.
    """
    request = TrainingRequest(model, "manual", int(time.time() * 1000))
    with TopicWriter(settings) as writer:
        writer.send(settings.topics.name("training"), (model, request.to_json()))
    return request

"""Requests that wait for the trainer: one for each model, a bounded number, none lost by a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eddy.training_request import TrainingRequest

Taken = Literal["added", "merged", "known", "too-many"]


@dataclass(frozen=True)
class _Waiting:
    request: TrainingRequest
    offset: int | None  # of the first message that it came with; None where no message asked


class RequestQueue:
    """What waits, in order of arrival, and which model was served when.

    Args:
        most: requests that may wait at once.
        least_between_ms: a model rests so long after each training; its next request waits.
    """

    def __init__(self, most: int, min_pause_ms: int) -> None:
        self._most, self._min_pause_ms = most, min_pause_ms
        self._waiting: dict[str, _Waiting] = {}
        self._served: dict[str, tuple[int, int]] = {}  # by model: time of the newest request served, when it was done

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: TrainingRequest, offset: int | None = None) -> Taken:
        """Take a request; one for a model that waits already joins it.

        Args:
            request: what is asked.
            offset: of its message.
        """
        if request.ts <= self._served.get(request.model, (-1, 0))[0]:
            return "known"  # served before a restart
        before = self._waiting.get(request.model)
        if before is not None:
            self._waiting[request.model] = _Waiting(before.request.merged(request), before.offset)
            return "merged"
        if len(self._waiting) >= self._most:
            return "too-many"
        self._waiting[request.model] = _Waiting(request, offset)
        return "added"

    def ready(self, now: int) -> TrainingRequest | None:
        """The first request whose model has rested; it goes on waiting until it is :meth:`done`."""
        for model, waiting in self._waiting.items():
            if now - self._served.get(model, (0, -self._min_pause_ms))[1] >= self._min_pause_ms:
                return waiting.request
        return None

    def done(self, request: TrainingRequest, now: int) -> None:
        """A request was served, whatever came of it; one that joined it meanwhile waits on."""
        self._served[request.model] = request.ts, now
        left = self._waiting.pop(request.model, None)
        if left is not None and left.request.ts > request.ts:
            self._waiting[request.model] = left

    def served(self, model: str, request_ts: int, done_at: int) -> None:
        """What an earlier run of the trainer did."""
        self._served[model] = request_ts, done_at

    def last_served(self, model: str) -> int:
        """When a model's last training ended, epoch ms; 0 = never."""
        return self._served.get(model, (0, 0))[1]

    def settled(self, position: int) -> int:
        """The offset up to which all messages are dealt with, where those before ``position`` have been read."""
        return min([w.offset for w in self._waiting.values() if w.offset is not None], default=position)

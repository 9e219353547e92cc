"""Fetch and check model versions on a thread of its own, so that a large, slow or broken one delays no event.

What cannot be fetched now is tried again, with growing pauses, until it comes or a newer message takes its place: each
worker decides that for itself, and all of them end with the same version.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from eddy.errors import EddyError, ModelError, ModelUnavailable
from eddy.flink_job.model_updates.registry_message import RegistryMessage
from eddy.models.artifacts.manifest import Manifest
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.texts import quoted

log = logging.getLogger(__name__)

RETRY_PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)  # seconds; the last one again and again


@dataclass(frozen=True)
class LoadResult:
    """The result of one registry message; results come in the order of the messages, but for those tried again.

    Attributes:
        name: of the model.
        model: ready to take over; None where it was withdrawn, refused or delayed.
        refused: why it cannot be used; empty if it can.
        delayed: why it cannot be had now; it is tried again.
        pause: seconds until then.
        version: of the message; 0 if that is not known.
        earlier: it was asked for in case that a newer one cannot be used.
    """

    name: str
    model: LoadedModel | None = None
    refused: str = ""
    delayed: str = ""
    pause: float = 0.0
    version: int = 0
    earlier: bool = False


@dataclass(frozen=True)
class _Request:
    name: str
    value: bytes | None
    number: int  # of the message; that of an earlier version is -1
    tries: int = 0
    due: float = 0.0

    @property
    def earlier(self) -> bool:
        return self.number < 0


class ModelLoader:
    """Take registry messages, give a result for each that changes anything.

    Args:
        fetch: gives a manifest's artifact.
        runs: whether a manifest's kind of detector runs here; others are not even fetched.
        check: tries an artifact where it can do no harm, before it is loaded here.
        pauses: seconds between the tries of what cannot be had.
    """

    def __init__(
        self,
        fetch: Callable[[Manifest], bytes],
        runs: Callable[[Manifest], bool],
        check: Callable[[Manifest, bytes], None] | None = None,
        pauses: Sequence[float] = RETRY_PAUSES,
    ) -> None:
        self._fetch, self._runs, self._check, self._pauses = fetch, runs, check, tuple(pauses)
        self._last: dict[str, Manifest] = {}  # loaded last, by name: the same message again is no news
        self._numbers = itertools.count()
        self._asked: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[bool, LoadResult | None]] = queue.SimpleQueue()
        self._under_way = 0  # messages without any result yet; only the caller's thread counts
        self._again: list[_Request] = []  # only this object's thread
        self._newest: dict[str, int] = {}  # number of the message that was loaded last, likewise
        self._thread = threading.Thread(target=self._run, name="model-loader", daemon=True)
        self._thread.start()

    def ask(self, name: str, value: bytes | None, earlier: bool = False) -> None:
        """Fetch and check what a registry message (None: a tombstone) names; returns at once.

        Args:
            name: of the model.
            value: the message.
            earlier: it is the version in use before the newest message: it takes the place of no other.
        """
        self._under_way += 1
        self._asked.put(_Request(name, value, -1 if earlier else next(self._numbers)))

    def results(self, wait: bool = False, seconds: float = float("inf")) -> Iterator[LoadResult]:
        """Yield the results that are ready; on request wait for all that was asked for, so many seconds at most."""
        ends = time.monotonic() + seconds
        while True:
            left = ends - time.monotonic()
            block = wait and self._under_way > 0 and left > 0
            try:
                first, result = self._done.get(block, None if seconds == float("inf") else max(left, 0.0))
            except queue.Empty:
                return
            self._under_way -= first
            if result is not None:
                yield result

    @property
    def under_way(self) -> int:
        """Return how many messages have no result yet."""
        return self._under_way

    def _run(self) -> None:
        urgent = True  # what the registry holds at the start: the job waits for it
        while True:
            if urgent and self._asked.empty() and self._last:
                urgent = False
                _yield_to_scoring()
            request = self._next()
            result: LoadResult | None
            try:
                result = self._load(request)
            except ModelUnavailable as error:
                result = self._delay(request, str(error))
            except EddyError as error:
                result = LoadResult(request.name, refused=str(error))
            except Exception as error:  # nothing that a message holds may end this thread
                log.exception("model %s", quoted(request.name))
                result = LoadResult(request.name, refused=f"{type(error).__name__}: {error}")
            if result is not None:
                result = replace(result, earlier=request.earlier)
            self._done.put((request.tries == 0, result))

    def _next(self) -> _Request:
        """Return the next message, or what is due to be tried again."""
        while True:
            again = min(self._again, key=lambda one: one.due, default=None)
            pause = max(again.due - time.monotonic(), 0.0) if again is not None else None
            try:
                request = self._asked.get(timeout=pause)
            except queue.Empty:
                if again is not None:
                    self._again.remove(again)
                    return again
                continue
            if not request.earlier:  # it takes the place of what is still to come of this name
                self._again = [
                    one
                    for one in self._again
                    if one.name != request.name or (one.earlier and request.value is not None)
                ]
            return request

    def _delay(self, request: _Request, reason: str) -> LoadResult:
        pause = self._pauses[min(request.tries, len(self._pauses) - 1)]
        self._again.append(replace(request, tries=request.tries + 1, due=time.monotonic() + pause))
        return LoadResult(
            request.name, delayed=reason, pause=pause, version=RegistryMessage(request.value or b"").version
        )

    def _load(self, request: _Request) -> LoadResult | None:
        name, value = request.name, request.value
        if value is None:
            self._last.pop(name, None)
            self._newest.pop(name, None)
            return LoadResult(name)
        if request.earlier and request.tries and name in self._newest:
            return None  # the newer version has come meanwhile
        manifest = Manifest.from_json(value)
        if manifest.name != name:
            raise ModelError(f"manifest: name {manifest.name!r} under the message key {name!r}; expected the same")
        if not self._runs(manifest) or self._last.get(name) == manifest:
            return None
        content = self._fetch(manifest)
        if self._check is not None:
            self._check(manifest, content)
        model = load_model(manifest, content)
        self._last[name] = manifest
        if not request.earlier:
            self._newest[name] = request.number
            self._again = [one for one in self._again if one.name != name]
        return LoadResult(name, model, version=manifest.version)


def _yield_to_scoring() -> None:
    """Give this thread the lowest priority, so that no event waits while a model is tried."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)

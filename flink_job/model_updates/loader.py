"""Fetch and check model versions on a thread of its own, so that a large, slow or broken one delays no event."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eddy.errors import EddyError, ModelError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.texts import quoted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadResult:
    """The result of one registry message; results come in the order of the messages.

    Attributes:
        name: of the model.
        model: ready to take over; None where it was withdrawn or refused.
        refused: why it cannot be used; empty if it can.
    """

    name: str
    model: LoadedModel | None = None
    refused: str = ""


class ModelLoader:
    """Take registry messages, give a result for each that changes anything.

    Args:
        fetch: gives a manifest's artifact.
        runs: whether a manifest's kind of detector runs here; others are not even fetched.
    """

    def __init__(self, fetch: Callable[[Manifest], bytes], runs: Callable[[Manifest], bool]) -> None:
        self._fetch, self._runs = fetch, runs
        self._last: dict[str, Manifest] = {}  # loaded last, by name: the same message again is no news
        self._asked: queue.SimpleQueue[tuple[str, bytes | None]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[LoadResult | None] = queue.SimpleQueue()
        self._under_way = 0  # only the caller's thread counts
        self._thread = threading.Thread(target=self._run, name="model-loader", daemon=True)
        self._thread.start()

    def ask(self, name: str, value: bytes | None) -> None:
        """Fetch and check what a registry message (None: a tombstone) names; returns at once."""
        self._under_way += 1
        self._asked.put((name, value))

    def results(self, wait: bool = False) -> Iterator[LoadResult]:
        """Yield the results that are ready; on request wait for all that was asked for."""
        while self._under_way:
            try:
                result = self._done.get(block=wait)
            except queue.Empty:
                return
            self._under_way -= 1
            if result is not None:
                yield result

    def _run(self) -> None:
        urgent = True  # what the registry holds at the start: the job waits for it
        while True:
            if urgent and self._asked.empty() and self._last:
                urgent = False
                _yield_to_scoring()
            name, value = self._asked.get()
            try:
                self._done.put(self._load(name, value))
            except EddyError as error:
                self._done.put(LoadResult(name, refused=str(error)))
            except Exception as error:  # nothing that a message holds may end this thread
                log.exception("model %s", quoted(name))
                self._done.put(LoadResult(name, refused=f"{type(error).__name__}: {error}"))

    def _load(self, name: str, value: bytes | None) -> LoadResult | None:
        if value is None:
            self._last.pop(name, None)
            return LoadResult(name)
        manifest = Manifest.from_json(value)
        if manifest.name != name:
            raise ModelError(f"manifest: name {manifest.name!r} under the message key {name!r}; expected the same")
        if not self._runs(manifest) or self._last.get(name) == manifest:
            return None
        model = load_model(manifest, self._fetch(manifest))
        self._last[name] = manifest
        return LoadResult(name, model)


def _yield_to_scoring() -> None:
    """Give this thread the lowest priority, so that no event waits while a model is tried."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)

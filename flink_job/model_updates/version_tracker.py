"""Decide which model versions a worker uses, from the registry at its start, what came since, and its own state.

State keeps two messages for each name: the newest one, and the version that was in use when that came. The newest may
have been refused; a worker that starts again then goes on with the other, as the one before it did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from eddy.errors import EddyError
from eddy.flink_job.model_updates.loader import LoadResult, ModelLoader
from eddy.models.artifacts.manifest import Manifest
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet
from eddy.models.serving.pending_versions import PendingVersions
from eddy.texts import escaped, quoted

log = logging.getLogger(__name__)

_NEWEST = "\n"  # behind a name, in which it cannot be: the newest message


class BroadcastState(Protocol):
    """The part of Flink's broadcast state that is used."""

    def items(self) -> Any: ...
    def get(self, key: str) -> Any: ...
    def put(self, key: str, value: Any) -> None: ...
    def remove(self, key: str) -> None: ...


class ModelVersionTracker:
    """Turn registry messages into versions of the model set.

    Args:
        models: that the engines of this worker follow.
        loader: fetches and checks versions on a thread of its own.
        notify: takes events for ``eddy.events``, without time and job.
        series: counts the series that the version in use of a name scores on this worker.

    Attributes:
        pending_versions: versions whose features have to be seen first.
        restored: whether :meth:`restore` has been called, which has to come before all but :meth:`start`.
    """

    def __init__(
        self,
        models: ModelSet,
        loader: ModelLoader,
        notify: Callable[[dict[str, Any]], None],
        series: Callable[[str], int],
    ) -> None:
        self.models, self._loader, self._emit = models, loader, notify
        self.pending_versions = PendingVersions(models, series)
        self._registry: dict[str, bytes] = {}
        self._withdrawn: list[str] = []  # names that state remembers and the registry does not; until it can be written
        self._ahead: dict[str, int] = {}  # version that the topic will bring once more, by name
        self.restored = False

    def start(self, registry: Mapping[str, bytes]) -> None:
        """Begin to load what the registry holds now; :meth:`restore` waits for it, before the first observation."""
        self._registry = dict(registry)
        for name, message in registry.items():
            self._loader.ask(name, message)

    def restore(self, state: BroadcastState) -> None:
        """Restore the versions that were in use, then newer ones: once, at the first frame or message."""
        self.restored = True
        entries = {key: bytes(message) for key, message in state.items()}
        before = {key: message for key, message in entries.items() if not key.endswith(_NEWEST)}
        newest = {key[: -len(_NEWEST)]: message for key, message in entries.items() if key.endswith(_NEWEST)}
        self._withdrawn = sorted({*before, *newest} - self._registry.keys())  # while the job was down
        found = {result.name: result for result in self._loader.results(wait=True)}
        for name in self._withdrawn:
            self._emit({"event": "model-withdrawn", "model": name})
        for name, message in before.items():
            if (
                name in self._registry
                and message not in (self._registry.get(name), newest.get(name))
                and _not_without(message, found.get(name))
            ):
                self._loader.ask(name, message)
        self._take(self._loader.results(wait=True))
        self._take(found.values())
        for name, message in self._registry.items():
            if message not in (before.get(name), newest.get(name)) and (version := _version(message)):
                self._ahead[name] = version
        self.models.register(self._registry)

    def receive(self, name: str, message: bytes | None, state: BroadcastState) -> None:
        """Take a message of the registry topic: a version to take over, or (None) a tombstone."""
        for gone in self._withdrawn:
            state.remove(gone)
            state.remove(gone + _NEWEST)
        self._withdrawn = []
        if message is None:
            state.remove(name)
            state.remove(name + _NEWEST)
        else:
            if (model := self.models.models.get(name)) is not None:
                state.put(name, model.manifest.to_json())
            state.put(name + _NEWEST, message)
            self.models.registered = {*(self.models.registered or ()), name}
        if not self._passed(name, message):
            self._loader.ask(name, message)

    def _passed(self, name: str, message: bytes | None) -> bool:
        """Tell whether this message, or a newer one, was read at the start: the topic comes once more from there."""
        ahead = self._ahead.get(name)
        if ahead is None:
            return False
        version = None if message is None else _version(message)
        if version is None or version >= ahead:
            del self._ahead[name]
        return message == self._registry[name] or (version is not None and version < ahead)

    def adopt(self, wait: bool = False) -> None:
        """Take over what is ready, between two micro-batches; a broken version changes nothing."""
        self._take(self._loader.results(wait))
        for decision in self.pending_versions.decided():
            if decision.refused:
                self._refuse(decision.model.manifest.name, decision.refused)
            else:
                self._loaded(decision.model)

    def _take(self, results: Iterable[LoadResult]) -> None:
        for result in results:
            if result.refused:
                self._refuse(result.name, result.refused)
            elif result.model is None:
                if self.pending_versions.withdraw(result.name):
                    self._emit({"event": "model-withdrawn", "model": result.name})
            elif self.pending_versions.offer(result.model):
                self._loaded(result.model)

    def _loaded(self, model: LoadedModel) -> None:
        self._emit({"event": "model-loaded", "model": model.manifest.name, "version": model.manifest.version})

    def _refuse(self, name: str, reason: str) -> None:
        log.warning("model %s refused: %s", quoted(name), escaped(reason))
        self._emit({"event": "model-refused", "model": name, "reason": reason})


def _not_without(before: bytes, newest: LoadResult | None) -> bool:
    """Tell whether the previous version is needed: the newest is refused, or may be because its features never come."""
    if newest is None or newest.model is None:
        return True
    try:
        return not set(newest.model.manifest.features) <= set(Manifest.from_json(before).features)
    except EddyError:  # written by an earlier version of the job, which kept the newest message whatever it was
        return False


def _version(message: bytes) -> int | None:
    try:
        return Manifest.from_json(message).version
    except EddyError:
        return None

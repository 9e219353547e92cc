"""Decide which model versions a worker uses, from the registry at its start, what came since, and its own state.

State keeps two messages for each name: the newest one, and the version that was in use when that came. The newest may
have been refused; a worker that starts again then goes on with the other, as the one before it did.

Memory and state are bounded whatever the topic holds: of a message that is no manifest there is a digest, of a name
that no model can have there is nothing, and names are kept up to ``max_models``.

With a signing key (``verify``) only signed messages count, withdrawals included, and versions only rise: an old message
that is sent again changes nothing. Without it, whoever may write to the topic may do anything that a message can say.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from eddy.errors import EddyError, ModelError
from eddy.flink_job.model_updates.loader import LoadResult, ModelLoader
from eddy.flink_job.model_updates.registry_message import RegistryMessage
from eddy.models.artifacts.manifest import Manifest, is_name
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet
from eddy.models.serving.pending_versions import PendingVersions
from eddy.texts import escaped, quoted

log = logging.getLogger(__name__)

_NEWEST = "\n"  # behind a name, in which it cannot be: the newest message, or the digest of one that is no manifest
_DIGEST = b"sha256:"
_MAX_NAME_SHOWN = 128  # characters of a name that cannot be one
START_SECONDS = 60.0  # that a job waits for the registry's models before its first observation


class _Published(NamedTuple):
    """What is known of a version that counted."""

    version: int
    sha256: str


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
        verify: raises a ModelError for a manifest that is not signed; None where nothing is signed.
        start_seconds: longest time that :meth:`restore` waits.
        max_models: names of models that are kept; a message under a further one is refused.

    Attributes:
        pending_versions: versions whose features have to be seen first.
        delayed: models whose newest version cannot be fetched now.
        restored: whether :meth:`restore` has been called, which has to come before all but :meth:`start`.
    """

    def __init__(
        self,
        models: ModelSet,
        loader: ModelLoader,
        notify: Callable[[dict[str, Any]], None],
        series: Callable[[str], int],
        verify: Callable[[Manifest], None] | None = None,
        start_seconds: float = START_SECONDS,
        max_models: int = 1000,
    ) -> None:
        self.models, self._loader, self._emit = models, loader, notify
        self.pending_versions = PendingVersions(models, series)
        self._verify, self._start_seconds, self._max_models = verify, start_seconds, max_models
        self._kept: set[str] = set()  # names in state
        self._registry: dict[
            str, RegistryMessage
        ] = {}  # messages that were read at the start, as long as they are needed
        self._started: set[str] = set()  # names whose messages were asked for then
        self._withdrawn: list[str] = []  # names that state remembers and the registry does not; until it can be written
        self._ahead: dict[str, int] = {}  # version that the topic will bring once more, by name
        self._known: dict[str, _Published] = {}  # highest version that counted, by name
        self._reported: dict[str, RegistryMessage] = {}  # messages that were refused at the start, by name
        self._wrong_at_start: list[tuple[str, str]] = []  # names of those, and the reasons
        self.delayed: set[str] = set()
        self._newer: set[str] = set()  # names of which a newer version than the one before has been taken
        self.restored = False

    def start(self, registry: Mapping[str, bytes]) -> None:
        """Begin to load what the registry holds now; :meth:`restore` waits for it, before the first observation."""
        for name, raw in registry.items():
            if not is_name(name):
                continue
            message = RegistryMessage(raw)
            if wrong := self._wrong(name, message):
                self._reported[name] = message
                self._wrong_at_start.append((name, wrong))
                continue
            self._registry[name] = message
            self._learn(name, message)
            if not message.withdraws and len(self._started) < self._max_models:
                self._started.add(name)
                self._loader.ask(name, message.raw)

    def restore(self, state: BroadcastState) -> None:
        """Restore the versions that were in use, then newer ones: once, at the first frame or message.

        Waits for the registry's versions, but not without limit: what has not come by then is taken over when it comes.
        """
        self.restored = True
        for name, wrong in self._wrong_at_start:  # not before: what is counted while a worker opens is lost
            self._refuse(name, wrong)
        ends = time.monotonic() + self._start_seconds
        entries = {key: RegistryMessage(bytes(message)) for key, message in state.items()}
        before = {key: message for key, message in entries.items() if not key.endswith(_NEWEST)}
        newest = {key[: -len(_NEWEST)]: message for key, message in entries.items() if key.endswith(_NEWEST)}
        self._kept = {*before, *newest}
        self._refuse_older(before, newest)
        for name in sorted(self._kept & self._registry.keys() - self._started):  # beyond the maximum, but it was in use
            if not self._registry[name].withdraws:
                self._loader.ask(name, self._registry[name].raw)
        chosen = self._kept | self._started
        self._registry = {
            name: message for name, message in self._registry.items() if name in chosen or message.withdraws
        }
        gone = {*before, *newest} - {name for name, message in self._registry.items() if not message.withdraws}
        self._withdrawn = sorted(gone)  # while the job was down
        found = {result.name: result for result in self._loader.results(True, self._start_seconds)}
        for name in self._withdrawn:
            if name in before or not newest[name].withdraws:
                self._emit({"event": "model-withdrawn", "model": name})
        for name in sorted({*before, *newest} - gone):
            for message in dict.fromkeys(filter(None, (before.get(name), newest.get(name)))):
                if (
                    not _is_digest(message.raw)
                    and message != self._registry[name]
                    and _not_without(message, found.get(name))
                ):
                    self._loader.ask(name, message.raw, earlier=True)
        left = max(ends - time.monotonic(), 0.0)
        self._take(self._loader.results(True, left))
        self._take(found.values())
        if self._loader.under_way:
            log.warning("%d model messages not loaded within %g s", self._loader.under_way, self._start_seconds)
        for name, message in self._registry.items():
            if message.version and not _is_one_of(message, before.get(name), newest.get(name)):
                self._ahead[name] = message.version
        self.models.register(name for name, message in self._registry.items() if not message.withdraws)
        self._registry = {name: self._registry[name] for name in self._ahead}

    def _refuse_older(self, before: Mapping[str, RegistryMessage], newest: Mapping[str, RegistryMessage]) -> None:
        """Go on with what state remembers where the registry was set back without a signature that allows it."""
        for name, message in {**before, **newest}.items():
            held = self._known.get(name)
            if self._verify is None or self._wrong(name, message):
                continue
            self._learn(name, message)
            if name not in self._registry:
                if not message.withdraws:
                    self._refuse(name, "it is no longer in the registry, but was not withdrawn with the key: it stays")
                    self._go_on(name, message)
            elif held is not None and held.version < self._known[name].version:
                self._refuse(name, self._too_old(name, held.version))
                self._loader.ask(name, None)
                self._go_on(name, message)

    def _go_on(self, name: str, message: RegistryMessage) -> None:
        self._registry[name] = message
        self._started.add(name)
        if not message.withdraws:
            self._loader.ask(name, message.raw)

    def receive(self, name: str, raw: bytes | None, state: BroadcastState) -> None:
        """Take a message of the registry topic: a version to take over, or (None) a tombstone."""
        message = None if raw is None else RegistryMessage(raw)
        if wrong := self._wrong(name, message):
            reported = self._reported.pop(name, None)
            if reported is None or reported != message:  # what was told at the start comes once more
                self._refuse(name, wrong)
            return
        if message is not None and is_name(name) and name not in self._kept and len(self._kept) >= self._max_models:
            reason = f"the job has {len(self._kept)} models, job.max_models = {self._max_models}"
            self._refuse(name, f"model {name}: {reason}; withdraw one, or raise the setting")
            return
        passed = self._passed(name, message)
        if message is not None and not passed and (wrong := self._clash(name, message)):
            self._refuse(name, wrong)
            return
        for gone in self._withdrawn:
            self._remove(gone, state)
        self._withdrawn = []
        if message is None:
            self._known.pop(name, None)
            self._remove(name, state)
        elif is_name(name):
            self._learn(name, message)
            if message.withdraws:
                state.remove(name)
            elif (model := self.models.models.get(name)) is not None:
                state.put(name, model.manifest.to_json())
            state.put(name + _NEWEST, message.raw if message.manifest is not None else _digest(message.raw))
            self._kept.add(name)
            if not message.withdraws:
                self.models.registered = {*(self.models.registered or ()), name}
        if not passed:
            self._loader.ask(name, None if message is None or message.withdraws else message.raw)

    def _remove(self, name: str, state: BroadcastState) -> None:
        if name in self._kept:
            self._kept.remove(name)
            state.remove(name)
            state.remove(name + _NEWEST)

    def _wrong(self, name: str, message: RegistryMessage | None) -> str:
        """Say why a message does not count where messages are signed."""
        if self._verify is None:
            return ""
        if message is None:
            return "withdrawn without a signature, but registry.signing_key is set; 'eddy models withdraw' signs"
        manifest = message.manifest
        if manifest is None:
            return message.problem
        if manifest.name != name:
            return f"manifest: name {manifest.name!r} under the message key {name!r}; expected the same"
        try:
            self._verify(manifest)
        except EddyError as error:
            return str(error)
        return ""

    def _clash(self, name: str, message: RegistryMessage) -> str:
        """Say why a message does not count beside those before it."""
        manifest, known = message.manifest, self._known.get(name)
        if manifest is None or known is None:
            return ""
        if self._verify is not None and manifest.version < known.version:
            return self._too_old(name, manifest.version)
        if manifest.version == known.version and manifest.sha256 != known.sha256:
            return (
                f"model {name} version {manifest.version}: another artifact came under this version; a version is "
                "published once: publish again, and it gets a number of its own"
            )
        return ""

    def _too_old(self, name: str, version: int) -> str:
        return (
            f"model {name} version {version}: version {self._known[name].version} came before, and with "
            "registry.signing_key versions only rise; 'eddy models rollback' publishes an old one under a new number"
        )

    def _learn(self, name: str, message: RegistryMessage) -> None:
        manifest, known = message.manifest, self._known.get(name)
        if manifest is not None and (self._verify is None or known is None or manifest.version >= known.version):
            self._known[name] = _Published(manifest.version, manifest.sha256)

    def _passed(self, name: str, message: RegistryMessage | None) -> bool:
        """Tell whether this message, or a newer one, was read at the start: the topic comes once more from there."""
        ahead = self._ahead.get(name)
        if ahead is None:
            return False
        version, newest = 0 if message is None else message.version, self._registry[name]
        if not version or version >= ahead:
            del self._ahead[name], self._registry[name]
        return message == newest or 0 < version < ahead

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
            (self.delayed.add if result.delayed else self.delayed.discard)(result.name)
            if result.refused:
                self._refuse(result.name, result.refused)
            elif result.delayed:
                self._delayed(result)
            elif result.model is None:
                self._newer.discard(result.name)
                if self.pending_versions.withdraw(result.name):
                    self._emit({"event": "model-withdrawn", "model": result.name})
            elif not (result.earlier and result.name in self._newer):
                if not result.earlier:
                    self._newer.add(result.name)
                self._offer(result.model)

    def _offer(self, model: LoadedModel) -> None:
        try:
            if self.pending_versions.offer(model):
                self._loaded(model)
        except ModelError as error:
            self._refuse(model.manifest.name, str(error))

    def _loaded(self, model: LoadedModel) -> None:
        self._emit({"event": "model-loaded", "model": model.manifest.name, "version": model.manifest.version})

    def _delayed(self, result: LoadResult) -> None:
        log.warning("model %s delayed: %s", quoted(result.name), escaped(result.delayed))
        retry = {"retry_ms": int(result.pause * 1000)}
        event = {"event": "model-delayed", "model": result.name, "reason": result.delayed, **retry}
        self._emit({**event, "version": result.version} if result.version else event)

    def _refuse(self, name: str, reason: str) -> None:
        name = name[:_MAX_NAME_SHOWN]
        log.warning("model %s refused: %s", quoted(name), escaped(reason))
        self._emit({"event": "model-refused", "model": name, "reason": reason})


def _digest(message: bytes) -> bytes:
    return _DIGEST + hashlib.sha256(message).hexdigest().encode()


def _is_digest(message: bytes) -> bool:
    return message.startswith(_DIGEST)


def _is_one_of(message: RegistryMessage, *kept: RegistryMessage | None) -> bool:
    """Compare a message with messages and with digests."""
    return message in kept or RegistryMessage(_digest(message.raw)) in kept


def _not_without(before: RegistryMessage, newest: LoadResult | None) -> bool:
    """Tell whether the previous version is needed: the newest is refused, or may be because its features never come."""
    if newest is None or newest.model is None:
        return True
    # An earlier version of the job kept the newest message whatever it was: one that is no manifest is not needed.
    manifest = before.manifest
    return manifest is not None and not set(newest.model.manifest.features) <= set(manifest.features)

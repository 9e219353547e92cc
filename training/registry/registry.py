"""Keep the model registry: a compacted Kafka topic that the job reads, and beside it the history of versions.

``eddy.models`` holds the current manifest of each model under its name; a tombstone withdraws it. That is all the job
ever reads. Every version is first written to ``eddy.models.history`` (compacted as well) under ``name@version`` and
stays there, so a rollback can restore any of them: it publishes the old artifact **as a new version**, so versions only
count up, and a job treats a rollback like any other new version.

With ``registry.signing_key`` a tombstone withdraws nothing, since anybody could write it: a signed manifest that says
``withdrawn``, under a version of its own, takes its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kafka.errors import KafkaError

from eddy.connections import kafka_admin
from eddy.errors import ModelError, StackError
from eddy.models.artifacts import artifact, signing
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.uri import read_artifact
from eddy.settings import Settings
from eddy.topic_reader import newest_by_key, whole_topic
from eddy.topic_writer import TopicWriter
from eddy.training.registry.version_claims import CLAIM, VersionClaims

HISTORY_SUFFIX = ".history"
_SEPARATOR = "@"  # not allowed in names
_CONNECT_MS = 10_000


@dataclass(frozen=True)
class Listing:
    """Hold the content of the registry.

    Attributes:
        current: manifests by name, as used by jobs.
        versions: by name and version, including those withdrawn or replaced.
        broken: message key -> what is wrong with the message.
        withdrawals: by name, the versions of signed messages that withdrew it.
    """

    current: dict[str, Manifest] = field(default_factory=dict)
    versions: dict[str, dict[int, Manifest]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    withdrawals: dict[str, set[int]] = field(default_factory=dict)

    def next_version(self, name: str) -> int:
        """Return one above all versions that ever existed."""
        known = [*self.versions.get(name, {}), *self.withdrawals.get(name, ())]
        return max(known, default=0) + 1

    def find(self, name: str) -> Manifest:
        """Return the current manifest of a model.

        Raises:
            ModelError: there is none; names those that exist.
        """
        if name in self.current:
            return self.current[name]
        if name in self.versions:
            raise ModelError(f"model {name!r} is withdrawn; 'eddy models rollback {name}' brings it back")
        there = ", ".join(sorted(self.current)) or "none"
        raise ModelError(f"model {name!r} is not in the registry; published: {there}")


class Registry:
    """Read and write the registry. Nothing is kept open between calls.

    Raises (all methods):
        StackError: Kafka does not answer, or the models topic does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topic = settings.topics.name("models")
        self.history = self.topic + HISTORY_SUFFIX

    def read(self) -> Listing:
        """Read everything, as of now."""
        listing = Listing()
        with self._reaching("read"):
            known = newest_by_key(self.settings, "models", HISTORY_SUFFIX) if self.history in self._existing() else {}
            messages = [(key, value, False) for key, value in known.items()]
            messages += [(key, value, True) for key, value in newest_by_key(self.settings, "models").items()]
        for raw, value, is_current in messages:
            key = raw.decode(errors="replace")
            if CLAIM in key and not is_current:
                continue  # to a version that is being published
            try:
                manifest = Manifest.from_json(value)
            except ModelError as error:
                listing.broken[key] = str(error)
                continue
            if is_current and key != manifest.name:
                listing.broken[key] = f"the message's name is {manifest.name!r}"
                continue
            if manifest.withdrawn:
                listing.withdrawals.setdefault(manifest.name, set()).add(manifest.version)
                continue
            listing.versions.setdefault(manifest.name, {})[manifest.version] = manifest
            if is_current:
                listing.current[manifest.name] = manifest
        return listing

    def publish(self, manifest: Manifest, content: bytes, name: str = "", uri: str = "") -> Manifest:
        """Publish a model as the next version of its name.

        Args:
            manifest: without artifact; its version is replaced.
            content: the artifact; inline unless ``uri`` is given.
            name: another name than the manifest's.
            uri: where the job finds the artifact; the same bytes must already lie there.

        Returns:
            The manifest as published.

        Raises:
            ModelError: the artifact is too large to be inline, or the content at ``uri`` differs.
        """
        manifest = replace(manifest, name=name or manifest.name)
        if uri:
            self._check_uri(uri, manifest.sha256)
            manifest = replace(manifest, artifact="", uri=uri)
        else:
            manifest = manifest.with_artifact(content)
        return self._send(manifest, self.read())

    def rollback(self, name: str, to: int | None = None) -> Manifest:
        """Publish an earlier version again, as a new version.

        Args:
            name: the model.
            to: the version to bring back; default: the one before the current, or the last one if withdrawn.

        Raises:
            ModelError: there is no such model or version; names those that exist.
        """
        listing = self.read()
        versions = listing.versions.get(name)
        if not versions:
            listing.find(name)
        versions = versions or {}
        now = listing.current.get(name)
        earlier = [v for v in versions if now is None or v < now.version]
        wanted = to if to is not None else max(earlier, default=0)
        if wanted not in versions:
            there = ", ".join(str(v) for v in sorted(versions))
            found = f"version {to}" if to is not None else f"version before {now.version if now else 1}"
            raise ModelError(f"model {name!r} has no {found} in the registry; there: {there}")
        old = versions[wanted]
        metrics = {**old.metrics, "rollback_to": wanted}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return self._send(replace(old, created=created, metrics=metrics), listing)

    def withdraw(self, name: str) -> Manifest:
        """Take a model out of use; its versions stay in the history.

        Raises:
            ModelError: the model is not in use.
        """
        listing = self.read()
        manifest = listing.find(name)
        if self.settings.registry.signing_key is not None:
            created = datetime.now(UTC).isoformat(timespec="seconds")
            gone = replace(manifest, withdrawn=True, artifact="", uri="", rollout={}, created=created)
            self._send(gone, listing)
            return manifest
        with TopicWriter(self.settings) as writer:
            writer.send(self.topic, (name, None))
        return manifest

    def _send(self, manifest: Manifest, listing: Listing) -> Manifest:
        """Publish a manifest under a version that nobody else gets."""
        name, key = manifest.name, self.settings.registry.signing_key
        with self._reaching("write"):
            self._ensure_history()
        with VersionClaims(self.settings, HISTORY_SUFFIX).held(name, listing.next_version(name)) as version:
            manifest = replace(manifest, version=version, signature="")
            if key is not None:
                manifest = signing.sign(manifest, key.get_secret_value())
            value = manifest.to_json()
            with TopicWriter(self.settings) as writer:
                writer.send(self.history, (f"{name}{_SEPARATOR}{version}", value))
                writer.send(self.topic, (name, value))
                if (overtaken := self._overtaken(name)) is not None:
                    writer.send(self.topic, (name, overtaken))
        return manifest

    def _overtaken(self, name: str) -> bytes | None:
        """Return the message of a higher version that another publisher wrote before the newest one, if there is one.

        Both had their versions in order, but wrote in the other; the topic has to end with the higher one.
        """
        highest: tuple[int, bytes] | None = None
        newest = 0
        for record in whole_topic(self.settings, "models"):
            if record.key != name.encode():
                continue
            if record.value is None:
                highest, newest = None, 0
                continue
            with contextlib.suppress(ModelError):
                newest = Manifest.from_json(record.value).version
                if highest is None or newest >= highest[0]:
                    highest = newest, record.value
        return highest[1] if highest is not None and highest[0] > newest else None

    def _check_uri(self, uri: str, sha256: str) -> None:
        try:
            found = artifact.sha256(read_artifact(uri, self.settings.registry))
        except ModelError as error:
            raise ModelError(f"--uri: {error}; copy model.safetensors there first") from None
        if found != sha256:
            raise ModelError(f"--uri {uri}: its sha256 is not that of this model; copy model.safetensors there")

    @contextlib.contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """Turn Kafka's errors into one line that says what to do."""
        try:
            yield
        except KafkaError as error:
            servers = self.settings.kafka.bootstrap_servers
            raise StackError(
                f"model registry: cannot {what} topic {self.topic} at {servers}: {type(error).__name__}; is Kafka up "
                "('eddy status'), is kafka.bootstrap_servers right?"
            ) from None

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Any]:
        client = kafka_admin(self.settings.kafka, bootstrap_timeout_ms=_CONNECT_MS)
        try:
            yield client
        finally:
            client.close()

    def _existing(self) -> set[str]:
        """Return the names of all topics; fails if the models topic is not among them."""
        with self._admin() as admin:
            present = set(admin.list_topics())
        if self.topic not in present:
            servers = self.settings.kafka.bootstrap_servers
            raise StackError(f"topic {self.topic} does not exist at {servers}; 'eddy up' creates it")
        return present

    def _ensure_history(self) -> None:
        if self.history in self._existing():
            return
        largest = str(self.settings.kafka.max_message_bytes)
        configs = {"cleanup.policy": "compact", "max.message.bytes": largest}
        wanted: dict[str, Any] = {"num_partitions": 1, "replication_factor": -1, "configs": configs}
        with self._admin() as admin:
            admin.create_topics({self.history: wanted}, wait_for_metadata=True)

"""Allocate version numbers, so that two publishers at once never publish under the same one.

Kafka has no compare-and-set, but it keeps an order: whoever wants a version writes a claim of its own to the history
topic, reads the topic back, and has the version if no earlier claim to it stands and nothing was published under it.
The other one takes the next number. A claim is removed once its version is in the history. One that a publisher left
behind as it died costs a number, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from kafka.errors import KafkaError

from eddy.connections import kafka_producer
from eddy.errors import ModelError, StackError
from eddy.settings import Settings
from eddy.topic_reader import whole_topic

CLAIM = "#"  # in keys of claims, behind a version; not allowed in names
_KEY = re.compile(rf"^(?P<name>[^@{CLAIM}]+)@(?P<version>\d+)({CLAIM}(?P<claim>.+))?$")
_TRIES = 50  # publishers at once that a publisher gives way to
_SEND_SECONDS = 30.0


@dataclass
class _Seen:
    """What the history says of one model: versions published, and claims by version, the earliest first."""

    published: set[int] = field(default_factory=set)
    claims: dict[int, list[str]] = field(default_factory=dict)

    def first_free(self) -> int:
        return max([*self.published, *(version for version, held in self.claims.items() if held)], default=0) + 1


class VersionClaims:
    """Claim versions in a history topic, all claims on its partition 0, where they have an order.

    Args:
        settings: connection.
        suffix: of the history topic behind that of the models.
    """

    def __init__(self, settings: Settings, suffix: str) -> None:
        self._settings, self._suffix = settings, suffix
        self._topic = settings.topics.name("models") + suffix

    @contextlib.contextmanager
    def held(self, name: str, lowest: int) -> Iterator[int]:
        """Yield a version of a model that is this caller's alone, for as long as it takes to publish it.

        Args:
            name: of the model.
            lowest: smallest version to claim.

        Raises:
            ModelError: too many others publish the same model at once.
            StackError: Kafka does not take a claim.
        """
        mine, version = uuid.uuid4().hex, max(lowest, self._read(name).first_free())
        for _ in range(_TRIES):
            key = f"{name}@{version}{CLAIM}{mine}"
            self._send(key, json.dumps({"claim": name, "version": version}).encode())
            try:
                seen = self._read(name)
                if version not in seen.published and seen.claims.get(version, [mine])[0] == mine:
                    yield version
                    return
            finally:
                self._send(key, None)
            version = max(version + 1, seen.first_free())
        raise ModelError(f"model {name}: {_TRIES} versions in a row went to other publishers; try again")

    def _read(self, name: str) -> _Seen:
        seen = _Seen()
        for record in whole_topic(self._settings, "models", self._suffix):
            found = _KEY.match((record.key or b"").decode(errors="replace"))
            if found is None or found["name"] != name:
                continue
            version = int(found["version"])
            if found["claim"] is None:
                seen.published.add(version)
            elif record.value is None:
                if found["claim"] in seen.claims.get(version, []):
                    seen.claims[version].remove(found["claim"])
            elif found["claim"] not in seen.claims.setdefault(version, []):
                seen.claims[version].append(found["claim"])
        seen.claims = {version: held for version, held in seen.claims.items() if held}
        return seen

    def _send(self, key: str, value: bytes | None) -> None:
        kafka = self._settings.kafka
        try:
            producer = kafka_producer(kafka, acks="all", bootstrap_timeout_ms=kafka.request_timeout_ms)
            try:
                producer.send(self._topic, key=key.encode(), value=value, partition=0).get(_SEND_SECONDS)
            finally:
                producer.close()
        except KafkaError as error:
            raise StackError(
                f"topic {self._topic} at {self._settings.kafka.bootstrap_servers} does not take a claim to a version: "
                f"{type(error).__name__}; is Kafka up ('eddy status')?"
            ) from None

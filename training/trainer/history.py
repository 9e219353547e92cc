"""Keep the newest training of each model in a compacted topic, so that the trainer knows it after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from eddy.settings import Settings
from eddy.topic_reader import whole_topic
from eddy.topic_writer import TopicWriter


@dataclass(frozen=True)
class Training:
    """Hold the newest training of a model: time of its request and of its end (epoch ms), and its outcome."""

    model: str
    request_ts: int
    done_at: int
    outcome: str


def remembered(settings: Settings) -> Iterator[Training]:
    """Yield the trainings of earlier runs; of several entries of a model, the last is the newest.

    Raises:
        StackError: no broker answers, or the topic does not exist.
    """
    for record in whole_topic(settings, "trainer"):
        try:
            raw = json.loads(record.value or b"")
            yield Training(str(raw["model"]), int(raw["request_ts"]), int(raw["done_at"]), str(raw["outcome"]))
        except (ValueError, TypeError, KeyError):
            continue


class Messages:
    """Write the trainer's events and its history.

    Raises (all methods):
        StackError: Kafka does not accept a message.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._writer = TopicWriter(settings)

    def event(self, now: int, name: str, model: str, **more: object) -> None:
        """Send a message on the events topic."""
        event = {"schema": 1, "ts": now, "job": "trainer", "event": name, "model": model, **more}
        self._send("events", model, event)

    def remember(self, training: Training) -> None:
        """Store the newest training of a model."""
        self._send("trainer", training.model, {"schema": 1, **asdict(training)})

    def _send(self, role: str, key: str, value: object) -> None:
        self._writer.send(self._settings.topics.name(role), (key, json.dumps(value).encode()))

    def close(self) -> None:
        """Close the connection to the broker."""
        self._writer.close()

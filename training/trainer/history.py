"""Keep the newest training of each model in a compacted topic, so that the trainer knows it after a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from eddy.event_times import ANY_TIME
from eddy.settings import Settings
from eddy.texts import is_name
from eddy.topic_reader import whole_topic
from eddy.topic_writer import TopicWriter

log = logging.getLogger(__name__)


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
        training = _training(record.value or b"")
        if training is None:
            where = f'topic="{record.topic}[{record.partition}]" offset={record.offset}'
            log.warning("left out a training that cannot be read: %s", where)
        else:
            yield training


def _training(value: bytes) -> Training | None:
    try:
        raw = json.loads(value)
        model, request_ts, done_at, outcome = (raw[name] for name in ("model", "request_ts", "done_at", "outcome"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    times = all(type(at) is int and at in ANY_TIME for at in (request_ts, done_at))
    texts = all(isinstance(text, str) and is_name(text) for text in (model, outcome))
    return Training(model, request_ts, done_at, outcome) if times and texts else None


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

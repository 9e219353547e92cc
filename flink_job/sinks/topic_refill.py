"""Read again, from Kafka, the alerts and feedback that found a sink's queue full while its store was away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice

from eddy.alert import Alert
from eddy.errors import DataError, EddyError
from eddy.feedback import Feedback
from eddy.flink_job.sinks.message_queue import MessageQueue
from eddy.settings import Settings
from eddy.topic_reader import TopicReader

log = logging.getLogger(__name__)

_MARGIN_MS = 60_000  # a record's time is set when it is sent, some moments beside that at which the sink saw it
_CALM_MS = 2_000  # without a further drop, before the topics are read
_UNSURE_S = 3.0  # a store that is killed forgets what it took last
_PAUSE_S = 30.0  # after Kafka did not answer
_READERS: dict[str, Callable[[bytes], Alert | Feedback]] = {"alerts": Alert.from_json, "feedback": Feedback.from_json}


class TopicRefill:
    """Make up for what a queue has dropped; used by the sink's thread alone.

    The topics are read when nothing has been dropped for a moment: in exactly-once mode until the transaction that
    holds the dropped alerts is over. What is read comes after newer messages of the same incidents, and twice for those
    that were not dropped: the store has to cope with both.

    Args:
        settings: of the job.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        job = settings.job
        self._calm_ms = _CALM_MS + (2 * job.checkpoint_interval_ms if job.delivery == "exactly-once" else 0)
        self._messages: Iterator[Alert | Feedback] | None = None
        self._dropped = 0
        self._not_before = 0.0  # monotonic
        self._over_at: float | None = None  # monotonic: when the topics' end was reached

    @property
    def unsure(self) -> bool:
        """Whether the store may yet forget what it took."""
        return self._over_at is not None

    def plan(self, queue: MessageQueue) -> None:
        """Begin to read where the queue has dropped messages, and tell it once the store has all of them for sure.

        The caller holds the queue's lock.
        """
        now = time.monotonic()
        if self._over_at is not None and now - self._over_at >= _UNSURE_S:
            queue.refilled(self._dropped)
            self._over_at = None
        since = queue.missed_since
        calm = time.time() * 1000 - queue.dropped_at >= self._calm_ms
        if self._messages is None and self._over_at is None and since is not None and calm and now >= self._not_before:
            log.warning("%d messages found the queue full; they are read from Kafka again", queue.dropped)
            self._messages, self._dropped = messages_since(self._settings, since), queue.dropped

    def take(self, count: int) -> list[Alert | Feedback]:
        """Return the next messages, at most so many; empty if there are none, or not now."""
        if self._messages is None:
            return []
        try:
            found = list(islice(self._messages, count))
        except EddyError as error:
            log.warning("what the queue has dropped could not be read again: %s; next try in %.0f s", error, _PAUSE_S)
            self.interrupt()
            self._not_before = time.monotonic() + _PAUSE_S
            return []
        if not found:
            self._messages, self._over_at = None, time.monotonic()
        return found

    def interrupt(self) -> None:
        """Forget how far reading has come: the store went away, and it begins anew."""
        self._messages = self._over_at = None


def messages_since(settings: Settings, since: int) -> Iterator[Alert | Feedback]:
    """Yield the alerts, then the feedback, that the topics hold since a time, the oldest first, up to their end now.

    Args:
        settings: of the job.
        since: wall clock, epoch ms.

    Raises:
        StackError: no broker answers, or a topic does not exist.
    """
    for role, read in _READERS.items():
        reader = TopicReader(settings, role)
        try:
            reader.from_time(since - _MARGIN_MS)
            for record in reader.to_end():
                try:
                    yield read(record.value or b"")
                except DataError:
                    continue  # nobody can read it: the job has told of it
        finally:
            reader.close()

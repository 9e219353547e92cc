"""Writes feedback on incidents to its topic: what the command line, the page and other programs use."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from types import TracebackType

from kafka import KafkaProducer
from kafka.errors import KafkaError

from eddy.alert import Alert
from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.feedback import Action, Feedback
from eddy.settings import Settings

_SEND_SECONDS = 30.0


def feedback_on(
    alert: Alert, action: Action, by: str = "", label: str | None = None, comment: str = ""
) -> list[Feedback]:
    """The messages that say something of an incident; of a group, also one for each of its listed members.

    Args:
        alert: any alert of the incident.
        action: see :class:`eddy.feedback.Feedback`.
        by: who says so; default: the user who runs the program.
        label: with action ``label``.
        comment: free text.

    Raises:
        DataError: names the field that does not fit.
    """
    now, by = int(time.time() * 1000), by or getpass.getuser()
    is_group = alert.kind == "group"
    about = [(alert.id, alert.series, "" if is_group else str(alert.model["name"]))]
    if is_group:
        about += [(str(m["id"]), str(m["series"]), str(m.get("model", ""))) for m in alert.members]
    return [
        Feedback(number, series, model, action, by, now, alert.start, alert.end, label, comment)
        for number, series, model in about
    ]


class FeedbackSender:
    """A producer for the feedback topic. Use it as a context manager, or :meth:`close` it.

    Raises:
        StackError: no broker answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.name("feedback")
        self._where = settings.kafka.bootstrap_servers
        client = kafka_client(settings.kafka)
        try:
            self._producer = KafkaProducer(**client, acks="all", bootstrap_timeout_ms=client["request_timeout_ms"])
        except KafkaError as error:
            raise self._failed(error) from None

    def _failed(self, error: KafkaError) -> StackError:
        reason = str(error) or type(error).__name__
        return StackError(
            f"feedback: topic {self._topic} at {self._where} does not take it: {reason}; see 'eddy status'"
        )

    def __enter__(self) -> FeedbackSender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._producer.close()

    def send(self, feedback: Sequence[Feedback]) -> None:
        """Write messages, in order; returns when the broker has them all.

        Raises:
            StackError: it did not take them.
        """
        try:
            waiting = [self._producer.send(self._topic, key=f.series.encode(), value=f.to_json()) for f in feedback]
            for future in waiting:
                future.get(_SEND_SECONDS)
        except KafkaError as error:
            raise self._failed(error) from None

"""Sends what somebody says about an incident to the feedback topic, and waits until Kafka has it."""

from __future__ import annotations

import time
from typing import Any, cast

from kafka import KafkaProducer
from kafka.errors import KafkaError

from dashboard.incident_store import Incident
from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.feedback import Action, Feedback
from eddy.settings import Settings

_CONNECT_MS = 5_000
_SEND_SECONDS = 10
_BY = "page"
_DONE = {"ack": "acknowledged", "unack": "no longer acknowledged", "dismiss": "dismissed", "label": "labelled"}


class FeedbackSender:
    """Connects for each message: they are rare, and a broker that was away then is no matter later."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topics.name("feedback")

    def send(self, incident: Incident, action: str, label: str) -> str:
        """Send one word on one incident; returns a line that says what was done.

        Raises:
            DataError: the action or the label is none.
            StackError: Kafka does not take it.
        """
        alert = incident.alert
        word = Feedback(
            id=alert.id,
            series=alert.series,
            model=str(alert.model.get("name", "")),
            action=cast(Action, action),
            by=_BY,
            ts=int(time.time() * 1000),
            start=alert.start,
            end=alert.end,
            label=label if action == "label" else None,
        )
        try:
            producer: Any = KafkaProducer(
                **kafka_client(self._settings.kafka), acks="all", bootstrap_timeout_ms=_CONNECT_MS
            )
            try:
                producer.send(self._topic, key=alert.series.encode(), value=word.to_json()).get(_SEND_SECONDS)
            finally:
                producer.close()
        except KafkaError as error:
            servers = self._settings.kafka.bootstrap_servers
            raise StackError(f"Kafka at {servers} does not take it ({type(error).__name__}); try again") from None
        return f"The incident of {alert.series} is {_DONE[action]}{f' {label}' if action == 'label' else ''}."

"""Asking the trainer."""

from __future__ import annotations

import time

from kafka import KafkaProducer
from kafka.errors import KafkaError

from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.settings import Settings
from eddy.training_request import TrainingRequest

_SEND_SECONDS = 30.0


def ask(settings: Settings, model: str) -> TrainingRequest:
    """Send a request for a model, as a person.

    Raises:
        StackError: Kafka did not take it.
    """
    request = TrainingRequest(model, "manual", int(time.time() * 1000))
    topic = settings.topics.name("training")
    try:
        producer = KafkaProducer(**kafka_client(settings.kafka), acks="all")
        try:
            producer.send(topic, key=model.encode(), value=request.to_json()).get(_SEND_SECONDS)
        finally:
            producer.close()
    except KafkaError as error:
        raise StackError(f"topic {topic}: request not taken: {error}; is Kafka up ('eddy status')?") from None
    return request

"""Asking the trainer."""

from __future__ import annotations

import time

from eddy.settings import Settings
from eddy.topic_writer import TopicWriter
from eddy.training_request import TrainingRequest


def ask(settings: Settings, model: str) -> TrainingRequest:
    """Send a request for a model, as a person.

    Raises:
        StackError: Kafka did not take it.
    """
    request = TrainingRequest(model, "manual", int(time.time() * 1000))
    with TopicWriter(settings) as writer:
        writer.send(settings.topics.name("training"), (model, request.to_json()))
    return request

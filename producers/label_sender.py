"""Put the labels of a synthetic stream on their own topic. The job never reads it."""

from __future__ import annotations

from collections.abc import Sequence

from eddy.errors import StackError
from eddy.producers.labels import Label, label_messages
from eddy.producers.transport import check_topic, connect
from eddy.settings import Settings

SECONDS = 30.0


def send_labels(labels: Sequence[Label], settings: Settings) -> None:
    """Send all labels.

    Raises:
        StackError: the broker or the topic is missing, or not all arrived.
    """
    if not labels:
        return
    topic = settings.topics.name("labels")
    check_topic(settings.kafka, topic)
    transport = connect(settings.kafka, topic, "kafka-python")
    try:
        keys, values = zip(*label_messages(labels), strict=True)
        transport.send(list(keys), list(values))
        left = transport.flush(SECONDS) + sum((transport.refused + transport.undelivered).values())
    finally:
        transport.close()
    if left:
        raise StackError(
            f"{left} of {len(labels)} labels did not reach topic {topic!r} within {SECONDS:.0f} s; try again"
        )

"""Apply frames of the feedback topic to their series, and report each message on the events topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.flink_job.wire.frames import Frame
from eddy.models.engine.engine import Engine
from eddy.texts import MAX_NAME_BYTES


def apply_frame(engine: Engine, frame: Frame) -> Iterator[tuple[dict[str, Any], Feedback | None]]:
    """Apply each message of a frame; whatever a message holds, it is applied or refused with its place in the topic.

    Yields:
        (fields of an event, the feedback where it could be read): one for each model that it changed, at least one.
    """
    for i in range(len(frame)):
        key = frame.keys[int(frame.codes[i])].decode(errors="replace")[:MAX_NAME_BYTES]
        where = f'partition="{frame.partitions[i]}" offset="{frame.offsets[i]}"'
        try:
            feedback = Feedback.from_json(frame.value(i))
            if feedback.series != key:
                expected = f"expected the message key {key[:80]!r}"
                message = f"feedback: field 'series': found {feedback.series[:80]!r}, {expected}"
                raise DataError(message)
        except (DataError, ValueError, RecursionError) as error:  # the latter of JSON that is made to break readers
            yield {"event": "feedback-refused", "model": "", "series": key, "reason": f"{error} ({where})"}, None
            continue
        if feedback.series.startswith("group:"):  # its members have messages of their own
            yield {"event": "feedback-taken", "model": "", "series": key, "incident": feedback.id}, feedback
            continue
        effects = engine.take_feedback(feedback, frame.now)
        if not effects:
            yield {"event": "feedback-taken", "model": feedback.model, "series": key, "incident": feedback.id}, feedback
        for effect in effects:
            yield (
                {
                    "event": "feedback-taken",
                    "model": effect.model,
                    "series": key,
                    "incident": feedback.id,
                    "action": feedback.action,
                    "limit_factor": effect.factor,
                },
                feedback,
            )

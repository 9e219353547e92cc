"""Frames of the feedback topic: each message applied to its series, and told on the events topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.flink_job.wire.frames import Frame
from eddy.models.engine.engine import Engine


def apply_frame(engine: Engine, frame: Frame) -> Iterator[tuple[dict[str, Any], Feedback | None]]:
    """What each message of a frame led to, as the fields of an event, and the message where it could be read."""
    for i in range(len(frame)):
        key = frame.keys[int(frame.codes[i])].decode(errors="replace")
        where = f'partition="{frame.partitions[i]}" offset="{frame.offsets[i]}"'
        try:
            feedback = Feedback.from_json(frame.value(i))
            if feedback.series != key:
                expected = f"expected the message key {key[:80]!r}"
                message = f"feedback: field 'series': found {feedback.series[:80]!r}, {expected}"
                raise DataError(message)
        except DataError as error:
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

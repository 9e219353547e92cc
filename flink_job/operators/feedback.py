"""Apply frames of the feedback topic to their series, and report each message on the events topic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.flink_job.wire.frames import Frame
from eddy.models.engine.engine import Engine
from eddy.models.silence.incidents import KIND as SILENT
from eddy.texts import MAX_NAME_BYTES

log = logging.getLogger(__name__)

_INSTEAD = (b"oversized: ", b"skipped: ")  # how jvm/…/FeedbackSchema.java begins what it sends in a message's place


def apply_frame(
    engine: Engine, frame: Frame, steady: int, max_series: int, reset: Callable[[str], bool]
) -> Iterator[tuple[dict[str, Any], Feedback | None]]:
    """Apply each message of a frame; whatever a message holds, it is applied or refused with its place in the topic.

    Args:
        engine: of the shard.
        frame: of feedback messages.
        steady: its time by the shard's steady clock.
        reset: forgets a series; whether there was one.

    Yields:
        (fields of an event, the feedback where it could be read): one for each model that it changed, at least one.
    """
    for i in range(len(frame)):
        key = frame.keys[int(frame.codes[i])].decode(errors="replace")[:MAX_NAME_BYTES]
        where = f'partition="{frame.partitions[i]}" offset="{frame.offsets[i]}"'
        try:
            value = frame.value(i)
            if value.startswith(_INSTEAD):
                raise DataError(f"feedback: {value.decode()}")
            feedback = Feedback.from_json(value)
            if feedback.series != key:
                expected = f"expected the message key {key[:80]!r}"
                message = f"feedback: field 'series': found {feedback.series[:80]!r}, {expected}"
                raise DataError(message)
            of_series = feedback.model != SILENT and not key.startswith("group:")
            if key not in engine.slot_of and len(engine.slot_of) >= max_series and of_series:
                message = f"feedback: series {key[:80]!r} is not known, and job.max_series leaves no place for it"
                raise DataError(message)
        except Exception as error:  # whatever somebody sends: JSON may be made to break readers
            yield {"event": "feedback-refused", "model": "", "series": key, "reason": f"{error} ({where})"}, None
            continue
        if feedback.action == "reset":  # about no incident, so that no sink has to know of it
            known = reset(feedback.series)
            reason = f"asked for by {feedback.by}" + (f": {feedback.comment}" if feedback.comment else "")
            reason = reason if known else f"{reason}; nothing was known of the series"
            yield {"event": "series-reset", "model": "", "series": key, "reason": reason}, None
            continue
        if feedback.series.startswith("group:"):  # its members have messages of their own
            yield {"event": "feedback-taken", "model": "", "series": key, "incident": feedback.id}, feedback
            continue
        if feedback.model == SILENT:  # there is no limit to raise
            if engine.silence is not None and feedback.action in ("ack", "unack"):
                engine.silence.acknowledge(feedback.id, feedback.action == "ack")
            yield {"event": "feedback-taken", "model": SILENT, "series": key, "incident": feedback.id}, feedback
            continue
        try:
            effects = engine.take_feedback(feedback, steady)
        except Exception as error:  # of one message: the job is not to stop for it
            log.exception("feedback on incident %s", feedback.id)
            reason = f"{type(error).__name__}: {error} ({where})"
            yield {"event": "feedback-refused", "model": feedback.model, "series": key, "reason": reason}, None
            continue
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

"""Turn people's labels on alerts into windows: for evaluation, for thresholds, and to train without the anomalies.

The format is that of NAB's ``combined_windows.json``, which :func:`eddy.training.data.labels.load_labels` reads.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eddy.errors import DataError
from eddy.feedback import NORMAL, Feedback
from eddy.settings import Settings
from eddy.texts import escaped
from eddy.topic_reader import whole_topic

log = logging.getLogger(__name__)

AnomalyWindows = dict[str, list[tuple[int, int]]]  # by series: (first, last) anomalous moment, epoch ms, in order


@dataclass(frozen=True)
class FeedbackLabels:
    """Hold labels from feedback: ``anomalies`` (labelled as such) and ``normal`` (dismissed or labelled normal)."""

    anomalies: AnomalyWindows
    normal: AnomalyWindows


def read(settings: Settings) -> FeedbackLabels:
    """Read all labels on the feedback topic; the newest label of each incident counts.

    Raises:
        StackError: no broker answers, or the topic does not exist.
    """
    newest: dict[str, Feedback] = {}
    for record in whole_topic(settings, "feedback"):
        try:
            feedback = Feedback.from_json(record.value or b"")
        except DataError as error:
            where = f'topic="{record.topic}[{record.partition}]" offset={record.offset}'
            log.warning("left out: %s: %s", where, escaped(error))
            continue
        if feedback.action in ("dismiss", "label"):
            newest[feedback.id] = feedback
    return of_feedback(list(newest.values()))


def of_feedback(feedback: Sequence[Feedback]) -> FeedbackLabels:
    """Convert one message per incident to windows; groups have no windows of their own."""
    found = FeedbackLabels({}, {})
    for one in feedback:
        if one.series == f"group:{one.id}":
            continue
        normal = one.action == "dismiss" or one.label == NORMAL
        (found.normal if normal else found.anomalies).setdefault(one.series, []).append((one.start, one.end))
    for windows in (found.normal, found.anomalies):
        for spans in windows.values():
            spans.sort()
    return found


def write_windows(path: Path, windows: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    """Write windows as JSON."""
    path.write_text(json.dumps(shown(windows), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(windows: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, list[list[str]]]:
    """Format the times of windows as text."""
    return {series: [[_text(first), _text(last)] for first, last in spans] for series, spans in windows.items()}


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

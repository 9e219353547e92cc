"""Write feedback on incidents to its topic, for the command line, the dashboard and other programs."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence

from eddy.alert import Alert
from eddy.feedback import Action, Feedback
from eddy.settings import Settings
from eddy.topic_writer import TopicWriter


def feedback_on(
    alert: Alert, action: Action, by: str = "", label: str | None = None, comment: str = ""
) -> list[Feedback]:
    """Build the feedback messages on an incident; on a group, also one for each of its listed members.

    Args:
        alert: any alert of the incident.
        action: see :class:`eddy.feedback.Feedback`.
        by: the sender; default: the user who runs the program.
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


def send_feedback(settings: Settings, feedback: Sequence[Feedback]) -> None:
    """Write messages to the feedback topic, in order; return when the broker has them all.

    Raises:
        StackError: no broker answers, or it did not take them.
    """
    with TopicWriter(settings) as writer:
        writer.send(settings.topics.name("feedback"), *((f.series, f.to_json()) for f in feedback))

"""Apply people's feedback on incidents: acknowledge them, raise or lower the limits of their series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eddy.feedback import NORMAL, Feedback
from eddy.models.engine.scorer import NO_ROW, ModelScorer


@dataclass(frozen=True)
class Effect:
    """A change for one model: ``factor`` is what the limits of the series are multiplied by from now on."""

    model: str
    factor: float


def apply_feedback(scorers: Mapping[str, ModelScorer], slot: int, feedback: Feedback) -> list[Effect]:
    """Apply one message to the models that score its series; a repeat of it has no effect.

    Args:
        scorers: by model name.
        slot: of the series that the feedback is about.
        feedback: on one incident; with an empty model it goes to all models that score the series.
    """
    effects = []
    for name, scorer in scorers.items():
        row = scorer.row(slot)
        if row == NO_ROW or feedback.model not in ("", name):
            continue
        if feedback.action in ("ack", "unack"):
            changed = scorer.feedback.acknowledge(row, feedback.id, feedback.action == "ack")
        else:
            dismissed = feedback.action == "dismiss" or feedback.label == NORMAL
            changed = scorer.feedback.note(row, feedback.id, 1 if dismissed else -1)
        if changed:
            effects.append(Effect(name, scorer.feedback.factor(row)))
    return effects

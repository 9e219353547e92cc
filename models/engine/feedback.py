"""What people say of incidents, applied to an engine: acknowledged incidents, raised limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.feedback import NORMAL, Feedback
from eddy.models.engine.engine import Engine
from eddy.models.engine.scorer import NO_ROW
from eddy.models.engine.state.codec import BLOCK


@dataclass(frozen=True)
class Effect:
    """What feedback changed for one model: ``factor`` is what the series' limits are multiplied by from now on."""

    model: str
    factor: float


def take_feedback(engine: Engine, feedback: Feedback, now: int) -> list[Effect]:
    """Apply one message; a repeat of it has no effect. Only the models that judge the series know about it.

    A series that nothing was seen of yet is taken up, so that feedback may come before a new job's first observation;
    it is forgotten like any series that stays silent.

    Args:
        engine: of the shard that the series belongs to.
        feedback: on one incident; with an empty model it goes to all models that judge the series.
        now: wall clock, epoch ms.
    """
    slot = int(engine.slots([feedback.series])[0])
    engine.seen[slot] = max(int(engine.seen[slot]), now)
    engine.dirty[slot // BLOCK] = True
    effects = []
    for name, scorer in engine.scorers.items():
        row = int(scorer.rows(np.array([slot], np.int64))[0])
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

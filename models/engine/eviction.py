"""Series that have been silent for too long are forgotten, and what was kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eddy.models.engine.scorer import NO_ROW

if TYPE_CHECKING:
    from eddy.models.engine.engine import Engine


def evict(engine: Engine, before: int) -> None:
    """Forget the series without an event since a time (wall clock, epoch ms)."""
    for slot, name in enumerate(engine.names):
        if name is not None and engine.seen[slot] < before:
            for scorer in engine.scorers.values():
                row = int(scorer.rows(np.array([slot]))[0])
                if row != NO_ROW:
                    engine.close_incident(scorer, row, name)
                    scorer.remove(slot)
            _drop_restored(engine, slot)
            engine.release_slot(slot, name)


def _drop_restored(engine: Engine, slot: int) -> None:
    """Let no other series that gets this slot have the windows that wait for their model."""
    for model, blocks in engine.restored.items():
        for number, block in blocks.items():
            if (block["slot"] == slot).any():
                block["slot"][block["slot"] == slot] = NO_ROW
                engine.dirty_restored.add((model, number))

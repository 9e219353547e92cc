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
            for judge in engine.judges.values():
                row = int(judge.rows(np.array([slot]))[0])
                if row != NO_ROW:
                    engine.close_incident(judge, row, name)
                    judge.remove(slot)
            _drop_unclaimed(engine, slot)
            engine.release_slot(slot, name)


def _drop_unclaimed(engine: Engine, slot: int) -> None:
    """Let no other series that gets this slot have the windows that wait for their model."""
    for model, pages in engine.unclaimed.items():
        for number, page in pages.items():
            if (page["slot"] == slot).any():
                page["slot"][page["slot"] == slot] = NO_ROW
                engine.dirty_unclaimed.add((model, number))

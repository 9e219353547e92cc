"""Hold restored state until the model that it belongs to is loaded, or withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eddy.models.core.detector import Ints
from eddy.models.engine.scorer import NO_ROW
from eddy.models.engine.state.blocks import Arrays


@dataclass
class RestoredModel:
    """The state of one model.

    Attributes:
        blocks: its rows, by number of the block, see :mod:`eddy.models.engine.state.blocks`.
        incidents: by row, see ``IncidentTracker.restore``.
        feedback: by row, see ``SeriesFeedback.restore``.
    """

    blocks: dict[int, Arrays] = field(default_factory=dict)
    incidents: dict[str, Any] = field(default_factory=dict)
    feedback: dict[str, Any] = field(default_factory=dict)


class RestoredState:
    """The state of models that are not loaded yet. A model's state is claimed once, or removed.

    Attributes:
        models: by name.
    """

    def __init__(self) -> None:
        self.models: dict[str, RestoredModel] = {}
        self._dirty: set[tuple[str, int]] = set()
        self._removed: set[str] = set()

    def __contains__(self, model: str) -> bool:
        """Check whether there are rows of a model."""
        return bool(model in self.models and self.models[model].blocks)

    def of(self, model: str) -> RestoredModel:
        """Return the state of a model, to fill it."""
        return self.models.setdefault(model, RestoredModel())

    def claim(self, model: str) -> RestoredModel:
        """Hand the state of a model over, empty where there is none: from now on its scorer owns it."""
        return self.models.pop(model, None) or RestoredModel()

    def drop_series(self, slots: Ints) -> None:
        """Forget series, so that no other one that gets such a slot has the windows of this one."""
        for name, model in self.models.items():
            for number, block in model.blocks.items():
                gone = np.isin(block["slot"], slots) & (block["slot"] != NO_ROW)
                if gone.any():
                    block["slot"][gone] = NO_ROW
                    self._dirty.add((name, number))

    def remove(self, model: str) -> RestoredModel:
        """Drop the state of a model that was withdrawn; returns it, so that its incidents can be closed."""
        self._removed.add(model)
        return self.claim(model)

    def take_dirty(self) -> list[tuple[str, int, Arrays]]:
        """Take the blocks that lost a series since the last call: (model, number, arrays)."""
        dirty, self._dirty = self._dirty, set()
        return [(name, number, self.models[name].blocks[number]) for name, number in dirty if name in self.models]

    def take_removed(self) -> set[str]:
        """Take the names of the models that were removed since the last call."""
        removed, self._removed = self._removed, set()
        return removed

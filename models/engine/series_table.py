"""The series of one shard: which slot each has, and when it was last heard of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Ints
from eddy.models.engine.state.codec import BLOCK


class SeriesTable:
    """Series ids by slot. A slot is free again once its series is released.

    Attributes:
        names: series ids by slot; None where the slot is free.
        slot_of: slots by series id.
        seen: (slots,) wall clock of the last event, epoch ms.
        dirty: (blocks,) whether clock state of a block of slots changed since the last checkpoint.
        dirty_names: (blocks,) whether its names did.
    """

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self.slot_of: dict[str, int] = {}
        self.seen = np.zeros(0, np.int64)
        self.dirty = np.zeros(0, np.bool_)
        self.dirty_names = np.zeros(0, np.bool_)
        self._in_use = np.zeros(0, np.bool_)
        self._free: list[int] = []

    def __len__(self) -> int:
        """Count the slots, free ones included."""
        return len(self.names)

    def slots(self, names: Sequence[str]) -> tuple[Ints, list[int]]:
        """Look series up, giving slots to new ones; (n,) slots, and which of them are new."""
        known = self.slot_of
        found, added = [known.get(name, -1) for name in names], []
        if -1 in found:
            added = [self._take(name) for name in dict.fromkeys(name for name in names if name not in known)]
            self._grow()
            at = np.array(added)
            self.dirty_names[at // BLOCK] = True
            self._in_use[at] = True
            found = [known[name] for name in names]
        return np.array(found, np.int64), added

    def _take(self, name: str) -> int:
        slot = self._free.pop() if self._free else len(self.names)
        if slot == len(self.names):
            self.names.append(None)
        self.names[slot], self.slot_of[name] = name, slot
        return slot

    def _grow(self) -> None:
        more = len(self.names) - len(self.seen)
        if more > 0:
            more = max(more, len(self.seen), 64)
            self.seen = np.concatenate([self.seen, np.zeros(more, np.int64)])
            self._in_use = np.concatenate([self._in_use, np.zeros(more, np.bool_)])
            blocks = -(-len(self.seen) // BLOCK) - len(self.dirty)
            self.dirty = np.concatenate([self.dirty, np.zeros(blocks, np.bool_)])
            self.dirty_names = np.concatenate([self.dirty_names, np.zeros(blocks, np.bool_)])

    def touch(self, slots: Ints, now: int) -> None:
        """Note an event of each of some slots."""
        self.seen[slots] = now
        self.dirty[slots // BLOCK] = True

    def mark(self, slots: Ints) -> None:
        """Note that the clock state of some slots changed."""
        self.dirty[slots // BLOCK] = True

    def release(self, slots: Ints) -> None:
        """Free the slots of series for the next new ones."""
        self._in_use[slots] = False
        self.dirty[slots // BLOCK] = self.dirty_names[slots // BLOCK] = True
        for slot in slots.tolist():
            del self.slot_of[str(self.names[slot])]
            self.names[slot] = None
            self._free.append(slot)

    def expired(self, before: int, max_series: int) -> Ints:
        """Choose (n,) slots whose series had no event since a time (wall clock, epoch ms), ``max_series`` at most."""
        size = len(self.names)
        return np.flatnonzero(self._in_use[:size] & (self.seen[:size] < before))[:max_series]

    def postpone(self, elapsed: int) -> None:
        """Treat every series as heard of that much later: the time that the job was down makes none older."""
        self.seen[: len(self.names)] += elapsed
        self.dirty[: -(-len(self.names) // BLOCK)] = True

    def restore_names(self, start: int, names: Sequence[str | None]) -> None:
        """Put the names of a block of slots back; :meth:`rebuild` has to follow."""
        self.names += [None] * (start + len(names) - len(self.names))
        self.names[start : start + len(names)] = names

    def rebuild(self) -> None:
        """Derive everything else from :attr:`names`."""
        self.slot_of = {name: slot for slot, name in enumerate(self.names) if name is not None}
        self._free = [slot for slot, name in enumerate(self.names) if name is None]
        self._grow()
        self._in_use[list(self.slot_of.values())] = True

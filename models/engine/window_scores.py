"""Score the windows of a batch, in turns where detector or threshold keep state of each series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eddy.models.core.batching import split_by_occurrence
from eddy.models.core.detector import Detector, Floats, Ints, WindowBatch
from eddy.models.engine.threads import score
from eddy.models.serving.loaded_model import LoadedModel

#: gives some windows of a batch by their index, with the detector's state as it was before each
Take = Callable[[Ints], WindowBatch]


def scores_and_limits(
    model: LoadedModel,
    batch: WindowBatch,
    rows: Ints,
    state: Floats,
    before: StateBefore | None,
    threshold_state: Floats,
    threshold_binding: Ints,
    threads: int,
) -> tuple[Floats, Floats, Floats, Floats, Take]:
    """Score n windows, set their limits, and say how rare each score above its limit is.

    Returns (n,) scores, then limits and the two measures of :meth:`.Threshold.limits_in_place`, and what gives windows
    with the state before them.

    Args:
        model: detector and threshold.
        batch: the windows; its state is not used.
        rows: (n,) row of each window, each row's in order of time.
        state, threshold_state: (rows, …) updated in place.
        before: gets the detector's state before the newest window of each row; None: nobody asks for it,
            and a detector that works in place takes turns as the others do.
        threshold_binding: (rows,).
        threads: threads to use at most.
    """
    detector, threshold = model.detector, model.threshold
    if before is not None and detector.in_place:
        scores, take = _in_place(detector, batch, rows, state, before)
    elif detector.state_size:
        batch = replace(batch, state=np.empty((len(rows), detector.state_size)))
        scores, take = np.empty(len(rows)), batch.take
        for chosen in split_by_occurrence(rows):
            batch.state[chosen] = state[rows[chosen]]
            part = batch.take(chosen)
            scores[chosen] = detector.score(part)
            state[rows[chosen]] = part.state
        if before is not None:
            before.keep(rows, batch.state)
    else:
        scores, take = score(detector, batch, threads), batch.take
    found = threshold.limits_in_place(scores, rows, batch.end, threshold_binding, threshold_state)
    return scores, *found, take


def _in_place(
    detector: Detector, batch: WindowBatch, rows: Ints, state: Floats, before: StateBefore
) -> tuple[Floats, Take]:
    """Score windows in the store's own state: a copy of several kB for each window took longer than its score.

    The state before a window that is asked for is worked out again, from where its row was before the batch.
    """
    distinct, counts = np.unique(rows, return_counts=True)
    often = distinct[counts > 1]
    begun = state[often]
    scores = detector.score_rows(batch, rows, state, before.state)
    before.known[distinct] = True

    def state_before(i: int) -> Floats:
        own = np.flatnonzero(rows == rows[i])
        if own[-1] == i:
            return np.asarray(detector.state_before(state[[rows[i]]], before.state[[rows[i]]])[0])
        found, earlier = begun[[np.searchsorted(often, rows[i])]], batch.take(own[own < i])
        unused = np.empty((1, detector.before_size))
        detector.score_rows(earlier, np.zeros(len(earlier), np.int64), found, unused)
        return np.asarray(found[0])

    def take(at: Ints) -> WindowBatch:
        states = [state_before(i) for i in at.tolist()]
        return replace(batch.take(at), state=np.array(states).reshape(len(at), detector.state_size))

    return scores, take


class StateBefore:
    """What tells the detector's state of each row as it was before its newest window was scored.

    Attributes:
        state: (rows, size) that state, or what :meth:`Detector.state_before` needs of it where the detector works in
            place; only rows that are ``known`` (rows,) mean anything.
    """

    def __init__(self, size: int) -> None:
        self.state = np.zeros((0, size))
        self.known = np.zeros(0, np.bool_)
        self._position = np.zeros(0, np.int64)

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self.known)
        self.state = np.concatenate([self.state, np.zeros((more, self.state.shape[1]))])
        self.known = np.concatenate([self.known, np.zeros(more, np.bool_)])
        self._position = np.concatenate([self._position, np.zeros(more, np.int64)])

    def keep(self, rows: Ints, before: Floats) -> None:
        """Keep the last of each row's windows: (n,) rows in order of time, (n, state_size) states before them."""
        order = np.arange(len(rows))
        self._position[rows] = order  # of a row that occurs often the last one stays
        last = self._position[rows] == order
        self.state[rows[last]] = before[last]
        self.known[rows[last]] = True

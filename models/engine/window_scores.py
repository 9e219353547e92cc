"""Score the windows of a batch, in turns where detector or threshold keep state of each series."""

from __future__ import annotations

import numpy as np

from eddy.models.core.batching import split_by_occurrence
from eddy.models.core.detector import Floats, Ints, WindowBatch
from eddy.models.engine.threads import score
from eddy.models.serving.loaded_model import LoadedModel


def scores_and_limits(
    model: LoadedModel,
    batch: WindowBatch,
    rows: Ints,
    state: Floats,
    threshold_state: Floats,
    threshold_binding: Ints,
    threads: int,
) -> tuple[Floats, Floats]:
    """Score n windows and set their limits: (n,) each.

    Args:
        model: detector and threshold.
        batch: the windows; left in its state is the detector's state as it was before each window.
        rows: (n,) row of each window, each row's in order of time.
        state, threshold_state: (rows, …) updated in place.
        threshold_binding: (rows,).
        threads: threads to use at most.
    """
    detector, threshold = model.detector, model.threshold
    turns = list(split_by_occurrence(rows)) if detector.state_size or threshold.state_size else []
    if detector.state_size:
        scores = np.empty(len(rows))
        for chosen in turns:
            batch.state[chosen] = state[rows[chosen]]
            part = batch.take(chosen)
            scores[chosen] = detector.score(part)
            state[rows[chosen]] = part.state
    else:
        scores = score(detector, batch, threads)
    if not threshold.state_size:
        return scores, threshold.limits(scores, threshold_binding[rows], np.zeros((len(rows), 0)))
    limits = np.empty(len(rows))
    for chosen in turns:
        own = threshold_state[rows[chosen]]
        limits[chosen] = threshold.limits(scores[chosen], threshold_binding[rows[chosen]], own)
        threshold_state[rows[chosen]] = own
    return scores, limits


class StateBefore:
    """The detector's state of each row as it was before its newest window was scored.

    Attributes:
        state: (rows, state_size); only rows that are ``known`` (rows,) mean anything.
    """

    def __init__(self, state_size: int) -> None:
        self.state = np.zeros((0, state_size))
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

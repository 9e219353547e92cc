"""Define the contract of thresholds, which decide how high a score may be. They know neither detectors nor alerts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from eddy.models.core.batching import split_by_occurrence
from eddy.models.core.detector import Floats, Ints
from eddy.models.core.state_bounds import Bounds

_USUAL_DAYS, _USUAL_POINTS = 1.5, 1000.0  # no alarm is usual more often than once in both
_UNCLOCKED = 2000.0  # points, where nothing is known of time
_DAY_MS = 86_400_000.0


def usual_period(interval_ms: int) -> float:
    """Return the points in which one alarm is usual: 1,000, and at least a day and a half; 2,000 without a clock.

    Examples:
        >>> usual_period(60_000), usual_period(300_000), usual_period(0)
        (2160.0, 1000.0, 2000.0)
    """
    return max(_USUAL_POINTS, _USUAL_DAYS * _DAY_MS / interval_ms) if interval_ms else _UNCLOCKED


class Threshold(ABC):
    """Base class. :mod:`eddy.models.catalog` finds a subclass by its :attr:`policy`: one of Eddy's, or of a package
    that announces it as an entry point of the group ``eddy.thresholds`` (docs/how-to/threshold.md).
    """

    policy: ClassVar[str]  # name in manifests and on the command line
    state_size: int = 0  # float64 numbers per series in keyed state
    #: whether the state of a series that training has seen begins with the scores of its training data
    learns_from_training: ClassVar[bool] = False
    #: (state_size,) state of each series at the end of its training data; in the artifact, not in the parameters
    past: Mapping[str, Floats] = MappingProxyType({})

    @classmethod
    @abstractmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> Threshold:
        """Choose the threshold from each series' validation scores."""

    def bind(self, series: Sequence[str]) -> Ints:
        """Return (n,) index per series, -1 if not seen in fitting; see :meth:`.Detector.bind`."""
        return np.full(len(series), -1, np.int64)

    def initial_state(self, n: int) -> Floats:
        """Return (n, state_size) state of new series."""
        return np.zeros((n, self.state_size))

    def taught(self, scores: Floats) -> Floats:
        """Return (state_size,) state of a series whose training data had (n,) scores."""
        return np.asarray(self.initial_state(1)[0])

    def first_state(self, names: Sequence[str]) -> Floats:
        """Return (n, state_size) state of series not heard of before: what training knows of them, if anything."""
        state = self.initial_state(len(names))
        for row, name in zip(state, names, strict=True):
            row[:] = self.past.get(name, row)
        return state

    @property
    def state_layout(self) -> str:
        """Name the meaning of the numbers in a series' state.

        State is taken over from one version of a model to the next, and after a restart, only where this is equal.
        """
        return f"{self.policy}/{self.state_size}"

    def state_bounds(self) -> Bounds | None:
        """Describe what the numbers of a series' state may be; see :meth:`.Detector.state_bounds`."""
        return None

    @property
    def start(self) -> float:
        """Return the limit of a series of which nothing is known yet; infinite if there is none."""
        return math.inf

    @abstractmethod
    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        """Return (n,) limits, one per score; a score **above** its limit is anomalous.

        ``state`` (n, state_size) is updated in place with these scores *after* their limits are set; with state, each
        series occurs at most once in a call. NaN scores change nothing. A limit may be infinite ("never"), not NaN, and
        does not depend on the score that it is compared with.
        """

    def limits_in_place(
        self, scores: Floats, rows: Ints, ts: Ints, binding: Ints, state: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Do as :meth:`limits` in the state of all series, which may have several scores each; tell how rare they are.

        Args:
            scores: (n,), those of one row in order of time.
            rows: (n,) row of each score's series.
            ts: (n,) event times, epoch ms.
            binding: (rows,) from :meth:`bind`.
            state: (rows, state_size), updated in place.

        Returns:
            (n,) limits; and for scores above their limit, as the series' own past shows it, (n,) seconds after which
            such a score comes again in normal times, and (n,) how far it lies above the highest of that past, in scales
            of its tail (the mean excess of its highest scores). NaN elsewhere, and where the threshold cannot say it.
        """
        silent = np.full(len(scores), np.nan)
        if not self.state_size:
            return self.limits(scores, binding[rows], np.zeros((len(rows), 0))), silent, silent
        limits = np.empty(len(rows))
        for chosen in split_by_occurrence(rows):
            own = state[rows[chosen]]
            limits[chosen] = self.limits(scores[chosen], binding[rows[chosen]], own)
            state[rows[chosen]] = own
        return limits, silent, silent

    def carried(self, layout: str, rows: Floats) -> Floats | None:
        """Return (n, state_size) rows that another layout of state means; None where nothing can be carried over."""
        return rows if layout == self.state_layout and rows.shape[1] == self.state_size else None

    @abstractmethod
    def to_params(self) -> dict[str, Any]:
        """Return JSON-able parameters, ``policy`` among them, for the manifest."""

    @classmethod
    @abstractmethod
    def from_params(cls, params: Mapping[str, Any]) -> Threshold:
        """The inverse of :meth:`to_params`. Raises ModelError naming the parameter."""

"""The base of detectors that take one point at a time and keep all that they know of a series in its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.errors import DataError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_states
from eddy.models.core.detector import (
    Bools,
    Detector,
    FitReport,
    Floats,
    Ints,
    Progress,
    Series,
    WindowBatch,
    WindowSpec,
    no_progress,
)
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds
from eddy.models.detectors.novelty import peak_filter
from eddy.models.preprocessing.segments import by_name, left_out_note, measured

_MIN_VALUES = 20  # of a feature in training: fewer give no scale


class PointDetector(Detector):
    """Score each point from the state of its series; training runs through each series once and keeps its last state.

    A subclass names its kernel and says with what it is called; it has the parameters ``limit`` and ``start_up``.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: of the class :attr:`parameters`.
        start: series id -> (state_size,) state at the end of its training data.

    Raises:
        SettingsError: ``start_up`` is out of range.
    """

    calibrated = True
    continues = True
    in_place = True
    #: module with MAX_START_UP, FEATURE_WIDTH, ``state_width``, ``bounds``, ``begin``, ``series_step``, ``rows_step``
    kernel: ClassVar[Any]

    def __init__(self, spec: WindowSpec, params: Any, start: Mapping[str, Floats]) -> None:
        super().__init__(WindowSpec(1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap))
        if not _MIN_VALUES <= params.start_up <= self.kernel.MAX_START_UP:
            raise SettingsError(
                f"{self.kind}: start_up: found {params.start_up}, expected {_MIN_VALUES} to {self.kernel.MAX_START_UP}"
            )
        self.params, self.warm_up = params, params.start_up
        self.state_size = self.kernel.state_width(len(spec.features))
        self._index = {name: i for i, name in enumerate(start)}
        self._start = np.array(list(start.values())) if start else np.zeros((0, self.state_size))

    @property
    def _begins_with(self) -> tuple[Any, ...]:
        """Last arguments of ``kernel.begin``."""
        return ()

    @property
    def _steps_with(self) -> tuple[Any, ...]:
        """Last arguments of ``kernel.series_step`` and ``kernel.rows_step``."""
        raise NotImplementedError

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Self, FitReport]:
        """Run through each series once; nothing is random.

        The validation scores are those of the second half of each series.
        """
        chosen = read_parameters(cls.parameters, cls.kind, params)
        detector = cls(spec, chosen, {})
        start: dict[str, Floats] = {}
        report, left_out = FitReport({}), dict[str, int]()
        found = by_name(series)
        for i, (name, segments) in enumerate(found.items()):
            progress(name, i / len(found))
            one = measured(segments)
            fewest = int(np.isfinite(one.values).sum(axis=0).min())
            if fewest < _MIN_VALUES:
                left_out[name] = fewest
                continue
            row = detector._begin(one.values, one.ts)
            scores = detector._run(row, one.values, one.ts)[len(one.ts) // 2 :]
            start[name] = detector._trained(row, one)
            report.scores[name] = scores[np.isfinite(scores)]
        if left_out:
            reason = f"found at most {max(left_out.values())} values of a feature, needed {_MIN_VALUES}"
            report.notes.append(left_out_note(list(left_out), reason))
        if not start:
            raise DataError(f"{cls.kind}: nothing to learn from: {'; '.join(report.notes) or 'no series'}")
        return cls(spec, chosen, start), report

    def _begin(self, values: Floats, ts: Ints) -> Floats:
        row = np.zeros(self.state_size)
        for f in range(values.shape[1]):
            known = np.isfinite(values[:, f])
            at = peak_filter.STATE_WIDTH + f * self.kernel.FEATURE_WIDTH
            self.kernel.begin(row, at, np.ascontiguousarray(values[known, f]), ts[known], *self._begins_with)
        return row

    def _trained(self, row: Floats, data: Series) -> Floats:
        """Return the state after a series' training data as live points begin with it."""
        return row

    @property
    def default_limit(self) -> float:
        """Return the threshold that goes with the scores; nothing has to be chosen from validation scores."""
        return float(self.params.limit)

    def _run(self, row: Floats, values: Floats, ts: Ints) -> Floats:
        return np.asarray(self.kernel.series_step(row, np.ascontiguousarray(values), ts, *self._steps_with))

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives point by point, but faster."""
        index = self._index.get(segment.name)
        if index is not None and not state.any():
            state[0] = self._start[index]
        scores, there = np.full(len(segment.ts), np.nan), ~segment.imputed
        scores[there] = self._run(state[0], segment.values[there], segment.ts[there])
        return scores

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def _score(self, batch: WindowBatch) -> Floats:
        return self.score_rows(batch, np.arange(len(batch)), batch.state, np.empty_like(batch.state))

    def score_rows(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> Floats:
        first = np.unique(rows, return_index=True)[1]  # a new series starts from the state after its training data
        first = first[batch.binding[first] >= 0]
        first = first[untouched(state, rows[first])]
        state[rows[first]] = self._start[batch.binding[first]]
        order = np.argsort(rows, kind="stable")
        newest = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1])
        points = np.ascontiguousarray(newest, float)
        return np.asarray(self.kernel.rows_step(state, order, rows, points, batch.end, before, *self._steps_with))

    def _blocks(self, batch: WindowBatch) -> tuple[Floats, Floats]:
        """Return the (n, F, FEATURE_WIDTH) state of the rows before their newest points, and after."""
        before, after = np.empty_like(batch.state), batch.state.copy()
        self.score_rows(batch, np.arange(len(batch)), after, before)
        shape = (len(batch), len(self.spec.features), self.kernel.FEATURE_WIDTH)
        old, new = (state[:, peak_filter.STATE_WIDTH :].reshape(shape) for state in (before, after))
        return old, new

    def state_bounds(self) -> Bounds:
        bounds: Bounds = self.kernel.bounds(len(self.spec.features), self.params.start_up)
        return bounds

    def state_basis(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """Parameters only: each series' state holds its own scale, and training gives no more than its start."""
        return {}, asdict(self.params)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"start": self._start}, {**asdict(self.params), "series": list(self._index)}

    @classmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        names = read_names(cls.kind, params)
        own = {name: value for name, value in params.items() if name != "series"}
        chosen = read_parameters(cls.parameters, cls.kind, own)
        wanted = {"start": Array((len(names), cls.kernel.state_width(len(spec.features))))}
        start = read_arrays(cls.kind, arrays, wanted)["start"]
        read_states(cls.kind, "start", start, cls(spec, chosen, {}).state_bounds(), names)
        return cls(spec, chosen, dict(zip(names, start, strict=True)))


@njit(cache=True)  # type: ignore[untyped-decorator]
def untouched(state: Floats, rows: Ints) -> Bools:
    """Return (n,) whether rows have no state yet; stops at the first number of those that have."""
    found = np.ones(len(rows), np.bool_)
    for i in range(len(rows)):
        for k in range(state.shape[1]):
            if state[rows[i], k] != 0.0:
                found[i] = False
                break
    return found


def attribution_of(evidence: Floats) -> Floats:
    """Return (n, F) shares of the features by the square of their (n, F) evidence; even where there is none."""
    squares = evidence**2
    total = squares.sum(axis=1, keepdims=True)
    even = np.full_like(squares, 1.0 / squares.shape[1])
    return np.asarray(np.divide(squares, total, out=even, where=total > 0))


def member_bits(kind: str, members: str, known: Mapping[str, int]) -> int:
    """Return the kernels' number of some members, names joined by commas; ``known`` has the bit of each.

    Raises:
        SettingsError: a name that is none of them, twice the same, or no name at all.
    """
    names = [name.strip() for name in members.split(",")]
    if len(set(names)) < len(names) or not set(names) <= set(known):
        raise SettingsError(f"{kind}: members: found {members!r}, expected some of {', '.join(known)}, each once")
    return sum(known[name] for name in names)

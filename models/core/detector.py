"""Define the contract of every detector: windows in, scores out, **a high score is anomalous**.

A detector only gives scores. A :mod:`threshold <eddy.models.core.threshold>` decides which score is too high, and the
:mod:`alert rules <eddy.models.alerting.incidents>` decide when that becomes an alert. None of the three knows the
others.

A detector sees the past only: it scores the newest point of each window.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.parameters import NoParameters
from eddy.models.core.state_bounds import Bounds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DAY_MS = 86_400_000
_USUAL_WINDOW = 60  # points, where a day is too short or too long to be a window
_DAY_POINTS = (24, 288)

GapPolicy = Literal["hold", "linear", "break"]
_SERIES_BATCH = 1024  # windows scored at once when a whole series is scored; bounds the memory

UNLIKE_TRAINING = "the last {points} points together are unlike those of training"


@dataclass(frozen=True)
class WindowSpec:
    """Describe the windows that a detector needs.

    Attributes:
        window: points in a window, the newest included.
        stride: points from one window to the next (1: a window at each point).
        features: names of the values of a point, in the order of the last axis of every array.
        interval_ms: sampling interval; 0 means that points are counted, not clocked, and there are no gaps.
        gap_policy: how missing points are filled when ``interval_ms`` > 0: ``hold`` repeats the last value,
            ``linear`` interpolates to the point that ends the gap, ``break`` starts the window anew.
        max_gap: largest number of points filled in one gap; a longer gap breaks the window whatever the policy.
    """

    window: int
    stride: int = 1
    features: tuple[str, ...] = ("value",)
    interval_ms: int = 0
    gap_policy: GapPolicy = "hold"
    max_gap: int = 48


@dataclass(frozen=True)
class Series:
    """Hold one segment of a series for training: regular points, in order of time, without a break.

    Attributes:
        name: series id.
        ts: (n,) epoch milliseconds, strictly increasing.
        values: (n, F) in the series' own units; NaN where missing.
        imputed: (n,) True where the point was filled in.
    """

    name: str
    ts: Ints
    values: Floats
    imputed: Bools


@dataclass(frozen=True)
class WindowBatch:
    """Hold windows to be scored in one call. A series may occur in several rows unless the detector keeps state.

    Attributes:
        values: (n, W, F) in the series' own units, oldest point first; NaN where a value is missing.
        imputed: (n, W) True where the point was filled in.
        end: (n,) epoch milliseconds of the newest point.
        binding: (n,) what :meth:`Detector.bind` returned for each row's series.
        state: (n, state_size), read and **updated in place**; then each series occurs at most once in a batch
            and its rows come in order of time. Width 0 for detectors without state.
    """

    values: Floats
    imputed: Bools
    end: Ints
    binding: Ints
    state: Floats

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Ints) -> WindowBatch:
        """Return the chosen rows, as copies."""
        return WindowBatch(self.values[rows], self.imputed[rows], self.end[rows], self.binding[rows], self.state[rows])


@dataclass(frozen=True)
class Explanation:
    """Describe what a detector expected at the newest point of each window, in the series' own units.

    Attributes:
        expected: (n, F); NaN where the detector expects nothing in particular.
        lower, upper: (n, F) band outside which the value would be anomalous, NaN likewise.
        attribution: (n, F) share of each feature in the score; rows sum to 1.
    """

    expected: Floats
    lower: Floats
    upper: Floats
    attribution: Floats


@dataclass(frozen=True)
class FarthestPoint:
    """Describe one point of each window: the one farthest from what was expected, in the series' own units.

    Attributes:
        ago: (n,) points before the newest; 0: the newest.
        values: (n, F) at that point.
        expected, lower, upper: (n, F) as in :class:`Explanation`, at that point.
    """

    ago: Ints
    values: Floats
    expected: Floats
    lower: Floats
    upper: Floats


@dataclass
class FitReport:
    """Report what fitting measured.

    Attributes:
        scores: per series name, (n,) scores on data that were not used for fitting, without NaN; thresholds and
            calibration use them.
        history: per epoch, the named losses (empty if a detector has no epochs).
        notes: what a user should know, as sentences (series left out and why, features that were constant …).
    """

    scores: dict[str, Floats]
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Progress = Callable[[str, float], None]  # (what is being done, share done in [0, 1])


def no_progress(what: str, share: float) -> None:
    """Ignore progress."""


class Detector(ABC):
    """Base class. :mod:`eddy.models.catalog` finds a subclass by its :attr:`kind`: one of Eddy's, or of a package that
    announces it as an entry point of the group ``eddy.detectors`` (docs/how-to/detector.md).

    A subclass keeps what it learned in numpy arrays and plain JSON values. :meth:`to_state` returns them and
    :meth:`from_state` rebuilds the detector from them, so nothing is ever pickled.
    """

    kind: ClassVar[str]  # name in manifests, artifacts and on the command line
    #: dataclass of what a user may set, with a default for each; its docstring's ``Attributes`` are the options' help
    parameters: ClassVar[type[Any]] = NoParameters
    starts_silent: bool = False  # has to see more of a series than a window before its first score
    calibrated: bool = False  # scores are normal deviates already: they mean the same on every series
    warm_up: int = 0  # points of a series not seen in training before its first score, beyond a window
    state_size: int = 0  # float64 values kept per series in keyed state; 0: the detector needs only the window
    in_place: bool = False  # :meth:`score_rows` works in the store's own state, without a copy of it for each window
    releases_gil: bool = False  # scoring runs in kernels that release the GIL: threads can run in parallel
    attribution_span: int = 1  # number of newest points that a score is about
    #: how :meth:`updated` reuses what was learned: "weights" tunes them, also after a drift; "window" replaces the
    #: oldest parts, which does not help where the data have changed for good; "" fits anew
    updates: Literal["", "weights", "window"] = ""
    #: its rarest scores may be called ``critical``: on labelled data four fifths of them were real events
    critical_by_rarity: bool = False
    continues: bool = False  # the state of a series seen in training begins where its training data ended

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec

    @classmethod
    def usual_window(cls, interval_ms: int, configured: int) -> int:
        """Choose the points per window unless the user says otherwise; by default a day.

        A day shows every phase of the daily season once. Where it is fewer than 24 points, more than 288, or where
        points are not clocked, a window has 60 points.

        Args:
            interval_ms: sampling interval of the data; 0 where points are not clocked.
            configured: the setting ``detector.window_size``, for detectors that follow it.
        """
        day = _DAY_MS // interval_ms if interval_ms else 0
        return day if _DAY_POINTS[0] <= day <= _DAY_POINTS[1] else _USUAL_WINDOW

    @property
    def default_limit(self) -> float | None:
        """The limit that goes with the scores where they mean the same on every series; None where it has to be
        chosen from validation scores. A model is trained with it unless the user names a threshold.
        """
        return None

    @classmethod
    def default_threshold(cls, interval_ms: int) -> tuple[str, dict[str, Any]] | None:
        """Return the policy and parameters of the threshold that a model is trained with unless the user names one.

        None: a promised rate of false alarms (:mod:`eddy.models.thresholds.rate`).

        Args:
            interval_ms: usual time between points; 0 where it is not known.
        """
        return None

    @classmethod
    @abstractmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Detector, FitReport]:
        """Fit a detector to series that are mostly normal.

        Raises:
            DataError: no usable data: too short, or all missing. Names the series, what was found, what is needed.
        """

    def updated(
        self,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Detector, FitReport]:
        """Return a new detector that reuses what this one has learned, if it can; otherwise one fitted anew.

        Takes and raises the same as :meth:`fit`.
        """
        return self.fit(series, spec, params, seed, progress)

    def bind(self, series: Sequence[str]) -> Ints:
        """Return (n,) an index per series, which comes back in :attr:`WindowBatch.binding`.

        It lets a detector keep parameters per series without searching by name at every window. -1 stands for "not seen
        in training".
        """
        return np.full(len(series), -1, np.int64)

    def initial_state(self, n: int) -> Floats:
        """Return (n, state_size) state of series not seen before."""
        return np.zeros((n, self.state_size))

    @cached_property
    def state_layout(self) -> str:
        """Name what the numbers of a series' state mean: kind, size, and a digest of :meth:`state_basis`.

        A new version of a model goes on from the state of the one before, in a running job and after a restart, only
        where this is equal; else its series begin anew.
        """
        if not self.state_size:
            return f"{self.kind}/0"
        arrays, params = self.state_basis()
        digest = hashlib.sha256(json.dumps([self.spec.features, params], sort_keys=True).encode())
        for name in sorted(arrays):
            array = np.ascontiguousarray(arrays[name])
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        return f"{self.kind}/{self.state_size}/{digest.hexdigest()[:16]}"

    def state_basis(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """Return the (arrays, parameters) that the meaning of a series' state depends on: scales, bases, members.

        All of the artifact unless a detector says otherwise. Leave out only what can change while every number of an
        old state still means the same to the new version, such as the state that series begin with.
        """
        return self.to_state()

    def state_bounds(self) -> Bounds | None:
        """Describe what the numbers of a series' state may be; None: any number is safe.

        Rows of an artifact that do not fit are refused with it; rows of keyed state that do not fit begin anew. A
        detector whose compiled code indexes with numbers of the state has to describe them.
        """
        return None

    def score(self, batch: WindowBatch) -> Floats:
        """Return (n,) scores of the newest point of each window, finite, or NaN if too many values are missing.

        The grouping of windows into batches does not matter (to float32 rounding, about 1e-6 relative).
        """
        if not len(batch):
            return np.zeros(0)
        return self._score(batch)

    def score_rows(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> Floats:
        """Do as :meth:`score`, in the store's own state; only where :attr:`in_place` is True.

        Args:
            batch: n windows in order of time; its state is not used.
            rows: (n,) row of each window's series; a row may occur often.
            state: (rows, state_size), updated in place.
            before: (rows, before_size) gets what :meth:`state_before` needs of each row's newest window.
        """
        raise NotImplementedError

    @property
    def before_size(self) -> int:
        """Return how many numbers :meth:`score_rows` keeps of a row to tell its state before its newest window."""
        return self.state_size

    def state_before(self, state: Floats, before: Floats) -> Floats:
        """Return (n, state_size) states before the newest windows of n rows, from those after and ``before``.

        By default ``before`` is that state. A detector whose state is large keeps only what a window overwrites.
        """
        return before

    def score_series(self, name: str, ts: Ints, values: Floats) -> Floats:
        """Return (n,) scores of a whole (n, F) series, equal to :meth:`score` window by window; NaN before the first.

        Args:
            name: the series, as :meth:`bind` knows it.
            ts: (n,) epoch ms, increasing.
            values: (n, F); all count as measured, none as filled in.
        """
        segment = Series(name, ts, np.asarray(values, float), np.zeros(len(ts), np.bool_))
        return self.score_segment(segment, self.initial_state(1))

    def score_segments(self, segments: Sequence[Series]) -> list[Floats]:
        """Return the scores of each of a series' segments as in the job: windows begin anew, the state goes on.

        Args:
            segments: of one series, in order of time, as :func:`eddy.models.windowing.windows.regularise` cuts them.
        """
        state = self.initial_state(1)
        return [self.score_segment(one, state) for one in segments]

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return (n,) scores of a segment, NaN where the job gives none: before a full window, at filled-in points.

        Args:
            segment: regular points of one series without a long gap.
            state: (1, state_size) of that series, **updated in place**.
        """
        window, n = self.spec.window, len(segment.ts)
        scores = np.full(n, np.nan)
        if n < window:
            return scores
        views = np.lib.stride_tricks.sliding_window_view(segment.values, window, axis=0).transpose(0, 2, 1)
        filled = np.lib.stride_tricks.sliding_window_view(segment.imputed, window)
        due = np.flatnonzero(~filled[:, -1])
        binding, size = self.bind([segment.name]), 1 if self.state_size else _SERIES_BATCH
        for at in range(0, len(due), size):
            rows = due[at : at + size]
            ends, own = rows + window - 1, state if self.state_size else np.zeros((len(rows), 0))
            values, imputed = np.ascontiguousarray(views[rows]), np.ascontiguousarray(filled[rows])
            batch = WindowBatch(values, imputed, segment.ts[ends], np.repeat(binding, len(rows)), own)
            scores[ends] = self.score(batch)
        return scores

    def describe(self) -> dict[str, Any]:
        """Return the choices made in fitting, as plain JSON values, for people who read the manifest; empty if none."""
        return {}

    def explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain some windows; ``limit`` (n,) is the score above which each would be anomalous.

        Called for alerts and for the dashboard, not for every window. Does not change ``batch.state``.
        """
        return self._explain(batch, limit)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint | None:
        """Return the point that contributes most to each window's score; None: scores are about the newest point only.

        An alert shows its values and its band where they lie out of it: the newest point of a window that is unusual
        as a whole may be as usual as can be. Called for alerts only. Does not change ``batch.state``.
        """
        return None

    def severities(self, batch: WindowBatch, scores: Floats) -> Floats | None:
        """Rate (n,) windows that alert from 0 to 100 by the evidence behind them; None: by how rare their scores are.

        For a detector that knows more of how sure it is than its score says. Does not change ``batch.state``.
        """
        return None

    def unusual(self, batch: WindowBatch) -> list[str]:
        """Say in words what is unusual in each window, where it is no single value: all those shown are in their band.

        Called for alerts only. Each text is the second half of a sentence about the series, without numbers of its
        own that depend on rounding. Does not change ``batch.state``.
        """
        return [UNLIKE_TRAINING.format(points=self.spec.window)] * len(batch)

    @abstractmethod
    def _score(self, batch: WindowBatch) -> Floats: ...

    @abstractmethod
    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation: ...

    @abstractmethod
    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return (arrays, JSON-able parameters), the content of an artifact; the caller stores ``spec`` beside them."""

    @classmethod
    @abstractmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Detector:
        """Rebuild a detector from the result of :meth:`to_state`.

        Raises:
            ModelError: an array is missing, has the wrong shape or dtype, or is not finite; names it.
        """

"""The contract of every detector: windows in, scores out, **a high score is anomalous**.

A detector gives scores. What score is too high is a :mod:`threshold's <eddy.models.core.threshold>` business, and when
that becomes an alert is the :mod:`alert rules' <eddy.models.alerting.incidents>`. None of the three knows the others.

A detector sees the past only: the newest point of a window is the one being judged.
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

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

GapPolicy = Literal["hold", "linear", "break"]
_SERIES_BATCH = 1024  # windows scored at once where a whole series is: bounds the memory


@dataclass(frozen=True)
class WindowSpec:
    """Which windows a detector wants to see.

    Attributes:
        window: points in a window, the newest included.
        stride: a window is due every so many points (1: at each point).
        features: names of the values of a point, in the order of the last axis of every array.
        interval_ms: sampling interval; 0 means that points are counted, not clocked, and there are no gaps.
        gap_policy: how missing points are filled when ``interval_ms`` > 0: ``hold`` repeats the last value,
            ``linear`` interpolates to the point that ends the gap, ``break`` starts the window anew.
        max_gap: most points ever filled in one gap; a longer gap breaks the window whatever the policy.
    """

    window: int
    stride: int = 1
    features: tuple[str, ...] = ("value",)
    interval_ms: int = 0
    gap_policy: GapPolicy = "hold"
    max_gap: int = 48


@dataclass(frozen=True)
class Series:
    """A stretch of one series, regular and in order of time, as training sees it.

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
    """Windows to be scored in one call. A series may occur in several rows unless the detector keeps state.

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
        """The chosen rows, as copies."""
        return WindowBatch(self.values[rows], self.imputed[rows], self.end[rows], self.binding[rows], self.state[rows])


@dataclass(frozen=True)
class Explanation:
    """What a detector expected at the newest point of each window, in the series' own units.

    Attributes:
        expected: (n, F); NaN where the detector has no opinion.
        lower, upper: (n, F) band outside which the value would be alerted, NaN likewise.
        attribution: (n, F) share of each feature in the score; rows sum to 1.
    """

    expected: Floats
    lower: Floats
    upper: Floats
    attribution: Floats


@dataclass
class FitReport:
    """What fitting found.

    Attributes:
        scores: per series name, (n,) scores on data not fitted to, NaN excluded: thresholds and calibration use it.
        history: per epoch, the named losses (empty where a detector has no epochs).
        notes: anything a user should know, as sentences (series left out and why, features that were constant …).
    """

    scores: dict[str, Floats]
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Progress = Callable[[str, float], None]  # (what is being done, share done in [0, 1])


def no_progress(what: str, share: float) -> None:
    """Ignore progress."""


class Detector(ABC):
    """Base class. Subclasses register themselves under :attr:`kind`.

    A subclass keeps what it learned in numpy arrays and plain JSON values, which :meth:`to_state` returns and
    :meth:`from_state` takes back: nothing is ever pickled.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Detector]]] = {}
    starts_silent: bool = False  # has to see more of a series than a window before its first score
    calibrated: bool = False  # scores are normal deviates already: they mean the same on every series
    warm_up: int = 0  # points of a series not seen in training before its first score, beyond a window
    state_size: int = 0  # float64 numbers kept per series in keyed state; 0: the window is all it needs
    releases_gil: bool = (
        False  # scoring spends its time in kernels that let go of the interpreter: threads can share it
    )
    attribution_span: int = 1  # newest points that a score is about: where in a series it points to
    #: how :meth:`updated` goes on from what was learned: ``weights`` are tuned, also after a drift; of a ``window``
    #: of parts the oldest are replaced, no use where the data have changed for good; "" = fitted anew
    updates: Literal["", "weights", "window"] = ""
    continues: bool = False  # the state of a series seen in training begins where its training data ended

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            Detector.kinds[cls.kind] = cls

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
        """Learn from series that are mostly normal.

        Raises:
            DataError: nothing usable: too short, all missing. Names the series, what was found, what is needed.
        """

    def updated(
        self,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Detector, FitReport]:
        """A new detector that begins from what this one has learned, where it can; else one fitted anew.

        Arguments and errors as :meth:`fit`.
        """
        return self.fit(series, spec, params, seed, progress)

    def bind(self, series: Sequence[str]) -> Ints:
        """(n,) an index per series, passed back in :attr:`WindowBatch.binding`; lets a detector keep
        per-series parameters without a look-up by name at every window. -1 stands for "not seen in training".
        """
        return np.full(len(series), -1, np.int64)

    def initial_state(self, n: int) -> Floats:
        """(n, state_size) state of series not seen before."""
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

    def score(self, batch: WindowBatch) -> Floats:
        """(n,) score of the newest point of each window, finite or NaN ("cannot say": too many missing values).

        Independent of how windows are grouped into batches (to float32 rounding, about 1e-6 relative).
        """
        if not len(batch):
            return np.zeros(0)
        return self._score(batch)

    def score_series(self, name: str, ts: Ints, values: Floats) -> Floats:
        """(n,) scores of a whole series, (n, F), as :meth:`score` gives them window by window; NaN before the first.

        Args:
            name: the series, as :meth:`bind` knows it.
            ts: (n,) epoch ms, increasing.
            values: (n, F); none of them counts as filled in.
        """
        window, n = self.spec.window, len(ts)
        scores = np.full(n, np.nan)
        if n < window:
            return scores
        views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0).transpose(0, 2, 1)
        binding, state = self.bind([name]), self.initial_state(1)
        size = 1 if self.state_size else _SERIES_BATCH
        for at in range(0, len(views), size):
            part = np.ascontiguousarray(views[at : at + size])
            own = state if self.state_size else np.zeros((len(part), 0))
            ends = slice(at + window - 1, at + window - 1 + len(part))
            imputed = np.zeros(part.shape[:2], np.bool_)
            scores[ends] = self.score(WindowBatch(part, imputed, ts[ends], np.repeat(binding, len(part)), own))
        return scores

    def describe(self) -> dict[str, Any]:
        """What was chosen, as plain JSON values, for people who read the manifest; empty where nothing is."""
        return {}

    def explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """What was expected, for some windows; ``limit`` (n,) is the score above which each would be anomalous.

        Called for alerts and for the page, not for every window. Does not change ``batch.state``.
        """
        return self._explain(batch, limit)

    @abstractmethod
    def _score(self, batch: WindowBatch) -> Floats: ...

    @abstractmethod
    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation: ...

    @abstractmethod
    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """(arrays, JSON-able parameters) that make up the artifact. ``spec`` is kept beside them by the caller."""

    @classmethod
    @abstractmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Detector:
        """The inverse of :meth:`to_state`.

        Raises:
            ModelError: an array is missing, has the wrong shape or dtype, or is not finite; names it.
        """

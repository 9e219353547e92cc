"""A detector for data frames, for a notebook: fit, detect, plot, save, publish. ``from eddy import Detector``.

What needs time to import (numba, the detectors, data frame libraries, Kafka) is imported when it is used.
"""

# ruff: noqa: PLC0415
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from eddy import install_hint
from eddy.errors import ModelError, SettingsError
from eddy.training.notebook.estimator_habits import EstimatorHabits

if TYPE_CHECKING:
    from eddy.models.serving.loaded_model import LoadedModel
    from eddy.settings import Settings
    from eddy.training.fitting.fit import Trained
    from eddy.training.notebook.detection import Detection
    from eddy.training.notebook.frame_replay import Scored
    from eddy.training.notebook.frames import Frame

_INSTALL = install_hint("notebook")


class Detector(EstimatorHabits):
    """Detect anomalies in data frames with the code that the Flink job runs.

    A frame is pandas, polars or Arrow; **long** (columns for time, series and value) or **wide** (a column for time, or
    a pandas index of times, and a column per series). Fit on mostly normal data, then detect in what came after it:

    >>> import numpy as np, pandas as pd
    >>> from eddy import Detector
    >>> time = pd.date_range("2025-01-01", periods=2000, freq="10min")
    >>> day = 20 + 5 * np.sin(2 * np.pi * np.arange(2000) / 144)
    >>> pump = pd.DataFrame({"time": time, "pump-1": day + np.random.default_rng(7).normal(0, 0.3, 2000)})
    >>> pump.loc[1800:1805, "pump-1"] += 15
    >>> found = Detector("auto", interval="10m").fit(pump[:1500]).detect(pump[1500:])
    >>> found.incidents[["series", "start", "severity_word"]]
       series                     start severity_word
    0  pump-1 2025-01-13 12:00:00+00:00      critical

    ``detect`` does what a job does that was started with this model and then read the frame, point by point in order of
    time: the same scores, the same incidents. It keeps nothing between two calls.

    It follows the habits of scikit-learn: parameters are stored as given and checked in ``fit``; ``get_params``,
    ``set_params`` and ``sklearn.base.clone`` work; what was learned ends in ``_``. **Signs**: ``detect`` gives Eddy's
    scores, *high is anomalous*; ``score_samples``, ``decision_function`` and ``predict`` have those of scikit-learn's
    outlier detectors, *low is anomalous*.

    It fails where the training data are not mostly normal, and on data that were trained on: what a detector has seen
    it does not find new.

    Args:
        kind: a detector by name, see docs/choosing-a-detector.md; ``auto`` suits most series.
        interval: time between two points, such as ``"10m"``, or a ``timedelta``; ``"0"``: points are not clocked, and
            there are no gaps; None: found in the training data.
        window: points of a window; None: what suits the detector. Some fix their own.
        stride: a window is scored every so many points.
        gaps: how missing points are filled: ``hold``, ``linear`` or ``break``.
        value_type: what is scored: ``gauge``, the value; ``counter``, its increase from point to point; ``auto``, the
            increase of the series that look like counters, which only grow but for resets.
        params: of the detector.
        threshold: how the limit follows from held-out scores, by name, see docs/thresholds.md; None: the detector's own
            rule, else ``tail``.
        threshold_params: of the threshold.
        alerts: rules by which anomalous points become incidents, such as ``{"close_after": 6}``; see docs/alerts.md.
        name: of the model, when it is published.
        patterns: glob patterns of the series that the model applies to.
        time: the time column; None: the first named like one (``time``, ``timestamp``, ``ts`` …), or a pandas index.
        series: the column of the series id in long form; None: one called ``series``.
        values: the value columns; None: all others.
        layout: ``long``, ``wide``, or ``auto``: long where there is a series column.
        timezone: zone of times that name none.
        seed: the same seed gives the same model.

    Attributes:
        manifest_: the fitted model's manifest: threshold, calibration, window, metrics.
        interval_ms_: the interval that was given or found.
        notes_: what fitting found worth knowing, such as series left out and why.
    """

    def __init__(
        self,
        kind: str = "auto",
        *,
        interval: str | timedelta | None = None,
        window: int | None = None,
        stride: int = 1,
        gaps: str = "hold",
        value_type: str = "auto",
        params: Mapping[str, Any] | None = None,
        threshold: str | None = None,
        threshold_params: Mapping[str, Any] | None = None,
        alerts: Mapping[str, Any] | None = None,
        name: str = "notebook",
        patterns: str | Sequence[str] = "*",
        time: str | None = None,
        series: str | None = None,
        values: Sequence[str] | None = None,
        layout: str = "auto",
        timezone: str = "UTC",
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.interval = interval
        self.window = window
        self.stride = stride
        self.gaps = gaps
        self.value_type = value_type
        self.params = params
        self.threshold = threshold
        self.threshold_params = threshold_params
        self.alerts = alerts
        self.name = name
        self.patterns = patterns
        self.time = time
        self.series = series
        self.values = values
        self.layout = layout
        self.timezone = timezone
        self.seed = seed

    # -- fit and detect ----------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on a frame that is mostly normal; the detector holds back what its threshold needs.

        Args:
            X: the frame.
            y: ignored; there because scikit-learn's tools pass it.

        Raises:
            DataError: the frame cannot be used, names the column; or too little to learn from, names the series.
            SettingsError: a parameter cannot be used; names it.
        """
        frame = self._read(X)
        from eddy.training.notebook.frame_fit import fit_frame

        self._take(fit_frame(frame, self.get_params()), frame.value_columns)
        return self

    def detect(self, X: Any, settings: Settings | None = None) -> Detection:
        """Score a frame and open the incidents that the job would open.

        A detector with a window has no score for the first points, until a window is full: where that matters, put the
        last points before them in front. In a wide frame an empty cell is no point; in a long one, a point without a
        value.

        Args:
            X: the frame. It may hold other series than the one that was fitted on.
            settings: of the job, which decide what is grouped, suppressed or waited for; default: as the commands read
                them (``EDDY_CONFIG``, ``EDDY_…``).

        Raises:
            DataError: the frame cannot be used; names the column.
            ModelError: not fitted.
        """
        frame, scored = self._score(X, settings, explain=True)
        from eddy.training.notebook.detection import Detection

        return Detection(self.manifest_.name, tuple(scored.alerts), frame, scored)

    # -- scikit-learn's habits ---------------------------------------------------------------------------------

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """The opposite of each point's score: the lower, the more anomalous; NaN where there is none.

        Returns:
            (n,) by row of a long frame, or of a wide one with a single series; else (n, series) by row and column.
        """
        frame, scored = self._score(X, None, explain=False)
        return _as_in_frame(frame, -scored.score)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """The threshold less the score: below 0 is anomalous; shape and NaN as :meth:`score_samples`."""
        frame, scored = self._score(X, None, explain=False)
        return _as_in_frame(frame, scored.limit - scored.score)

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """-1 where a point is anomalous, else 1, also where it has no score; shape as :meth:`score_samples`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    # -- save and publish --------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> list[Path]:
        """Write the model as ``eddy train --out`` does, for :meth:`load` and all ``eddy`` commands. Nothing is pickled.

        Returns:
            The files.
        """
        from eddy.training.notebook.detector_files import write_detector

        return write_detector(Path(folder), self._fitted(), self.get_params(), self._value_columns)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` or ``eddy train --out`` wrote; ready to detect.

        Raises:
            ModelError: a file is missing or cannot be used; names it.
        """
        from eddy.training.notebook.detector_files import read_detector

        trained, params, columns = read_detector(Path(folder))
        try:
            found = cls().set_params(**params)
        except SettingsError as error:
            raise ModelError(f"{folder}: {error}; was it saved by another version? Save it again") from None
        found._take(trained, columns)
        return found

    def publish(
        self, name: str = "", *, uri: str = "", stage: str = "", share: float = 0.1, settings: Settings | None = None
    ) -> str:
        """Publish as ``eddy models publish`` does: the next version of its name, which running jobs take over.

        Args:
            name: in the registry; default: the detector's.
            uri: where the job finds the artifact, if it is too large for a Kafka message; :meth:`save` it there first.
            stage: ``shadow`` or ``canary``: beside the version in use, not in its place.
            share: of the series on which a canary alerts people.
            settings: where Kafka is; default: as the commands read them.

        Returns:
            ``name@version`` as published.

        Raises:
            StackError: Kafka does not answer.
            ModelError: not fitted, or the model cannot be published so.
        """
        trained = self._fitted()
        from eddy.training.registry.candidates import publish_candidate
        from eddy.training.registry.registry import Registry

        registry, manifest = Registry(settings or _settings()), trained.manifest
        if stage:
            of = name or manifest.name
            published = publish_candidate(registry, manifest, trained.content, of, stage, share)
        else:
            published = registry.publish(manifest, trained.content, name, uri)
        return f"{published.name}@{published.version}"

    # -- inside ------------------------------------------------------------------------------------------------

    def _read(self, data: Any, fitted: Sequence[str] = ()) -> Frame:
        try:
            from eddy.training.notebook.frames import Columns, read_frame
        except ImportError as error:
            raise SettingsError(f"data frames need {error.name}, which is missing: {_INSTALL}") from None
        values = (self.values,) if isinstance(self.values, str) else tuple(self.values or ())
        layout: Any = self.layout
        return read_frame(data, Columns(self.time or "", self.series or "", values, layout, self.timezone), fitted)

    def _score(self, data: Any, settings: Settings | None, explain: bool) -> tuple[Frame, Scored]:
        self._fitted()
        features = self.manifest_.features
        frame = self._read(data, self._value_columns or (features if len(features) > 1 else ()))
        from eddy.training.notebook.frame_fit import check_fits
        from eddy.training.notebook.frame_replay import score_frame

        check_fits(self._model, frame)
        return frame, score_frame(self._model, frame, settings or _settings(), explain)

    def _take(self, trained: Trained, value_columns: Sequence[str]) -> None:
        """Become fitted, by the model as the job would load it."""
        from eddy.models.artifacts.manifest import Manifest
        from eddy.models.serving.loaded_model import load_model

        manifest = Manifest.from_json(trained.manifest.to_json())  # refuses a name that the job would refuse
        self._model: LoadedModel = load_model(manifest, trained.content)
        self._value_columns = tuple(value_columns)
        self.trained_ = replace(trained, manifest=manifest)
        self.manifest_ = manifest
        self.interval_ms_ = manifest.interval_ms
        self.notes_ = list(trained.notes)

    def _fitted(self) -> Trained:
        if not hasattr(self, "trained_"):
            raise ModelError(f"{self!r} is not fitted: call fit(frame) first, or Detector.load(folder)")
        return self.trained_


def _as_in_frame(frame: Frame, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values of observations at the places that they have in the frame; NaN where there is no observation."""
    if frame.long:
        column = np.full(frame.height, np.nan)
        column[frame.rows] = values
        return column
    cells = np.full((frame.height, len(frame.names)), np.nan)
    cells[frame.rows, frame.codes] = values
    return cells[:, 0] if cells.shape[1] == 1 else cells


def _settings() -> Settings:
    from eddy.configuration import load

    return load().settings

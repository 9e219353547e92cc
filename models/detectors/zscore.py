"""Score how many standard deviations the newest value lies from the mean of its window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.errors import DataError
from eddy.models.core.detector import (
    Detector,
    Explanation,
    FitReport,
    Floats,
    Progress,
    Series,
    WindowBatch,
    WindowSpec,
    no_progress,
)
from eddy.models.core.parameters import NoParameters, read_parameters

_TINY = 1e-12


class RollingZScore(Detector):
    """Score how many standard deviations the newest value lies from the mean of its window, that value included.

    Works for single spikes on a level that stays or moves slowly: the largest over the features counts. Needs no
    training; fitting only measures scores for the threshold. A constant window that ends in the same constant scores 0.
    **Fails** on seasonal series (the season is the spread), on slow drifts (the window follows), and on what lasts:
    after a few points an anomaly is part of its own mean. A score is at most ``sqrt(window - 1)``.

    Parameters: none; the window is what matters, 60 points or more for rare spikes.
    Cost: no state, ``window`` operations a point: the cheapest of all.

    References:
        Chandola, Banerjee, Kumar (2009). Anomaly detection: a survey. ACM Computing Surveys 41(3), section 7.1.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import WindowSpec
        >>> detector = RollingZScore(WindowSpec(4))
        >>> detector.score_series("pump", np.arange(5), np.array([[1.0], [2], [1], [2], [9]])).round(2)
        array([ nan,  nan,  nan, 1.  , 1.72])
    """

    kind = "zscore"
    parameters = NoParameters

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Detector, FitReport]:
        read_parameters(cls.parameters, cls.kind, params)
        detector = cls(spec)
        scores = {}
        for one in series:
            if len(one.values) < spec.window:
                message = f"series {one.name}: found {len(one.values)} points, a window needs {spec.window}"
                raise DataError(message)
            view = np.lib.stride_tricks.sliding_window_view(one.values, spec.window, axis=0).transpose(0, 2, 1)
            scores[one.name] = _scores(np.ascontiguousarray(view))[0]
        progress("measuring", 1.0)
        return detector, FitReport(scores)

    def _score(self, batch: WindowBatch) -> Floats:
        scores: Floats = _scores(batch.values)[0]
        return scores

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        _, each, mean, std = _scores(batch.values)
        with np.errstate(invalid="ignore"):  # without limit and scale there is no band
            reach = np.maximum(limit, 0)[:, None] * std
        total = np.nansum(each, axis=1, keepdims=True)
        share = np.where(total > 0, np.nan_to_num(each) / np.maximum(total, _TINY), 1.0 / each.shape[1])
        return Explanation(mean, mean - reach, mean + reach, share)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Detector:
        return cls(spec)


@njit(cache=True, error_model="numpy")
def _scores(windows):  # type: ignore[no-untyped-def]
    """Score (n, W, F): return (n,) score, and per feature (n, F) score, mean, deviation; leave out missing values."""
    n, size, features = windows.shape
    score = np.full(n, np.nan)
    each, mean, std = np.full((n, features), np.nan), np.full((n, features), np.nan), np.full((n, features), np.nan)
    for i in range(n):
        for f in range(features):
            count, total = 0, 0.0
            for k in range(size):
                if not np.isnan(windows[i, k, f]):
                    count += 1
                    total += windows[i, k, f]
            newest = windows[i, size - 1, f]
            if count < 2:
                continue
            centre, spread = total / count, 0.0
            for k in range(size):
                if not np.isnan(windows[i, k, f]):
                    spread += (windows[i, k, f] - centre) ** 2
            mean[i, f], std[i, f] = centre, np.sqrt(spread / count)
            if np.isnan(newest):
                continue
            each[i, f] = abs(newest - centre) / max(std[i, f], 1e-12 * max(abs(centre), 1.0))
            if np.isnan(score[i]) or each[i, f] > score[i]:
                score[i] = each[i, f]
    return score, each, mean, std

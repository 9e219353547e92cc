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
from eddy.models.preprocessing.segments import by_name, left_out_note

_TINY = 1e-12
_LARGE, _SMALL = 1e150, 1e-140  # of the largest value of a window: beyond them squares overflow, or are lost
_UNIT = 1e160  # that such windows are divided or multiplied by
_MIN_SUM, _MAX_SUM = 1e-250, 1e290  # sums of squares between which none of them overflowed or was lost


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
    critical_by_rarity = True
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
        detector, report, left_out = cls(spec), FitReport({}), list[str]()
        found = by_name(series)
        for i, (name, segments) in enumerate(found.items()):
            progress(name, i / len(found))
            if max(len(s.ts) for s in segments) < spec.window:
                left_out.append(name)
                continue
            scores = np.concatenate(detector.score_segments(segments))
            report.scores[name] = scores[np.isfinite(scores)]
        if left_out:
            report.notes.append(left_out_note(left_out, f"fewer than {spec.window} points without a long gap"))
        if not report.scores:
            name, most = max(((s.name, len(s.ts)) for s in series), key=lambda found: found[1], default=("none", 0))
            raise DataError(f"series {name}: found {most} points without a long gap, a window needs {spec.window}")
        return detector, report

    def _score(self, batch: WindowBatch) -> Floats:
        scores: Floats = _scores(batch.values)[0]
        return scores

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        _, each, mean, std = _scores(batch.values)
        with np.errstate(invalid="ignore", over="ignore"):  # without limit and scale, or beyond numbers: no band
            reach = np.maximum(limit, 0)[:, None] * std
            lower, upper = (np.where(np.isfinite(end), end, np.nan) for end in (mean - reach, mean + reach))
        total = np.nansum(each, axis=1, keepdims=True)
        share = np.where(total > 0, np.nan_to_num(each) / np.maximum(total, _TINY), 1.0 / each.shape[1])
        return Explanation(mean, lower, upper, share)

    def unusual(self, batch: WindowBatch) -> list[str]:
        return [f"its newest value is far from the mean of the last {self.spec.window} points"] * len(batch)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Detector:
        return cls(spec)


@njit(cache=True, error_model="numpy")
def _extreme(window, f):  # type: ignore[no-untyped-def]
    """Return (mean, deviation, score) of one feature of a window (W, F) of any size; it has two values or more."""
    size = len(window)
    count, largest = 0, 0.0
    for k in range(size):
        if not np.isnan(window[k, f]):
            count += 1
            largest = max(largest, abs(window[k, f]))
    unit = 1.0 / _UNIT if largest > _LARGE else _UNIT if 0.0 < largest < _SMALL else 1.0
    total, spread = 0.0, 0.0
    for k in range(size):
        if not np.isnan(window[k, f]):
            total += window[k, f] * unit
    centre = total / count
    for k in range(size):
        if not np.isnan(window[k, f]):
            spread += (window[k, f] * unit - centre) ** 2
    deviation = np.sqrt(spread / count)
    smallest = _TINY * largest * unit  # below it differences are rounding
    apart = abs(window[size - 1, f] * unit - centre)
    return centre / unit, deviation / unit, apart / max(deviation, smallest) if largest > 0.0 else 0.0


@njit(cache=True, error_model="numpy", fastmath={"reassoc"})
def _whole(values):  # type: ignore[no-untyped-def]
    """Return (sum, squared distances from the mean) of (W,) values; NaN where any of them is missing.

    Sums are taken in any order, for the processor to add several values at once.
    """
    total, spread = 0.0, 0.0
    for k in range(len(values)):
        total += values[k]
    centre = total / len(values)
    for k in range(len(values)):
        spread += (values[k] - centre) ** 2
    return total, spread


@njit(cache=True, error_model="numpy")
def _scores(windows):  # type: ignore[no-untyped-def]
    """Score (n, W, F): return (n,) score, and per feature (n, F) score, mean, deviation; leave out missing values."""
    n, size, features = windows.shape
    flat = windows.reshape(n, size * features)
    score = np.full(n, np.nan)
    each, mean, std = np.full((n, features), np.nan), np.full((n, features), np.nan), np.full((n, features), np.nan)
    for i in range(n):
        for f in range(features):
            count = size
            total, spread = _whole(flat[i]) if features == 1 else _whole(windows[i, :, f])
            if np.isnan(total):
                count, total = 0, 0.0
                for k in range(size):
                    if not np.isnan(windows[i, k, f]):
                        count += 1
                        total += windows[i, k, f]
            if count < 2:
                continue
            centre = total / count
            if count < size:
                spread = 0.0
                for k in range(size):
                    if not np.isnan(windows[i, k, f]):
                        spread += (windows[i, k, f] - centre) ** 2
            deviation = np.sqrt(spread / count)
            apart = abs(windows[i, size - 1, f] - centre)
            rare = apart / deviation
            # Squares neither overflowed nor were lost, and differences are no rounding: nearly always.
            if not (_MIN_SUM < spread < _MAX_SUM and deviation > 2.0 * _TINY * abs(centre)):
                centre, deviation, rare = _extreme(windows[i], f)
            mean[i, f], std[i, f] = centre, deviation
            if np.isnan(windows[i, size - 1, f]):
                continue
            each[i, f] = rare
            if np.isnan(score[i]) or each[i, f] > score[i]:
                score[i] = each[i, f]
    return score, each, mean, std

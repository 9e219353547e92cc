"""One detector over one series as it would have run live: fitted on the start, then point by point, past data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.detector import Detector, Floats, Ints, Series, WindowBatch, WindowSpec
from models.novelty import DEFAULT_LIMIT, NoveltyDetector
from models.past_deviation import calibrated

_BATCH = 1024
_FLOOR_SHARE = 0.01  # of the median raw score in start-up: less spread than that is not trusted


def causal_deviates(
    kind: str,
    ts: Ints,
    values: Floats,
    start: int,
    params: Mapping[str, Any],
    spec: WindowSpec,
    limit: float = DEFAULT_LIMIT,
) -> Floats:
    """(n,) calibrated scores of a detector over one series, 0 in the start-up part; >= ``limit`` is an alert.

    Detectors that calibrate themselves are taken as they are; the raw scores of all others go through the same
    expanding calibration and peak stage (:func:`models.past_deviation.calibrated`).

    Args:
        kind: a registered detector.
        ts: (n,) epoch ms.
        values: (n, F).
        start: rows at the start that fitting may use and that are not judged.
        params: the detector's.
        spec: its windows.
        limit: deviate that counts as an alert.

    Raises:
        DataError: the start is too short for this detector.
    """
    detector_class = Detector.kinds[kind]
    head = Series("series", ts[:start], values[:start], np.zeros(start, bool))
    if issubclass(detector_class, NoveltyDetector):
        novelty, _ = detector_class.fit([head], spec, {**params, "limit": limit})
        assert isinstance(novelty, NoveltyDetector)  # noqa: S101  fit returns its own class
        scores = np.zeros(len(ts))
        scores[start:] = novelty.score_series("series", ts[start:], values[start:])
        return np.nan_to_num(scores)
    detector, _ = detector_class.fit([head], spec, params)
    raw = raw_scores(detector, ts, values)
    known = raw[:start][np.isfinite(raw[:start])]
    floor = max(_FLOOR_SHARE * float(np.median(np.abs(known))) if len(known) else 0.0, 1e-9)
    return np.asarray(calibrated(raw, start, limit, floor))


def raw_scores(detector: Detector, ts: Ints, values: Floats, name: str = "series") -> Floats:
    """(n,) scores of a detector at every point of a series, NaN before its first full window.

    A detector that can score a whole series at once (``score_series``) does so; the contract suite holds that to be
    equal to scoring window by window.
    """
    whole = getattr(detector, "score_series", None)
    if whole is not None:
        return np.asarray(whole(name, ts, values))
    window = detector.spec.window
    n = len(ts)
    scores = np.full(n, np.nan)
    if n < window:
        return scores
    views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0).transpose(0, 2, 1)
    binding = detector.bind([name])
    state = detector.initial_state(1)
    size = 1 if detector.state_size else _BATCH
    for at in range(0, len(views), size):
        part = np.ascontiguousarray(views[at : at + size])
        rows = len(part)
        own = state if detector.state_size else np.zeros((rows, 0))
        batch = WindowBatch(
            part,
            np.zeros((rows, window), bool),
            ts[at + window - 1 : at + window - 1 + rows],
            np.repeat(binding, rows),
            own,
        )
        scores[at + window - 1 : at + window - 1 + rows] = detector.score(batch)
    return scores

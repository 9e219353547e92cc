"""Run one detector over one series as live: fit on the start, then score point by point, with past data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import njit

from eddy.alert_settings import AlertRules
from eddy.models.artifacts.manifest import ValueType
from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core.detector import Bools, Detector, FitReport, Floats, Ints, Series, WindowBatch, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate
from eddy.models.detectors.novelty.peak_filter import STATE_WIDTH as PEAK_WIDTH
from eddy.models.detectors.novelty.peak_filter import peak
from eddy.models.preprocessing.counters import Counters, converted
from eddy.models.preprocessing.segments import by_name
from eddy.models.thresholds.rate import RateParameters, RateThreshold
from eddy.models.windowing.sampling import usual_step
from eddy.models.windowing.windows import regularise
from eddy.training.data.labels import Labels, mark

_MIN_SCALE_SHARE = 0.01  # of the median raw score in start-up: smallest scale of scores
#: False alarms that a series may raise a week, unless a threshold is named.
FALSE_ALARMS_PER_WEEK = RateParameters().alarms_per_week
_BELOW = float(np.nextafter(DEFAULT_LIMIT, 0.0))
_HIGHEST = 1e6  # of a deviate: used if the limit is 0 or less
_QUIET_ROWS = AlertRules().close_after
NAME = "series"  # name of the one series that each fitted detector knows
NOTE = "counters, scored by their increase"


@dataclass(frozen=True)
class CausalRun:
    """Hold the results of a detector at every row of one series.

    Attributes:
        deviates: (n,) calibrated scores, at least 0, 0 in the start-up part; >= the limit is an alert. Only the peak of
            an event keeps its score.
        raw: (n,) scores before calibration, NaN where the detector has none.
        raw_limits: (n,) raw score that was the limit at each row, NaN where there was none.
        detector: as fitted on the start; None if nothing was fitted.
        begin: row at which the detector's state begins (``start`` if it continues from its training).
        segments: what was scored, from ``begin`` on.
        history: losses per epoch, empty if there are no epochs.
        notes: remarks for readers.
        validation: (m,) raw scores of the held-out part of the start, as fitting reports them.
        opened: (n,) rows at which an incident opens, of a threshold that flags every row above it; None: each flagged
            row is an alert.
        scored_values: (n, F) values as they were scored, increases of counters; None: nothing was.
    """

    deviates: Floats
    raw: Floats
    raw_limits: Floats
    detector: Detector | None = None
    begin: int = 0
    segments: Sequence[Series] = ()
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    validation: Floats = field(default_factory=lambda: np.zeros(0))
    opened: Bools | None = None
    scored_values: Floats | None = None

    @property
    def alerts(self) -> Bools:
        """Return (n,) where an alert begins, as the job would report it."""
        return self.deviates >= DEFAULT_LIMIT if self.opened is None else self.opened

    @property
    def opening(self) -> Floats:
        """Return (n,) deviates; of the rows above the limit only those where an alert begins, 0 in the others."""
        return np.where((self.deviates >= DEFAULT_LIMIT) & ~self.alerts, 0.0, self.deviates)

    @classmethod
    def silent(cls, n: int, note: str) -> CausalRun:
        """Return a run without alerts, for a detector that could not be fitted."""
        return cls(np.zeros(n), np.full(n, np.nan), np.full(n, np.nan), notes=[note])


def causal_run(
    kind: str,
    ts: Ints,
    values: Floats,
    start: int,
    params: Mapping[str, Any],
    spec: WindowSpec,
    limit: float = DEFAULT_LIMIT,
    seed: int = 0,
    gaps: bool = False,
    false_alarms_per_week: float | None = None,
    value_type: ValueType = "auto",
) -> CausalRun:
    """Run a detector over one series.

    Detectors whose scores mean the same on every series (they have a ``default_limit``) keep their scores, in units in
    which that limit is ``limit``; alerts beyond those promised are held back. Those with a ``default_threshold`` are
    flagged by it (:func:`thresholded`). The raw scores of all others pass through the same expanding calibration and
    peak filter (:func:`calibrated`).

    Args:
        kind: a registered detector.
        ts: (n,) epoch ms.
        values: (n, F).
        start: rows at the start that fitting may use and that are not scored.
        params: parameters of the detector.
        spec: windows of the detector.
        limit: deviate that counts as an alert.
        seed: random seed.
        false_alarms_per_week: promised to a series whose detector has a limit of its own.
        gaps: fill short gaps and begin windows anew after long ones, as the job does; ``ts`` has to increase.
        value_type: what is scored; auto: increases, where the start is that of a counter, or from where on the series
            turns out to be one.

    Raises:
        DataError: the start is too short for this detector.
    """
    values, turns, notes = _with_increases(ts, values, start, spec, value_type)
    if gaps:
        head = regularise(NAME, ts[:start], values[:start], spec)
    else:
        head = [Series(NAME, ts[:start], values[:start], ~np.isfinite(values[:start]).any(axis=1))]
    kind, params = DETECTORS.current(kind, params)
    detector, fitted = DETECTORS.get(kind).fit(head, spec, params, seed)
    begin = start if detector.continues and int(detector.bind([NAME])[0]) >= 0 else 0
    raw = np.full(len(ts), np.nan)
    segments = list[Series]()
    for name, first, last in zip(
        (NAME, *(f"{NAME} {at}" for at in turns)), (begin, *turns), (*turns, len(ts)), strict=True
    ):
        rest = ts[first:last], values[first:last]
        part = regularise(name, *rest, spec) if gaps else [Series(name, *rest, np.zeros(len(rest[0]), np.bool_))]
        scores = detector.score_segments(part)
        raw[first:last] = np.concatenate([found[~s.imputed] for found, s in zip(scores, part, strict=True)])
        segments += part
    own = detector.default_limit
    if own is not None:
        deviates = np.maximum(np.nan_to_num(raw * (limit / own)), 0.0)
        bounded = RateThreshold(
            detector_limit=float(own), alarms_per_week=false_alarms_per_week or FALSE_ALARMS_PER_WEEK
        )
        limits = np.nan_to_num(limits_along(bounded, raw, ts, start), nan=float(own))
        held = (limits > own) & ~(raw > limits)
        deviates[held] = np.minimum(deviates[held], np.nextafter(limit, 0.0))
        deviates[:start] = 0.0
        return _run(deviates, raw, limits, detector, begin, segments, fitted, notes, values)
    chosen = detector.default_threshold(spec.interval_ms or usual_step(ts))
    if chosen is not None:
        held_out = np.concatenate([*fitted.scores.values(), np.zeros(0)])
        run = _run(np.zeros(len(ts)), raw, np.full(len(ts), np.nan), detector, begin, segments, fitted, notes, values)
        return thresholded(run, THRESHOLDS.get(chosen[0]).fit({NAME: held_out}, **chosen[1]), ts, start)
    known = raw[:start][np.isfinite(raw[:start])]
    min_scale = max(_MIN_SCALE_SHARE * float(np.median(np.abs(known))) if len(known) else 0.0, 1e-9)
    deviates = np.asarray(calibrated(raw, start, limit, min_scale))
    return _run(
        deviates, raw, np.asarray(limits_of(raw, limit, min_scale)), detector, begin, segments, fitted, notes, values
    )


def _with_increases(
    ts: Ints, values: Floats, start: int, spec: WindowSpec, value_type: ValueType
) -> tuple[Floats, list[int], list[str]]:
    """Return (n, F) what is scored, the rows from ``start`` on at which that changes, and notes.

    Of the start, which is fitted on, the same is scored from its first row to its last, as in training.
    """
    if value_type == "gauge":
        return values, [], []
    counters, row = Counters(spec, fixed=value_type == "counter"), np.zeros(len(ts), np.int64)
    counters.grow(1)
    counters.start(row[:1], np.full((1, values.shape[1]), counters.fixed))
    counters.convert(row[:start], ts[:start], values[:start])
    counts = counters.found(row[:1])[0]
    found, turns, increases = counters.convert(row[start:], ts[start:], values[start:])
    if turns is None and not counts.any():
        return values, [], []
    head = converted(ts[:start], values[:start], spec, counts.tolist()) if counts.any() else values[:start]
    notes = [f"{NOTE}: {_named(spec, counts)}"] if counts.any() else []
    at = [] if turns is None else (start + np.flatnonzero(np.diff(turns, prepend=0))).tolist()
    if increases is not None:
        notes += [f"{NOTE} from row {one} on: {_named(spec, increases[one - start]) or 'none any more'}" for one in at]
    return np.concatenate([head, found]), at, notes


def _named(spec: WindowSpec, counts: Bools) -> str:
    return ", ".join(feature for feature, counter in zip(spec.features, counts.tolist(), strict=True) if counter)


def limits_along(threshold: Threshold, raw: Floats, ts: Ints, start: int) -> Floats:
    """Return (n,) limits for the scores from row ``start`` on, each set before its score is seen; NaN before.

    A threshold that learns from training is taught the scores before, as the job goes on from there.
    """
    if threshold.learns_from_training:
        threshold.past = {NAME: threshold.taught(raw[:start])}
    limits = np.full(len(raw), np.nan)
    rows, state = np.zeros(len(raw) - start, np.int64), threshold.first_state([NAME])
    limits[start:], _, _ = threshold.limits_in_place(raw[start:], rows, ts[start:], threshold.bind([NAME]), state)
    return limits


def thresholded(run: CausalRun, threshold: Threshold, ts: Ints, start: int) -> CausalRun:
    """Return the run with the rows above a threshold flagged, from row ``start`` on, as the job goes on from training.

    Its deviates are :data:`DEFAULT_LIMIT` times the raw score over its limit.
    """
    limits = limits_along(threshold, run.raw, ts, start)
    deviates = ratio(run.raw, limits, start)
    return replace(run, deviates=deviates, raw_limits=limits, opened=_openings(deviates >= DEFAULT_LIMIT))


def ratio(raw: Floats, limits: Floats, start: int) -> Floats:
    """Return (n,) deviates, at least the shipped limit where a score is **above** its limit and nowhere else."""
    above = raw > limits  # False where either is NaN
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where((limits > 0) & np.isfinite(limits), raw / limits, np.where(above, _HIGHEST, 0.0))
    share = np.clip(np.nan_to_num(share), 0.0, _HIGHEST)
    deviates = DEFAULT_LIMIT * np.where(above, np.maximum(share, 1.0), share)
    deviates = np.where(above, deviates, np.minimum(deviates, _BELOW))  # 1.96 times a number below 1 may round up
    deviates[:start] = 0.0
    return np.asarray(deviates)


def _openings(flagged: Bools) -> Bools:
    """Return (n,) the flagged rows that begin an incident: it closes after as many quiet rows as the job takes."""
    at = np.flatnonzero(flagged)
    first = at[np.diff(at, prepend=-1 - _QUIET_ROWS) > _QUIET_ROWS]
    opened = np.zeros(len(flagged), np.bool_)
    opened[first] = True
    return opened


def _run(
    deviates: Floats,
    raw: Floats,
    limits: Floats,
    detector: Detector,
    begin: int,
    segments: Sequence[Series],
    fitted: FitReport,
    notes: Sequence[str],
    scored_values: Floats,
) -> CausalRun:
    validation = np.concatenate([*fitted.scores.values(), np.zeros(0)])
    history = list(fitted.history)
    return CausalRun(
        deviates,
        raw,
        limits,
        detector,
        begin,
        segments,
        history,
        [*notes, *fitted.notes],
        validation,
        scored_values=scored_values,
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def limits_of(scores: Floats, limit: float, min_scale: float) -> Floats:
    """Return (n,) raw scores whose deviate is about ``limit`` against all earlier scores; NaN for the first three."""
    row = np.zeros(MOMENTS)
    out = np.full(len(scores), np.nan)
    for t in range(len(scores)):
        if row[0] >= 3:
            out[t] = row[1] + limit * np.sqrt(row[2] / (row[0] - 1.0) + min_scale * min_scale)
        if not np.isnan(scores[t]):
            add(row, 0, scores[t])
    return out


def raw_scores(detector: Detector, ts: Ints, values: Floats, name: str = NAME) -> Floats:
    """Return (n,) scores of a detector at every point of a series, NaN before its first full window."""
    return np.asarray(detector.score_series(name, ts, values))


def windows_at(segment: Series, ends: Ints, window: int, binding: Ints, state: Floats) -> WindowBatch:
    """Return the windows whose newest points are rows ``ends`` of a segment, each at least ``window - 1``."""
    rows = ends[:, None] + np.arange(1 - window, 1)
    bound = np.repeat(binding, len(ends))
    return WindowBatch(segment.values[rows], segment.imputed[rows], segment.ts[ends], bound, state)


def labelled_scores(
    detector: Detector, series: Sequence[Series], labels: Labels
) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """Score every series as live; return the scores and which rows are labelled anomalous."""
    scores: dict[str, Floats] = {}
    flags: dict[str, Bools] = {}
    for name, segments in by_name(series).items():
        scores[name] = np.concatenate(detector.score_segments(segments))
        flags[name] = np.concatenate([mark(labels, s) for s in segments])
    return scores, flags


@njit(cache=True)  # type: ignore[untyped-decorator]
def calibrated(scores: Floats, quiet: int, limit: float, min_scale: float) -> Floats:
    """Turn raw scores (n,) of one series into deviates from their past, peaks only, so that detectors can be compared.

    Args:
        scores: (n,) raw scores, NaN if there is none.
        quiet: rows at the start that only calibrate; their result is 0.
        limit: deviate that counts as an alert, for the peak filter.
        min_scale: smallest scale of raw scores; see :mod:`eddy.models.detectors.novelty.online_calibration`.
    """
    row = np.zeros(MOMENTS + PEAK_WIDTH)
    out = np.zeros(len(scores))
    for t in range(len(scores)):
        if np.isnan(scores[t]):
            continue
        z = deviate(row, 0, scores[t], min_scale)
        add(row, 0, scores[t])
        if t >= quiet:
            out[t] = peak(row, MOMENTS, z, limit)
    return out

"""Combine several detectors into one, after turning each member's scores into deviates from their own past.

An ensemble of one gives any detector the calibration, the gate and the peak filter of ``novelty``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import ModelError, SettingsError
from eddy.models.catalog import DETECTORS
from eddy.models.core.arrays import Array, read_arrays, read_names, read_states
from eddy.models.core.detector import (
    Detector,
    Explanation,
    FarthestPoint,
    FitReport,
    Floats,
    Ints,
    Progress,
    Series,
    WindowBatch,
    WindowSpec,
    no_progress,
)
from eddy.models.core.state_bounds import Bounds, Row, anything
from eddy.models.core.window_spec import read_spec
from eddy.models.detectors.ensemble import kernel
from eddy.models.detectors.ensemble.combination import combine
from eddy.models.detectors.ensemble.members import EnsembleParameters, Member, read_members
from eddy.models.detectors.novelty.online_calibration import MOMENTS, moment_bounds
from eddy.models.detectors.novelty.point_detector import untouched
from eddy.models.preprocessing.segments import by_name

_MIN_SCALE_SHARE = 0.01  # of the median validation score: smallest scale of scores
_UNSEEN = ""  # a name that no series has
_MAX_INTERVAL_MS = 1e13  # three centuries
_ARRAYS = ("ensemble.prior", "ensemble.floors", "ensemble.scale")


class EnsembleDetector(Detector):
    """Combine the scores of several detectors, each first made a normal deviate from its own past.

    Each member sees the newest points of the ensemble's window that its own window needs, and has its own part of the
    state. A deviate is taken from the expanding mean and spread of the member's scores on the series
    (:mod:`eddy.models.detectors.novelty.online_calibration`); what the validation scores say stands in for the first
    ``start_up`` of them. Where ``gate`` is ``"season"``, a member counts only while yesterday demonstrably predicts
    today. With ``peaks`` only the highest score of an event is kept: one alert per event, but no ranking of the points
    inside of it.

    Several features: each member combines them its own way. Expected value and band come from the member that
    contributes most, shares from all, by their contributions.

    Works where members look at different things; an ensemble of one gives any detector a calibrated score.
    **Fails** where the members fail together, and where one that cannot tell an anomaly from its usual errors is given
    a large weight: ``mean`` then dilutes what the others see, ``max`` adds its false alerts. No alert of it
    is ``critical``: it has not been shown to be that sure.

    Parameters: :class:`~eddy.models.detectors.ensemble.members.EnsembleParameters`, and ``members``.
    Cost: the sum of its members', and a few numbers of state for each of them.

    Args:
        spec: its window is the longest of the members'.
        params: rule, limit, start_up, peaks; see :class:`~eddy.models.detectors.ensemble.members.EnsembleParameters`.
        members: what they are called, their weights and gates.
        detectors: the members themselves.
        names: series seen in training, in the order of the tables.
        arrays: ``ensemble.prior`` (S + 1, M * 3), moments to begin with, ``ensemble.floors`` (M,), ``ensemble.scale``
            (S + 1, F, 2); the last row of a table is for series not seen.

    References:
        Decision 017 has the figures; Stouffer et al. 1949 and Fisher 1932 for two of the rules.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = np.random.default_rng(0).normal(10, 1, (400, 1))
        >>> ts = np.arange(len(values)) * 60_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> members = [{"kind": "zscore", "window": 20}, {"kind": "left-discord", "params": {"period": 8}}]
        >>> detector, _ = EnsembleDetector.fit([train], WindowSpec(20), {"members": members, "rule": "max"})
        >>> values[300] += 9
        >>> int(np.nanargmax(detector.score_series("pump", ts, values)))
        300
    """

    kind = "ensemble"
    parameters = EnsembleParameters
    calibrated = True

    def __init__(
        self,
        spec: WindowSpec,
        params: EnsembleParameters,
        members: Sequence[Member],
        detectors: Sequence[Detector],
        names: Sequence[str],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        super().__init__(replace(spec, window=max(d.spec.window for d in detectors)))
        self.params, self.members, self.detectors, self.names = params, tuple(members), tuple(detectors), tuple(names)
        self.weights = np.array([member.weight for member in members])
        self.starts_silent = any(d.starts_silent for d in detectors) or any(m.gate for m in members)
        self.attribution_span = max(d.attribution_span for d in detectors)
        stateful = [d for d in detectors if d.state_size]
        self.continues = bool(stateful) and all(d.continues for d in stateful)
        self._prior, self._min_scales, self._scale = (np.asarray(arrays[name], float) for name in _ARRAYS)
        gated = np.array([bool(m.gate) for m in members])
        self._layout = kernel.Layout(len(spec.features) if gated.any() else 0, len(members))
        own = np.array([d.calibrated for d in detectors])
        interval = float(arrays["ensemble.interval"][0])
        self._rules = kernel.Rules(self._min_scales, own, gated, params.start_up, interval)
        self._cuts = np.cumsum([0, *(d.state_size for d in detectors)])
        self.state_size = int(self._cuts[-1]) + self._layout.state_width
        self._before_cuts = np.cumsum([0, *(d.before_size for d in detectors)])
        self._index = {name: i for i, name in enumerate(self.names)}
        # a member can continue from its training data only if all members can, since they see the same points
        seen = [names if self.continues or not d.continues else [_UNSEEN] * len(names) for d in detectors]
        self._bindings = np.stack(
            [np.r_[d.bind(known), d.bind([_UNSEEN])] for d, known in zip(detectors, seen, strict=True)], axis=1
        )
        self._check_members()

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[EnsembleDetector, FitReport]:
        """Fit each member, then run the ensemble over the training data; the second half gives validation scores."""
        chosen, members = read_members(params)
        detectors, reports = [], []
        for i, member in enumerate(members):
            own = replace(spec, window=member.window or spec.window)

            def report(what: str, share: float, done: int = i, name: str = member.name) -> None:
                progress(f"{name}: {what}", (done + share) / len(members))

            detector, fitted = DETECTORS.get(member.kind).fit(series, own, dict(member.params), seed, report)
            detectors.append(detector)
            reports.append(fitted)
        names = list(dict.fromkeys(s.name for s in series))
        none = np.zeros(0)
        pooled = [np.concatenate([none, *r.scores.values()]) for r in reports]
        min_scales = [max(_MIN_SCALE_SHARE * float(np.median(np.abs(p))) if len(p) else 0.0, 1e-9) for p in pooled]
        of_series = [[r.scores.get(name, none) for r in reports] for name in names]
        arrays = {
            "ensemble.prior": np.stack([kernel.prior(s, chosen.start_up) for s in (*of_series, pooled)]),
            "ensemble.floors": np.array(min_scales),
            "ensemble.scale": _scales(series, names),
            "ensemble.interval": np.array([_interval(series)]),
        }
        ensemble = cls(spec, chosen, members, detectors, names, arrays)
        scores: dict[str, Floats] = {}
        for name, segments in by_name(series).items():
            state, binding = ensemble.initial_state(1), int(ensemble.bind([name])[0])
            parts = [ensemble._run(replace(one, name=_UNSEEN), state, binding) for one in segments]
            found = np.concatenate(parts)[sum(len(s.ts) for s in segments) // 2 :]
            scores[name] = found[np.isfinite(found)]
        notes = [f"{m.name}: {note}" for m, r in zip(members, reports, strict=True) for note in r.notes]
        return ensemble, FitReport(scores, [], notes)

    @property
    def default_limit(self) -> float | None:
        """Return the threshold that fits the scores if each one above it is an event; None without the peak filter."""
        return self.params.limit if self.params.peaks else None

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def describe(self) -> dict[str, Any]:
        members = [{**asdict(m), "window": d.spec.window} for m, d in zip(self.members, self.detectors, strict=True)]
        return {"rule": self.params.rule, "peaks": self.params.peaks, "members": members}

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives window by window, but faster."""
        return self._run(segment, state, int(self.bind([segment.name])[0]))

    def _run(self, segment: Series, state: Floats, binding: int) -> Floats:
        """Score a segment, with the calibration of ``binding`` and the members' state of the segment's series."""
        first = self.spec.window - 1  # in the job, shorter members too start with the first full window of the longest
        scores = np.full(len(segment.ts), np.nan)
        due = first + np.flatnonzero(~segment.imputed[first:])
        if not len(due):
            return scores
        row = state[0, self._cuts[-1] :]
        if not state.any():
            row[self._moments] = self._prior[binding]
        raw = []
        for m, d in enumerate(self.detectors):
            own = slice(self.spec.window - d.spec.window, None)
            name = segment.name if self.continues or not d.continues else _UNSEEN
            part = Series(name, segment.ts[own], segment.values[own], segment.imputed[own])
            memory = state[:, self._cuts[m] : self._cuts[m + 1]]
            raw.append(d.score_segment(part, memory)[due - own.start])
        points, ts = segment.values[due], segment.ts[due]
        z = kernel.series_deviates(
            self._layout, self._rules, row, np.stack(raw, axis=1), points, self._scale[binding], ts
        )
        scores[due] = combine(z, self.weights, self.params.rule)
        if self.params.peaks:
            scores[due] = kernel.series_peaks(row, self._layout.peak_at, scores[due], self.params.limit)
        return scores

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return all(d.in_place or not d.state_size for d in self.detectors)

    @property
    def _moments(self) -> slice:
        return slice(self._layout.moments_at, self._layout.peak_at)

    def _member_batches(self, batch: WindowBatch) -> list[WindowBatch]:
        """Return the windows of each member, with copies of its part of the state."""
        return [
            replace(part, state=batch.state[:, self._cuts[m] : self._cuts[m + 1]].copy())
            for m, part in enumerate(self._member_windows(batch))
        ]

    def _member_windows(self, batch: WindowBatch) -> list[WindowBatch]:
        """Return the windows of each member, without its state."""
        windows, none = [], np.empty((len(batch), 0))
        for m, detector in enumerate(self.detectors):
            tail = slice(self.spec.window - detector.spec.window, None)
            values, imputed = (np.ascontiguousarray(part[:, tail]) for part in (batch.values, batch.imputed))
            windows.append(WindowBatch(values, imputed, batch.end, self._bindings[batch.binding, m], none))
        return windows

    def _begin(self, batch: WindowBatch, rows: Ints, state: Floats) -> None:
        """Let new series start from the validation scores."""
        first = np.unique(rows, return_index=True)[1]
        first = first[untouched(state, rows[first])]
        moments = self._cuts[-1] + np.arange(self._moments.start, self._moments.stop)
        state[rows[first, None], moments] = self._prior[batch.binding[first]]

    def _deviates(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> Floats:
        """Return (n, M) deviates of the members, whose scores are learned; as for :meth:`score_rows`."""
        self._begin(batch, rows, state)
        raw = np.empty((len(batch), len(self.detectors)))
        for m, (d, part) in enumerate(zip(self.detectors, self._member_windows(batch), strict=True)):
            own = state[:, self._cuts[m] : self._cuts[m + 1]]
            kept = before[:, self._before_cuts[m] : self._before_cuts[m + 1]]
            if d.in_place:
                raw[:, m] = d.score_rows(part, rows, own, kept)
            elif d.state_size:  # then a series has one window
                kept[rows] = own[rows]
                turn = replace(part, state=own[rows])
                raw[:, m] = d.score(turn)
                own[rows] = turn.state
            else:
                raw[:, m] = d.score(part)
        points = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1]).astype(float)
        return kernel.deviates(
            self._layout, self._rules, rows, state[:, self._cuts[-1] :], before[:, self._before_cuts[-1] :],
            raw, points, self._scale[batch.binding], batch.end,
        )  # fmt: skip

    @property
    def before_size(self) -> int:
        return int(self._before_cuts[-1]) + self._layout.state_width

    def state_before(self, state: Floats, before: Floats) -> Floats:
        found = state.copy()
        for m, d in enumerate(self.detectors):
            kept = before[:, self._before_cuts[m] : self._before_cuts[m + 1]]
            own = slice(self._cuts[m], self._cuts[m + 1])
            found[:, own] = d.state_before(found[:, own], kept)
        found[:, self._cuts[-1] :] = before[:, self._before_cuts[-1] :]
        return found

    def score_rows(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> Floats:
        scores = combine(self._deviates(batch, rows, state, before), self.weights, self.params.rule)
        if self.params.peaks:
            own = state[:, self._cuts[-1] :]
            scores = np.asarray(kernel.peaks(rows, own, self._layout.peak_at, scores, self.params.limit))
        return scores

    def _score(self, batch: WindowBatch) -> Floats:
        return self.score_rows(batch, np.arange(len(batch)), batch.state, np.empty((len(batch), self.before_size)))

    def _calibrated(self, batch: WindowBatch) -> tuple[Floats, Floats]:
        """Return (n, M) deviates of windows, and the ensemble's own state before them; changes no state."""
        rows, state, before = np.arange(len(batch)), batch.state.copy(), np.empty((len(batch), self.before_size))
        return self._deviates(batch, rows, state, before), before[:, self._before_cuts[-1] :]

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        z, before = self._calibrated(batch)
        gained = np.nan_to_num(np.maximum(z, 0.0)) * self.weights
        limits = kernel.raw_limits(
            before, self._layout.moments_at, self._min_scales, self._rules.own, np.asarray(limit, float)
        )
        each = [
            d.explain(part, np.nan_to_num(limits[:, m], nan=np.inf))
            for m, (d, part) in enumerate(zip(self.detectors, self._member_batches(batch), strict=True))
        ]
        total = gained.sum(axis=1, keepdims=True)
        share = np.where(total > 0, gained / np.where(total > 0, total, 1.0), self.weights / self.weights.sum())
        attribution = sum(share[:, m, None] * e.attribution for m, e in enumerate(each))
        opinion = np.stack([np.isfinite(e.expected).any(axis=1) for e in each], axis=1)
        leading = np.argmax(np.where(opinion, share, -1.0), axis=1)
        rows = np.arange(len(batch))
        chosen = [np.stack([getattr(e, name) for e in each])[leading, rows] for name in ("expected", "lower", "upper")]
        lower, upper = (np.where(np.isfinite(band), band, np.nan) for band in chosen[1:])
        return Explanation(chosen[0], lower, upper, np.asarray(attribution))

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint | None:
        """Return the farthest point of the member that contributes most; its newest one where it names none."""
        parts = self._member_batches(batch)
        z, before = self._calibrated(batch)
        leading, rows = (np.nan_to_num(np.maximum(z, 0.0)) * self.weights).argmax(axis=1), np.arange(len(batch))
        limits = kernel.raw_limits(
            before, self._layout.moments_at, self._min_scales, self._rules.own, np.asarray(limit, float)
        )
        each = []
        for m, (detector, part) in enumerate(zip(self.detectors, parts, strict=True)):
            own = np.nan_to_num(limits[:, m], nan=np.inf)
            found = detector.farthest(part, own)
            if found is None:
                said = detector.explain(part, own)
                none = np.zeros(len(batch), np.int64)
                found = FarthestPoint(none, part.values[:, -1], said.expected, said.lower, said.upper)
            each.append(found)
        ago, values, expected, lower, upper = (
            np.stack([getattr(found, name) for found in each])[leading, rows]
            for name in ("ago", "values", "expected", "lower", "upper")
        )
        lower, upper = (np.where(np.isfinite(band), band, np.nan) for band in (lower, upper))
        return FarthestPoint(ago, values, expected, lower, upper)

    def unusual(self, batch: WindowBatch) -> list[str]:
        z, _ = self._calibrated(batch)
        leading = (np.nan_to_num(np.maximum(z, 0.0)) * self.weights).argmax(axis=1).tolist()
        said = [d.unusual(part) for d, part in zip(self.detectors, self._member_batches(batch), strict=True)]
        return [said[member][row] for row, member in enumerate(leading)]

    def state_bounds(self) -> Bounds:
        members = [d.state_bounds() or anything(d.state_size) for d in self.detectors]
        return Row(*members, kernel.bounds(self._layout))

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = dict(
            zip(_ARRAYS, (self._prior, self._min_scales, self._scale), strict=True)
        ) | {"ensemble.interval": np.array([self._rules.interval_ms])}
        stored = []
        for m, (member, detector) in enumerate(zip(self.members, self.detectors, strict=True)):
            own, params = detector.to_state()
            arrays |= {f"member.{m}.{name}": array for name, array in own.items()}
            stored.append({**asdict(member), "state": params, "spec": asdict(detector.spec)})
        return arrays, {**asdict(self.params), "members": stored, "series": list(self.names)}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> EnsembleDetector:
        stored_members = [{k: v for k, v in m.items() if k not in ("state", "spec")} for m in params["members"]]
        chosen, members = read_members(
            {**{k: v for k, v in params.items() if k != "series"}, "members": stored_members}
        )
        names = read_names(cls.kind, params)
        detectors = []
        for m, (member, stored) in enumerate(zip(members, params["members"], strict=True)):
            own = {
                name.removeprefix(f"member.{m}."): a for name, a in arrays.items() if name.startswith(f"member.{m}.")
            }
            kept = DETECTORS.current(stored["kind"], stored["state"])[1]
            detectors.append(DETECTORS.get(member.kind).from_state(read_spec(stored["spec"]), own, kept))
        rows, count = len(names) + 1, len(members)
        found = read_arrays(cls.kind, arrays, {
            "ensemble.prior": Array((rows, count * MOMENTS)),
            "ensemble.floors": Array((count,), above=0.0),
            "ensemble.scale": Array((rows, len(spec.features), 2)),
            "ensemble.interval": Array((1,), low=0.0, high=_MAX_INTERVAL_MS),
        })  # fmt: skip
        if not (found["ensemble.scale"][..., 1] > 0).all() or 0 < found["ensemble.interval"][0] < 1:
            raise ModelError(f"{cls.kind}: found a scale that is not above 0, or an interval below 1 ms")
        prior = found["ensemble.prior"].reshape(rows * count, MOMENTS)
        read_states(cls.kind, "ensemble.prior", prior, moment_bounds(), ())
        return cls(spec, chosen, members, detectors, names, found)

    def _check_members(self) -> None:
        """Raise an error that names what does not match."""
        features, strides = {d.spec.features for d in self.detectors}, {d.spec.stride for d in self.detectors}
        if features != {self.spec.features}:
            raise ModelError(f"{self.kind}: members' features differ: {sorted(features)}")
        if strides - {1, self.spec.stride} or (self.spec.stride > 1 and 1 in strides):
            raise SettingsError(f"{self.kind}: members need a stride of 1, found {self.spec.stride}")


def _interval(series: Sequence[Series]) -> float:
    steps = [np.diff(s.ts) for s in series if len(s.ts) > 1]
    return float(np.median(np.concatenate(steps))) if steps else 0.0


def _scales(series: Sequence[Series], names: Sequence[str]) -> Floats:
    """Return (S + 1, F, 2) median and scale of each series, and of all together."""
    of = [np.concatenate([s.values for s in series if s.name == name]) for name in names]
    return np.stack([_scale(values) for values in (*of, np.concatenate(of))])


def _scale(values: Floats) -> Floats:
    known = np.where(np.isfinite(values).any(axis=0), values, 0.0)
    low, centre, high = np.nanpercentile(known, (5, 50, 95), axis=0)
    spread = np.where(high > low, high - low, np.maximum(np.abs(centre), 1e-3))
    return np.stack([centre, spread], axis=1)

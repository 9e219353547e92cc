"""Run one model in one shard: keep its windows and per-series state, score, follow its incidents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from eddy.errors import ModelError
from eddy.models.alerting.feedback import FeedbackOptions, SeriesFeedback
from eddy.models.alerting.filters import does_not_count
from eddy.models.alerting.incidents import NO_POINT, IncidentTracker, Transition
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.alerting.rules import AlertRuleResolver
from eddy.models.core.detector import Bools, Explanation, FarthestPoint, Floats, Ints, WindowBatch
from eddy.models.drift.monitor import Drift, DriftOptions, DriftWatch, RetrainWanted
from eddy.models.engine.rollout import ScoringStats
from eddy.models.engine.state.codec import BLOCK
from eddy.models.engine.window_scores import StateBefore, Take, scores_and_limits
from eddy.models.preprocessing.counters import Converted, Counters
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.windowing.windows import MAX_OFF, Due, WindowStore
from eddy.texts import escaped

log = logging.getLogger(__name__)

NO_ROW = -1
MAX_UNUSUAL = 200  # characters of a detector's words
_NOT_TRAINED_ON = ""  # no series is called so


@dataclass(frozen=True)
class ScoredBatch:
    """The windows of one batch that were scored, in order of arrival.

    Attributes:
        events: (n,) index of the event that completed each window, in the arrays that were scored.
        rows: (n,) rows in the scorer's store.
        scores, limits: (n,).
        periods: (n,) seconds after which such a score comes again in normal times, NaN where that is not known.
        batch: the windows; take: gives some of them, with the detector's state before each, to explain them.
        transitions: incidents that changed; ``at`` counts in these arrays.
        seen: points seen of each transition's series up to the one that changed it; 0 where none did.
        drifts: series that changed for good.
        retrain_requests: series that need a new model.
    """

    events: Ints
    rows: Ints
    scores: Floats
    limits: Floats
    periods: Floats
    batch: WindowBatch
    take: Take
    transitions: list[Transition]
    seen: list[int]
    drifts: list[Drift] = field(default_factory=list)
    retrain_requests: list[RetrainWanted] = field(default_factory=list)


class ModelScorer:
    """Scores the series that one model applies to; each has a row in all of its arrays.

    Args:
        model: detector, threshold and manifest.
        alert_rules: gives each series its rules: when anomalous points make an incident.
        maintenance: times in which nobody is notified.
        feedback: how far people's feedback raises limits.
        drift: how drift is followed; None: not at all.
        threads: threads that share the windows of a batch.
        live: keep what :meth:`newest` needs.

    Attributes:
        shadow: rows whose alerts nobody is notified of, see :mod:`eddy.models.engine.rollout`.
        asked: (rows,) whether a trained model was requested, see :mod:`eddy.models.engine.cold_start`.
        stats: counts of scored windows, where they are wanted.
        row_of: (slots,) row of each slot; NO_ROW where the model does not apply.
        slot_of: slots by row; None where the row is free.
        series_of: series ids by row.
        rules_of: (rows,) index into the rules of :attr:`alert_rules`.
        counters: which series are counters; None: all are scored by their values.
        increases: (rows, F) what is an increase, not a value, in the windows of each row.
        score, limit: (rows,) of the newest scored window.
        stale: (rows,) whether it was scored since its live state was last written.
        dirty: (blocks,) whether a block of rows changed since the last checkpoint.
    """

    def __init__(
        self,
        model: LoadedModel,
        alert_rules: AlertRuleResolver,
        maintenance: Maintenance | None = None,
        feedback: FeedbackOptions | None = None,
        drift: DriftOptions | None = None,
        threads: int = 1,
        live: bool = False,
    ) -> None:
        self.model = model
        self.threads = threads
        self.alert_rules = alert_rules
        self.maintenance = maintenance or Maintenance()
        self.feedback = SeriesFeedback(feedback)
        self.drift_options = drift
        self.drift = DriftWatch(drift, model.detector.spec) if drift is not None else None
        spec, kind = model.detector.spec, model.manifest.value_type
        self.store = WindowStore(spec)
        self.counters = Counters(spec, fixed=kind == "counter") if kind != "gauge" else None
        self.increases = np.zeros((0, len(spec.features)), np.bool_)
        self.incidents = IncidentTracker()
        self.shadow: set[int] = set()
        self.asked = np.zeros(0, np.bool_)
        self.stats: ScoringStats | None = None
        self.row_of = np.zeros(0, np.int64)
        self.slot_of: list[int | None] = []
        self.series_of: dict[int, str] = {}
        self.rules_of = np.zeros(0, np.int64)
        self.binding = np.zeros(0, np.int64)
        self.threshold_binding = np.zeros(0, np.int64)
        self.state = np.zeros((0, model.detector.state_size))
        self.threshold_state = np.zeros((0, model.threshold.state_size))
        self.score = np.zeros(0)
        self.limit = np.zeros(0)
        self.stale = np.zeros(0, np.bool_)
        self.dirty = np.zeros(0, np.bool_)
        detector = model.detector
        kept = detector.in_place or (live and detector.state_size)
        size = detector.before_size if detector.in_place else detector.state_size
        self._before = StateBefore(size) if kept else None
        self._failure = ""  # of the newest batch
        self._raised = ""  # what the model raised since :meth:`take_failure`
        self._turn = 0  # first row to be reported when live state is next written
        self._free: list[int] = []

    def rows(self, slots: Ints) -> Ints:
        """Return the (n,) rows of slots, NO_ROW where the model does not apply."""
        top = int(slots.max(initial=-1)) + 1
        if top > len(self.row_of):
            self.row_of = np.concatenate([self.row_of, np.full(max(top - len(self.row_of), 64), NO_ROW)])
        return self.row_of[slots]

    def row(self, slot: int) -> int:
        """Return the row of one slot, or NO_ROW."""
        return int(self.row_of[slot]) if slot < len(self.row_of) else NO_ROW

    def add(self, slots: Sequence[int], names: Sequence[str]) -> None:
        """Begin to score series that have no row yet."""
        rows = [self._free.pop() if self._free else self._append() for _ in slots]
        self._grow(len(self.slot_of))
        at = np.array(rows, np.int64)
        self.take(at, slots, names)
        self.dirty[at // BLOCK] = True

    def reserve(self, size: int) -> None:
        """Make all rows below ``size``; those that no series takes are free after :meth:`free_unused`."""
        while len(self.slot_of) < size:
            self._append()
        self._grow(len(self.slot_of))

    def free_unused(self) -> None:
        """Offer the rows without a series to new ones."""
        self._free = [row for row, slot in enumerate(self.slot_of) if slot is None]

    def take(self, rows: Ints, slots: Sequence[int], names: Sequence[str]) -> None:
        """Give rows that are not in use to series, in their initial state."""
        for row, slot in zip(rows.tolist(), slots, strict=True):
            self.slot_of[row] = slot
        self.series_of.update(zip(rows.tolist(), names, strict=True))
        self.rules_of[rows] = self.alert_rules.bind(names)
        self.rows(np.array(slots, np.int64))
        self.row_of[slots] = rows
        self.increases[rows] = self.model.increases(names)
        if self.counters is not None:
            self.counters.start(rows, self.increases[rows])
        self.bind(rows)

    def bind(self, rows: Ints) -> None:
        """Give rows the state with which the model begins their series.

        Training knows nothing of a series that was trained on by its values and is scored by increases, or the reverse.
        """
        names = [self.series_of[row] for row in rows.tolist()]
        if self.counters is not None:
            as_trained = (self.increases[rows] == self.model.increases(names)).all(axis=1).tolist()
            names = [name if same else _NOT_TRAINED_ON for name, same in zip(names, as_trained, strict=True)]
        self.binding[rows] = self.model.detector.bind(names)
        self.threshold_binding[rows] = self.model.threshold.bind(names)
        self.state[rows] = self.model.detector.initial_state(len(rows))
        self.threshold_state[rows] = self.model.threshold.first_state(names)

    def convert(self, rows: Ints, ts: Ints, values: Floats) -> Converted:
        """Return what is to be scored of points: their values, or increases of those that are counters.

        Takes the same as :meth:`score_batch`, which takes the points of each turn by themselves, in order; before it
        those rows whose next turn it is :meth:`begin_anew`.
        """
        return Converted(values, None) if self.counters is None else self.counters.convert(rows, ts, values)

    def begin_anew(self, rows: Ints, increases: Bools) -> None:
        """Forget what was learned of rows, of which (n, F) ``increases`` are scored from now on; incidents stay."""
        self.increases[rows] = increases
        self._forget(rows)
        self.bind(rows)

    def _forget(self, rows: Ints) -> None:
        self.stale[rows] = False
        self.dirty[rows // BLOCK] = True
        self.store.clear(rows)
        if self.drift is not None:
            self.drift.clear(rows)
        if self._before is not None:
            self._before.known[rows] = False

    def _append(self) -> int:
        self.slot_of.append(None)
        return len(self.slot_of) - 1

    def _grow(self, size: int) -> None:
        self.store.grow(size)
        self.incidents.grow(size)
        more = max(len(self.store.head) - len(self.binding), 0)
        if more:
            self.binding = np.concatenate([self.binding, np.full(more, -1)])
            self.rules_of = np.concatenate([self.rules_of, np.zeros(more, np.int64)])
            self.increases = np.concatenate([self.increases, np.zeros((more, self.increases.shape[1]), np.bool_)])
            self.threshold_binding = np.concatenate([self.threshold_binding, np.full(more, -1)])
            self.state = np.concatenate([self.state, np.zeros((more, self.state.shape[1]))])
            self.threshold_state = np.concatenate(
                [self.threshold_state, np.zeros((more, self.threshold_state.shape[1]))]
            )
            self.score = np.concatenate([self.score, np.full(more, np.nan)])
            self.limit = np.concatenate([self.limit, np.full(more, np.nan)])
            self.stale, self.asked = (np.concatenate([a, np.zeros(more, np.bool_)]) for a in (self.stale, self.asked))
            self.dirty = np.concatenate([self.dirty, np.zeros(-(-len(self.binding) // BLOCK) - len(self.dirty), bool)])
            if self.counters is not None:
                self.counters.grow(len(self.binding))
            if self.drift is not None:
                self.drift.grow(len(self.binding))
            if self._before is not None:
                self._before.grow(len(self.binding))

    def remove(self, slots: Ints) -> None:
        """Forget series; those that the model does not apply to are left out."""
        slots = slots[self.rows(slots) != NO_ROW]
        at = self.row_of[slots]
        self.row_of[slots] = NO_ROW
        self.asked[at] = False
        self._forget(at)
        for row in at.tolist():
            self.slot_of[row] = None
            del self.series_of[row]
            self.shadow.discard(row)
            self.incidents.clear(row)
            self.feedback.clear(row)
            self._free.append(row)

    def score_batch(self, rows: Ints, ts: Ints, values: Floats) -> ScoredBatch:
        """Append points, score the windows that are due in one call, follow the incidents.

        Args:
            rows: (n,) rows, none NO_ROW.
            ts: (n,) event times, increasing per row.
            values: (n, F) in the order of the model's features, as :meth:`convert` gives them.
        """
        self.dirty[rows // BLOCK] = True
        due = self.store.push(rows, ts, values)
        batch = WindowBatch(
            due.windows,
            due.imputed,
            ts[due.events],
            self.binding[due.rows],
            np.empty((len(due.rows), 0)),
        )
        try:
            scores, limits, periods, beyond, take = scores_and_limits(
                self.model,
                batch,
                due.rows,
                self.state,
                self._before,
                self.threshold_state,
                self.threshold_binding,
                self.threads,
            )
        except Exception as error:  # of one model: neither the others nor the job are to stop for it
            failure = f"{type(error).__name__}: {error}"
            if failure != self._failure:  # once in a row: it may come with every batch
                log.exception("model %s version %s", self.model.manifest.name, self.model.manifest.version)
            self._failure = self._raised = failure
            none = np.zeros(0, np.int64)
            nothing = np.zeros(0)
            return ScoredBatch(none, none, nothing, nothing, nothing, batch.take(none), batch.take, [], [])
        self._failure = ""
        limits = self.feedback.raised(due.rows, limits)
        drifts: list[Drift] = []
        retrain_requests: list[RetrainWanted] = []
        if self.drift is not None:
            limits, drifts, retrain_requests = self.drift.follow(due.rows, batch, scores, limits)
        self.score[due.rows], self.limit[due.rows], self.stale[due.rows] = scores, limits, True
        if self.stats is not None:
            self.stats.add(scores, limits)
        over = scores > limits
        severities = np.zeros(len(scores), np.int64)
        if over.any():
            severities[over] = np.rint(
                self._severities(take(np.flatnonzero(over)), scores[over], limits[over], beyond[over])
            )
        found = list(
            self.incidents.track(
                self.alert_rules.rules,
                self.rules_of,
                due.rows,
                batch.end,
                self._counting(take, due.rows, scores, limits) if self.alert_rules.filters else scores,
                limits,
                severities,
                self._suppressed if self.maintenance else None,
            )
        )
        transitions = _without_superseded_peaks(found)
        seen = self._seen(transitions, due, rows)
        return ScoredBatch(
            due.events, due.rows, scores, limits, periods, batch, take, transitions, seen, drifts, retrain_requests
        )

    def _seen(self, transitions: list[Transition], due: Due, rows: Ints) -> list[int]:
        """Count points up to each transition: the store has counted the whole batch, later ones are taken off again."""
        return [
            int(self.store.points[one.row]) - np.count_nonzero(rows[due.events[one.at] + 1 :] == one.row)
            if one.at != NO_POINT
            else 0
            for one in transitions
        ]

    def _counting(self, take: Take, rows: Ints, scores: Floats, limits: Floats) -> Floats:
        """Return the scores, NaN where a filter rules a point out; only points that might count are explained."""
        used = self.alert_rules.rules
        ratio = np.array([one.close_ratio for one in used])[self.rules_of[rows]]
        might = scores > np.where(limits >= 0, limits * ratio, limits / ratio)
        at = np.flatnonzero(might & np.array([one.filters for one in used])[self.rules_of[rows]])
        if not len(at):
            return scores
        found = take(at)
        explanation = self.explain(found, limits[at])
        out = at[does_not_count(explanation, found.values[:, -1], used, self.rules_of[rows[at]])]
        scores = scores.copy()
        scores[out] = np.nan
        return scores

    def explain(self, batch: WindowBatch, limits: Floats) -> Explanation:
        """Return what the detector says to windows; nothing (NaN) where it raises, for :meth:`take_failure` to tell."""
        shape = len(batch.values), len(self.model.detector.spec.features)
        try:
            found = self.model.detector.explain(batch, limits)
            shapes = {part.shape for part in (found.expected, found.lower, found.upper, found.attribution)}
            if shapes != {shape}:
                raise ModelError(f"explain gives arrays of shape {sorted(shapes)}, expected {shape}")
        except Exception as error:  # an alert without its band is better than none
            self._raised = f"{type(error).__name__}: {error}"
            nothing = np.full(shape, np.nan)
            return Explanation(nothing, nothing, nothing, nothing)
        return found

    def farthest(self, batch: WindowBatch, limits: Floats) -> FarthestPoint | None:
        """Return the points that contribute most to the scores of windows; None where the detector names none."""
        shape = len(batch.values), len(self.model.detector.spec.features)
        try:
            found = self.model.detector.farthest(batch, limits)
            if found is None:
                return None
            shapes = {part.shape for part in (found.values, found.expected, found.lower, found.upper)}
            if shapes != {shape} or found.ago.shape != shape[:1]:
                raise ModelError(f"farthest gives arrays of shape {sorted(shapes)}, expected {shape}")
        except Exception as error:  # the newest point is shown in its place
            self._raised = f"{type(error).__name__}: {error}"
            return None
        return found

    def _severities(self, batch: WindowBatch, scores: Floats, limits: Floats, beyond: Floats) -> Floats:
        """Rate windows that alert; 0 where the detector raises, for :meth:`take_failure` to tell."""
        try:
            return self.model.severities(batch, scores, limits, beyond)
        except Exception as error:  # an alert of no known severity is better than none
            self._raised = f"{type(error).__name__}: {error}"
            return np.zeros(len(scores))

    def unusual(self, batch: WindowBatch) -> list[str]:
        """Return what the detector says is unusual in windows, in words; as for :meth:`explain` where it raises."""
        try:
            found = [escaped(one)[:MAX_UNUSUAL] for one in self.model.detector.unusual(batch)]
            if len(found) != len(batch):
                raise ModelError(f"unusual gives {len(found)} texts for {len(batch)} windows")
        except Exception as error:
            self._raised = f"{type(error).__name__}: {error}"
            return [""] * len(batch)
        return found

    def take_failure(self) -> str:
        """Take what the model raised since the last call, while it scored or explained, or nothing."""
        found, self._raised = self._raised, ""
        return found

    def _suppressed(self, row: int, ts: int) -> str | None:
        return self.maintenance.reason(self.series_of[row], ts)

    def take_stale(self, max_rows: int) -> Ints:
        """Take rows whose live state has not been written since they changed, ``max_rows`` at most, in rotation."""
        rows = np.flatnonzero(self.stale)
        if len(rows) > max_rows:
            rows = np.roll(rows, -int(np.searchsorted(rows, self._turn)))[:max_rows]
            self._turn = int(rows[-1]) + 1 if max_rows else 0
        self.stale[rows] = False
        return rows

    def report_again(self, rows: Ints) -> None:
        """Have the live state of rows written though they were not scored anew; a part of a window cannot be shown."""
        self.stale[rows] = self.store.count[rows] == self.store.spec.window

    def off_interval(self) -> list[tuple[str, str, int]]:
        """Give (model, a series, its newest step in ms) if points come at another interval than the model's."""
        rows = np.flatnonzero(self.store.off >= MAX_OFF)
        return [(self.model.manifest.name, self.series_of[int(row)], int(self.store.step[row])) for row in rows[:1]]

    def newest(self, rows: Ints) -> tuple[WindowBatch, Bools]:
        """Return the newest full window of some rows for live state, and for which of them a band can be given.

        With a detector that learns, the band has to be the one before the newest point was learned; after a restart
        it is not known until the next point.
        """
        store, state = self.store, self.state[rows]
        if self._before is not None:
            before = self._before.state[rows]
            state = self.model.detector.state_before(state, before) if self.model.detector.in_place else before
        order = (store.head[rows, None] + np.arange(store.spec.window)) % store.spec.window
        batch = WindowBatch(
            store.ring[rows[:, None], order],
            store.filled[rows[:, None], order].astype(bool),
            store.last[rows],
            self.binding[rows],
            state,
        )
        known = np.full(len(rows), not self.model.detector.state_size)
        return batch, known if self._before is None else self._before.known[rows]


def _without_superseded_peaks(transitions: list[Transition]) -> list[Transition]:
    """Drop all but the last of peaks that follow one another: only that one has to be explained, which costs time."""
    kept: list[Transition] = []
    after: dict[int, str] = {}  # next transition, by row
    for transition in reversed(transitions):
        if transition.state != "peak" or after.get(transition.row) in (None, "closed"):
            kept.append(transition)
        after[transition.row] = transition.state
    return kept[::-1]

"""Carry per-series state over to another version of a model, in a hot swap and after a restart alike.

Each part of the state is carried only where it means the same to the new version:

============  ========================================================================================
part          carried where both versions have the same
============  ========================================================================================
points        features and interval: the newest points of a window, as many as the new window takes
windows       also window and stride: windows whole, and when the next is due
detector      :attr:`Detector.state_layout`
threshold     kind of detector (scores mean the same), and a layout that :meth:`Threshold.carried` knows
drift         artifact: limits that follow a drift; with the same points at least what it knows of inputs
counters      features: the values before, and in the same model what is scored of a series
============  ========================================================================================

What is not carried begins anew. So does all but the counters of a series that was scored by its values and is scored
by its increases now, or the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.core.state_bounds import Bounds
from eddy.models.engine.scorer import ModelScorer
from eddy.models.preprocessing.counters import found_in
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import COLD
from eddy.models.windowing.windows import WindowStore

Meaning = Mapping[str, Any]


@dataclass(frozen=True)
class SavedRows:
    """Rows of a scorer, at work or from a checkpoint, and what they mean.

    Attributes:
        meaning: from :func:`meaning_of`, of the version that wrote them.
        store: their windows.
        state, threshold_state: (rows, …) of detector and threshold.
        drift: (rows, …) of the drift monitor; None where drift was not followed.
        counters: (rows, …) of :class:`~eddy.models.preprocessing.counters.Counters`; None: values are scored.
    """

    meaning: Meaning
    store: WindowStore
    state: Floats
    threshold_state: Floats
    drift: Floats | None
    counters: Floats | None = None


def meaning_of(model: LoadedModel) -> dict[str, Any]:
    """Describe what a version's state means, as JSON-able data; see the table above."""
    spec, manifest = model.detector.spec, model.manifest
    points = [list(spec.features), spec.interval_ms]
    return {
        "points": points,
        "windows": [*points, spec.window, spec.stride],
        "detector": model.detector.state_layout,
        "drift": [*points, manifest.sha256],
        "threshold": [model.detector.kind, model.threshold.state_layout],
        "version": manifest.version,
    }


def rows_of(scorer: ModelScorer) -> SavedRows:
    """Give a scorer's rows to a successor."""
    drift = scorer.drift.state if scorer.drift is not None else None
    counters = scorer.counters.state if scorer.counters is not None else None
    return SavedRows(meaning_of(scorer.model), scorer.store, scorer.state, scorer.threshold_state, drift, counters)


def migrate(scorer: ModelScorer, to: Ints, saved: SavedRows, rows: Ints) -> None:
    """Carry over what means the same to a scorer's model.

    Args:
        scorer: of any version of the model; rows ``to`` are in their initial state.
        to: (n,) rows of it.
        saved: rows of the previous version.
        rows: (n,) which of them.
    """
    was, now, store = saved.meaning, meaning_of(scorer.model), scorer.store
    same_points, same_model = was["points"] == now["points"], was["drift"] == now["drift"]
    if was["points"][0] == now["points"][0]:
        alike = _carry_counters(scorer, to, saved, rows, same_model)
        to, rows = to[alike], rows[alike]
    if was["windows"] == now["windows"]:
        store.copy(to, saved.store, rows)
    elif same_points:
        store.adopt(to, saved.store, rows)
    if _same_detector_state(was, now, scorer.model) and saved.state.shape[1] == scorer.state.shape[1]:
        _carry(scorer.state, to, saved.state, rows, scorer.model.detector.state_bounds())
    if was["threshold"][0] == now["threshold"][0]:
        own = scorer.model.threshold.carried(was["threshold"][1], saved.threshold_state[rows])
        if own is not None:
            _carry(scorer.threshold_state, to, own, np.arange(len(to)), scorer.model.threshold.state_bounds())
    if scorer.drift is not None and saved.drift is not None and same_points:
        scorer.drift.carry(to, saved.drift, rows, same_model)


def _carry_counters(scorer: ModelScorer, to: Ints, saved: SavedRows, rows: Ints, same_model: bool) -> Bools:
    """Carry over what is known of counters; returns (n,) rows of which the same is scored as before.

    Of what was found while points were scored, and what training found, the latter counts in a new model.
    """
    scored = scorer.counters
    if saved.counters is None:
        return np.asarray(~scorer.increases[to].any(axis=1))
    before = found_in(saved.counters[rows])
    if scored is not None:
        scored.state[to] = saved.counters[rows]
        if not scored.fixed:
            trained = scorer.increases[to]
            scorer.increases[to] = np.where(same_model | ~trained.any(axis=1, keepdims=True), before, trained)
        scored.change(to, scorer.increases[to])
        scorer.bind(to)
    return np.asarray((before == scorer.increases[to]).all(axis=1))


def _carry(state: Floats, to: Ints, saved: Floats, rows: Ints, bounds: Bounds | None) -> None:
    """Carry rows over, but for those that the model could not have written: these would lead kernels astray."""
    if bounds is not None:
        sound = bounds.fits(saved[rows])
        to, rows = to[sound], rows[sound]
    state[to] = saved[rows]


def _same_detector_state(was: Meaning, now: Meaning, model: LoadedModel) -> bool:
    """Compare layouts. State from before there were any names only the kind; it counts for the same artifact.

    The built-in model is no artifact that anybody published: its bytes change with the code, its meaning does not.
    """
    if "/" in was["detector"]:
        return bool(was["detector"] == now["detector"])
    built_in = model.manifest.name == COLD and was["detector"] == model.detector.kind
    return bool(built_in or was["drift"] == now["drift"])

"""Score series that no published model applies to, until a trained model takes over.

The built-in model starts from nothing: it collects the first points of a series in keyed state, takes scale and past
from them, and then scores; its limit means the same on every series. A published model that applies to the series
takes over once its windows are full, so no point goes unscored in between.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from eddy.errors import SettingsError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest, ValueType
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Ints, WindowSpec
from eddy.models.detectors.novelty.point_detector import PointDetector
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.models.serving.model_set import COLD
from eddy.models.thresholds.rate import RateParameters, RateThreshold

_BUILT = "1970-01-01T00:00:00+00:00"  # not published by anybody


def cold_model(
    kind: str, warm_up: int, false_alarms_per_week: float | None = None, value_type: ValueType = "auto"
) -> LoadedModel:
    """Make the built-in model.

    Args:
        kind: a detector that needs no training: ``auto``, or one of the novelty family.
        warm_up: first points of a series, from which it learns scale and past; 0: as many as it usually takes.
        false_alarms_per_week: that each series may raise, at most; None: one.
        value_type: of all series; auto: each is found to be a gauge or a counter by its first points.

    Raises:
        SettingsError: another detector, or a warm-up that it cannot have.
    """
    today, params = DETECTORS.current(kind)
    found = DETECTORS.get(today)
    if not issubclass(found, PointDetector):
        raise SettingsError(f"learning.cold_start: found {kind!r}, expected 'auto' or 'novelty', or nothing")
    own = {**params, **({"start_up": warm_up} if warm_up else {})}
    try:
        detector = found(WindowSpec(1), found.parameters(**own), {})
    except SettingsError as error:
        raise SettingsError(f"learning.warmup_points: {error}") from None
    promised = false_alarms_per_week or RateParameters().alarms_per_week
    threshold = RateThreshold(detector_limit=detector.default_limit, alarms_per_week=promised)
    content, spec = artifact.dump(detector), detector.spec
    manifest = Manifest(
        name=COLD, version=1, detector=today, series=("*",), features=spec.features, window=spec.window,
        stride=spec.stride, interval_ms=0, threshold=threshold.to_params(),
        created=_BUILT, sha256=artifact.sha256(content), value_type=value_type,
    )  # fmt: skip
    return load_model(manifest, content)


def ready_to_release(cold: ModelScorer, others: Iterable[ModelScorer]) -> Ints:
    """Choose (n,) slots of the built-in model whose series another model scores with a full window now."""
    slots = np.flatnonzero(cold.row_of != NO_ROW)
    ready = np.zeros(len(slots), np.bool_)
    for other in others if len(slots) else ():
        rows = other.rows(slots)
        scored = np.flatnonzero(rows != NO_ROW)  # a model that has no series yet has no rows at all
        ready[scored] |= other.store.count[rows[scored]] >= other.store.spec.window
    return slots[ready]


def due_for_training(cold: ModelScorer, after: int) -> list[str]:
    """Take the series that are old enough for a trained model, each once since this process began.

    Args:
        cold: scores with the built-in model; its :attr:`~ModelScorer.asked` is updated.
        after: points of a series from which on it is old enough; 0 = never.
    """
    if not after:
        return []
    due = np.flatnonzero((cold.store.points >= after) & ~cold.asked)
    rows = [row for row in due.tolist() if row in cold.series_of]
    cold.asked[rows] = True
    return [cold.series_of[row] for row in rows]

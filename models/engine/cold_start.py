"""Series that nobody trained for: a light detector begins on its own, and a trained model takes over when it can.

The built-in model judges what no published model does. Its detector starts from nothing: it collects the first points
of a series in keyed state, takes scale and past from them, and then watches; its limit means the same on every series.
A published model that covers the series takes over once its windows are full, so nothing goes unwatched in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eddy.errors import SettingsError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.novelty.detector import NoveltyDetector, NoveltyParameters
from eddy.models.serving.model_set import COLD, LoadedModel, load_model
from eddy.models.thresholds.fixed import FixedThreshold

if TYPE_CHECKING:
    from eddy.models.engine.engine import Engine

_BUILT = "1970-01-01T00:00:00+00:00"  # not published by anybody


@dataclass(frozen=True)
class ColdStart:
    """How series without a model begin.

    Attributes:
        ask_after: points of a series after which a trained model is asked for; 0 = never.
    """

    ask_after: int = 0


def cold_model(kind: str, warm_up: int) -> LoadedModel:
    """The built-in model.

    Args:
        kind: a detector of the novelty family: they need no training.
        warm_up: points of a series before it is watched.

    Raises:
        SettingsError: another detector, or a warm-up that it cannot have.
    """
    today, params = DETECTORS.current(kind)
    if today != NoveltyDetector.kind:
        raise SettingsError(f"learning.cold_start: found {kind!r}, expected {NoveltyDetector.kind!r}, or nothing")
    detector = NoveltyDetector(WindowSpec(1), NoveltyParameters(start_up=warm_up, **params), {})
    content, spec = artifact.dump(detector), detector.spec
    manifest = Manifest(
        name=COLD, version=1, detector=today, series=("*",), features=spec.features, window=spec.window,
        stride=spec.stride, interval_ms=0, threshold=FixedThreshold(detector.default_limit).to_params(),
        created=_BUILT, sha256=artifact.sha256(content),
    )  # fmt: skip
    return load_model(manifest, content)


def release(engine: Engine) -> None:
    """Let go of the series whose own models have full windows now."""
    scorer = engine.scorers.get(COLD)
    if scorer is None or len(engine.scorers) == 1:
        return
    slots = np.array([slot for slot in scorer.slot_of if slot is not None], np.int64)
    ready = np.zeros(len(slots), np.bool_)
    for name, other in engine.scorers.items():
        if name != COLD and len(slots):
            rows = other.rows(slots)
            ready |= (rows >= 0) & (other.store.count[rows] >= other.store.spec.window)
    for slot in slots[ready].tolist():
        engine.detach_series(scorer, slot)


def asking(engine: Engine, after: int) -> list[str]:
    """Series that are old enough for a trained model and have not been asked for, since this process began."""
    scorer = engine.scorers.get(COLD)
    if scorer is None or not after:
        return []
    old = set(np.flatnonzero(scorer.store.points >= after).tolist()) & scorer.series_of.keys()
    fresh = [scorer.series_of[row] for row in old - scorer.asked]
    scorer.asked |= old
    return fresh

"""A judge's rows as pages of keyed state, and back, whatever version of the model wrote them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.detector import Ints
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.state.codec import BLOCK
from eddy.models.windowing.windows import WindowStore

Arrays = dict[str, NDArray[Any]]


def block_of(scorer: ModelScorer, number: int) -> Arrays | None:
    """The arrays of one page of rows; None where no row of it is in use."""
    rows = slice(number * BLOCK, min((number + 1) * BLOCK, len(scorer.slot_of)))
    slots = np.array([NO_ROW if slot is None else slot for slot in scorer.slot_of[rows]], np.int32)
    if not (slots != NO_ROW).any():
        return None
    store = scorer.store
    return {
        "made_for": np.frombuffer(json.dumps(_made_for(scorer)).encode(), np.uint8),
        "slot": slots,
        "ring": store.ring[rows],
        "filled": np.packbits(store.filled[rows], axis=1),
        "head": store.head[rows],
        "count": store.count[rows],
        "until_due": store.until_due[rows],
        "last": store.last[rows],
        "points": store.points[rows],
        "bits": scorer.incidents.bits[rows],
        "state": scorer.state[rows],
        "threshold_state": scorer.threshold_state[rows],
        **({"drift": scorer.drift.state[rows]} if scorer.drift is not None else {}),
    }


def _made_for(scorer: ModelScorer) -> dict[str, Any]:
    """What state is worth keeping for: windows belong to a spec, other state to the kind that wrote it."""
    spec = scorer.model.detector.spec
    points = [list(spec.features), spec.interval_ms]
    return {
        "points": points,
        "windows": [*points, spec.window, spec.stride],
        "detector": scorer.model.detector.kind,
        "drift": [*points, scorer.model.manifest.sha256],  # limits that follow a drift are of one version
        "threshold": [scorer.model.detector.kind, scorer.model.threshold.state_layout],  # scores of one kind only
    }


def features_of(arrays: Arrays) -> list[str]:
    """The features of the version that wrote a page."""
    features: list[str] = json.loads(arrays["made_for"].tobytes())["points"][0]
    return features


def restore_block(
    scorer: ModelScorer, number: int, arrays: Arrays, names: Sequence[str | None]
) -> list[tuple[int, str]]:
    """Take back what fits of a page; rows keep their numbers, bindings are made anew.

    Args:
        judge: of any version of the model.
        number: of the page.
        arrays: from :func:`block_of`.
        names: series ids by slot.

    Returns:
        (row, series id) of the series that the model does not judge any more.
    """
    scorer.reserve(number * BLOCK + len(arrays["slot"]))
    members = [(at, slot, names[slot]) for at, slot in enumerate(arrays["slot"].tolist()) if slot != NO_ROW]
    kept = [
        (at, slot, name) for at, slot, name in members if name is not None and scorer.model.manifest.applies_to(name)
    ]
    at = np.array([at for at, _, _ in kept], np.int64)
    scorer.take(number * BLOCK + at, [slot for _, slot, _ in kept], [str(name) for _, _, name in kept])
    was, now = json.loads(arrays["made_for"].tobytes()), _made_for(scorer)
    _restore_rows(scorer, number * BLOCK, at, arrays, {key: was.get(key) == now[key] for key in now})
    scorer.free_unused()
    scorer.dirty[number] = was != now or len(kept) < len(members)
    left = set(members) - set(kept)
    return [(number * BLOCK + at, name) for at, _, name in sorted(left) if name is not None]


def _restore_rows(scorer: ModelScorer, start: int, at: Ints, arrays: Arrays, same: dict[str, bool]) -> None:
    rows, store = start + at, scorer.store
    arrays.setdefault("points", arrays["count"])  # state of a version that did not count them
    scorer.incidents.bits[rows] = arrays["bits"][at]
    if same["windows"]:
        for name in ("ring", "head", "count", "until_due", "last", "points"):
            getattr(store, name)[rows] = arrays[name][at]
        store.filled[rows] = np.unpackbits(arrays["filled"][at], axis=1, count=store.spec.window)
    elif same["points"]:
        before = WindowStore(replace(store.spec, window=arrays["ring"].shape[1]))
        for name in ("ring", "head", "count", "last", "points"):
            setattr(before, name, arrays[name])
        before.filled = np.unpackbits(arrays["filled"], axis=1, count=before.spec.window)
        for k in at.tolist():
            store.adopt(start + k, before, k)
    if scorer.drift is not None and same["drift"] and "drift" in arrays:
        scorer.drift.state[rows] = arrays["drift"][at]
    for name, own in (("state", scorer.state), ("threshold_state", scorer.threshold_state)):
        kind = "detector" if name == "state" else "threshold"
        if same[kind] and arrays[name].shape[1] == own.shape[1]:
            own[rows] = arrays[name][at]

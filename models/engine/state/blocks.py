"""Write a scorer's rows as blocks of keyed state, and take them back, whatever version of the model wrote them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.engine.migration import SavedRows, meaning_of, migrate
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.state.codec import BLOCK
from eddy.models.windowing.windows import WindowStore

Arrays = dict[str, NDArray[Any]]


def block_of(scorer: ModelScorer, number: int) -> Arrays | None:
    """Return the arrays of one block of rows; None where no row of it is in use."""
    rows = slice(number * BLOCK, min((number + 1) * BLOCK, len(scorer.slot_of)))
    slots = np.array([NO_ROW if slot is None else slot for slot in scorer.slot_of[rows]], np.int32)
    if not (slots != NO_ROW).any():
        return None
    store = scorer.store
    return {
        "made_for": np.frombuffer(json.dumps(meaning_of(scorer.model)).encode(), np.uint8),
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
        **({"counters": scorer.counters.state[rows]} if scorer.counters is not None else {}),
        **({"drift": scorer.drift.state[rows]} if scorer.drift is not None else {}),
    }


def meaning_in(arrays: Arrays) -> dict[str, Any]:
    """Read what a block's arrays mean, as the version that wrote them said it."""
    meaning: dict[str, Any] = json.loads(arrays["made_for"].tobytes())
    return meaning


def restore_block(
    scorer: ModelScorer, number: int, arrays: Arrays, names: Sequence[str | None]
) -> list[tuple[int, str]]:
    """Take a block back; rows keep their numbers, bindings are made anew.

    Args:
        scorer: of any version of the model.
        number: of the block.
        arrays: from :func:`block_of`.
        names: series ids by slot.

    Returns:
        (row, series id) of the series that the model does not apply to any more.
    """
    start = number * BLOCK
    scorer.reserve(start + len(arrays["slot"]))
    members = [(at, slot, names[slot]) for at, slot in enumerate(arrays["slot"].tolist()) if slot != NO_ROW]
    kept = [
        (at, slot, name) for at, slot, name in members if name is not None and scorer.model.manifest.applies_to(name)
    ]
    at = np.array([at for at, _, _ in kept], np.int64)
    scorer.take(start + at, [slot for _, slot, _ in kept], [str(name) for _, _, name in kept])
    meaning = meaning_in(arrays)
    saved = SavedRows(
        meaning,
        _store(scorer, arrays),
        arrays["state"],
        arrays["threshold_state"],
        arrays.get("drift"),
        arrays.get("counters"),
    )
    migrate(scorer, start + at, saved, at)
    scorer.incidents.bits[start + at] = arrays["bits"][at]
    scorer.report_again(start + at)
    scorer.free_unused()
    scorer.dirty[number] = meaning != meaning_of(scorer.model) or len(kept) < len(members)
    left = set(members) - set(kept)
    return [(start + at, name) for at, _, name in sorted(left) if name is not None]


def _store(scorer: ModelScorer, arrays: Arrays) -> WindowStore:
    store = WindowStore(replace(scorer.store.spec, window=arrays["ring"].shape[1]))
    for name in ("ring", "head", "count", "until_due", "last"):
        setattr(store, name, arrays[name])
    store.points = arrays.get("points", arrays["count"])  # state of a version that did not count them
    store.filled = np.unpackbits(arrays["filled"], axis=1, count=store.spec.window)
    return store

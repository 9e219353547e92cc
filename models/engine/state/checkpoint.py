"""An engine's keyed state: which entries changed since the last checkpoint, and how to take them back.

Entries of the managed ``MapState`` of a shard:

========================  =====================================================================
``names/<page>``          series ids by slot (JSON list; null = free slot)
``clock/<page>``          event-time state and last-seen times by slot
``held``                  events that wait for stragglers
``window/<model>/<page>`` windows and per-series state of one model, by row
``open/<model>``          open incidents of one model (JSON object by row)
``feedback/<model>``      what people said of its incidents (JSON object by row)
========================  =====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.engine.engine import Engine
from eddy.models.engine.scorer import ModelScorer
from eddy.models.engine.state.blocks import block_of, features_of
from eddy.models.engine.state.codec import BLOCK, pack, pack_text, unpack, unpack_text
from eddy.models.windowing.event_time import Held


class EngineState:
    """Writes what changed, restores all of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._had_held = False
        self._open: dict[str, str] = {}  # open incidents as last written, by model
        self._feedback: dict[str, str] = {}  # likewise
        self._scorers: dict[
            str, ModelScorer
        ] = {}  # judges as of the last write: another one means that all pages changed
        self._blocks: dict[str, int] = {}  # pages written, by model

    def changes(self) -> dict[str, bytes | None]:
        """Entries to put (None: to remove) so that the state is that of now."""
        engine, clock = self.engine, self.engine.clock
        entries: dict[str, bytes | None] = {}
        for block in np.flatnonzero(engine.dirty_names).tolist():
            names = engine.names[block * BLOCK : (block + 1) * BLOCK]
            entries[f"names/{block}"] = pack_text(json.dumps(names, ensure_ascii=False))
        for block in np.flatnonzero(engine.dirty).tolist():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, len(engine.names)))
            arrays: dict[str, NDArray[Any]] = {
                "last": clock.last,
                "newest": clock.newest,
                "recent": clock.recent,
                "seen": engine.seen,
            }
            entries[f"clock/{block}"] = pack({name: array[part] for name, array in arrays.items()})
        engine.dirty[:] = False
        engine.dirty_names[:] = False
        if clock.waiting or self._had_held:
            self._had_held = bool(clock.waiting)
            entries["held"] = pack(vars(clock.held())) if self._had_held else None
        for name, block in engine.dirty_restored:
            if name in engine.restored:
                entries[f"window/{name}/{block}"] = pack(engine.restored[name][block])
        engine.dirty_restored.clear()
        for name in set(self._scorers) - set(engine.scorers):
            entries |= self._removed(name)
        for name, scorer in engine.scorers.items():
            entries |= self._scorer_changes(name, scorer)
        return entries

    def _scorer_changes(self, name: str, scorer: ModelScorer) -> dict[str, bytes | None]:
        entries: dict[str, bytes | None] = {}
        if self._scorers.get(name) is not scorer:
            entries |= {f"window/{name}/{block}": None for block in range(len(scorer.dirty), self._blocks.get(name, 0))}
            scorer.dirty[:] = True
            self._scorers[name] = scorer
        for block in np.flatnonzero(scorer.dirty).tolist():
            arrays = block_of(scorer, block)
            entries[f"window/{name}/{block}"] = pack(arrays) if arrays else None
        scorer.dirty[:] = False
        self._blocks[name] = len(scorer.dirty)
        incidents = json.dumps(scorer.incidents.to_params(), sort_keys=True)
        if incidents != self._open.get(name, "{}"):
            entries[f"open/{name}"] = pack_text(incidents)
            self._open[name] = incidents
        feedback = json.dumps(scorer.feedback.to_params())
        if feedback != self._feedback.get(name, "{}"):
            entries[f"feedback/{name}"] = pack_text(feedback)
            self._feedback[name] = feedback
        return entries

    def _removed(self, name: str) -> dict[str, bytes | None]:
        del self._scorers[name]
        self._open.pop(name, None)
        self._feedback.pop(name, None)
        blocks = range(self._blocks.pop(name, 0))
        return {f"open/{name}": None, f"feedback/{name}": None, **{f"window/{name}/{block}": None for block in blocks}}

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Fill a new engine. Windows of models that are not loaded yet wait for them."""
        engine, clock = self.engine, self.engine.clock
        blocks = sorted((int(key.split("/")[1]), value) for key, value in entries.items() if key.startswith("names/"))
        for block, blob in blocks:
            names = json.loads(unpack_text(blob))
            engine.names += [None] * (block * BLOCK + len(names) - len(engine.names))
            engine.names[block * BLOCK : block * BLOCK + len(names)] = names
        engine.restored_names()
        for key, blob in entries.items():
            kind, *rest = key.split("/")
            if kind == "clock":
                start = int(rest[0]) * BLOCK
                arrays = unpack(blob)
                part = slice(start, start + len(arrays["last"]))
                clock.last[part], clock.newest[part] = arrays["last"], arrays["newest"]
                clock.recent[part], engine.seen[part] = arrays["recent"], arrays["seen"]
            elif kind == "held":
                clock.restore(Held(**unpack(blob)))
                self._had_held = True
            elif kind == "window":
                engine.restored.setdefault(rest[0], {})[int(rest[1])] = unpack(blob)
            elif kind == "open":
                self._open[rest[0]] = text = unpack_text(blob)
                engine.restored_incidents[rest[0]] = json.loads(text)
            elif kind == "feedback":
                self._feedback[rest[0]] = text = unpack_text(blob)
                engine.restored_feedback[rest[0]] = json.loads(text)
        for name, waiting in engine.restored.items():
            self._blocks[name] = max(waiting) + 1
            engine.models.pending_versions.prove(name, features_of(next(iter(waiting.values()))))
        engine.paused_at = int(engine.seen[: len(engine.names)].max(initial=0))
        engine.adopt_models()
        self._scorers = dict(engine.scorers)
        for scorer in engine.scorers.values():
            scorer.stale[: len(scorer.slot_of)] = [slot is not None for slot in scorer.slot_of]
        engine.dirty[:] = False
        engine.dirty_names[:] = False

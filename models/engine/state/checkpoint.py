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
from eddy.models.engine.scorer import Judge
from eddy.models.engine.state.blocks import features_of, page_of
from eddy.models.engine.state.codec import PAGE, pack, pack_text, unpack, unpack_text
from eddy.models.windowing.event_time import Held


class EngineState:
    """Writes what changed, restores all of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._had_held = False
        self._open: dict[str, str] = {}  # open incidents as last written, by model
        self._feedback: dict[str, str] = {}  # likewise
        self._judges: dict[str, Judge] = {}  # judges as of the last write: another one means that all pages changed
        self._pages: dict[str, int] = {}  # pages written, by model

    def changes(self) -> dict[str, bytes | None]:
        """Entries to put (None: to remove) so that the state is that of now."""
        engine, clock = self.engine, self.engine.clock
        entries: dict[str, bytes | None] = {}
        for page in np.flatnonzero(engine.dirty_names).tolist():
            names = engine.names[page * PAGE : (page + 1) * PAGE]
            entries[f"names/{page}"] = pack_text(json.dumps(names, ensure_ascii=False))
        for page in np.flatnonzero(engine.dirty).tolist():
            part = slice(page * PAGE, min((page + 1) * PAGE, len(engine.names)))
            arrays: dict[str, NDArray[Any]] = {
                "last": clock.last,
                "newest": clock.newest,
                "recent": clock.recent,
                "seen": engine.seen,
            }
            entries[f"clock/{page}"] = pack({name: array[part] for name, array in arrays.items()})
        engine.dirty[:] = False
        engine.dirty_names[:] = False
        if clock.waiting or self._had_held:
            self._had_held = bool(clock.waiting)
            entries["held"] = pack(vars(clock.held())) if self._had_held else None
        for name, page in engine.dirty_unclaimed:
            if name in engine.unclaimed:
                entries[f"window/{name}/{page}"] = pack(engine.unclaimed[name][page])
        engine.dirty_unclaimed.clear()
        for name in set(self._judges) - set(engine.judges):
            entries |= self._removed(name)
        for name, judge in engine.judges.items():
            entries |= self._judge_changes(name, judge)
        return entries

    def _judge_changes(self, name: str, judge: Judge) -> dict[str, bytes | None]:
        entries: dict[str, bytes | None] = {}
        if self._judges.get(name) is not judge:
            entries |= {f"window/{name}/{page}": None for page in range(len(judge.dirty), self._pages.get(name, 0))}
            judge.dirty[:] = True
            self._judges[name] = judge
        for page in np.flatnonzero(judge.dirty).tolist():
            arrays = page_of(judge, page)
            entries[f"window/{name}/{page}"] = pack(arrays) if arrays else None
        judge.dirty[:] = False
        self._pages[name] = len(judge.dirty)
        incidents = json.dumps(judge.incidents.to_params(), sort_keys=True)
        if incidents != self._open.get(name, "{}"):
            entries[f"open/{name}"] = pack_text(incidents)
            self._open[name] = incidents
        feedback = json.dumps(judge.feedback.to_params())
        if feedback != self._feedback.get(name, "{}"):
            entries[f"feedback/{name}"] = pack_text(feedback)
            self._feedback[name] = feedback
        return entries

    def _removed(self, name: str) -> dict[str, bytes | None]:
        del self._judges[name]
        self._open.pop(name, None)
        self._feedback.pop(name, None)
        pages = range(self._pages.pop(name, 0))
        return {f"open/{name}": None, f"feedback/{name}": None, **{f"window/{name}/{page}": None for page in pages}}

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Fill a new engine. Windows of models that are not loaded yet wait for them."""
        engine, clock = self.engine, self.engine.clock
        pages = sorted((int(key.split("/")[1]), value) for key, value in entries.items() if key.startswith("names/"))
        for page, blob in pages:
            names = json.loads(unpack_text(blob))
            engine.names += [None] * (page * PAGE + len(names) - len(engine.names))
            engine.names[page * PAGE : page * PAGE + len(names)] = names
        engine.restored_names()
        for key, blob in entries.items():
            kind, *rest = key.split("/")
            if kind == "clock":
                start = int(rest[0]) * PAGE
                arrays = unpack(blob)
                part = slice(start, start + len(arrays["last"]))
                clock.last[part], clock.newest[part] = arrays["last"], arrays["newest"]
                clock.recent[part], engine.seen[part] = arrays["recent"], arrays["seen"]
            elif kind == "held":
                clock.restore(Held(**unpack(blob)))
                self._had_held = True
            elif kind == "window":
                engine.unclaimed.setdefault(rest[0], {})[int(rest[1])] = unpack(blob)
            elif kind == "open":
                self._open[rest[0]] = text = unpack_text(blob)
                engine.unclaimed_incidents[rest[0]] = json.loads(text)
            elif kind == "feedback":
                self._feedback[rest[0]] = text = unpack_text(blob)
                engine.unclaimed_feedback[rest[0]] = json.loads(text)
        for name, waiting in engine.unclaimed.items():
            self._pages[name] = max(waiting) + 1
            engine.models.candidates.prove(name, features_of(next(iter(waiting.values()))))
        engine.paused_at = int(engine.seen[: len(engine.names)].max(initial=0))
        engine.adopt_models()
        self._judges = dict(engine.judges)
        for judge in engine.judges.values():
            judge.stale[: len(judge.slot_of)] = [slot is not None for slot in judge.slot_of]
        engine.dirty[:] = False
        engine.dirty_names[:] = False

"""Write what changed of an engine since the last checkpoint as entries of keyed state, and restore an engine from them.

Entries of the managed ``MapState`` of a shard:

=========================  =====================================================================
``names/<block>``          series ids by slot (JSON list; null = free slot)
``clock/<block>``          event-time state and last-seen times by slot
``held``                   events that wait for those before them
``window/<model>/<block>`` windows and per-series state of one model, by row
``open/<model>``           open incidents of one model (JSON object by row)
``feedback/<model>``       people's feedback on its incidents (JSON object by row)
``silence/<block>``        pauses and hours of series by slot, and what else ``SilenceMonitor`` keeps
=========================  =====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.engine.alert_messages import Closing
from eddy.models.engine.engine import Engine
from eddy.models.engine.scorer import ModelScorer
from eddy.models.engine.state.blocks import block_of, meaning_in
from eddy.models.engine.state.codec import BLOCK, pack, pack_text, unpack, unpack_text
from eddy.models.serving.pending_versions import PendingVersions
from eddy.models.silence.monitor import open_incidents
from eddy.models.windowing.event_time import Held


class EngineState:
    """Writes what changed, restores all of it.

    Args:
        engine: whose state it is.
        pending_versions: learn from restored state which features have come already.
    """

    def __init__(self, engine: Engine, pending_versions: PendingVersions | None = None) -> None:
        self.engine = engine
        self._pending_versions = pending_versions
        self._had_held = False
        self._open: dict[str, str] = {}  # open incidents as last written, by model
        self._feedback: dict[str, str] = {}  # likewise
        self._scorers: dict[str, ModelScorer] = {}  # as of the last write: another one means that all blocks changed
        self._blocks: dict[str, int] = {}  # blocks written, by model
        self._silence_unused: set[str] = set()  # restored entries of silence, which the settings ask for no more

    def changes(self) -> dict[str, bytes | None]:
        """Return the entries to put (None: to remove) so that the state is that of now."""
        engine, clock, series = self.engine, self.engine.clock, self.engine.series
        entries: dict[str, bytes | None] = {}
        for block in np.flatnonzero(series.dirty_names).tolist():
            names = series.names[block * BLOCK : (block + 1) * BLOCK]
            entries[f"names/{block}"] = pack_text(json.dumps(names, ensure_ascii=False))
        for block in np.flatnonzero(series.dirty).tolist():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, len(engine.names)))
            arrays: dict[str, NDArray[Any]] = {
                "last": clock.last[part],
                "newest": clock.newest[part],
                "seen": series.seen[part],
                "partition": clock.partitions.partition[part],
                "spread_until": clock.partitions.until[part],
            }
            entries[f"clock/{block}"] = pack({**arrays, **clock.times.saved(part, clock.last)})
        series.dirty[:] = series.dirty_names[:] = False
        if clock.waiting or self._had_held:
            self._had_held = bool(clock.waiting)
            entries["held"] = pack(vars(clock.held())) if self._had_held else None
        for name, number, arrays in engine.restored.take_dirty():
            entries[f"window/{name}/{number}"] = pack(arrays)
        for name in engine.restored.take_removed() | (self._scorers.keys() - engine.scorers.keys()):
            entries |= self._removed(name)
        for name, scorer in engine.scorers.items():
            entries |= self._scorer_changes(name, scorer)
        if engine.silence is not None:
            for name, kept in engine.silence.changes().items():
                entries[f"silence/{name}"] = pack_text(kept) if isinstance(kept, str) else pack(kept)
        entries |= dict.fromkeys(self._silence_unused)
        self._silence_unused = set()
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
        self._scorers.pop(name, None)
        self._open.pop(name, None)
        self._feedback.pop(name, None)
        blocks = range(self._blocks.pop(name, 0))
        return {f"open/{name}": None, f"feedback/{name}": None, **{f"window/{name}/{block}": None for block in blocks}}

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Fill a new engine. Windows of models that are not loaded yet wait for them."""
        engine, series = self.engine, self.engine.series
        for key, blob in entries.items():
            if key.startswith("names/"):
                series.restore_names(int(key.split("/")[1]) * BLOCK, json.loads(unpack_text(blob)))
        series.rebuild()
        engine.grow()
        for key, blob in entries.items():
            kind, *rest = key.split("/")
            if kind == "clock":
                self._restore_clock(int(rest[0]) * BLOCK, unpack(blob))
            elif kind == "held":
                engine.clock.restore(Held(**unpack(blob)))
                self._had_held = True
            elif kind == "window":
                engine.restored.of(rest[0]).blocks[int(rest[1])] = unpack(blob)
            elif kind == "open":
                self._open[rest[0]] = text = unpack_text(blob)
                engine.restored.of(rest[0]).incidents = json.loads(text)
            elif kind == "feedback":
                self._feedback[rest[0]] = text = unpack_text(blob)
                engine.restored.of(rest[0]).feedback = json.loads(text)
        self._restore_silence({key: blob for key, blob in entries.items() if key.startswith("silence/")})
        for name, model in engine.restored.models.items():
            if model.blocks:
                self._blocks[name] = max(model.blocks) + 1
                if self._pending_versions is not None:
                    self._pending_versions.prove(name, meaning_in(next(iter(model.blocks.values())))["points"][0])
        engine.paused_at = int(series.seen[: len(series)].max(initial=0))
        engine.adopt_models()
        self._scorers = dict(engine.scorers)
        series.dirty[:] = series.dirty_names[:] = False

    def _restore_silence(self, entries: Mapping[str, bytes]) -> None:
        """Put back what is known of silent series; where the settings ask for it no more, open incidents are closed."""
        engine, texts = self.engine, ("silence/open", "silence/feeds")
        if engine.silence is not None:
            kept = {key.split("/")[1]: unpack_text(v) if key in texts else unpack(v) for key, v in entries.items()}
            engine.silence.restore(kept, engine.names)
            return
        self._silence_unused = set(entries)
        for incident in open_incidents(unpack_text(entries.get("silence/open", b"{}"))).values():
            group = engine.options.alerts.group_of(incident.start)
            engine.closing.append(Closing(incident.alert("closed", engine.options.job, group, 0), False))

    def _restore_clock(self, start: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        clock, part = self.engine.clock, slice(start, start + len(arrays["last"]))
        clock.last[part], clock.newest[part] = arrays["last"], arrays["newest"]
        if "recent" in arrays:
            clock.times.restore_distances(part, arrays["last"], arrays["recent"])
        else:
            clock.times.restore(part, arrays)
            clock.partitions.partition[part] = arrays["partition"]
            clock.partitions.until[part] = arrays["spread_until"]
            clock.partitions.any |= bool(arrays["spread_until"].any())
        self.engine.series.seen[part] = arrays["seen"]

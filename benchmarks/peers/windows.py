"""Keep windows of many series at once, and encode alerts, for all batched peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from benchmarks.measuring.message_forms import event_of
from benchmarks.peers.detectors import PeerDetector


def decode(values: Sequence[bytes], form: str = "own") -> tuple[list[str], Any, Any]:
    """Return (series, ts, values) of a batch of events, parsed in one call."""
    rows = orjson.loads(b"[" + b",".join(values) + b"]")
    if form != "own":
        series, ts, found = zip(*(event_of(form, row) for row in rows), strict=True)
        return list(series), np.array(ts, np.int64), np.array(found)
    return (
        [row["series"] for row in rows],
        np.array([row["ts"] for row in rows], np.int64),
        np.array([row["value"] for row in rows]),
    )


def encode(series: str, ts: int, score: float) -> bytes:
    """Encode one alert."""
    return b'{"series":"%b","ts":%d,"score":%.9g}' % (series.encode(), ts, score)


class BatchScorer:
    """Keep the last points of every series in one array, and score a batch of events of any series in one call.

    Attributes:
        names: series to row.
        history: (rows, W - 1) last points, NaN where there are none yet.
    """

    def __init__(self, detector: PeerDetector, names: dict[str, int] | None = None, history: Any = None) -> None:
        self._detector = detector
        self.names = {} if names is None else names
        self.history = np.empty((0, detector.window - 1)) if history is None else history
        self._binding = detector.bind(list(self.names))

    def score_batch(self, series: Sequence[str], ts: Any, values: Any) -> list[tuple[str, int, float]]:
        """Return (series, ts, score) of the anomalous events; each series' events come in order of time."""
        if not len(values):
            return []
        names, past = self.names, self._detector.window - 1
        codes = np.array([names.setdefault(name, len(names)) for name in series])
        self._grow()
        order = np.argsort(codes, kind="stable")
        codes, ordered = codes[order], values[order]
        present, first, count = np.unique(codes, return_index=True, return_counts=True)
        offset = np.arange(len(present)) * past + first  # start of each series' part of the buffer
        buffer = np.empty(len(present) * past + len(ordered))
        buffer[(offset[:, None] + np.arange(past)).ravel()] = self.history[present].ravel()
        place = np.arange(len(ordered)) + (np.repeat(np.arange(len(present)), count) + 1) * past
        buffer[place] = ordered
        windows = np.lib.stride_tricks.sliding_window_view(buffer, past + 1)[place - past]
        self.history[present] = buffer[(offset + count)[:, None] + np.arange(past)]
        full = np.flatnonzero(~np.isnan(windows[:, 0]))
        if not len(full):
            return []
        scores = self._detector.score(windows[full], self._binding[codes[full]])
        over = np.flatnonzero(scores > self._detector.limit)
        at = order[full[over]]
        return [(series[i], int(ts[i]), float(score)) for i, score in zip(at, scores[over], strict=True)]

    def _grow(self) -> None:
        missing = len(self.names) - len(self.history)
        if missing:
            blank = np.full((missing, self.history.shape[1]), np.nan)
            fresh = list(self.names)[len(self.history) :]
            self.history = np.concatenate([self.history, blank])
            self._binding = np.concatenate([self._binding, self._detector.bind(fresh)])

"""Read users' own CSV files as recordings, with labels from NAB's window file or from a producer's labels file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eddy.errors import DataError
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.data.nab import parse_time
from eddy.training.data.recording import Event, Recording

EventSpans = Mapping[str, list[tuple[int, int, str]]]


def recordings_of(data: Dataset, start_share: float, labels: Path | None = None) -> list[Recording]:
    """Return a recording per series, its first ``start_share`` for fitting.

    Raises:
        DataError: the labels cannot be read, or name no series of the data.
    """
    spans = read_spans(labels) if labels is not None else {}
    by_stem = {Path(name).stem: own for name, own in spans.items()} | dict(spans)
    if spans and not any(s.name in by_stem for s in data.series):
        raise DataError(
            f"{labels}: names {', '.join(list(spans)[:3])}; none of them is a series of the data, such as "
            f"{', '.join(s.name for s in data.series[:3])}"
        )
    return [_recording(data, raw, start_share, by_stem.get(raw.name, [])) for raw in data.series]


def _recording(data: Dataset, raw: RawSeries, share: float, spans: list[tuple[int, int, str]]) -> Recording:
    ts, kept = np.unique(raw.ts, return_index=True)  # in order of time; of a time that comes twice the first counts
    values = raw.values[kept]
    events = []
    for start, end, kind in sorted(spans):
        first, last = int(np.searchsorted(ts, start)), int(np.searchsorted(ts, end, side="right")) - 1
        if first <= last:
            events.append(Event(first, last, kind))
    return Recording(raw.name, ts, values, data.features, int(share * len(ts)), tuple(events))


def read_spans(path: Path) -> EventSpans:
    """Read (start, end, kind) in epoch ms per series.

    Raises:
        DataError: the file is neither ``{"file": [["start", "end"], …]}`` nor ``{"labels": [{series, start, end, kind},
        …]}``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and isinstance(content.get("labels"), list):
            found: dict[str, list[tuple[int, int, str]]] = {}
            for row in content["labels"]:
                own = found.setdefault(str(row["series"]), [])
                own.append((_ms(row["start"]), _ms(row["end"]), str(row.get("kind", ""))))
            return found
        return {str(name): [(_ms(a), _ms(b), "") for a, b in windows] for name, windows in content.items()}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path}: expected {{"file": [["start", "end"]]}} or {{"labels": [{{"series", "start", "end"}}]}}: {error}'
        ) from None


def _ms(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else parse_time(str(value))

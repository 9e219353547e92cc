"""Read known anomalies from NAB's window files, a producer's labels, or a CSV file, and mark points with them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Bools, Series
from eddy.training.data.nab import parse_time

Spans = Sequence[tuple[int, int]]  # (first, last) epoch ms, both included
Labels = Mapping[str, Spans]


def load_labels(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Read anomalous spans by series.

    Args:
        path: ``combined_windows.json`` of NAB, ``{"group/file.csv": [[start, end], …]}``; what ``eddy produce`` writes,
            ``{"labels": [{series, start, end}, …]}``; or a CSV file with the columns ``series,start,end``. Times are
            ISO-8601 or epoch milliseconds.

    Raises:
        DataError: the file has none of these forms, or a span ends before it starts; names it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    found: dict[str, list[tuple[int, int]]] = {}
    for name, first, last in _rows(path, text):
        try:
            span = (_time(first), _time(last))
        except DataError as error:
            raise DataError(f"{path}: series {name!r}: {error}") from None
        if span[1] < span[0]:
            raise DataError(f"{path}: series {name!r}: a span ends at {last}, before its start {first}")
        found.setdefault(name, []).append(span)
    return found


def spans_of(labels: Labels, series: str) -> Spans:
    """Return the spans of a series, also if the labels name its file with folder and ending, as NAB's do."""
    if series in labels:
        return labels[series]
    return next((spans for name, spans in labels.items() if PurePosixPath(name).stem == series), ())


def mark(labels: Labels, series: Series) -> Bools:
    """Return (n,) True where a point lies in a labelled span."""
    marked = np.zeros(len(series.ts), bool)
    for first, last in spans_of(labels, series.name):
        marked |= (series.ts >= first) & (series.ts <= last)
    return marked


def without_labelled(series: Sequence[Series], labels: Labels) -> list[Series]:
    """Return the segments with labelled points missing, so that anomalies are not learned as normal."""
    kept = []
    for s in series:
        marked = mark(labels, s)
        kept.append(replace(s, values=np.where(marked[:, None], np.nan, s.values)) if marked.any() else s)
    return kept


def _rows(path: Path, text: str) -> list[tuple[str, Any, Any]]:
    expected = 'expected {"series": [[start, end], …]}, {"labels": [{series, start, end}, …]} or CSV series,start,end'
    try:
        if text.lstrip()[:1] != "{":
            return [(r["series"], r["start"], r["end"]) for r in csv.DictReader(text.splitlines())]
        content = json.loads(text)
        if isinstance(content.get("labels"), list):
            return [(r["series"], r["start"], r["end"]) for r in content["labels"]]
        return [(name, first, last) for name, spans in content.items() for first, last in spans]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: no labels file ({type(error).__name__}: {error}); {expected}") from None


def _time(found: Any) -> int:
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    text = str(found).strip()
    return int(text) if text.lstrip("-").isdigit() else parse_time(text)

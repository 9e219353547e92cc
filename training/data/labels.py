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
from eddy.event_times import USUAL_TIMES, as_number, calendar_date, epoch_ms, to_ms, unit_of
from eddy.models.core.detector import Bools, Series
from eddy.training.data.nab import parse_time

Spans = Sequence[tuple[int, int]]  # (first, last) epoch ms, both included
Labels = Mapping[str, Spans]


def load_labels(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Read anomalous spans by series.

    Args:
        path: ``combined_windows.json`` of NAB, ``{"group/file.csv": [[start, end], …]}``; what ``eddy produce`` writes,
            ``{"labels": [{series, start, end}, …]}``; or a CSV file with the columns ``series,start,end``. Times are
            ISO-8601, epochs in any unit, or dates of 8, 12 or 14 digits.

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
            span = (label_time(first), label_time(last))
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


def label_time(found: Any) -> int:
    """Return epoch ms of a label's edge: text, an epoch in any unit, or a date of 8, 12 or 14 digits.

    Raises:
        DataError: it is none of these.
    """
    number = as_number(found)
    if number is None:
        return parse_time(str(found))
    date = calendar_date(number)
    if date is not None:
        return epoch_ms(date)
    ms = round(to_ms(number, unit_of(number)))
    return ms if ms in USUAL_TIMES else round(number)

"""Read a file as training and as producing read it: observations as (series, time, value), in a fixed order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.skipped import Skipped
from eddy.observation import Observations
from eddy.producers.csv_file import CsvSource
from eddy.training.data import datasets

Triple = tuple[str, int, str]  # value as text, so that NaN equals NaN; features stand before it


def trained_on(path: Path, layout: CsvLayout, skipped: Skipped | None = None) -> list[Triple]:
    found = datasets.load(path, form="csv", layout=layout, skipped=skipped)
    triples = []
    for one in found.series:
        for ts, row in zip(one.ts.tolist(), one.values, strict=True):
            for feature, value in zip(found.features, row.tolist(), strict=True):
                triples.append(_triple(one.name, ts, feature if len(found.features) > 1 else "", value))
    return sorted(triples)


def produced(path: Path, layout: CsvLayout, skipped: Skipped | None = None) -> list[Triple]:
    triples = []
    for order in ("time", "file"):
        source = CsvSource([path], layout, order=order)
        source.skipped = skipped or source.skipped
        found = [
            _triple(m["series"], m["ts"], feature, value)
            for block in source.blocks()
            if isinstance(block, Observations)
            for m in map(json.loads, block.encode())
            for feature, value in (m["values"].items() if "values" in m else [("", m["value"])])
        ]
        triples.append(sorted(found))
    assert triples[0] == triples[1]
    return triples[0]


def _triple(series: str, ts: int, feature: str, value: float | None) -> Triple:
    text = "missing" if value is None or np.isnan(value) else repr(float(value))
    return series, ts, f"{feature} {text}".strip()

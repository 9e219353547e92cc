"""The comparative study: all detectors over all local data, over seeds where they draw at random, kept in a cache.

Each (data set, detector, seed) is one JSON file in the cache folder, named by a hash of everything that it depends on:
the detector's configuration, its parameters' defaults, and the data. An interrupted study goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.evaluation.lineup import Entrant
from training.evaluation.nab_run import run_entrant
from training.evaluation.recording import Recording
from training.evaluation.report import plain_json
from training.evaluation.stream_run import run_over
from training.evaluation.ucr_run import locate
from training.nab import Corpus
from training.ucr import UcrSeries

SEEDS = (0, 1, 2)  # of detectors that draw at random
TAXI = "realKnownCause/nyc_taxi.csv"
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Cache:
    """Results on disk."""

    folder: Path

    def get(self, what: str, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The stored result of ``key``, made and stored if there is none."""
        text = json.dumps(key, sort_keys=True, default=str)
        path = self.folder / f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        made = plain_json(make())
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(made)
        partial.replace(path)  # an interruption leaves no half result
        again: dict[str, Any] = json.loads(made)
        return again


def nab_study(cache: Cache, entrants: Sequence[Entrant], corpus: Corpus, tell: Tell) -> list[dict[str, Any]]:
    """Rows of the NAB table, one per detector and seed."""
    data = _fingerprint([Recording.of_nab(s) for s in corpus.series])
    rows = []
    for entrant, seed in _turns(entrants):

        def make(entrant: Entrant = entrant, seed: int = seed) -> dict[str, Any]:
            run = run_entrant(entrant, corpus, progress=tell, seed=seed)
            result = asdict(run.result)
            figures = run.figures.to_json()
            taxi = {
                "score": result["per_series"].get(TAXI), **run.figures.per_series.get(TAXI, {}),
            }  # fmt: skip
            return {**result, **figures, "taxi": taxi, "seed": seed, "peak_mb": run.cost.peak_mb}

        rows.append(cache.get(f"nab-{entrant.name}-{seed}", _key(entrant, seed, data), make))
    return rows


def stream_study(
    cache: Cache, name: str, entrants: Sequence[Entrant], recordings: Sequence[Recording], tell: Tell
) -> list[dict[str, Any]]:
    """Rows of another table: every recording (a seed of the data each) judged by itself."""
    rows = []
    for entrant, seed in _turns(entrants):
        for recording in recordings:

            def make(entrant: Entrant = entrant, seed: int = seed, one: Recording = recording) -> dict[str, Any]:
                return {**run_over(entrant, [one], seed, tell).to_json(), "seed": seed, "data": one.name}

            key = _key(entrant, seed, _fingerprint([recording]))
            rows.append(cache.get(f"{name}-{entrant.name}-{seed}", key, make))
    return rows


def ucr_study(cache: Cache, entrants: Sequence[str], series: Sequence[UcrSeries]) -> list[dict[str, Any]]:
    """Where each detector finds each series' anomaly."""
    rows = []
    for kind in entrants:
        for one in series:

            def make(kind: str = kind, one: UcrSeries = one) -> dict[str, Any]:
                return asdict(locate(one, kind))

            rows.append(cache.get(f"ucr-{kind}", {"kind": kind, "series": one.name, "n": len(one.values)}, make))
    return rows


def _turns(entrants: Sequence[Entrant]) -> list[tuple[Entrant, int]]:
    return [(entrant, seed) for entrant in entrants for seed in (SEEDS if entrant.random else SEEDS[:1])]


def _key(entrant: Entrant, seed: int, data: str) -> dict[str, Any]:
    return {"entrant": asdict(entrant), "class": type(entrant).__name__, "seed": seed, "data": data}


def _fingerprint(recordings: Sequence[Recording]) -> str:
    digest = hashlib.sha256()
    for r in recordings:
        digest.update(r.name.encode())
        digest.update(r.ts.tobytes())
        digest.update(r.values.tobytes())
        digest.update(repr((r.start, r.events)).encode())
    return digest.hexdigest()

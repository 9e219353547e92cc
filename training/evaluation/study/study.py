"""Run the comparative study: all detectors over all local data, over seeds where they draw at random, with a cache.

Each (data set, detector, seed) is one JSON file in the cache folder, named by a hash of everything that it depends on:
the detector's configuration, the code of the detector and of the evaluation, and the data. An interrupted study
continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from eddy.models.detectors.ensemble.members import DEFAULT_MEMBERS
from eddy.training.data.nab import Corpus
from eddy.training.data.recording import Recording
from eddy.training.data.ucr import UcrSeries
from eddy.training.evaluation.report.html import plain_json
from eddy.training.evaluation.runs import nab, streams, ucr
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.nab import run_entrant
from eddy.training.evaluation.runs.streams import run_over
from eddy.training.evaluation.runs.ucr import locate, recording_of
from eddy.training.evaluation.study import taxi_ranking
from eddy.training.evaluation.study.code_digest import digest
from eddy.training.evaluation.study.taxi_ranking import ROWS, rank_taxi

SEEDS = (0, 1, 2)  # for detectors that draw at random
TAXI = "realKnownCause/nyc_taxi.csv"
Notify = Callable[[str, float], None]


@dataclass
class Cache:
    """Store results on disk.

    Attributes:
        folder: folder of the files.
        read_only: compute nothing; results that are not stored are left out.
        missing: names of results that were left out.
    """

    folder: Path
    read_only: bool = False
    missing: list[str] = field(default_factory=list)

    def rows(self, what: str, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the stored result of ``key``; computes and stores it if needed, empty if nothing may be computed."""
        text = json.dumps(key, sort_keys=True, default=str)
        path = self.folder / f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        if not path.exists():
            if self.read_only:
                self.missing.append(what)
                return []
            made = plain_json(make())
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(made)
            partial.replace(path)  # an interruption leaves no incomplete result
        return [json.loads(path.read_text())]


def nab_study(cache: Cache, entrants: Sequence[Entrant], corpus: Corpus, notify: Notify) -> list[dict[str, Any]]:
    """Return rows of the NAB table, one per detector and seed."""
    data = _fingerprint([Recording.of_nab(s) for s in corpus.series])
    rows = []
    for entrant, seed in _turns(entrants):

        def make(entrant: Entrant = entrant, seed: int = seed) -> dict[str, Any]:
            run = run_entrant(entrant, corpus, progress=notify, seed=seed)
            result = asdict(run.result)
            figures = run.figures.to_json()
            taxi = {
                "score": result["per_series"].get(TAXI), **run.figures.per_series.get(TAXI, {}),
            }  # fmt: skip
            return {**result, **figures, "taxi": taxi, "seed": seed, "peak_mb": run.cost.peak_mb}

        rows += cache.rows(f"nab-{entrant.name}-{seed}", _key(nab, entrant, seed, data), make)
    return rows


def stream_study(
    cache: Cache, name: str, entrants: Sequence[Entrant], recordings: Sequence[Recording], notify: Notify
) -> list[dict[str, Any]]:
    """Return rows of another table: every recording (a seed of the data each) evaluated by itself."""
    rows = []
    for entrant, seed in _turns(entrants):
        for recording in recordings:

            def make(entrant: Entrant = entrant, seed: int = seed, one: Recording = recording) -> dict[str, Any]:
                return {**run_over(entrant, [one], seed, notify).to_json(), "seed": seed, "data": one.name}

            key = _key(streams, entrant, seed, _fingerprint([recording]))
            rows += cache.rows(f"{name}-{entrant.name}-{seed}", key, make)
    return rows


def ucr_study(
    cache: Cache, entrants: Sequence[Entrant], series: Sequence[UcrSeries], notify: Notify
) -> list[dict[str, Any]]:
    """Return where each detector, with each of its seeds, locates each series' anomaly."""
    rows = []
    for entrant, seed in _turns(entrants):
        for one in series:

            def make(entrant: Entrant = entrant, seed: int = seed, one: UcrSeries = one) -> dict[str, Any]:
                notify(f"{entrant.name}: {one.name}", 0.0)
                return {**asdict(locate(one, entrant, seed)), "seed": seed}

            key = _key(ucr, entrant, seed, _fingerprint([recording_of(one)]))
            rows += cache.rows(f"ucr-{entrant.name}-{seed}", key, make)
    return rows


def nine_weeks_study(cache: Cache, entrants: Sequence[Entrant], corpus: Corpus, notify: Notify) -> list[dict[str, Any]]:
    """Return VUS-PR on NYC taxi demand, fitted on nine weeks; nothing if the corpus has no such series."""
    rows = []
    for series in corpus.series:
        if series.name != TAXI:
            continue
        taxi = replace(Recording.of_nab(series), start=ROWS)
        for entrant, seed in _turns(entrants):

            def make(entrant: Entrant = entrant, seed: int = seed, taxi: Recording = taxi) -> dict[str, Any]:
                notify(f"{entrant.name}: {TAXI}, nine weeks", 0.0)
                return asdict(rank_taxi(taxi, entrant, seed))

            key = _key(taxi_ranking, entrant, seed, _fingerprint([taxi]))
            rows += cache.rows(f"taxi-{entrant.name}-{seed}", key, make)
    return rows


def _turns(entrants: Sequence[Entrant]) -> list[tuple[Entrant, int]]:
    return [(entrant, seed) for entrant in entrants for seed in (SEEDS if entrant.random else SEEDS[:1])]


def _key(evaluation: ModuleType, entrant: Entrant, seed: int, data: str) -> dict[str, Any]:
    members = entrant.params.get("members", DEFAULT_MEMBERS) if entrant.kind == "ensemble" else ()
    code = digest([evaluation.__name__], [entrant.kind, *(str(m["kind"]) for m in members)])
    return {"entrant": asdict(entrant), "class": type(entrant).__name__, "seed": seed, "data": data, "code": code}


def _fingerprint(recordings: Sequence[Recording]) -> str:
    digest = hashlib.sha256()
    for r in recordings:
        digest.update(r.name.encode())
        digest.update(r.ts.tobytes())
        digest.update(r.values.tobytes())
        digest.update(repr((r.start, r.events)).encode())
    return digest.hexdigest()

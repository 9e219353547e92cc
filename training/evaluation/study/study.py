"""Run the comparative study: all detectors over all local data, over seeds where they draw at random, with a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from eddy.training.data.nab import Corpus
from eddy.training.data.recording import Recording
from eddy.training.data.ucr import UcrSeries
from eddy.training.evaluation.result_cache import Cache, fingerprint, result_key
from eddy.training.evaluation.runs import nab, streams, ucr
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.nab import run_entrant
from eddy.training.evaluation.runs.streams import run_over
from eddy.training.evaluation.runs.ucr import locate, recording_of
from eddy.training.evaluation.study import taxi_ranking
from eddy.training.evaluation.study.taxi_ranking import ROWS, rank_taxi

SEEDS = (0, 1, 2)  # for detectors that draw at random
TAXI = "realKnownCause/nyc_taxi.csv"
Notify = Callable[[str, float], None]


def nab_study(cache: Cache, entrants: Sequence[Entrant], corpus: Corpus, notify: Notify) -> list[dict[str, Any]]:
    """Return rows of the NAB table, one per detector and seed."""
    data = fingerprint([Recording.of_nab(s) for s in corpus.series])
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

        rows += cache.rows(f"nab-{entrant.name}-{seed}", result_key(nab, entrant, seed, data), make)
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

            key = result_key(streams, entrant, seed, fingerprint([recording]))
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

            key = result_key(ucr, entrant, seed, fingerprint([recording_of(one)]))
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

            key = result_key(taxi_ranking, entrant, seed, fingerprint([taxi]))
            rows += cache.rows(f"taxi-{entrant.name}-{seed}", key, make)
    return rows


def _turns(entrants: Sequence[Entrant]) -> list[tuple[Entrant, int]]:
    return [(entrant, seed) for entrant in entrants for seed in (SEEDS if entrant.random else SEEDS[:1])]

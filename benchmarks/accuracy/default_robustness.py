"""Measure how robust the default's NAB score is.

    python -m benchmarks.accuracy.default_robustness DATA LABELS [--detector auto] [--draws N]

Prints one JSON object per line, NAB score, standard profile:

- ``perturbed``: every series begins up to 8 % later (no window may reach into its probation part), or gets noise of 0.3
    % of its range, or both; mean and standard deviation over the draws, at each limit.
- ``bootstrap``: the 24 series drawn with replacement, 200 times.
- ``leave-one-group-out``: each group is scored with the configuration and limit that were best on the other groups;
  configurations are all members and all but one (``novelty``: all and each alone, with three lengths of the season),
  with three limits that the peak stage knows.
- ``halves``: the same choice made on a random half of the series and scored on the other half, 100 times.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from eddy.models.core.detector import Bools, Floats
from eddy.models.detectors.auto.detector import MEMBERS
from eddy.training.data.nab import Corpus, LabelledSeries, load_folder, probation_rows
from eddy.training.evaluation.runs.entrant import Entrant

LIMITS = (1.5, 1.65, 1.8, 1.96, 2.1, 2.3, 2.6, 3.0)
SHIPPED = 1.96
LATEST_START, NOISE = 0.08, 0.003  # shares of the length, and of the range between the 5th and the 95th percentile
RESAMPLED, HALVES = 200, 100
PEAK_LIMITS = (1.65, SHIPPED, 2.3)  # that the peak stage knows


def configurations(detector: str) -> list[dict[str, Any]]:
    """Return the parameters that are chosen from, what ships first."""
    if detector == "novelty":
        chosen: list[dict[str, Any]] = [
            {"members": members, "period_hours": hours}
            for hours, members in product((24.0, 12.0, 168.0), ("value,season,rarity", "value", "rarity", "season"))
        ]
    else:
        names = list(MEMBERS)
        fewer = [",".join(name for name in names if name != left_out) for left_out in names]
        chosen = [{"members": members} for members in (",".join(names), *fewer)]
    return [{**params, "limit": limit} for params in chosen for limit in PEAK_LIMITS]


def perturbed(series: LabelledSeries, rng: np.random.Generator, later: bool, noisy: bool) -> LabelledSeries:
    """Cut rows off the start of a series, and add noise; its first window stays out of the part that is not scored."""
    n = len(series.values)
    first = min((a for a, _ in series.windows), default=n)
    most = max((cut for cut in range(int(LATEST_START * n) + 1) if cut + probation_rows(n - cut) <= first), default=0)
    cut = int(rng.uniform(0, most + 1)) if later else 0
    low, high = np.nanpercentile(series.values, (5, 95))
    noise = rng.normal(0, NOISE * (high - low), n) if noisy else 0.0
    windows = tuple((a - cut, b - cut) for a, b in series.windows)
    return LabelledSeries(
        series.name, series.timestamps[cut:], series.ts[cut:], (series.values + noise)[cut:], windows
    )  # fmt: skip


def scores_at(corpus: Corpus, deviates: Sequence[Floats], limit: float) -> tuple[Floats, Floats]:
    """Return (gain of each series, gain of a perfect detector)."""
    raw, perfect = corpus.raw([z >= limit for z in deviates])
    return np.asarray(raw), np.asarray(perfect)


def score(gained: Floats, perfect: Floats) -> float:
    """Return NAB's normalised score of some series."""
    return float(100 * gained.sum() / perfect.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--draws", type=int, default=14)
    parser.add_argument("--detector", choices=("auto", "novelty"), default="auto")
    given = parser.parse_args()
    corpus = Corpus(load_folder(given.data, given.labels))
    _perturbed(Entrant(given.detector, given.detector), corpus, given.draws)
    tables: dict[tuple[int, float], tuple[Floats, Floats]] = {}
    for k, params in enumerate(configurations(given.detector)):
        entrant = Entrant(given.detector, given.detector, params)
        deviates = [entrant.deviates(series) * (params["limit"] / SHIPPED) for series in corpus.series]
        for cut in LIMITS:
            tables[k, cut] = scores_at(corpus, deviates, cut)
    shipped = PEAK_LIMITS.index(SHIPPED)
    gained, perfect = tables[shipped, SHIPPED]
    _tell("shipped", score=score(gained, perfect))
    rng = np.random.default_rng(0)
    n = len(corpus.series)
    drawn = [score(gained[rows], perfect[rows]) for rows in (rng.integers(0, n, n) for _ in range(RESAMPLED))]
    _tell("bootstrap", draws=RESAMPLED, mean=np.mean(drawn), deviation=np.std(drawn, ddof=1))
    groups = np.array([series.group for series in corpus.series])
    total = np.zeros(n)
    for group in np.unique(groups):
        inside = groups == group
        total[inside] = _best(tables, ~inside)[0][inside]
    _tell("leave-one-group-out", configurations=len(tables), score=score(total, perfect))
    found = []
    for _ in range(HALVES):
        half = rng.permutation(n) < n // 2
        own, _ = _best(tables, half)
        if perfect[~half].sum():
            found.append(score(own[~half], perfect[~half]))
    _tell("halves", configurations=len(tables), mean=np.mean(found), deviation=np.std(found, ddof=1))


def _perturbed(entrant: Entrant, corpus: Corpus, draws: int) -> None:
    for how, later, noisy in (("start", True, False), ("noise", False, True), ("both", True, True)):
        by_limit: dict[float, list[float]] = {limit: [] for limit in LIMITS}
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            changed = Corpus([perturbed(series, rng, later, noisy) for series in corpus.series])
            deviates = [entrant.deviates(series) for series in changed.series]
            for limit in LIMITS:
                by_limit[limit].append(score(*scores_at(changed, deviates, limit)))
        for limit, found in by_limit.items():
            spread = {"mean": np.mean(found), "deviation": np.std(found, ddof=1)}
            _tell("perturbed", changed=how, limit=limit, draws=draws, **spread)


def _best(tables: dict[tuple[int, float], tuple[Floats, Floats]], rows: Bools) -> tuple[Floats, Floats]:
    """Return the gain, on all rows, of the configuration that is best on ``rows`` (n,)."""
    return max(tables.values(), key=lambda found: score(found[0][rows], found[1][rows]))


def _tell(what: str, **figures: Any) -> None:
    plain = {name: found if isinstance(found, str) else round(float(found), 2) for name, found in figures.items()}
    print(json.dumps({"what": what, **plain}), flush=True)


if __name__ == "__main__":
    main()

"""Detectors over labelled public sets at their shipped thresholds: one table, with baselines and bootstrap spread.

Protocol: ``docs/evaluation.md``. The first part of a series is for fitting and not scored; every score is causal;
labels only score. Alerts go by strict F1 and false alerts per 1,000 normal rows
(:mod:`eddy.training.evaluation.outside.strict_metrics`), the dense score by VUS-PR, NAB by its own rules, and the UCR
archive also by where the highest score lies.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from eddy.models.core.detector import Floats
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.nab import Corpus
from eddy.training.data.recording import Recording
from eddy.training.evaluation.outside.data_sets import OutsideSet
from eddy.training.evaluation.outside.strict_metrics import (
    StrictCount,
    false_per_thousand,
    strict_count,
    strict_f1,
    vus_pr,
)
from eddy.training.evaluation.result_cache import Cache, fingerprint, result_key
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.fitting.causal_run import CausalRun

UCR_MARGIN = 100  # points around the labelled span that still count, as in the archive's own rules
_DRAWS = 1000  # of series, with replacement
_NO_PROGRESS: Callable[[str, float], None] = lambda what, share: None  # noqa: E731


@dataclass(frozen=True)
class SeriesOutcome:
    """One series: its alerts, VUS-PR of the dense score (NaN: one class only), whether its anomaly was located."""

    series: str
    count: StrictCount
    vus_pr: float
    placed: bool | None
    seconds: float
    rows: int
    note: str = ""


@dataclass(frozen=True)
class SetOutcome:
    """One detector on one set.

    Attributes:
        detector, data: names.
        f1: strict, of all series together.
        f1_spread: 10th and 90th percentile over bootstrap draws of series.
        f1_beyond: the same percentiles of the difference to the first entrant on equal draws; None for the first.
        false_per_thousand: false alerts per 1,000 normal rows.
        vus_pr: mean over the series that have both classes.
        placed: share of the series whose highest score lies at the anomaly; None outside of the UCR archive.
        nab: NAB's score, standard profile, at the shipped threshold; None for other sets.
        points_per_second: values scored, all features, fitting included.
        series: each one's outcome.
    """

    detector: str
    data: str
    f1: float
    f1_spread: tuple[float, float]
    f1_beyond: tuple[float, float] | None
    false_per_thousand: float
    vus_pr: float
    placed: float | None
    nab: float | None
    points_per_second: float
    series: tuple[SeriesOutcome, ...] = field(repr=False, default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SetOutcome:
        """Read what :meth:`to_json` wrote; numbers that JSON cannot hold came as null."""

        def number(value: float | None) -> float:
            return np.nan if value is None else value

        series = [
            SeriesOutcome(**{**one, "count": StrictCount(**one["count"]), "vus_pr": number(one["vus_pr"])})
            for one in values["series"]
        ]
        low, high = values["f1_spread"]
        own = {"f1": number(values["f1"]), "f1_spread": (number(low), number(high)), "vus_pr": number(values["vus_pr"])}
        return cls(**{**values, **own, "series": tuple(series)})


def run_set(
    entrants: Sequence[Entrant],
    data: OutsideSet,
    seed: int = 0,
    progress: Callable[[str, float], None] = _NO_PROGRESS,
    cache: Cache | None = None,
) -> list[SetOutcome]:
    """Every detector over one set; the first one is what the others' differences are paired with.

    Args:
        entrants, data: detectors and set.
        seed: of the detectors that draw at random.
        progress: gets what is done and the share that is done.
        cache: of earlier results, and for those of now.
    """
    outcomes: list[SetOutcome] = []
    known = fingerprint(data.recordings) if cache else ""
    for i, entrant in enumerate(entrants):

        def make(entrant: Entrant = entrant, done: int = i) -> SetOutcome:
            def notify(share: float) -> None:
                progress(f"{data.name}: {entrant.name}", (done + share) / len(entrants))

            return _run(entrant, data, seed, notify)

        outcome = make() if cache is None else _stored(cache, entrant, data.name, seed, known, make)
        outcomes.append(_paired(outcome, outcomes[0]) if outcomes else outcome)
    return outcomes


def _stored(
    cache: Cache, entrant: Entrant, data: str, seed: int, known: str, make: Callable[[], SetOutcome]
) -> SetOutcome:
    key = result_key(sys.modules[__name__], entrant, seed, known)
    rows = cache.rows(f"{data}-{entrant.name}-{seed}", key, lambda: make().to_json())
    return SetOutcome.from_json(rows[0])


def _run(entrant: Entrant, data: OutsideSet, seed: int, progress: Callable[[float], None]) -> SetOutcome:
    series: list[SeriesOutcome] = []
    opened = []
    for k, recording in enumerate(data.recordings):
        progress(k / len(data.recordings))
        began = time.perf_counter()
        run = entrant.run(recording, seed)
        spent = time.perf_counter() - began
        opened.append(run.alerts)
        series.append(_series_outcome(recording, run, _dense(entrant, recording, run, seed), data.located, spent))
    nab = Corpus(list(data.nab)).score(opened) if data.nab else None
    return _summary(entrant.name, data, series, nab)


def _dense(entrant: Entrant, recording: Recording, run: CausalRun, seed: int) -> CausalRun:
    """The same detector with the score that ranks, where it has one beside the score that alerts."""
    params = getattr(type(run.detector), "dense", None)
    if params is None:
        return run
    return replace(entrant, params={**entrant.params, **params}).run(recording, seed)


def _series_outcome(
    recording: Recording, run: CausalRun, dense: CausalRun, located: bool, seconds: float
) -> SeriesOutcome:
    truth = recording.truth
    return SeriesOutcome(
        recording.name,
        strict_count(truth, run.deviates >= DEFAULT_LIMIT, recording.start),
        vus_pr(truth, dense.raw, recording.values, recording.start),
        _placed(recording, dense) if located else None,
        seconds,
        len(recording.ts),
        "; ".join(run.notes[:1]),
    )


def _placed(recording: Recording, run: CausalRun) -> bool:
    """Tell whether the highest score is within :data:`UCR_MARGIN` of the anomaly; a long span counts by its middle."""
    scores = np.nan_to_num(run.raw[recording.start :], nan=-np.inf)
    if not np.isfinite(scores).any():
        return False
    span = run.detector.attribution_span if run.detector is not None else 1
    found = recording.start + int(np.argmax(scores)) - span // 2
    event = recording.events[0]
    return event.first - UCR_MARGIN <= found <= event.last + UCR_MARGIN


def _summary(name: str, data: OutsideSet, series: Sequence[SeriesOutcome], nab: float | None) -> SetOutcome:
    counts = [one.count for one in series]
    volumes = np.array([one.vus_pr for one in series])
    placed = float(np.mean([bool(one.placed) for one in series])) if data.located else None
    values = sum(recording.values.size for recording in data.recordings)
    return SetOutcome(
        name,
        data.name,
        strict_f1(counts),
        _percentiles(_draws(counts)),
        None,
        false_per_thousand(counts),
        float(np.nanmean(volumes)) if np.isfinite(volumes).any() else float("nan"),
        placed,
        nab,
        values / max(sum(one.seconds for one in series), 1e-9),
        tuple(series),
    )


def _paired(outcome: SetOutcome, baseline: SetOutcome) -> SetOutcome:
    ours, theirs = (_draws([series.count for series in one.series]) for one in (outcome, baseline))
    return replace(outcome, f1_beyond=_percentiles(ours - theirs))


def _draws(counts: Sequence[StrictCount]) -> Floats:
    """(draws,) strict F1 of as many series drawn with replacement; the same draws for every detector of a set."""
    table = np.array([(c.found, c.false, c.events) for c in counts], float)
    chosen = np.random.default_rng(len(counts)).integers(0, len(counts), (_DRAWS, len(counts)))
    found, false, events = table[chosen].sum(axis=1).T
    return np.asarray(np.where(events > 0, 2 * found / np.maximum(found + false + events, 1.0), np.nan))


def _percentiles(draws: Floats) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    return (float(np.percentile(known, 10)), float(np.percentile(known, 90))) if len(known) else (np.nan, np.nan)

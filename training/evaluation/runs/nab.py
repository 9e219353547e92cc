"""Run detectors over a folder of NAB-format series: write result files, and rank them by NAB's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eddy.models.core.detector import Floats
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.nab import PROFILES, STANDARD, Corpus, write_result
from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.summary import Figures, figures
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.resources import Cost, measured
from eddy.training.fitting.causal_run import CausalRun

_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class NabResult:
    """Hold the figures of one detector.

    Attributes:
        detector: its name in the line-up.
        tuned: profile -> (threshold on the deviate, NAB score) with one threshold for all series, tuned on the labels
            as the published scoreboard does.
        shipped: profile -> NAB score with the shipped threshold, which was not tuned on labels.
        held_out: NAB score, standard profile, if each group's threshold is tuned on the other groups only.
        found: windows with at least one alert, of ``windows``; shipped threshold, as for the next three.
        windows: anomaly windows in all series.
        alerts: rows with an alert.
        false_rows: number of these outside every window.
        false_per_day: the same over all series, per day of one series.
        seconds: wall clock for all series.
        per_series: series -> NAB raw score over the perfect one's, NaN if a series has no window.
    """

    detector: str
    tuned: dict[str, tuple[float, float]]
    shipped: dict[str, float]
    held_out: float
    found: int
    windows: int
    alerts: int
    false_rows: int
    false_per_day: float
    seconds: float
    per_series: dict[str, float] = field(default_factory=dict)


def to_unit(deviates: Floats, limit: float = DEFAULT_LIMIT) -> Floats:
    """Map deviates to NAB's anomaly scores in [0, 1): z / (z + limit), so that 0.5 is the shipped threshold."""
    known = np.maximum(np.nan_to_num(deviates, posinf=1e12), 0.0)
    return np.asarray(known / (known + limit))


@dataclass(frozen=True)
class NabRun:
    """Hold a detector's run over the whole folder: NAB's figures, all others, and the run over each series."""

    result: NabResult
    figures: Figures
    runs: list[CausalRun]
    cost: Cost

    @property
    def notes(self) -> list[str]:
        """Return the notes for readers, each sentence once."""
        return list(dict.fromkeys(note for run in self.runs for note in run.notes))


def run_entrant(
    entrant: Entrant,
    corpus: Corpus,
    out: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    seed: int = 0,
) -> NabRun:
    """Run one detector causally over every series; write result files under ``out`` if it is given."""
    recordings = [Recording.of_nab(series) for series in corpus.series]
    runs = []
    with measured() as cost:
        for i, recording in enumerate(recordings):
            if progress is not None:
                progress(f"{entrant.name}: {recording.name}", i / len(recordings))
            runs.append(entrant.run(recording, seed))
    if out is not None:
        for series, run in zip(corpus.series, runs, strict=True):
            write_result(out, entrant.name, series, to_unit(run.opening))
    result = summarise(entrant.name, corpus, [run.opening for run in runs], cost.seconds)
    return NabRun(result, figures(recordings, runs), runs, cost)


def summarise(name: str, corpus: Corpus, deviates: Sequence[Floats], seconds: float) -> NabResult:
    """Compute the figures of one detector from its deviates, in which an alert is the row that opens an incident."""
    alerts = [z >= DEFAULT_LIMIT for z in deviates]
    raw, perfect = corpus.raw(alerts)
    found = false_rows = rows = 0
    days = 0.0
    for series, alert in zip(corpus.series, alerts, strict=True):
        scored = alert.copy()
        scored[: series.probation] = False
        inside = np.zeros(len(scored), bool)
        for left, right in series.windows:
            inside[left : right + 1] = True
            found += bool(scored[left : right + 1].any())
        false_rows += int((scored & ~inside).sum())
        rows += int(scored.sum())
        days += float(series.ts[-1] - series.ts[series.probation]) / _MS_PER_DAY
    return NabResult(
        name,
        {profile.name: corpus.sweep(deviates, profile) for profile in PROFILES},
        {profile.name: corpus.score(alerts, profile) for profile in PROFILES},
        leave_one_group_out(corpus, deviates),
        found,
        corpus.windows,
        rows,
        false_rows,
        false_rows / days if days > 0 else float("nan"),
        seconds,
        {
            series.name: float(100 * r / p) if p else float("nan")
            for series, r, p in zip(corpus.series, raw, perfect, strict=True)
        },
    )


def leave_one_group_out(corpus: Corpus, deviates: Sequence[Floats]) -> float:
    """Return the NAB score, standard profile, with each group's threshold chosen as the best on the other groups."""
    groups = sorted({series.group for series in corpus.series})
    if len(groups) < 2:
        return float("nan")
    raw = perfect = 0.0
    for group in groups:
        inside = [i for i, s in enumerate(corpus.series) if s.group == group]
        outside = [i for i in range(len(corpus.series)) if i not in inside]
        threshold, _ = Corpus([corpus.series[i] for i in outside]).sweep([deviates[i] for i in outside])
        one = Corpus([corpus.series[i] for i in inside])
        gained, best = one.raw([deviates[i] >= threshold for i in inside], STANDARD)
        raw, perfect = raw + float(gained.sum()), perfect + float(best.sum())
    return 100.0 * raw / perfect if perfect else float("nan")

"""Measure what another detector adds to the default on NAB, as a member of an ensemble or alone.

    python -m benchmarks.accuracy.default_members DATA LABELS [--detector NAME …] [--seed N]

``DATA`` is a folder in NAB's layout. Each entrant of the line-up is fitted once per series, on the probation part, and
joins ``novelty`` in an ensemble that takes the larger deviate and keeps one alert per event. The rows differ in the
weight of its deviates and in whether the season's gate has to be open for them to count. Prints one JSON object per
row: NAB score, standard profile, at 1.96, at the threshold tuned on the labels, and at those tuned on other groups.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from eddy.models.core.detector import Detector, Floats, Ints, Series
from eddy.models.detectors.ensemble.detector import EnsembleDetector
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.nab import Corpus, load_folder
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.runs.nab import summarise
from eddy.training.fitting.causal_run import NAME, raw_scores

CANDIDATES = (
    "isolation-forest", "dmd", "zscore", "lstm-autoencoder", "lstm-encdec", "lstm-repeat-vector"
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """Set the weights of the two; a weight of 0 leaves one out."""

    name: str
    default: float
    other: float
    gate: str = ""


WAYS = (
    Way("the default alone", 1.0, 0.0),
    Way("alone", 0.0, 1.0),
    Way("alone, gated", 0.0, 1.0, "season"),
    Way("beside the default", 1.0, 1.0),
    Way("beside the default, its deviates halved", 1.0, 0.5),
    Way("beside the default, gated", 1.0, 1.0, "season"),
    Way("beside the default, gated and halved", 1.0, 0.5, "season"),
)


def fitted(entrant: Entrant, recording: Recording, seed: int) -> EnsembleDetector:
    """Fit the default and the entrant on the start of a series."""
    head = Series(NAME, recording.ts[: recording.start], recording.values[: recording.start],
                  np.zeros(recording.start, bool))  # fmt: skip
    other = {"kind": entrant.kind, "params": dict(entrant.params), "window": entrant.window}
    params = {"rule": "max", "peaks": True, "members": [{"kind": "novelty"}, other]}
    interval = round(recording.interval_ms)
    detector, _ = EnsembleDetector.fit([head], replace(entrant.spec(recording), interval_ms=interval), params, seed)
    assert isinstance(detector, EnsembleDetector)
    for member in detector.detectors:
        vars(member)["score_series"] = _remembered(member)  # every combination needs the same scores
    return detector


def _remembered(member: Detector) -> Callable[[str, Ints, Floats], Floats]:
    ask, known = member.score_series, dict[tuple[str, int], Floats]()

    def score_series(name: str, ts: Ints, values: Floats) -> Floats:
        key = (name, len(ts))
        if key not in known:
            known[key] = ask(name, ts, values)
        return known[key]

    return score_series


def weighed(detector: EnsembleDetector, way: Way) -> EnsembleDetector:
    """Return the same fitted members, or one of them, with other weights."""
    weights = (way.default, way.other)
    kept = [m for m, weight in enumerate(weights) if weight > 0]
    members = [replace(detector.members[m], weight=weights[m], gate=way.gate if m else "") for m in kept]
    arrays, _ = detector.to_state()
    moments = arrays["ensemble.prior"].reshape(len(arrays["ensemble.prior"]), len(weights), -1)[:, kept]
    arrays |= {"ensemble.prior": moments.reshape(len(moments), -1), "ensemble.floors": arrays["ensemble.floors"][kept]}
    detectors = [detector.detectors[m] for m in kept]
    return EnsembleDetector(detector.spec, detector.params, members, detectors, detector.names, arrays)


def deviates(detector: EnsembleDetector, recording: Recording) -> Floats:
    """Return (n,) scores, 0 in the start-up part."""
    begin = recording.start if detector.continues else 0
    scores = np.zeros(len(recording.ts))
    scores[begin:] = np.nan_to_num(raw_scores(detector, recording.ts[begin:], recording.values[begin:]))
    scores[: recording.start] = 0.0
    return np.maximum(scores * (DEFAULT_LIMIT / detector.params.limit), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--detector", action="append")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    corpus = Corpus(load_folder(given.data, given.labels))
    recordings = [Recording.of_nab(series) for series in corpus.series]
    for entrant in entrants(given.detector or CANDIDATES):
        found: dict[str, list[Floats]] = {way.name: [] for way in WAYS}
        for recording in recordings:
            detector = fitted(entrant, recording, given.seed)
            for way in WAYS:
                found[way.name].append(deviates(weighed(detector, way), recording))
        for way in WAYS:
            result = summarise(entrant.name, corpus, found[way.name], 0.0)
            row = {
                "detector": entrant.name, "way": way.name, "seed": given.seed,
                "shipped": round(result.shipped["standard"], 1), "tuned": round(result.tuned["standard"][1], 1),
                "other_groups": round(result.held_out, 1), "found": result.found, "false_rows": result.false_rows,
            }  # fmt: skip
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
